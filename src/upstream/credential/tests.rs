use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;
use crate::secret::Secret;

fn request(url: &str) -> FilledRequest {
    FilledRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: None,
    }
}

fn opened(secret: &str) -> OpenedCredential {
    OpenedCredential {
        secret: Secret::new(secret.as_bytes().to_vec()),
        generation: 1,
        holder: Holder::Configured,
    }
}

fn base() -> BaseUrl {
    BaseUrl::parse("https://up1.test/v1").unwrap()
}

/// 2015-08-30T12:36:00Z
const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_000);

fn read(config: Value) -> Result<CredentialUse, CredentialFault> {
    let given = Given {
        config: &serde_json::from_value(config).unwrap(),
        client_secret: None,
        provider_header: None,
    };
    Kind::from_config(&given).map(|kind| kind.usage())
}

fn usage(config: Value) -> CredentialUse {
    read(config).unwrap()
}

fn bearer() -> CredentialUse {
    usage(json!({ "bearer": {} }))
}

fn query() -> CredentialUse {
    usage(json!({ "query": "key" }))
}

fn key() -> CredentialUse {
    usage(json!({ "header": "X-Api-Key" }))
}

fn basic() -> CredentialUse {
    usage(json!({ "basic": { "username": "me" } }))
}

fn sigv4() -> CredentialUse {
    usage(json!({ "sigv4": {
        "region": "us-east-1", "service": "service", "access_key_id": "AKIDEXAMPLE",
    } }))
}

fn put(usage: &CredentialUse, secret: &str) -> Result<FilledRequest, UpstreamError> {
    let mut request = request("https://up1.test/v1/x?a=b");
    usage.put_on(&mut request, &base(), &opened(secret), NOW)?;
    Ok(request)
}

#[test]
fn each_form_is_put_where_it_belongs() {
    assert_eq!(
        put(&key(), "CANARY").unwrap().headers["x-api-key"],
        "CANARY"
    );
    let bearer = put(&bearer(), "CANARY").unwrap();
    assert_eq!(bearer.headers["authorization"], "Bearer CANARY");
    let basic = put(&basic(), "pä").unwrap();
    assert_eq!(basic.headers["authorization"], "Basic bWU6cMOk");
    let query = put(&query(), "a&b+/=").unwrap();
    let url = query.url.as_str();
    assert_eq!(url, "https://up1.test/v1/x?a=b&key=a%26b%2B%2F%3D");
}

#[test]
fn d_23_headers_with_a_secret_print_no_secret() {
    let request = put(&bearer(), "CANARY").unwrap();
    assert!(!format!("{:?}", request.headers).contains("CANARY"));
}

#[test]
fn a_secret_goes_to_its_own_origin_only() {
    for url in [
        "https://evil.test/v1",
        "http://up1.test/v1",
        "https://up1.test:444/v1",
        "https://up1.test.evil/",
        "https://user@up1.test/",
    ] {
        let mut request = request(url);
        for usage in [bearer(), key(), basic(), query(), sigv4()] {
            let put = usage.put_on(&mut request, &base(), &opened("CANARY"), NOW);
            assert_eq!(put, Err(UpstreamError::AddressRefused), "{url}");
            assert!(request.headers.is_empty() && request.url.query().is_none());
        }
    }
}

#[test]
fn secrets_that_would_break_a_header_are_unusable() {
    for secret in ["", "a\r\nX-Admin: 1", "a\n", "é", "a\0", " a"] {
        let unusable = Err(UpstreamError::CredentialUnusable);
        for usage in [key(), query(), bearer(), sigv4()] {
            assert_eq!(put(&usage, secret).map(drop), unusable, "{secret:?}");
        }
    }
    assert!(put(&basic(), "a\nb").is_err());
}

#[test]
fn exactly_one_form_is_read() {
    for bad in [
        json!({}),
        json!({ "bearer": {}, "query": "k" }),
        json!({ "header": "Host" }),
        json!({ "header": "a b" }),
        json!({ "query": "" }),
        json!({ "basic": { "username": "a:b" } }),
        json!({ "sigv4": { "region": "", "service": "s3", "access_key_id": "AKID" } }),
        json!({ "sigv4": { "region": "eu", "service": "s3", "access_key_id": "AKID/x" } }),
        json!({ "bearer": {}, "sigv4": { "region": "e", "service": "s", "access_key_id": "A" } }),
    ] {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn r_05_repeated_secrets_are_found_in_every_spelling() {
    let secret = opened("ab/cd\"efgh");
    let found = |usage: &CredentialUse, text: &str| usage.is_repeated_in(text.as_bytes(), &secret);
    let (bearer, query) = (bearer(), query());
    assert!(found(&bearer, "x ab/cd\"efgh y"));
    assert!(found(&bearer, r#"{"k":"ab\/cd\"efgh"}"#));
    assert!(found(&bearer, r#"{"k":"ab/cd\"efgh"}"#));
    assert!(found(&query, "https://a/?key=ab%2Fcd%22efgh"));
    let sent = put(&basic(), "ab/cd\"efgh").unwrap();
    let sent = sent.headers["authorization"].to_str().unwrap().to_owned();
    assert!(found(&basic(), &sent));
    assert!(found(&sigv4(), "x ab/cd\"efgh y"));
    assert!(!found(&query, "nothing of the kind"));
    assert!(!bearer.is_repeated_in(b"short short", &opened("short")));
}

#[test]
fn previews_show_the_place_and_no_secret() {
    let mut preview = Preview {
        method: "GET".into(),
        url: "https://a/?x=1".into(),
        headers: Vec::new(),
        body: None,
    };
    query().mark(&mut preview);
    bearer().mark(&mut preview);
    assert_eq!(preview.url, "https://a/?x=1&key=***");
    let header = ("authorization".to_owned(), "Bearer ***".to_owned());
    assert_eq!(preview.headers, [header]);
}

#[test]
fn a_signature_is_made_anew_and_the_key_never_leaves() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let base = BaseUrl::parse("https://example.amazonaws.com/").unwrap();
    let mut request = request("https://example.amazonaws.com/");
    let mut seen = Vec::new();
    for after in [0, 90] {
        let now = NOW.plus(std::time::Duration::from_secs(after));
        let put = sigv4().put_on(&mut request, &base, &opened(secret), now);
        assert_eq!(put, Ok(()));
        let text = request.headers["authorization"].to_str().unwrap();
        seen.push(text.to_owned());
    }
    // The suite's get-vanilla.
    let published = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert!(seen[0].ends_with(published));
    assert!(!seen[1].ends_with(published) && !seen.concat().contains(secret));
    assert_eq!(request.headers["x-amz-date"], "20150830T123730Z");
    let mut preview = Preview {
        method: "GET".into(),
        url: "https://a/".into(),
        headers: Vec::new(),
        body: None,
    };
    sigv4().mark(&mut preview);
    let shown = &preview.headers[0].1;
    assert!(shown.contains("AKIDEXAMPLE/***/us-east-1") && shown.ends_with("Signature=***"));
}

#[test]
fn a_connected_account_is_sent_as_its_provider_wants_it() {
    let config = serde_json::from_value(json!({ "account": {
        "provider": "amazon", "client_id": "c", "scopes": [],
    } }));
    let given = Given {
        config: &config.unwrap(),
        client_secret: None,
        provider_header: Some("x-amz-access-token"),
    };
    let sent = put(&Kind::from_config(&given).unwrap().usage(), "token").unwrap();
    assert_eq!(sent.headers["x-amz-access-token"], "token");
}

#[test]
fn a_session_token_is_sent_along_shown_masked_and_found_in_answers() {
    let config = serde_json::from_value(json!({ "sigv4": {
        "region": "us-east-1", "service": "service", "access_key_id": "ASIDEXAMPLE",
        "session_token": { "env": "TOKEN" },
    } }));
    let token = SecretString::new("CANARY-session-token".to_owned());
    let given = Given {
        config: &config.unwrap(),
        client_secret: Some(&token),
        provider_header: None,
    };
    let kind = Kind::from_config(&given).unwrap().usage();
    let sent = put(&kind, "secret").unwrap();
    assert_eq!(sent.headers["x-amz-security-token"], "CANARY-session-token");
    assert!(sent.headers["x-amz-security-token"].is_sensitive());
    let shown = format!("{:?} {kind:?}", sent.headers);
    assert!(!shown.contains("CANARY"), "{shown}");
    let echo = br#"{"you":"CANARY-session-token"}"#;
    assert!(kind.is_repeated_in(echo, &opened("another-secret")));
    let mut preview = Preview {
        method: String::new(),
        url: String::new(),
        headers: Vec::new(),
        body: None,
    };
    kind.mark(&mut preview);
    let masked = ("x-amz-security-token".to_owned(), "***".to_owned());
    assert!(preview.headers.contains(&masked));
}
