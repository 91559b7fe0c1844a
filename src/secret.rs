//! Values that must not leave the process by accident.

mod json;

use std::fmt;

use zeroize::Zeroize;

pub use self::json::{SecretJson, wipe};

/// A secret: wiped when dropped, printed as dots, never cloned or serialised.
///
/// The only way to the value is [`Secret::expose`], which is easy to search for.
pub struct Secret<T: Zeroize>(T);

/// Secret text, such as a token or a password.
pub type SecretString = Secret<String>;

/// Secret bytes, such as a key.
pub type SecretBytes = Secret<Vec<u8>>;

impl<T: Zeroize> Secret<T> {
    /// Takes the value over; the caller keeps no copy.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Never pass it to a formatter or a serializer.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("CANARY".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "CANARY");
    }
}
