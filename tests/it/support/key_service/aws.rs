//! AWS KMS. It computes each signature anew from what came, by the documented steps and with code of
//! its own.

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, HEXLOWER};
use http::Method;
use serde_json::{Value, json};

use super::{Asked, Shared, Trouble};

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
    let authorization = asked.header("authorization");
    let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else {
        return false;
    };
    let field = |name: &str| {
        let mut fields = rest.split(", ");
        fields.find_map(|field| field.strip_prefix(name)).unwrap()
    };
    let (credential, names) = (field("Credential="), field("SignedHeaders="));
    let date = asked.header("x-amz-date");
    let scope = format!("{}/{REGION}/kms/aws4_request", &date[..8]);
    let needed = ["content-type", "host", "x-amz-date", "x-amz-security-token"];
    let signed: Vec<&str> = names.split(';').collect();
    let mut sorted = signed.clone();
    sorted.sort_unstable();
    let complete = needed.iter().all(|name| signed.contains(name))
        && signed.contains(&"x-amz-target")
        && sorted == signed;
    let hex = |bytes: &[u8]| HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref());
    let fields = signed.iter();
    let fields: Vec<String> = fields
        .map(|name| format!("{name}:{}", asked.header(name).trim()))
        .collect();
    let (fields, body) = (fields.join("\n"), hex(&asked.body));
    let canonical = format!("POST\n/\n\n{fields}\n\n{names}\n{body}");
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(canonical.as_bytes())
    );
    let mac = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
    for part in [&date[..8], REGION, "kms", "aws4_request"] {
        key = mac(&key, part);
    }
    complete
        && credential == format!("{ACCESS_KEY}/{scope}")
        && field("Signature=") == HEXLOWER.encode(&mac(&key, &text))
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
