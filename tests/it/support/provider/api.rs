//! An API that takes the provider's access tokens: `/api/report`, `/api/whoami`, and whatever else a test
//! gives a scope to. Writes down which token called.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::{OauthProvider, Shared, answer};

/// A call as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiCall {
    pub(crate) path: String,
    /// The access token, whatever header it came in.
    pub(crate) token: Option<String>,
    /// Whose it was, when it was good.
    pub(crate) account: Option<String>,
    pub(crate) status: u16,
}

/// The API.
#[derive(Clone)]
pub(crate) struct ResourceApi {
    pub(crate) address: SocketAddr,
    own: Arc<Own>,
}

struct Own {
    provider: Arc<Shared>,
    calls: Mutex<Vec<ApiCall>>,
    /// Path to the scopes of which one is needed.
    needs: Mutex<BTreeMap<String, Vec<String>>>,
    /// The header that carries the token alone, instead of `Authorization`.
    header: Mutex<Option<&'static str>>,
}

impl OauthProvider {
    /// An API for this provider's tokens. `/api/whoami` needs no scope, `/api/report` this one.
    pub(crate) async fn api(&self, scope: &str) -> ResourceApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = Arc::new(Own {
            provider: Arc::clone(&self.shared),
            calls: Mutex::default(),
            needs: Mutex::default(),
            header: Mutex::default(),
        });
        let router = Router::new().fallback(call).with_state(Arc::clone(&own));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api = ResourceApi { address, own };
        api.needs("/api/whoami", &[]);
        api.needs("/api/report", &[scope]);
        api
    }
}

impl ResourceApi {
    /// This path is there and needs one of these scopes; with none, any good token does.
    pub(crate) fn needs(&self, path: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let mut needs = self.own.needs.lock().unwrap();
        needs.insert(path.to_owned(), scopes);
    }

    /// The token is read from this header alone.
    pub(crate) fn reads(&self, header: &'static str) {
        *self.own.header.lock().unwrap() = Some(header);
    }

    /// The calls, in order.
    pub(crate) fn calls(&self) -> Vec<ApiCall> {
        self.own.calls.lock().unwrap().clone()
    }
}

async fn call(State(own): State<Arc<Own>>, request: Request) -> Response {
    let headers = request.headers();
    let read = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let token = match *own.header.lock().unwrap() {
        Some(name) => read(name),
        None => read("authorization").and_then(|value| value.strip_prefix("Bearer ")),
    };
    let token = token.map(str::to_owned);
    let path = request.uri().path().to_owned();
    let provider = &own.provider;
    let holder = token
        .as_ref()
        .and_then(|token| provider.book().holder(token, provider.clock.now()));
    let needs = own.needs.lock().unwrap().get(&path).cloned();
    let (status, body) = match (&holder, &needs) {
        (_, None) => (404, json!({ "error": "no such path" })),
        (None, _) => (401, json!({ "error": "invalid_token" })),
        (Some(holder), Some(needs))
            if !needs.is_empty() && !needs.iter().any(|need| holder.scopes.contains(need)) =>
        {
            (403, json!({ "error": "insufficient_scope" }))
        }
        (Some(holder), Some(_)) if path == "/api/whoami" => (
            200,
            json!({ "account": holder.account, "scopes": holder.scopes }),
        ),
        (Some(holder), Some(_)) => (
            200,
            json!({ "account": holder.account, "rows": [{ "day": "2026-11-22", "visits": 7 }] }),
        ),
    };
    own.calls.lock().unwrap().push(ApiCall {
        path,
        token,
        account: holder.map(|holder| holder.account),
        status,
    });
    let mut response = answer::json(status, &body);
    if status == 401 || status == 403 {
        let error = body["error"].as_str().unwrap_or_default();
        let challenge = format!("Bearer error=\"{error}\"");
        let headers = response.headers_mut();
        headers.insert("www-authenticate", challenge.parse().unwrap());
    }
    response
}
