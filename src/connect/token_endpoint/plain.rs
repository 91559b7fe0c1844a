//! Answers of token endpoints, brought into the form of RFC 6749 sections 5.1 and 5.2: GitHub's
//! errors with status 200, Meta's error objects, scopes with commas. Descriptions are left behind.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    config::provider::ScopeSeparator,
    names::ScopeName,
    secret::{SecretBytes, SecretJson},
};

/// An answer in the form of the RFC.
pub(super) struct Plain {
    pub(super) status: StatusCode,
    pub(super) body: SecretBytes,
}

impl Plain {
    /// None for what is neither tokens nor an error.
    pub(super) fn of(separator: ScopeSeparator, status: StatusCode, body: &[u8]) -> Option<Self> {
        let mut whole = SecretJson::parse(body);
        let fields = whole.as_object_mut()?;
        if let Some(error) = fields.get("error") {
            return Some(Self {
                status: StatusCode::BAD_REQUEST,
                body: text(&json!({ "error": word(error) })),
            });
        }
        if !status.is_success() {
            return None;
        }
        let mut plain = Map::new();
        for name in ["access_token", "refresh_token"] {
            match fields.remove(name) {
                Some(Value::String(token)) if !token.is_empty() => {
                    plain.insert(name.to_owned(), Value::String(token));
                }
                Some(Value::String(_) | Value::Null) | None => {}
                Some(_) => return None,
            }
        }
        // Meta has left it out, and nobody in use sends another.
        let kind = fields.remove("token_type").unwrap_or(json!("bearer"));
        plain.insert("token_type".to_owned(), kind);
        if let Some(seconds) = fields.get("expires_in").and_then(seconds) {
            plain.insert("expires_in".to_owned(), json!(seconds));
        }
        if let Some(Value::String(scopes)) = fields.get("scope") {
            let scopes: BTreeSet<&str> = separator.split(scopes).collect();
            let scopes: Vec<&str> = scopes.into_iter().collect();
            plain.insert("scope".to_owned(), json!(scopes.join(" ")));
        }
        Some(Self {
            status: StatusCode::OK,
            body: text(&SecretJson::new(Value::Object(plain))),
        })
    }
}

fn text(value: &Value) -> SecretBytes {
    SecretBytes::new(value.to_string().into_bytes())
}

/// Some send the number as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The error in the words of RFC 6749 section 5.2.
fn word(error: &Value) -> &'static str {
    const OTHER: &str = "invalid_request";
    match error {
        Value::String(word) => match word.as_str() {
            // GitHub's words for a code and a refresh token.
            "invalid_grant" | "bad_verification_code" | "bad_refresh_token" => "invalid_grant",
            "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" => {
                "invalid_client"
            }
            _ => OTHER,
        },
        // Meta's numbers: 190 and 102 are tokens that are over; 101 is an unknown app. 1 and 2 are
        // documented as trouble of its own that may pass, although 1 comes for a wrong app secret too.
        Value::Object(fields) => match fields.get("code").and_then(Value::as_i64) {
            Some(190 | 102) => "invalid_grant",
            Some(101) => "invalid_client",
            _ => OTHER,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => OTHER,
    }
}

/// What an account granted, of `{ data: [{ permission, status }] }`.
pub(in crate::connect) fn permissions(body: &[u8]) -> Option<BTreeSet<ScopeName>> {
    #[derive(Deserialize)]
    struct Listed {
        data: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        permission: String,
        status: String,
    }
    let listed: Listed = serde_json::from_slice(body).ok()?;
    let granted = listed
        .data
        .into_iter()
        .filter(|row| row.status == "granted");
    Some(
        granted
            .filter_map(|row| row.permission.parse().ok())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn plain(provider: &str, status: u16, body: &str) -> Option<(u16, Value)> {
        let config: Config = serde_json::from_str(r#"{"keys":[]}"#).unwrap();
        let provider = config.provider(&provider.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let separator = provider.unwrap().granted_scope_separator;
        let plain = Plain::of(separator, status, body.as_bytes())?;
        let body = serde_json::from_slice(plain.body.expose()).unwrap();
        Some((plain.status.as_u16(), body))
    }

    #[test]
    fn c_12_every_error_becomes_one_word() {
        for (provider, status, body, word) in [
            (
                "google",
                400,
                r#"{"error":"invalid_grant","error_description":"x","refresh_token":"secret"}"#,
                "invalid_grant",
            ),
            (
                "google",
                401,
                r#"{"error":"invalid_client"}"#,
                "invalid_client",
            ),
            (
                "google",
                400,
                r#"{"error":"made_up","a":1}"#,
                "invalid_request",
            ),
            ("google", 400, r#"{"error":7}"#, "invalid_request"),
            // Never tokens beside an error.
            (
                "google",
                200,
                r#"{"error":"invalid_scope","access_token":"secret"}"#,
                "invalid_request",
            ),
            (
                "github",
                200,
                r#"{"error":"bad_verification_code"}"#,
                "invalid_grant",
            ),
            (
                "github",
                200,
                r#"{"error":"incorrect_client_credentials"}"#,
                "invalid_client",
            ),
            (
                "meta",
                400,
                r#"{"error":{"message":"m","type":"OAuthException","code":190}}"#,
                "invalid_grant",
            ),
            ("meta", 400, r#"{"error":{"code":101}}"#, "invalid_client"),
            // Transient: the grant and the client stand.
            ("meta", 500, r#"{"error":{"code":1}}"#, "invalid_request"),
            ("meta", 400, r#"{"error":{"code":2}}"#, "invalid_request"),
            ("meta", 400, r#"{"error":{"code":4}}"#, "invalid_request"),
        ] {
            let expected = json!({ "error": word });
            assert_eq!(
                plain(provider, status, body),
                Some((400, expected)),
                "{body}"
            );
        }
        for (status, body) in [
            (404, "{}"),
            (200, "[]"),
            (200, "<html>"),
            (200, ""),
            (200, r#"{"access_token":7}"#),
        ] {
            assert_eq!(plain("google", status, body), None, "{status} {body}");
        }
    }

    #[test]
    fn tokens_keep_what_counts() {
        let github = r#"{"access_token":"a","scope":"gist,repo","token_type":"bearer"}"#;
        let expected = json!({ "access_token": "a", "token_type": "bearer", "scope": "gist repo" });
        assert_eq!(plain("github", 200, github), Some((200, expected)));
        let meta = r#"{"access_token":"a","expires_in":"60","refresh_token":"","more":[1]}"#;
        let expected = json!({ "access_token": "a", "token_type": "bearer", "expires_in": 60 });
        assert_eq!(plain("meta", 200, meta), Some((200, expected)));
        let listed = br#"{"data":[{"permission":"a","status":"granted"},
            {"permission":"b","status":"declined"}],"paging":{}}"#;
        let granted = permissions(listed).unwrap();
        assert_eq!(granted, BTreeSet::from(["a".parse().unwrap()]));
        assert_eq!(permissions(b"{}"), None);
    }
}
