//! Documents that are accepted and refused, by the ids of the threat table.

use serde_json::json;

use super::*;

const ID: &str = "https://cimd.test/client";

fn document() -> Value {
    json!({ "client_id": ID, "client_name": "Cimd",
        "redirect_uris": ["https://cimd.test/cb", "http://localhost/cb"] })
}

fn read(value: &Value) -> Result<Client, ReadFault> {
    read_text(value.to_string().as_bytes())
}

fn read_text(body: &[u8]) -> Result<Client, ReadFault> {
    let url = Url::parse(ID).unwrap();
    let terms = Terms {
        schemes: &["cursor".to_owned()],
        permits: &|url| url.host_str() != Some("10.0.0.1"),
    };
    super::read(body, &ID.parse().unwrap(), &url, Publisher::Unknown, &terms)
}

#[track_caller]
fn refused(value: &Value, part: &str) {
    match read(value) {
        Err(ReadFault::Refused(text) | ReadFault::Unreadable(text)) => {
            assert!(text.contains(part), "{text}");
        }
        other => panic!("{other:?} for {value}"),
    }
}

fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    document[name] = value;
    document
}

#[test]
fn a_plain_document_is_read() {
    let client = read(&document()).unwrap();
    assert_eq!(client.name, "Cimd");
    assert_eq!(client.auth, ClientAuth::None);
    assert_eq!(client.redirect_uris.len(), 2);
    assert_eq!(client.kind, ClientKind::Document);
    let mixed = with(
        "redirect_uris",
        json!(["javascript:alert(1)", "cursor://a/b", "http://a.test/"]),
    );
    assert_eq!(read(&mixed).unwrap().redirect_uris, ["cursor://a/b"]);
    let nameless = with("client_name", json!("\u{202e}"));
    assert_eq!(read(&nameless).unwrap().name, "cimd.test");
    let more = with("logo_uri", json!("https://x.test/l"));
    assert!(read(&more).is_ok());
    let types = with("grant_types", json!(["authorization_code", "implicit"]));
    assert!(read(&types).is_ok());
}

#[test]
fn o_25_the_document_must_name_its_own_address() {
    for other in [
        json!("https://cimd.test/client/"),
        json!("https://cimd.test/Client"),
        json!("https://CIMD.test/client"),
        json!("https://other.test/client"),
        json!([ID]),
        Value::Null,
    ] {
        refused(&with("client_id", other), "differs from its address");
    }
}

#[test]
fn what_a_document_must_not_hold() {
    refused(&with("client_secret", json!("x")), "client_secret");
    for method in ["client_secret_basic", "client_secret_post"] {
        let document = with("token_endpoint_auth_method", json!(method));
        refused(&document, "cannot have a secret");
    }
    let odd = with("token_endpoint_auth_method", json!("client_secret_jwt"));
    refused(&odd, "token_endpoint_auth_method");
    let key = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "", "y": "", "d": "AA" }] });
    refused(&with("jwks", key), "private");
    refused(&with("grant_types", json!(["implicit"])), "grant_types");
    refused(&with("response_types", json!(["token"])), "response_types");
    refused(&with("redirect_uris", json!([])), "1 to 10");
    refused(
        &with("redirect_uris", json!(vec!["https://a.test/"; 11])),
        "1 to 10",
    );
    refused(&with("redirect_uris", json!("https://a.test/")), "1 to 10");
    refused(&with("redirect_uris", json!(["data:x"])), "no redirect URI");
    for bad in ["", "[]", "{", r#"{"client_id":"a","client_id":"b"}"#] {
        assert!(read_text(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn s_14_keys_at_a_private_address_refuse_the_client() {
    let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
    refused(&document, "needs jwks");
    document["jwks_uri"] = json!("https://10.0.0.1/jwks");
    refused(&document, "not out on the Internet");
    document["jwks_uri"] = json!("http://cimd.test/jwks");
    refused(&document, "plain https");
    document["jwks_uri"] = json!("https://cimd.test/jwks");
    let client = read(&document).unwrap();
    assert_eq!(client.jwks_uri.as_deref(), Some("https://cimd.test/jwks"));
    document["jwks"] = json!({ "keys": [] });
    refused(&document, "both");
}
