//! Files that are made and never overwritten.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::failure::Failure;

/// Writes a new file with this mode; refuses when anything has that name, a link included.
pub fn create(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(cannot(path, &error)),
    }
}

/// Opens a new file with this mode; refuses as [`create`] does.
pub fn open(path: &Path, mode: u32) -> Result<File, Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    opened.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            exists(path)
        } else {
            cannot(path, &error)
        }
    })
}

/// Something has that name already.
pub fn exists(path: &Path) -> Failure {
    Failure::failed(format_args!(
        "{} exists and is not overwritten",
        path.display()
    ))
    .fix("choose another name, or move it away yourself")
}

/// The system said no.
pub fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format_args!("cannot create {}: {error}", path.display()))
}
