//! Who asks: client secrets, proofs of codes, assertions of service accounts.

use std::{collections::BTreeMap, collections::BTreeSet};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    CLIENT_ID, CLIENT_SECRET, Proved, Shared,
    answer::{Asked, Refusal},
    book::Holder,
};

/// How the client proved itself: in one way, and rightly.
pub(super) fn client(asked: &Asked, form: &BTreeMap<String, String>) -> Proved {
    let in_form = form.get("client_secret");
    match (basic(asked), in_form) {
        (Some((id, secret)), None) if id == CLIENT_ID && owner(&secret).is_some() => Proved::Basic,
        (None, Some(secret))
            if owner(secret).is_some()
                && form.get("client_id").is_some_and(|id| id == CLIENT_ID) =>
        {
            Proved::Body
        }
        _ => Proved::Not,
    }
}

/// As whom a client with a secret of its own acts: several have one, [`CLIENT_SECRET`] and their name.
pub(super) fn client_account(asked: &Asked, form: &BTreeMap<String, String>) -> String {
    let secret = basic(asked).map(|(_, secret)| secret);
    let secret = secret.or_else(|| form.get("client_secret").cloned());
    secret
        .and_then(|secret| owner(&secret).map(str::to_owned))
        .unwrap_or_default()
}

fn owner(secret: &str) -> Option<&str> {
    match secret.strip_prefix(CLIENT_SECRET)? {
        "" => Some(CLIENT_ID),
        name => name.strip_prefix("-of-"),
    }
}

/// Name and password, each percent-decoded (RFC 6749 section 2.3.1).
fn basic(asked: &Asked) -> Option<(String, String)> {
    let text = asked.header("authorization")?.strip_prefix("Basic ")?;
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    let decoded = |part: &str| {
        let part = part.replace('+', " ");
        percent_decode_str(&part).decode_utf8_lossy().into_owned()
    };
    Some((decoded(name), decoded(password)))
}

/// Is this what the challenge was made from (RFC 7636 section 4.6)?
pub(super) fn verifies(verifier: Option<&String>, challenge: &str) -> bool {
    verifier.is_some_and(|verifier| {
        (43..=128).contains(&verifier.len())
            && BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref()) == challenge
    })
}

/// Whom a service account's assertion lets act (RFC 7523 section 3, as Google documents it).
pub(super) fn service(shared: &Shared, assertion: &str) -> Result<Holder, Refusal> {
    let bad = |text| Refusal::new("invalid_grant", text);
    let mut parts = assertion.split('.');
    let (Some(head), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("Invalid JWT"));
    };
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
    };
    let (Some(header), Some(said)) = (read(head), read(claims)) else {
        return Err(bad("Invalid JWT"));
    };
    if header["alg"] != "RS256" {
        return Err(bad("Invalid JWT: the algorithm must be RS256"));
    }
    let text = |name: &str| said[name].as_str().unwrap_or_default();
    let issuer = text("iss");
    {
        let services = shared.services.lock().unwrap();
        let pair = services
            .get(issuer)
            .ok_or_else(|| bad("Invalid JWT: unknown account"))?;
        let key = pair.public_key();
        let components = RsaPublicKeyComponents {
            n: key.modulus().big_endian_without_leading_zero(),
            e: key.exponent().big_endian_without_leading_zero(),
        };
        let signed = format!("{head}.{claims}");
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .unwrap_or_default();
        components
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| bad("Invalid JWT Signature."))?;
    }
    if text("aud") != format!("{}/token", shared.origin()) {
        return Err(bad("Invalid JWT: aud"));
    }
    let now = shared.clock.now().as_millis().div_euclid(1_000);
    let (Some(from), Some(until)) = (said["iat"].as_i64(), said["exp"].as_i64()) else {
        return Err(bad("Invalid JWT: iat and exp"));
    };
    if from > now + 60 || until <= now || until - from > 3_600 {
        return Err(bad(
            "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe",
        ));
    }
    let scopes: BTreeSet<String> = text("scope")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() {
        return Err(Refusal::new("invalid_scope", "Empty or missing scope"));
    }
    let account = if text("sub").is_empty() {
        issuer
    } else {
        text("sub")
    };
    Ok(Holder {
        account: account.to_owned(),
        scopes,
        grant: None,
    })
}
