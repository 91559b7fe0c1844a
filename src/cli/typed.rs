//! Secrets as they come in: piped, from a file, or typed without an echo. Never an argument.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use zeroize::{Zeroize, Zeroizing};

use super::failure::Failure;
use crate::secret::{Secret, SecretBytes};

/// Longest secret that is read.
const MAX: usize = 64 * 1024;

/// Reads a secret from `file`, or from standard input when there is none. One newline at the end
/// is dropped.
pub fn read_secret(file: Option<&Path>, prompt: &str) -> Result<SecretBytes, Failure> {
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

fn read(source: impl Read) -> Result<SecretBytes, Failure> {
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
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_dropped() {
        let read = |bytes: &[u8]| super::read(bytes).map(|secret| secret.expose().clone());
        assert_eq!(read(b"key\n").unwrap(), b"key");
        assert_eq!(read(b"key\r\n").unwrap(), b"key");
        assert_eq!(read(b"key\n\n").unwrap(), b"key\n");
        assert_eq!(read(b" key ").unwrap(), b" key ");
        assert!(read(b"").is_err());
        assert!(read(b"\n").is_err());
        assert!(read(&vec![b'x'; MAX + 1]).is_err());
    }
}
