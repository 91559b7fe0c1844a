use http::{HeaderMap, Method};
use serde_json::json;

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
    }
}

fn base() -> BaseUrl {
    BaseUrl::parse("https://up1.test/v1").unwrap()
}

fn put(usage: &CredentialUse, secret: &str) -> Result<FilledRequest, UpstreamError> {
    let mut request = request("https://up1.test/v1/x?a=b");
    usage.put_on(&mut request, &base(), &opened(secret))?;
    Ok(request)
}

fn basic_of(username: &str) -> CredentialUse {
    CredentialUse::Basic {
        username: username.into(),
    }
}

#[test]
fn each_form_is_put_where_it_belongs() {
    let key = CredentialUse::Header(HeaderName::from_static("x-api-key"));
    assert_eq!(put(&key, "CANARY").unwrap().headers["x-api-key"], "CANARY");
    let bearer = put(&CredentialUse::Bearer, "CANARY").unwrap();
    assert_eq!(bearer.headers["authorization"], "Bearer CANARY");
    let basic = put(&basic_of("me"), "pä").unwrap();
    assert_eq!(basic.headers["authorization"], "Basic bWU6cMOk");
    let query = put(&CredentialUse::Query("key".into()), "a&b+/=").unwrap();
    let url = query.url.as_str();
    assert_eq!(url, "https://up1.test/v1/x?a=b&key=a%26b%2B%2F%3D");
}

#[test]
fn d_23_headers_with_a_secret_print_no_secret() {
    let request = put(&CredentialUse::Bearer, "CANARY").unwrap();
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
        let put = CredentialUse::Bearer.put_on(&mut request, &base(), &opened("CANARY"));
        assert_eq!(put, Err(UpstreamError::AddressRefused), "{url}");
        assert!(request.headers.is_empty());
    }
}

#[test]
fn secrets_that_would_break_a_header_are_unusable() {
    let key = CredentialUse::Header(HeaderName::from_static("x-api-key"));
    let query = CredentialUse::Query("key".into());
    for secret in ["", "a\r\nX-Admin: 1", "a\n", "é", "a\0", " a"] {
        let unusable = Err(UpstreamError::CredentialUnusable);
        for usage in [&key, &query, &CredentialUse::Bearer] {
            assert_eq!(put(usage, secret).map(drop), unusable, "{secret:?}");
        }
    }
    assert!(put(&basic_of("me"), "a\nb").is_err());
}

#[test]
fn exactly_one_form_is_read() {
    let read = |config| {
        let config: CredentialConfig = serde_json::from_value(config).unwrap();
        CredentialUse::from_config(&config)
    };
    assert_eq!(read(json!({ "bearer": {} })), Ok(CredentialUse::Bearer));
    assert_eq!(
        read(json!({ "basic": { "username": "me" } })),
        Ok(basic_of("me"))
    );
    for bad in [
        json!({}),
        json!({ "bearer": {}, "query": "k" }),
        json!({ "header": "Host" }),
        json!({ "header": "a b" }),
        json!({ "query": "" }),
        json!({ "basic": { "username": "a:b" } }),
    ] {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn r_05_repeated_secrets_are_found_in_every_spelling() {
    let secret = opened("ab/cd\"efgh");
    let query = CredentialUse::Query("key".into());
    let found = |usage: &CredentialUse, text: &str| usage.is_repeated_in(text.as_bytes(), &secret);
    assert!(found(&CredentialUse::Bearer, "x ab/cd\"efgh y"));
    assert!(found(&CredentialUse::Bearer, r#"{"k":"ab\/cd\"efgh"}"#));
    assert!(found(&CredentialUse::Bearer, r#"{"k":"ab/cd\"efgh"}"#));
    assert!(found(&query, "https://a/?key=ab%2Fcd%22efgh"));
    let sent = basic("me", secret.secret.expose());
    assert!(found(&basic_of("me"), &sent));
    assert!(!found(&query, "nothing of the kind"));
    assert!(!CredentialUse::Bearer.is_repeated_in(b"short short", &opened("short")));
}

#[test]
fn previews_show_the_place_and_no_secret() {
    let mut preview = Preview {
        method: "GET".into(),
        url: "https://a/?x=1".into(),
        headers: Vec::new(),
        body: None,
    };
    CredentialUse::Query("key".into()).mark(&mut preview);
    CredentialUse::Bearer.mark(&mut preview);
    assert_eq!(preview.url, "https://a/?x=1&key=***");
    let header = ("authorization".to_owned(), "Bearer ***".to_owned());
    assert_eq!(preview.headers, [header]);
}
