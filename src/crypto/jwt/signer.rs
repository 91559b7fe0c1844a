//! For tests: somebody who signs tokens, with keys of every type.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::Algorithm;

/// A key pair and what is published of it.
pub struct Signer {
    pair: Pair,
    algorithm: Algorithm,
    /// The public key as a JSON Web Key.
    pub jwk: Value,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(*encoding, &random, message, &mut signature);
                signed.unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

impl Signer {
    /// A new key for this algorithm; P-384 and the longer hashes are not made.
    pub fn new(algorithm: Algorithm, id: &str) -> Self {
        let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let public = pair.public_key();
            let n = public.modulus().big_endian_without_leading_zero().to_vec();
            let e = public.exponent().big_endian_without_leading_zero().to_vec();
            let jwk = json!({ "kty": "RSA", "n": b64(&n), "e": b64(&e) });
            (Pair::Rsa(Box::new(pair), encoding), jwk)
        };
        let (pair, mut jwk) = match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Es256 => {
                let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let der = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(signing, der.as_ref()).unwrap();
                let point = pair.public_key().as_ref();
                let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
                let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
                (Pair::P256(pair), jwk)
            }
            Algorithm::EdDsa => {
                let der = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
                let x = b64(pair.public_key().as_ref());
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
                (Pair::Ed25519(pair), jwk)
            }
            Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Es384 => panic!("not made"),
        };
        jwk["kid"] = json!(id);
        Self {
            pair,
            algorithm,
            jwk,
        }
    }

    /// The set with this one key, as it is published.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// A token with these claims and the usual header.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm.as_str(), "kid": self.jwk["kid"] });
        self.sign_as(&header, claims)
    }

    /// A token with any header; the signature is good whatever it says.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = BASE64URL_NOPAD.encode(&self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}
