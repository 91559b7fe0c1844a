//! The texts people hold as credentials: a prefix that names the kind, 256 random bits, a checksum.
//!
//! A token in memory proves nothing but its form; whether it is known, the store says.

use super::base62;
use crate::{entropy::Entropy, secret::SecretString};

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(SecretString);

        impl $name {
            /// What the text begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new one: 256 random bits.
            pub fn generate(entropy: &dyn Entropy) -> Self {
                Self(base62::generate(Self::PREFIX, entropy))
            }

            /// Are prefix, length, alphabet and checksum right? Cheap, and asks nobody.
            pub fn is_well_formed(text: &str) -> bool {
                base62::is_valid(Self::PREFIX, text)
            }

            /// From what somebody presented; none unless prefix, length, alphabet and checksum
            /// are right.
            pub fn parse(text: &str) -> Option<Self> {
                base62::is_valid(Self::PREFIX, text).then(|| Self(SecretString::new(text.to_owned())))
            }

            /// Prefix, first four and last four characters of the body, for people to recognise.
            pub fn hint(&self) -> String {
                base62::hint(Self::PREFIX, self.0.expose())
            }

            /// The whole text. Never pass it to a formatter or a serializer but to show it once.
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
        }
    )*};
}

tokens! {
    /// A license key, as the customer puts it into an MCP client.
    LicenseKey = "wgl_";
    /// An access token: what a connected client sends with every request.
    AccessToken = "wga_";
    /// A refresh token: what a client gets its next access token with. Used once.
    RefreshToken = "wgr_";
    /// An authorization code: what a client gets its first tokens with. Used once, within a minute.
    AuthorizationCode = "wgc_";
    /// The id of an OAuth client that we made. Public.
    ClientId = "wgi_";
    /// The secret of a confidential client.
    ClientSecret = "wgs_";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_key_has_the_documented_form() {
        let key = LicenseKey::generate(&SeededEntropy::new(1));
        assert_eq!(key.expose().len(), 53);
        assert!(key.expose().starts_with("wgl_"));
        let again = LicenseKey::parse(key.expose()).unwrap();
        assert_eq!(again.expose(), key.expose());
        let body = &key.expose()[4..47];
        assert_eq!(key.hint(), format!("wgl_{}…{}", &body[..4], &body[39..]));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let key = LicenseKey::generate(&SeededEntropy::new(1));
        for bad in [
            String::new(),
            "wgl_".to_owned(),
            key.expose().to_uppercase(),
            format!("{} ", key.expose()),
            format!(" {}", key.expose()),
            key.expose().replacen("wgl_", "wga_", 1),
        ] {
            assert!(LicenseKey::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let key = LicenseKey::generate(&SeededEntropy::new(1));
        assert!(!format!("{key:?}").contains(&key.expose()[4..12]));
    }
}
