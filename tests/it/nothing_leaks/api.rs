//! An API that answers as badly as it is asked to, and writes down everything it receives.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use tokio::net::TcpListener;

use super::RESULT;

pub(super) struct Api {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<String>>,
}

impl Api {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::default());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    /// Every request, head and body.
    pub(super) fn received(&self) -> String {
        self.received.lock().unwrap().clone()
    }
}

async fn answer(State(received): State<Arc<Mutex<String>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let mut asked = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        writeln!(asked, "{name}: {value}").unwrap();
    }
    asked += &String::from_utf8_lossy(&body);
    received.lock().unwrap().push_str(&asked);
    let json = |status: u16, text: String| {
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("x-internal", "CANARY-error-header-08")
            .header("set-cookie", "s=CANARY-set-cookie-21")
            .body(Body::from(text))
            .unwrap()
    };
    let trace = r#"{"error":"CANARY-error-body-07 at db-internal-01"}"#;
    match head.uri.path() {
        "/good" => json(200, format!(r#"{{"answer":"{RESULT}"}}"#)),
        "/error" => json(500, trace.into()),
        "/teapot" => json(418, trace.into()),
        "/moved" => {
            let mut moved = json(307, trace.into());
            let there = "http://127.0.0.1:1/?CANARY-location-09".parse().unwrap();
            moved.headers_mut().insert("location", there);
            moved
        }
        "/login" => {
            let mut login = json(401, trace.into());
            let realm = r#"Basic realm="CANARY-realm-19""#.parse().unwrap();
            login.headers_mut().insert("www-authenticate", realm);
            login
        }
        // What a debugging endpoint does: everything that came goes back.
        "/echo" => json(200, serde_json::json!({ "you": asked }).to_string()),
        "/html" => {
            let mut page = json(200, "<p>CANARY-error-body-07".into());
            let html = "text/html".parse().unwrap();
            page.headers_mut().insert("content-type", html);
            page
        }
        "/limited" => {
            let mut limited = json(429, trace.into());
            let soon = "1".parse().unwrap();
            limited.headers_mut().insert("retry-after", soon);
            limited
        }
        _ => json(200, r#"{"CANARY-error-body-07"#.into()),
    }
}
