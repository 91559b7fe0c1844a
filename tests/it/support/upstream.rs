//! A REST API on loopback that wants a secret header and writes down what it is asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    response::Response,
};
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, sync::Notify};

/// The secret that only the gateway holds. A canary: it may appear nowhere else.
pub(crate) const SECRET: &str = "CANARY-upstream-credential-8d1f0c2b7a6e4955";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// How it answers.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// 200 and this JSON.
    Json(String),
    /// This status and body.
    Status(u16, String),
    /// This status, with these header fields and body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// 200 and `{"ok":true}`, so long after it was asked.
    After(Duration),
    /// Not before it is told to; then 200 and `{"ok":true}`.
    Held(Arc<Notify>),
}

/// The API.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    behaviour: Mutex<Behaviour>,
    /// Requests whose client went away while they were held.
    dropped: Mutex<u32>,
    arrived: Notify,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Json(r#"{"ok":true}"#.into())),
            dropped: Mutex::default(),
            arrived: Notify::new(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared.seen.lock().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen().len()
    }

    pub(crate) fn dropped(&self) -> u32 {
        *self.shared.dropped.lock().unwrap()
    }

    /// Resolves when the next request arrives (or one did since the last wait).
    pub(crate) async fn arrival(&self) {
        self.shared.arrived.notified().await;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    let authorized = headers
        .iter()
        .any(|(name, value)| name == "x-api-key" && value == SECRET);
    shared.seen.lock().unwrap().push(Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers,
        body: String::from_utf8_lossy(&body).into(),
    });
    // Read before the arrival is told: whoever waits for that may change it for the next one.
    let behaviour = shared.behaviour.lock().unwrap().clone();
    shared.arrived.notify_one();
    let respond = |status: u16, extra: Vec<(&'static str, String)>, body: String| {
        let mut response = Response::builder().status(status);
        if !extra.iter().any(|(name, _)| *name == "content-type") {
            response = response.header("content-type", "application/json");
        }
        for (name, value) in extra {
            response = response.header(name, value);
        }
        response.body(body.into()).unwrap()
    };
    if !authorized {
        return respond(401, vec![], r#"{"error":"no secret"}"#.into());
    }
    match behaviour {
        Behaviour::Json(body) => respond(200, vec![], body),
        Behaviour::Status(status, body) => respond(status, vec![], body),
        Behaviour::Full(status, extra, body) => respond(status, extra, body),
        Behaviour::After(pause) => {
            tokio::time::sleep(pause).await;
            respond(200, vec![], r#"{"ok":true}"#.into())
        }
        Behaviour::Held(gate) => {
            let mut guard = Guard {
                shared: Arc::clone(&shared),
                answered: Answered::No,
            };
            gate.notified().await;
            guard.answered = Answered::Yes;
            respond(200, vec![], r#"{"ok":true}"#.into())
        }
    }
}

#[derive(PartialEq, Eq)]
enum Answered {
    Yes,
    No,
}

struct Guard {
    shared: Arc<Shared>,
    answered: Answered,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.answered == Answered::No {
            *self.shared.dropped.lock().unwrap() += 1;
        }
    }
}
