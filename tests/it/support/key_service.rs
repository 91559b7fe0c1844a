//! Key services on loopback, as they are documented: each checks everything it is sent, wraps with a
//! real AEAD, and can be told to fail.

mod aws;
mod gcp;
mod vault;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use wicketgate::entropy::{Entropy as _, OsEntropy};

pub(crate) use self::{
    aws::{ACCESS_KEY, ARN, REGION, SECRET_KEY, SESSION},
    gcp::{KEY as GCP_KEY, key_file},
    vault::{KEY as VAULT_KEY, NAMESPACE, TOKEN},
};

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Vault,
    Aws,
    Gcp,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// This status, with words that nobody may repeat, for so many requests.
    Status(u16, u32),
    /// Never answers.
    Hangs,
    /// Another key is behind the name.
    OtherKey,
    /// The key is of a type that the caller cannot use.
    WrongType,
    /// What is answered is damaged on the way.
    Damages,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A running service. Stops when dropped.
pub(crate) struct KeyService {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    flavour: Flavour,
    key: [u8; 32],
    other: [u8; 32],
    trouble: Mutex<Trouble>,
    asked: Mutex<Vec<Asked>>,
    own: String,
}

impl KeyService {
    pub(crate) async fn start(flavour: Flavour) -> Self {
        Self::start_at(flavour, SocketAddr::from(([127, 0, 0, 1], 0)), [7; 32]).await
    }

    /// At this address, with this key.
    pub(crate) async fn start_at(flavour: Flavour, at: SocketAddr, key: [u8; 32]) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            flavour,
            key,
            other: [9; 32],
            trouble: Mutex::new(Trouble::None),
            asked: Mutex::default(),
            own: format!("http://{address}"),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            serving,
        }
    }

    pub(crate) fn url(&self) -> url::Url {
        self.shared.own.parse().unwrap()
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = trouble;
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for KeyService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method,
        path: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    shared.asked.lock().unwrap().push(asked.clone());
    let trouble = {
        let mut trouble = shared.trouble.lock().unwrap();
        let now = *trouble;
        if let Trouble::Status(status, left) = now {
            *trouble = match left {
                0 | 1 => Trouble::None,
                left => Trouble::Status(status, left - 1),
            };
        }
        now
    };
    let (status, body) = match trouble {
        Trouble::Hangs => std::future::pending().await,
        Trouble::Status(status, _) => (
            status,
            serde_json::json!({ "errors": ["CANARY-said"], "message": "CANARY-said" }),
        ),
        other @ (Trouble::None | Trouble::OtherKey | Trouble::WrongType | Trouble::Damages) => {
            match shared.flavour {
                Flavour::Vault => vault::answer(&shared, &asked, other),
                Flavour::Aws => aws::answer(&shared, &asked, other),
                Flavour::Gcp => gcp::answer(&shared, &asked, other),
            }
        }
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

impl Shared {
    fn aead(&self, trouble: Trouble) -> LessSafeKey {
        let key = if trouble == Trouble::OtherKey {
            &self.other
        } else {
            &self.key
        };
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
    }

    fn seal(&self, trouble: Trouble, place: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 12];
        OsEntropy.fill(&mut nonce);
        let mut sealed = plaintext.to_vec();
        let key = self.aead(trouble);
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::from(place), &mut sealed)
            .unwrap();
        [&nonce[..], &sealed].concat()
    }

    fn open(&self, trouble: Trouble, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let key = self.aead(trouble);
        let opened = key.open_in_place(nonce, Aad::from(place), &mut sealed);
        opened.ok().map(|bytes| bytes.to_vec())
    }
}
