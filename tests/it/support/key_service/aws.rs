//! AWS KMS. Each signature is judged from what came.

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};

use super::{Asked, Shared, Trouble};
use crate::support::sigv4::Signed;

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_KEY: &str = "canary/secret+access/key";
pub(crate) const SESSION: &str = "canary-session-token";

fn fault(name: &str) -> (u16, Value) {
    (
        400,
        json!({ "__type": format!("com.amazonaws.kms#{name}"), "message": "CANARY-said" }),
    )
}

/// Is the request signed as a whole, now, by our key?
fn is_signed(asked: &Asked) -> bool {
    let signed = Signed {
        method: "POST",
        path: "/",
        query: "",
        header: &|name| Some(asked.header(name).to_owned()),
        body: &asked.body,
    };
    let Some(signed) = signed.by((ACCESS_KEY, SECRET_KEY), REGION, "kms") else {
        return false;
    };
    let needed = [
        "content-type",
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
    ];
    needed.iter().all(|name| signed.iter().any(|it| it == name))
}

pub(super) fn answer(shared: &Shared, asked: &Asked, trouble: Trouble) -> (u16, Value) {
    assert_eq!(
        (asked.method.clone(), asked.path.as_str()),
        (Method::POST, "/")
    );
    assert_eq!(asked.header("content-type"), "application/x-amz-json-1.1");
    if asked.header("x-amz-security-token") != SESSION {
        return fault("UnrecognizedClientException");
    }
    if !is_signed(asked) {
        return fault("InvalidSignatureException");
    }
    let body = asked.json();
    if body["KeyId"] != ARN {
        return fault("NotFoundException");
    }
    if trouble == Trouble::WrongType {
        return fault("DisabledException");
    }
    // Pairs are bound in one order, whichever they come in.
    let mut pairs: Vec<String> = body["EncryptionContext"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{name:?}={:?}", value.as_str().unwrap()))
        .collect();
    pairs.sort();
    let place = pairs.join(",");
    let bytes = |name: &str| {
        BASE64
            .decode(body[name].as_str().unwrap().as_bytes())
            .unwrap()
    };
    match asked.header("x-amz-target") {
        "TrentService.Encrypt" => {
            let sealed = shared.seal(trouble, place.as_bytes(), &bytes("Plaintext"));
            (
                200,
                json!({ "CiphertextBlob": BASE64.encode(&sealed), "KeyId": ARN }),
            )
        }
        "TrentService.Decrypt" => {
            match shared.open(trouble, place.as_bytes(), &bytes("CiphertextBlob")) {
                Some(open) => (
                    200,
                    json!({ "Plaintext": BASE64.encode(&open), "KeyId": ARN }),
                ),
                None => fault("InvalidCiphertextException"),
            }
        }
        _ => fault("UnknownOperationException"),
    }
}
