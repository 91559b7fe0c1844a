//! Reads a master key from a file, and refuses a file that others could read or replace.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};

use zeroize::Zeroize;

use crate::secret::SecretString;

/// More than any key needs; a wrong path must not fill the memory.
const LONGEST: u64 = 1024;

/// Why a key file is not read. The path is for the caller to name.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there or cannot be opened.
    #[error("cannot be read: {}", .0.kind())]
    Io(std::io::Error),
    /// A symbolic link, a directory, a device or a pipe.
    #[error("is not a regular file; links are not followed")]
    NotRegular,
    /// Group or others have a right to it.
    #[error("has mode {0:04o}; a key file must have mode 0600: chmod 600 FILE")]
    Open(u32),
    /// Somebody else owns it.
    #[error("belongs to user {owner}, but this process runs as user {process}")]
    Owner {
        /// The file's owner.
        owner: u32,
        /// The user this process acts as.
        process: u32,
    },
    /// It was replaced while it was opened.
    #[error("changed while it was opened")]
    Changed,
    /// It is larger than a key or holds no text.
    #[error("does not hold a key: expected one line of text")]
    NotText,
}

/// The text of the file, without the newline at its end.
///
/// The file must be regular, owned by the user the process acts as, and closed to everybody else.
pub fn read_key_file(path: &Path) -> Result<SecretString, KeyFileError> {
    let named = fs::symlink_metadata(path).map_err(KeyFileError::Io)?;
    if !named.file_type().is_file() {
        return Err(KeyFileError::NotRegular);
    }
    let file = File::open(path).map_err(KeyFileError::Io)?;
    // What counts is the file that was opened: the name may have been given to another since.
    let opened = file.metadata().map_err(KeyFileError::Io)?;
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) || !opened.file_type().is_file() {
        return Err(KeyFileError::Changed);
    }
    let mode = opened.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open(mode));
    }
    check_owner(opened.uid(), process_user().map_err(KeyFileError::Io)?)?;
    // Allocated once: a growing buffer would leave copies behind.
    let mut text = String::with_capacity(2048);
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    if read.is_err() || text.len() as u64 > LONGEST {
        text.zeroize();
        return Err(KeyFileError::NotText);
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(SecretString::new(text))
}

fn check_owner(owner: u32, process: u32) -> Result<(), KeyFileError> {
    if owner == process {
        Ok(())
    } else {
        Err(KeyFileError::Owner { owner, process })
    }
}

/// The effective user id. The kernel tells it in `/proc/self/status`; where there is no such file,
/// the owner of a file we make tells it.
fn process_user() -> Result<u32, std::io::Error> {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        // Real, effective, saved, file system (proc_pid_status(5)).
        let effective = uids.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        return effective.ok_or_else(|| std::io::ErrorKind::InvalidData.into());
    }
    let name = format!("wicketgate-{}.owner", std::process::id());
    let path = std::env::temp_dir().join(name);
    let owner = File::create_new(&path).and_then(|file| Ok(file.metadata()?.uid()));
    let removed = fs::remove_file(&path);
    let owner = owner?;
    removed.map(|()| owner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file_with(mode: u32, text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_closed_file_of_ours_is_read() {
        let (_dir, path) = file_with(0o600, b"wgk_text\n");
        assert_eq!(read_key_file(&path).unwrap().expose(), "wgk_text");
        let (_dir, path) = file_with(0o400, b"wgk_text");
        assert_eq!(read_key_file(&path).unwrap().expose(), "wgk_text");
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        for mode in [0o644, 0o640, 0o601, 0o620] {
            let (_dir, path) = file_with(mode, b"wgk_text");
            let error = read_key_file(&path).unwrap_err();
            assert!(
                matches!(error, KeyFileError::Open(m) if m == mode),
                "{error}"
            );
        }
    }

    #[test]
    fn links_directories_and_large_files_are_refused() {
        let (dir, path) = file_with(0o600, b"wgk_text");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(
            read_key_file(&link),
            Err(KeyFileError::NotRegular)
        ));
        assert!(matches!(
            read_key_file(dir.path()),
            Err(KeyFileError::NotRegular)
        ));
        let (_dir, path) = file_with(0o600, &[b'a'; 1025]);
        assert!(matches!(read_key_file(&path), Err(KeyFileError::NotText)));
        let (_dir, path) = file_with(0o600, &[0xff; 10]);
        assert!(matches!(read_key_file(&path), Err(KeyFileError::NotText)));
        let missing = dir.path().join("missing");
        assert!(matches!(read_key_file(&missing), Err(KeyFileError::Io(_))));
    }

    #[test]
    fn the_owner_must_be_the_processs_user() {
        let (_dir, path) = file_with(0o600, b"wgk_text");
        let ours = fs::metadata(&path).unwrap().uid();
        assert_eq!(process_user().unwrap(), ours);
        assert!(matches!(
            check_owner(ours + 1, ours),
            Err(KeyFileError::Owner { .. })
        ));
    }
}
