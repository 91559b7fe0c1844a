//! The transit engine of a Vault.

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};

use super::{Asked, Shared, Trouble};

pub(crate) const TOKEN: &str = "hvs.canary-token-4711";
pub(crate) const KEY: &str = "wicketgate";
pub(crate) const NAMESPACE: &str = "team/a";

fn errors(status: u16, said: &str) -> (u16, Value) {
    (status, json!({ "errors": [said] }))
}

pub(super) fn answer(shared: &Shared, asked: &Asked, trouble: Trouble) -> (u16, Value) {
    if asked.header("x-vault-token") != TOKEN || asked.header("x-vault-namespace") != NAMESPACE {
        return errors(403, "permission denied");
    }
    let operation = match asked.path.strip_prefix("/v1/keys/transit/") {
        Some(rest) if asked.method == Method::POST => rest,
        _ => return (404, json!({ "errors": [] })),
    };
    let body = asked.json();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    let bytes = |name: &str| BASE64.decode(body[name].as_str().unwrap().as_bytes());
    let place = bytes("associated_data").unwrap();
    if trouble == Trouble::WrongType {
        return errors(
            400,
            "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048",
        );
    }
    match operation.split_once('/') {
        Some(("encrypt", KEY)) => {
            assert_eq!(names, ["plaintext", "associated_data"]);
            let sealed = shared.seal(trouble, &place, &bytes("plaintext").unwrap());
            let text = format!("vault:v1:{}", BASE64.encode(&sealed));
            (
                200,
                json!({ "data": { "ciphertext": text, "key_version": 1 } }),
            )
        }
        Some(("decrypt", KEY)) => {
            assert_eq!(names, ["ciphertext", "associated_data"]);
            let text = body["ciphertext"].as_str().unwrap();
            let Some(text) = text.strip_prefix("vault:v1:") else {
                return errors(400, "invalid ciphertext: no prefix");
            };
            let sealed = BASE64.decode(text.as_bytes()).unwrap();
            match shared.open(trouble, &place, &sealed) {
                Some(open) => (
                    200,
                    json!({ "data": { "plaintext": BASE64.encode(&open) } }),
                ),
                None => errors(400, "cipher: message authentication failed"),
            }
        }
        _ => errors(400, "encryption key not found"),
    }
}
