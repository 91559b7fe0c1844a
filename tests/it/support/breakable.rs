//! A gateway of somebody else on loopback, whole unless told to break in one way: what `doctor`
//! looks at. Both eras of MCP, an authorization server with two pages, sessions that renew.

mod authorization;
mod mcp;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The key that its page takes. A canary: `doctor` may print it nowhere.
pub(crate) const KEY: &str = "CANARY-license-key-3f9a";

/// One way to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    First200,
    ChallengeParameter,
    ChallengeRenamed,
    ChallengeGone,
    BasicFirst,
    ResourceElsewhere,
    ResourceSlash,
    ResourceDocument503,
    ResourceDocumentGone,
    ServersMissing,
    Server503,
    ServerGone,
    IssuerSlash,
    NoS256,
    NoNone,
    NoRegistration,
    CursorRefused,
    SecretIssued,
    Documents,
    Authorize500,
    ErrorAtOnce,
    Framable,
    StateLost,
    IssMissing,
    IssSlash,
    CodeRefused,
    TokenTypeMissing,
    TokensAsForm,
    Cacheable,
    Short,
    NoRefresh,
    RefreshRefused,
    RaceLost,
    ReplayTaken,
    RevokeIdle,
    CallRefused,
    SessionRenamed,
    StreamMissing,
    DiscoverLimited,
    InitializeRefused,
    CorsClosed,
    HeadRefused,
}

/// The gateway.
#[derive(Clone)]
pub(crate) struct Breakable {
    pub(crate) address: SocketAddr,
    broken: Option<Break>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    next: u64,
    clients: HashMap<String, Vec<String>>,
    tickets: HashMap<String, HashMap<String, String>>,
    sessions: HashMap<String, Session>,
}

struct Session {
    alive: bool,
    generation: u64,
    used: u64,
}

type Pairs = HashMap<String, String>;

struct Asked {
    method: String,
    path: String,
    query: Pairs,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Asked {
    fn form(&self) -> Pairs {
        pairs(&self.body)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn pairs(text: &str) -> Pairs {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

fn json_answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    answer(status, &all, body.to_string())
}

impl Breakable {
    pub(crate) async fn start(broken: Option<Break>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::default();
        let gateway = Self {
            address,
            broken,
            held,
        };
        let router = Router::new().fallback(serve).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gateway
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// Sessions that were begun and not ended.
    pub(crate) fn alive(&self) -> usize {
        let held = self.held.lock().unwrap();
        held.sessions
            .values()
            .filter(|session| session.alive)
            .count()
    }

    /// Sessions that were begun.
    pub(crate) fn begun(&self) -> usize {
        self.held.lock().unwrap().sessions.len()
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn is(&self, broken: Break) -> bool {
        self.broken == Some(broken)
    }

    fn respond(&self, asked: &Asked) -> Response {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("OPTIONS", "/mcp") => self.preflight(),
            (_, "/mcp") => self.mcp(asked),
            ("GET", "/.well-known/oauth-protected-resource/mcp") => self.resource_document(),
            ("GET", "/.well-known/oauth-authorization-server") => self.server_document(),
            ("POST", "/register") => self.register(asked),
            ("GET", "/authorize") => self.authorize(asked),
            ("POST", "/key") => self.key(asked),
            ("GET", "/consent") => self.consent(asked),
            ("POST", "/decide") => self.decide(asked),
            ("POST", "/token") => self.token(&asked.form()),
            ("POST", "/revoke") => self.revoke(&asked.form()),
            _ => answer(404, &[], ""),
        }
    }

    fn preflight(&self) -> Response {
        if self.is(Break::CorsClosed) {
            return answer(405, &[], "");
        }
        let allowed = "authorization, content-type, mcp-method, mcp-name, mcp-protocol-version";
        answer(204, &[("access-control-allow-headers", allowed)], "")
    }

    fn resource_document(&self) -> Response {
        if self.is(Break::ResourceDocument503) {
            return answer(503, &[], "");
        }
        if self.is(Break::ResourceDocumentGone) {
            return answer(404, &[], "");
        }
        let resource = match self.broken {
            Some(Break::ResourceElsewhere) => "http://internal.test:8080/mcp".to_owned(),
            Some(Break::ResourceSlash) => format!("{}/", self.url()),
            _ => self.url(),
        };
        let mut document = json!({
            "resource": resource,
            "authorization_servers": [self.origin()],
            "scopes_supported": ["mcp:tools"],
        });
        if self.is(Break::ServersMissing) {
            document
                .as_object_mut()
                .unwrap()
                .remove("authorization_servers");
        }
        json_answer(200, &[], &document)
    }

    fn server_document(&self) -> Response {
        if self.is(Break::Server503) {
            return answer(503, &[], "");
        }
        if self.is(Break::ServerGone) {
            return answer(404, &[], "");
        }
        let origin = self.origin();
        let slash = if self.is(Break::IssuerSlash) { "/" } else { "" };
        let mut document = json!({
            "issuer": format!("{origin}{slash}"),
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["mcp:tools", "offline_access"],
            "client_id_metadata_document_supported": self.is(Break::Documents),
        });
        match self.broken {
            Some(Break::NoS256) => document["code_challenge_methods_supported"] = json!(["plain"]),
            Some(Break::NoNone) => {
                document["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
            }
            Some(Break::NoRegistration) => {
                document
                    .as_object_mut()
                    .unwrap()
                    .remove("registration_endpoint");
            }
            _ => {}
        }
        json_answer(200, &[], &document)
    }
}

async fn serve(State(gateway): State<Breakable>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    gateway.respond(&Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}
