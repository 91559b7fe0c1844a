//! How a client names a call that must not run twice, and what is made of the name.

use data_encoding::HEXLOWER;
use http::HeaderValue;
use serde_json::Value;

use crate::{
    call::{Call, CallError},
    config::rest::ONCE_ARGUMENT,
    connect::waiting::sorted,
    crypto::{self, TokenDigest},
    mcp::tools::META_IDEMPOTENCY_KEY,
    names::UpstreamName,
    schema::{Violation, limits::escape},
    secret::SecretString,
    store::Tenant,
};

/// Longest key, in bytes.
const LONGEST: usize = 128;
/// Of a digest, what an upstream is told: 128 bits, as 32 digits, fit wherever such keys are taken.
const TOLD: usize = 16;

/// A stranger's text: 1 to 128 visible ASCII characters. Digested, never stored or printed.
#[derive(Debug)]
pub struct ClientKey(SecretString);

impl ClientKey {
    /// Takes it out of the arguments, which have passed the tool's schema, or from beside them.
    ///
    /// # Errors
    /// [`CallError::InvalidArguments`] when it is malformed, or differs in the two places.
    pub(in crate::call) fn take(
        arguments: &mut Value,
        beside: Option<Value>,
    ) -> Result<Option<Self>, CallError> {
        let fault = |rule| {
            let pointer = format!("/_meta/{}", escape(META_IDEMPOTENCY_KEY));
            Err(CallError::InvalidArguments(vec![Violation::at(
                &pointer, rule,
            )]))
        };
        let inside = arguments.as_object_mut();
        let inside = inside.and_then(|arguments| arguments.remove(ONCE_ARGUMENT));
        let key = match (inside, beside) {
            (Some(inside), Some(beside)) if inside != beside => {
                return fault("must be the same as the argument `idempotency_key`");
            }
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => return Ok(None),
        };
        let Value::String(key) = key else {
            return fault("must be a text");
        };
        let key = SecretString::new(key);
        let text = key.expose().as_bytes();
        if text.is_empty() || text.len() > LONGEST || !text.iter().all(u8::is_ascii_graphic) {
            return fault("must be 1 to 128 visible ASCII characters");
        }
        Ok(Some(Self(key)))
    }
}

/// A call as the store and the upstream know it again.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) tenant: Tenant,
    pub(super) upstream: UpstreamName,
    /// Which call.
    pub(super) row: TokenDigest,
    /// With what.
    pub(super) arguments: TokenDigest,
    /// By what the upstream knows it.
    pub(super) mark: HeaderValue,
}

impl Named {
    pub(super) fn of(
        call: &Call,
        key: &ClientKey,
        digests: &crypto::OnceKey,
    ) -> Result<Self, CallError> {
        let tool = &call.tool()?.bound;
        let license = call.principal.license_id();
        let parts = [
            license.as_bytes().as_slice(),
            tool.definition.name.as_str().as_bytes(),
            key.0.expose().as_bytes(),
        ];
        let arguments = sorted(&call.arguments).to_string();
        let account = call.account.as_ref().map_or("", |label| label.as_str());
        let told = digests.digest("upstream", &parts);
        let told = HEXLOWER.encode(&told.as_bytes()[..TOLD]);
        Ok(Self {
            tenant: Tenant::License(license),
            upstream: tool.site.name.clone(),
            row: digests.digest("row", &parts),
            arguments: digests.digest("arguments", &[arguments.as_bytes(), account.as_bytes()]),
            mark: HeaderValue::try_from(told).map_err(|_| CallError::Internal)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(mut arguments: Value, beside: Option<Value>) -> Result<Option<String>, String> {
        let key = ClientKey::take(&mut arguments, beside);
        assert_eq!(arguments.get(ONCE_ARGUMENT), None, "it does not go on");
        let key = key.map(|key| key.map(|key| key.0.expose().clone()));
        key.map_err(|error| {
            let CallError::InvalidArguments(all) = error else {
                panic!("{error}");
            };
            all[0].to_string()
        })
    }

    #[test]
    fn a_key_is_taken_from_either_place() {
        let of = |key: &str| Ok(Some(key.to_owned()));
        let inside = json!({ "idempotency_key": "k-1" });
        assert_eq!(taken(json!({}), None), Ok(None));
        assert_eq!(taken(inside.clone(), None), of("k-1"));
        assert_eq!(taken(json!({}), Some(json!("k-1"))), of("k-1"));
        assert_eq!(taken(inside.clone(), Some(json!("k-1"))), of("k-1"));
        let differing = taken(inside, Some(json!("k-2"))).unwrap_err();
        assert!(differing.starts_with("/_meta/wicketgate~1idempotency-key must be the same"));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        for odd in [
            json!(""),
            json!("a b"),
            json!("k\n"),
            json!("\u{e9}"),
            json!("x".repeat(129)),
            json!(7),
            json!(null),
            json!(["k"]),
        ] {
            assert!(taken(json!({}), Some(odd.clone())).is_err(), "{odd}");
        }
        assert!(taken(json!({}), Some(json!("x".repeat(128)))).is_ok());
    }
}
