//! Discovery: where a client that knows nothing but a URL learns how to sign in.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{
    browser::{Browser, ORIGIN, public},
    gateway::{Setup, TestGateway},
    wire::{Answer, once},
};

const RESOURCE: [&str; 4] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
];
const SERVER: [&str; 6] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/oauth-authorization-server/",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
];

async fn get(gateway: &TestGateway, path: &str) -> Answer {
    Browser::new(gateway).get(path).await
}

/// The challenge for nobody on `/mcp`.
async fn challenge(gateway: &TestGateway) -> String {
    let challenged = get(gateway, "/mcp").await;
    assert_eq!(challenged.status, 401);
    let fields = challenged.headers.iter();
    assert_eq!(
        fields
            .filter(|(name, _)| name == "www-authenticate")
            .count(),
        1
    );
    challenged.header("www-authenticate").unwrap().to_owned()
}

#[tokio::test]
async fn o_35_the_documents_say_where_everything_is() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.more += "branding: { name: Acme, support: https://acme.test/help }\n";
    })
    .await;
    for path in RESOURCE {
        let answer = get(&gateway, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = json!({
            "resource": "https://gw.test/mcp",
            "authorization_servers": [ORIGIN],
            "scopes_supported": ["mcp:tools"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Acme",
        });
        assert_eq!(answer.json(), document);
    }
    for path in SERVER {
        let answer = get(&gateway, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let document = answer.json();
        let is = |name: &str, value: Value| assert_eq!(document[name], value, "{name}");
        is("issuer", json!(ORIGIN));
        is("authorization_endpoint", json!("https://gw.test/authorize"));
        is("token_endpoint", json!("https://gw.test/token"));
        is("registration_endpoint", json!("https://gw.test/register"));
        is("revocation_endpoint", json!("https://gw.test/revoke"));
        is("response_types_supported", json!(["code"]));
        is("code_challenge_methods_supported", json!(["S256"]));
        is(
            "authorization_response_iss_parameter_supported",
            json!(true),
        );
        is("client_id_metadata_document_supported", json!(true));
        is("service_documentation", json!("https://acme.test/help"));
        let scopes = json!(["mcp:tools", "mcp:read", "offline_access"]);
        is("scopes_supported", scopes);
        let methods = &document["token_endpoint_auth_methods_supported"];
        assert_eq!(methods[0], "none");
        for endpoint in ["token", "revocation"] {
            let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            is(&name, json!(["RS256", "ES256", "PS256", "EdDSA"]));
        }
    }
    assert_eq!(
        challenge(&gateway).await,
        "Bearer resource_metadata=\"https://gw.test/.well-known/oauth-protected-resource/mcp\", \
         scope=\"mcp:tools\""
    );
}

#[tokio::test]
async fn o_35_every_method_and_origin_has_its_answer() {
    let gateway = TestGateway::with(public).await;
    let mut browser = Browser::new(&gateway);
    for path in [RESOURCE[0], SERVER[0], SERVER[5]] {
        let page = "Origin: https://inspector.test\r\n";
        let read = browser.send("GET", path, page, "").await;
        assert_eq!(read.status, 200);
        assert_eq!(read.header("access-control-allow-origin"), Some("*"));
        assert_eq!(read.header("access-control-allow-credentials"), None);
        let asked = format!("{page}Access-Control-Request-Method: GET\r\n");
        let preflight = browser.send("OPTIONS", path, &asked, "").await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        let refused = browser.send("POST", path, page, "").await;
        assert_eq!(refused.status, 405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n");
        let mut wire = crate::support::wire::Wire::connect(gateway.address).await;
        wire.send(head.as_bytes()).await;
        let head = wire.head().await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(
            head.header("content-length").unwrap(),
            read.body.len().to_string()
        );
        assert_eq!(wire.take(1).await, b"", "no body");
    }
    for path in [
        "/.well-known/oauth-protected-resource/nope",
        "/.well-known/oauth-protected-resource//",
        "/.well-known/x",
        "/mcp/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp/mcp",
    ] {
        for method in ["GET", "POST"] {
            let answer = browser.send(method, path, "", "").await;
            assert_eq!(answer.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn o_37_nothing_is_derived_from_the_host() {
    let gateway = TestGateway::with(public).await;
    for path in [RESOURCE[0], SERVER[0], "/authorize", "/account"] {
        let evil = format!("GET {path} HTTP/1.1\r\nHost: evil.test\r\n\r\n");
        assert_eq!(once(gateway.address, &evil).await.unwrap().status, 421);
    }
    // Another name that is served changes no word.
    let other = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", SERVER[0]);
    let answer = once(gateway.address, &other).await.unwrap();
    assert_eq!(answer.json()["issuer"], ORIGIN);
}

#[tokio::test]
async fn without_the_authorization_server_there_is_nothing_to_find() {
    let off = |setup: &mut Setup| {
        public(setup);
        setup.more += "auth: { oauth: { enabled: false } }\n";
    };
    let gateway = TestGateway::with(off).await;
    let pages = ["/authorize", "/account", "/style.css"];
    for path in RESOURCE.iter().chain(&SERVER).chain(&pages) {
        assert_eq!(get(&gateway, path).await.status, 404, "{path}");
    }
    assert_eq!(challenge(&gateway).await, "Bearer scope=\"mcp:tools\"");
}

/// A gateway that only knows these identity providers, each with these scopes.
async fn of_issuers(scopes: &[&str]) -> TestGateway {
    let mut issuers = String::new();
    for (number, scopes) in scopes.iter().enumerate() {
        writeln!(
            issuers,
            "    - {{ issuer: 'https://login{number}.test/', license: {{ claim: org }}, \
             scopes: [{scopes}] }}"
        )
        .unwrap();
    }
    TestGateway::with(|setup| {
        public(setup);
        setup.more += "auth:\n  oauth: { enabled: false }\n  issuers:\n";
        setup.more += &issuers;
    })
    .await
}

#[tokio::test]
async fn identity_providers_alone_are_named_by_the_resource() {
    let gateway = of_issuers(&["", ""]).await;
    let document = get(&gateway, RESOURCE[0]).await.json();
    let servers = json!(["https://login0.test/", "https://login1.test/"]);
    assert_eq!(document["authorization_servers"], servers);
    assert_eq!(document.get("scopes_supported"), None);
    for path in SERVER {
        assert_eq!(get(&gateway, path).await.status, 404, "{path}");
    }
    let metadata = "resource_metadata=\"https://gw.test/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(challenge(&gateway).await, format!("Bearer {metadata}"));
}

#[tokio::test]
async fn identity_providers_alone_are_asked_for_their_own_scopes() {
    let gateway = of_issuers(&["tools.use, openid", "", "api, openid"]).await;
    let document = get(&gateway, RESOURCE[0]).await.json();
    let scopes = json!(["api", "openid", "tools.use"]);
    assert_eq!(document["scopes_supported"], scopes);
    let said = challenge(&gateway).await;
    assert!(said.ends_with(", scope=\"api openid tools.use\""), "{said}");
    let refused = Browser::new(&gateway)
        .send("POST", "/mcp", "Authorization: Bearer x\r\n", "")
        .await;
    let said = refused.header("www-authenticate").unwrap();
    assert!(said.starts_with("Bearer error=\"invalid_token\", resource_metadata="));
    assert!(said.ends_with(", scope=\"api openid tools.use\""), "{said}");
}

#[tokio::test]
async fn what_is_off_is_not_advertised() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.more += "auth: { oauth: { client_documents: { accept: off }, registration: { \
                       enabled: false } } }\n";
    })
    .await;
    let document = get(&gateway, SERVER[0]).await.json();
    assert!(document["registration_endpoint"].is_null());
    assert!(document["client_id_metadata_document_supported"].is_null());
}
