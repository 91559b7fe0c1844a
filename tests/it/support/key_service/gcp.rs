//! Google Cloud KMS, with the token server of service accounts and a machine's metadata server.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use serde_json::{Value, json};

use super::{Asked, Shared, Trouble};

pub(crate) const KEY: &str = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/wicketgate";
const ACCOUNT: &str = "gateway@p.iam.gserviceaccount.com";
const BEARER: &str = "ya29.canary-token";

static PAIR: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// The JSON key file of a service account whose tokens come from `origin`.
pub(crate) fn key_file(origin: &str) -> String {
    let der: Pkcs8V1Der<'_> = PAIR.as_der().unwrap();
    let text = BASE64.encode(der.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|l| str::from_utf8(l).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    );
    json!({
        "type": "service_account",
        "client_email": ACCOUNT,
        "private_key_id": "kid-1",
        "private_key": pem,
        "token_uri": format!("{origin}/token"),
    })
    .to_string()
}

/// Castagnoli by a table, unlike the code under test.
fn checksum(bytes: &[u8]) -> String {
    let table: Vec<u32> = (0..256_u32)
        .map(|n| {
            (0..8).fold(n, |c, _| {
                if c & 1 == 1 {
                    0x82f6_3b78 ^ (c >> 1)
                } else {
                    c >> 1
                }
            })
        })
        .collect();
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        table[usize::from(u8::try_from(crc & 0xff).unwrap() ^ byte)] ^ (crc >> 8)
    });
    (!crc).to_string()
}

fn error(code: u16, status: &str) -> (u16, Value) {
    let said = json!({ "code": code, "status": status, "message": "CANARY-said" });
    (code, json!({ "error": said }))
}

fn token(shared: &Shared, asked: &Asked) -> (u16, Value) {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body)
        .into_owned()
        .collect();
    let field = |name: &str| {
        form.iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(
        asked.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        field("grant_type"),
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let assertion = field("assertion");
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PAIR.public_key().as_ref());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    public.verify(message.as_bytes(), &signature).unwrap();
    let part = |text: &str| -> Value {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
    };
    let (head, claims) = message.split_once('.').unwrap();
    assert_eq!(
        part(head),
        json!({ "alg": "RS256", "typ": "JWT", "kid": "kid-1" })
    );
    let claims = part(claims);
    assert_eq!(claims["iss"], ACCOUNT);
    assert_eq!(claims["aud"], format!("{}/token", shared.own));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloudkms");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=3600).contains(&life));
    (
        200,
        json!({ "access_token": BEARER, "expires_in": 3599, "token_type": "Bearer" }),
    )
}

pub(super) fn answer(shared: &Shared, asked: &Asked, trouble: Trouble) -> (u16, Value) {
    if asked.path == "/token" {
        return token(shared, asked);
    }
    if asked.path == "/computeMetadata/v1/instance/service-accounts/default/token" {
        assert_eq!(asked.method, Method::GET);
        assert_eq!(asked.header("metadata-flavor"), "Google");
        return (200, json!({ "access_token": BEARER, "expires_in": 3000 }));
    }
    if asked.header("authorization") != format!("Bearer {BEARER}") {
        return error(401, "UNAUTHENTICATED");
    }
    let Some(operation) = asked.path.strip_prefix(&format!("/v1/{KEY}:")) else {
        return error(404, "NOT_FOUND");
    };
    if trouble == Trouble::WrongType {
        return error(400, "FAILED_PRECONDITION");
    }
    let body = asked.json();
    let bytes = |name: &str| {
        let bytes = BASE64
            .decode(body[name].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(body[format!("{name}Crc32c")], checksum(&bytes), "{name}");
        bytes
    };
    let sum = |bytes: &[u8]| {
        if matches!(trouble, Trouble::Damages) {
            checksum(&[bytes, b"x"].concat())
        } else {
            checksum(bytes)
        }
    };
    let place = bytes("additionalAuthenticatedData");
    match operation {
        "encrypt" => {
            let sealed = shared.seal(trouble, &place, &bytes("plaintext"));
            let answer = json!({
                "name": format!("{KEY}/cryptoKeyVersions/1"),
                "ciphertext": BASE64.encode(&sealed),
                "ciphertextCrc32c": sum(&sealed),
                "verifiedPlaintextCrc32c": true,
                "verifiedAdditionalAuthenticatedDataCrc32c": true,
            });
            (200, answer)
        }
        "decrypt" => match shared.open(trouble, &place, &bytes("ciphertext")) {
            Some(open) => {
                let answer = json!({
                    "plaintext": BASE64.encode(&open),
                    "plaintextCrc32c": sum(&open),
                });
                (200, answer)
            }
            None => error(400, "INVALID_ARGUMENT"),
        },
        _ => error(404, "NOT_FOUND"),
    }
}
