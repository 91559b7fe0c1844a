//! Secrets as they come in: piped, from a file, or typed without an echo. Never an argument.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use zeroize::{Zeroize, Zeroizing};

use super::failure::Failure;
use crate::secret::{Secret, SecretString};

/// Longest secret that is read.
const MAX: usize = 64 * 1024;

/// Reads a secret from `file`, or from standard input when there is none. One newline at the end
/// is dropped.
pub fn read_secret(file: Option<&Path>, prompt: &str) -> Result<SecretString, Failure> {
    match file {
        Some(path) => {
            let file = File::open(path).map_err(|error| {
                Failure::failed(format_args!("cannot read {}: {error}", path.display()))
            })?;
            read(file)
        }
        None if io::stdin().is_terminal() => {
            let mut typed = rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| {
                Failure::failed(format_args!("cannot read the secret: {error}"))
            })?;
            let secret = read(typed.as_bytes());
            typed.zeroize();
            secret
        }
        None => read(io::stdin().lock()),
    }
}

fn read(source: impl Read) -> Result<SecretString, Failure> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX + 1));
    source
        .take(MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format_args!("cannot read the secret: {error}")))?;
    if bytes.len() > MAX {
        return Err(Failure::failed("the secret is longer than 64 KiB"));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Failure::failed("the secret is empty")
            .fix("pipe it, name a file with --file, or type it at the prompt"));
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(Failure::failed("the secret is not UTF-8 text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_dropped() {
        let read = |bytes: &[u8]| super::read(bytes).map(|secret| secret.expose().clone());
        assert_eq!(read(b"key\n").unwrap(), "key");
        assert_eq!(read(b"key\r\n").unwrap(), "key");
        assert_eq!(read(b"key\n\n").unwrap(), "key\n");
        assert_eq!(read(b" key ").unwrap(), " key ");
        assert!(read(b"").is_err());
        assert!(read(b"\xff").is_err());
        assert!(read(b"\n").is_err());
        assert!(read(&vec![b'x'; MAX + 1]).is_err());
    }
}
