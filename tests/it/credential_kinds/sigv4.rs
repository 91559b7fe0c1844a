//! Signed requests, checked by somebody who knows the key and nothing of our code.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::Request, response::Response};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{client::Client, gateway::TestGateway, sigv4::Signed};

const KEY: &str = "canary-aws-wJalrXUtnFEMI/K7MDENG+bPxRfiCY";

/// Answers 503 to the first request, 200 to others that are signed rightly, and 403.
async fn api(verdicts: Arc<Mutex<Vec<bool>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move |request: Request| {
        let verdicts = Arc::clone(&verdicts);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let right = is_signed(&head, &body);
            let first = {
                let mut verdicts = verdicts.lock().unwrap();
                verdicts.push(right);
                verdicts.len() == 1
            };
            let status = match (first, right) {
                (true, _) => 503,
                (false, true) => 200,
                (false, false) => 403,
            };
            Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(axum::body::Body::from(r#"{"ok":true}"#))
                .unwrap()
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn is_signed(head: &http::request::Parts, body: &Bytes) -> bool {
    let text = |name: &str| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let signed = Signed {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        header: &text,
        body,
    };
    let Some(names) = signed.by(("AKIDEXAMPLE", KEY), "eu-west-1", "execute-api") else {
        return false;
    };
    let covers = |name: &str| names.iter().any(|it| it == name);
    ["accept", "host", "x-amz-date"].into_iter().all(covers) && !covers("accept-encoding")
}

#[tokio::test]
async fn every_attempt_is_signed_and_the_key_stays() {
    let verdicts = Arc::default();
    let api = api(Arc::clone(&verdicts)).await;
    let mut gateway = TestGateway::with(|setup| {
        setup.environment = vec![("SECRET", KEY.to_owned())];
        setup.upstreams = format!(
            "  aws:\n    rest:\n      base_url: http://{api}\n      allow_special_use: [127.0.0.0/8]\n      \
             limit: 10000/s\n      credential: {{ sigv4: {{ region: eu-west-1, service: execute-api, \
             access_key_id: AKIDEXAMPLE }}, value: {{ env: SECRET }} }}\n      tools:\n        - {{ name: find, \
             description: Finds., read_only: true, request: {{ path: /v1/items, \
             query: {{ z: $q, a: '1' }} }}, input: {{ type: object, required: [q], \
             additionalProperties: false, properties: {{ q: {{ type: string, maxLength: 9, \
             pattern: '^[a-z]*$' }} }} }} }}\n        - {{ name: make, description: Makes., \
             request: {{ method: POST, path: /v1/items, body: {{ name: $name }} }}, \
             input: {{ type: object, required: [name], additionalProperties: false, \
             properties: {{ name: {{ type: string, maxLength: 9, pattern: '^[a-z]*$' }} }} }} }}\n"
        );
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for (tool, arguments) in [
        ("find", json!({ "q": "abc" })),
        ("make", json!({ "name": "abc" })),
    ] {
        let answer = client.call(tool, arguments).await;
        assert!(answer.body.contains(r#"{\"ok\":true}"#), "{}", answer.body);
    }
    assert_eq!(*verdicts.lock().unwrap(), [true, true, true]);
    let _ = gateway.stop().await;
    assert!(!gateway.log_text().contains("canary-aws"));
}
