//! An API that knows whose credential every request carries, and writes down who caused it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::Request, response::Response};
use data_encoding::BASE64;
use tokio::net::TcpListener;

use crate::support::sigv4::Signed;

/// A request as it arrived: for whom, and with whose credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    /// `/by/alpha`
    pub(super) path: String,
    /// `alpha-1`; `nobody` without a credential.
    pub(super) owner: String,
}

/// The API.
#[derive(Clone, Default)]
pub(super) struct Api {
    /// Secrets and whose they are.
    owners: Arc<Mutex<Vec<(String, String)>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Api {
    pub(super) async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = self.clone();
        let router = Router::new().fallback(move |request: Request| {
            let api = api.clone();
            async move { api.answer(&request.into_parts().0) }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// From now on this secret is known.
    pub(super) fn knows(&self, secret: &str, owner: &str) {
        let mut owners = self.owners.lock().unwrap();
        owners.push((secret.to_owned(), owner.to_owned()));
    }

    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    fn answer(&self, head: &http::request::Parts) -> Response {
        let owner = self.owner(head);
        let path = head.uri.path().to_owned();
        let body = serde_json::json!({ "account": owner }).to_string();
        self.arrived.lock().unwrap().push(Arrived { path, owner });
        Response::builder()
            .header("content-type", "application/json")
            // Whoever keeps answers may keep this one.
            .header("cache-control", "public, max-age=3600")
            .header("etag", "\"one\"")
            .body(body.into())
            .unwrap()
    }

    /// Whose credential it is: that of one, or it says so.
    fn owner(&self, head: &http::request::Parts) -> String {
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let sent = text("authorization").unwrap_or_default();
        let password = sent
            .strip_prefix("Basic ")
            .and_then(|text| BASE64.decode(text.as_bytes()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let password = password.as_deref().and_then(|pair| pair.split_once(':'));
        let query = head.uri.query().unwrap_or_default();
        let key = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "key");
        let shown = [
            text("x-secret").map(str::to_owned),
            key.map(|(_, value)| value.into_owned()),
            password.map(|(_, password)| password.to_owned()),
            sent.strip_prefix("Bearer ").map(str::to_owned),
        ];
        let owners = self.owners.lock().unwrap();
        if sent.starts_with("AWS4") {
            let found = owners.iter().find(|(secret, _)| is_signed(head, secret));
            return found.map_or("unknown", |(_, owner)| owner).to_owned();
        }
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        match &shown[..] {
            [] => "nobody".to_owned(),
            [one] => {
                let found = owners.iter().find(|(secret, _)| secret == one);
                found.map_or("unknown", |(_, owner)| owner).to_owned()
            }
            _ => "several".to_owned(),
        }
    }
}

/// Is this request, without a body, signed with this key (AWS Signature Version 4)?
fn is_signed(head: &http::request::Parts, secret: &str) -> bool {
    let text = |name: &str| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let signed = Signed {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        header: &text,
        body: b"",
    };
    let key = ("AKIDEXAMPLE", secret);
    signed.by(key, "eu-west-1", "execute-api").is_some()
}
