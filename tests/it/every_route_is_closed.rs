//! Every route of the public listener, every method, every key that is none: one answer.

use std::time::Duration;

use wicketgate::{
    crypto::LicenseKey,
    entropy::OsEntropy,
    http::{
        ROUTES,
        router::{Access, Route},
    },
    license::LicenseStatus,
    store::KeyRecord,
};

use crate::support::{oracle::Ground, wire::Answer};

const METHODS: [&str; 9] = [
    "POST", "GET", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "QUERY", "post",
];

/// The routes that only a principal may reach.
fn closed() -> impl Iterator<Item = Route> {
    let routes = ROUTES.into_iter();
    routes.filter(|route| route.access == Access::Principal)
}

fn request(ground: &Ground, method: &str, path: &str, lines: &str) -> String {
    let address = ground.gateway.address;
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n{lines}\r\n{{}}"
    )
}

/// What a client can tell two answers apart by; date and request id aside.
fn shape(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| name != "date" && name != "x-request-id");
    (answer.status, headers, answer.body.clone())
}

/// Keys that let nobody in, each for another reason.
async fn keys(ground: &Ground) -> Vec<(&'static str, String)> {
    let gateway = &ground.gateway;
    let mut keys = vec![
        ("malformed", "wgl_nonsense".to_owned()),
        (
            "unknown",
            LicenseKey::generate(&OsEntropy).expose().to_owned(),
        ),
    ];
    for (word, status) in [
        ("revoked", LicenseStatus::Revoked),
        ("suspended", LicenseStatus::Suspended),
    ] {
        let (id, key) = gateway.issue("pro").await;
        let stamp = gateway.stamp();
        let changed = gateway
            .store
            .set_license_status(id, status, "test", &stamp)
            .await;
        changed.unwrap();
        keys.push((word, key));
    }
    let (id, _) = gateway.issue("pro").await;
    let key = LicenseKey::generate(&OsEntropy);
    let record = KeyRecord {
        digest: gateway.digest(&key),
        hint: key.hint(),
        created: gateway.clock.now(),
        expires: Some(gateway.clock.now().plus(Duration::ZERO)),
    };
    gateway.add_key(id, &record).await;
    keys.push(("expired", key.expose().to_owned()));
    gateway.changed().await;
    keys
}

#[tokio::test]
async fn every_route_wants_a_principal_whatever_the_method() {
    let mut ground = Ground::with(|setup| setup.limits += "  unauthenticated: 1000/min\n").await;
    let keys = keys(&ground).await;
    let (mut missing, mut presented) = (Vec::new(), Vec::new());
    // A route that is open to anybody has an access of its own, and tests of its own.
    let closed: Vec<_> = closed().collect();
    for route in &closed {
        for method in METHODS {
            let without = request(&ground, method, route.path, "");
            missing.push(shape(&ground.answered(&without, 401).await));
            for (reason, key) in &keys {
                let lines = format!("Authorization: Bearer {key}\r\n");
                let with = request(&ground, method, route.path, &lines);
                let answer = ground.send(&with).await.unwrap();
                assert_eq!(answer.status, 401, "{method} {reason}: {}", answer.body);
                presented.push(shape(&answer));
            }
        }
    }
    for (_, key) in &keys {
        ground.presented(key);
    }
    for answers in [&missing, &presented] {
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:#?}"
        );
    }
    let challenge = |shape: &(u16, Vec<(String, String)>, String)| {
        let found = shape.1.iter().find(|(name, _)| name == "www-authenticate");
        found.unwrap().1.clone()
    };
    assert_eq!(challenge(&missing[0]), ground.gateway.challenge(""));
    assert_eq!(
        challenge(&presented[0]),
        ground.gateway.challenge(r#"error="invalid_token", "#)
    );
    let count = missing.len() + presented.len();
    assert_eq!(count, closed.len() * METHODS.len() * (1 + keys.len()));
    let lines = ground.prove().await;
    assert!(lines[..count].iter().all(|line| line["license"].is_null()));
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_key_and_says_nothing() {
    let mut ground = Ground::start().await;
    let origin = "Origin: http://localhost:6274\r\nAccess-Control-Request-Method: POST\r\n\
                  Access-Control-Request-Headers: authorization\r\n";
    for route in closed() {
        let preflight = request(&ground, "OPTIONS", route.path, origin);
        let answer = ground.answered(&preflight, 200).await;
        assert_eq!(answer.body, "");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("http://localhost:6274")
        );
        let evil = preflight.replacen("http://localhost:6274", "https://evil.test", 1);
        ground.answered(&evil, 403).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn l_10_a_02_h_33_what_is_not_in_the_table_is_not_there() {
    let mut ground = Ground::start().await;
    let key = format!("Authorization: Bearer {}\r\n", ground.alpha);
    let mut answers = Vec::new();
    for path in [
        "/",
        "/metrics",
        "/livez",
        "/readyz",
        "/health",
        "/Metrics",
        "/%6detrics",
        "/metrics/",
        "//metrics",
        "/mcp/metrics",
        "/mcp/../metrics",
        "/mcp/..%2fmetrics",
        "/admin",
        "/sse",
        "/messages",
        "/.well-known",
        "/authorize/",
        "/account/x",
        "/mcp/authorize",
        "/style.css/",
        "/favicon.ico",
        "/mcp/",
        "/MCP",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            for lines in ["", key.as_str(), "Authorization: Bearer wgl_nonsense\r\n"] {
                let request = request(&ground, method, path, lines);
                answers.push(shape(&ground.answered(&request, 404).await));
            }
        }
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "one answer"
    );
    ground.prove().await;
}

#[test]
fn a_route_can_only_be_added_through_the_table() {
    // The router is made from the table in one loop; a second way in would need another `.route`.
    let source = include_str!("../../src/http/router.rs");
    assert_eq!(source.matches(".route(").count(), 1);
    assert!(source.contains("others.route(route.path, "));
    for other in [".nest(", ".merge(", ".route_service(", ".nest_service("] {
        assert!(!source.contains(other), "{other}");
    }
    // The whole stack hangs on the one fallback; the connector's part of it is told apart by the
    // same table.
    assert_eq!(source.matches(".fallback_service(").count(), 1);
    assert!(source.contains(".fallback_service(layers.service(service))"));
    let fork = include_str!("../../src/http/fork.rs");
    assert!(fork.contains("match access_of(request.uri().path())"));
    let of = |access| {
        let routes = ROUTES.iter().filter(move |route| route.access == access);
        routes.map(|route| route.path).collect::<Vec<_>>()
    };
    assert_eq!(of(Access::Principal), ["/mcp"]);
    assert_eq!(
        of(Access::Page),
        [
            "/authorize",
            "/account",
            "/connect/callback/{*upstream}",
            "/connect/done/{*account}",
            "/connect/{*handle}",
            "/style.css",
            "/logo"
        ]
    );
    let documents = ["/.well-known/{*document}", "/mcp/.well-known/{*document}"];
    assert_eq!(of(Access::Document), documents);
    // What is open to any program has a test of its own: `oauth_endpoints`.
    let open = ROUTES
        .iter()
        .filter(|route| matches!(route.access, Access::Public(_)));
    let open: Vec<_> = open.map(|route| route.path).collect();
    assert_eq!(open, ["/register", "/token", "/revoke", "/session"]);
}
