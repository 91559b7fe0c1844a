//! An assertion of our own, signed with RS256 (RFC 7515, RFC 7523): how a service account asks for a
//! token. Nothing else is signed by us as a JWT.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::secret::SecretString;

/// Why nothing can be signed. Holds nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key is no RSA key in PKCS #8 form")]
pub struct KeyFault;

/// A private RSA key.
pub struct AssertionKey(RsaKeyPair);

impl AssertionKey {
    /// From PEM text with the label `PRIVATE KEY` (RFC 7468 section 10).
    pub fn parse(pem: &str) -> Result<Self, KeyFault> {
        const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
        const END: &str = "-----END PRIVATE KEY-----";
        let (_, rest) = pem.split_once(BEGIN).ok_or(KeyFault)?;
        let (body, _) = rest.split_once(END).ok_or(KeyFault)?;
        let mut text = Zeroizing::new(Vec::with_capacity(body.len()));
        text.extend(body.bytes().filter(|b| !b.is_ascii_whitespace()));
        let der = Zeroizing::new(BASE64.decode(&text).map_err(|_| KeyFault)?);
        RsaKeyPair::from_pkcs8(&der).map(Self).map_err(|_| KeyFault)
    }

    /// The claims, signed, in compact form.
    pub fn sign(&self, key_id: &str, claims: &Value) -> Result<SecretString, KeyFault> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key_id });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut text = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .map_err(|_| KeyFault)?;
        text.push('.');
        text.push_str(&BASE64URL_NOPAD.encode(&signature));
        Ok(SecretString::new(text))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::KeySize,
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
    };

    use super::*;

    #[test]
    fn what_was_signed_verifies_with_the_public_key() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64.encode(der.as_ref())
        );
        let key = AssertionKey::parse(&pem).unwrap();
        let text = key.sign("key-1", &json!({ "iss": "a" })).unwrap();
        let (signed, signature) = text.expose().rsplit_once('.').unwrap();
        let public = pair.public_key();
        let components = RsaPublicKeyComponents {
            n: public.modulus().big_endian_without_leading_zero(),
            e: public.exponent().big_endian_without_leading_zero(),
        };
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let checked = components.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature);
        assert!(checked.is_ok());
        let header = signed.split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            header,
            json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [
            "",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
        ] {
            assert!(AssertionKey::parse(bad).is_err(), "{bad}");
        }
    }
}
