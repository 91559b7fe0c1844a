//! The OAuth server of somebody else, on loopback: behaves as Google's, Meta's, Amazon's and GitHub's are
//! documented to, and as badly as it is told to. Counts and remembers what it is asked.
//!
//! Everything secret that it hands out begins with `canary-`, so that leaks can be found.

mod answer;
pub(crate) mod api;
mod authorize;
mod book;
mod ending;
mod proof;
mod token;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::RsaKeyPair,
};
use axum::{Router, extract::Request, extract::State};
use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use wicketgate::clock::SharedClock;

use self::{answer::Asked, book::Book};
use super::wire::once;

/// The client that every double knows.
pub(crate) const CLIENT_ID: &str = "gateway.apps.example";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "canary-cs-5f0b7c21d94e4a86";
/// Who consents unless told otherwise.
pub(crate) const ACCOUNT: &str = "ann@example.com";

/// Whose documented behaviour it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// PKCE, `iss`, scopes in answers, a refresh token only for `access_type=offline`, RFC 7009.
    Google,
    /// Tokens by GET, no refresh tokens but exchanges, no scopes in answers, errors as objects.
    Meta,
    /// PKCE, the refresh token in every answer, no scopes in answers, no revocation.
    Amazon,
    /// PKCE, errors with status 200, granted scopes with commas, tokens that do not expire.
    Github,
}

/// What the person does on the consent page.
#[derive(Debug, Clone)]
pub(crate) enum Consent {
    Grants,
    /// Refuses; this is the description that comes back.
    Denies(String),
    /// Grants these of the scopes and no others.
    Only(Vec<String>),
}

/// What comes back as `iss`.
#[derive(Debug, Clone)]
pub(crate) enum Iss {
    /// What the flavour sends: the issuer for Google, nothing for the others.
    Usual,
    /// This.
    Says(String),
}

/// What comes back as `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateSent {
    Right,
    Wrong,
    Missing,
}

/// Does a refresh bring another refresh token?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotates {
    Never,
    /// Each is good for one use; a second use ends the whole grant.
    OneTime,
}

/// What goes wrong at `/token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Every grant is refused as ended.
    InvalidGrant,
    /// This status for so many requests.
    Status {
        status: u16,
        left: u32,
    },
    /// 302 to `/elsewhere`, which counts who follows.
    Redirect,
    /// 200 and 10 MiB.
    Large,
    /// An error that holds a refresh token besides.
    SaysTooMuch,
    /// 200 and HTML.
    NotJson,
    /// Half of the answer; the rest when it is released.
    Stalls,
}

/// Which requests for tokens wait until they are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Nothing,
    /// Before anything is done with them.
    Requests,
    /// When all is done: what was rotated is rotated, and the answer is not there.
    Answers,
}

/// What may be switched while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Knobs {
    /// Who consents.
    pub(crate) account: String,
    pub(crate) consent: Consent,
    pub(crate) iss: Iss,
    pub(crate) state: StateSent,
    pub(crate) rotates: Rotates,
    /// How long an access token is good for; long-lived ones of Meta are for 60 days.
    pub(crate) access_lifetime: Duration,
    /// Answers say so in `expires_in`.
    pub(crate) says_lifetime: bool,
    pub(crate) trouble: Trouble,
    /// So many requests that end a grant are answered 503.
    pub(crate) ending_fails: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            account: ACCOUNT.to_owned(),
            consent: Consent::Grants,
            iss: Iss::Usual,
            state: StateSent::Right,
            rotates: Rotates::Never,
            access_lifetime: Duration::from_hours(1),
            says_lifetime: true,
            trouble: Trouble::None,
            ending_fails: 0,
        }
    }
}

/// How a client proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proved {
    Basic,
    Body,
    /// With nothing, or a wrong secret.
    Not,
}

/// A request for a token as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct TokenRequest {
    pub(crate) grant: String,
    pub(crate) proved: Proved,
    /// What was sent besides codes, tokens, verifiers, assertions and secrets.
    pub(crate) form: BTreeMap<String, String>,
    /// The refresh token, or the access token that is exchanged.
    pub(crate) presented: Option<String>,
    /// The status of the answer; none while it is not known.
    pub(crate) status: Option<u16>,
}

/// A request to end a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// `POST /revoke`, `DELETE /me/permissions`.
    pub(crate) how: String,
    pub(crate) token: String,
    pub(crate) status: u16,
}

/// The double.
#[derive(Clone)]
pub(crate) struct OauthProvider {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    flavour: Flavour,
    address: SocketAddr,
    clock: SharedClock,
    knobs: Mutex<Knobs>,
    book: Mutex<Book>,
    /// Public keys of service accounts by address.
    services: Mutex<HashMap<String, RsaKeyPair>>,
    hold: watch::Sender<Hold>,
    arrived: watch::Sender<usize>,
}

impl Shared {
    fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn released(&self, from: Hold) {
        let mut hold = self.hold.subscribe();
        let _ = hold.wait_for(|now| *now != from).await;
    }
}

impl OauthProvider {
    pub(crate) async fn start(flavour: Flavour, clock: SharedClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            flavour,
            address,
            clock,
            knobs: Mutex::default(),
            book: Mutex::default(),
            services: Mutex::default(),
            hold: watch::Sender::new(Hold::Nothing),
            arrived: watch::Sender::new(0),
        });
        let router = Router::new()
            .fallback(route)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// The entry of `providers:` that leads here, under the name of the preset it is like.
    pub(crate) fn yaml(&self) -> String {
        let (name, further) = match self.shared.flavour {
            Flavour::Google => ("google", "issuer: ORIGIN, revoke_url: ORIGIN/revoke, "),
            Flavour::Meta => (
                "meta",
                "revoke_url: ORIGIN/me/permissions, permissions_url: ORIGIN/me/permissions, ",
            ),
            Flavour::Amazon => ("amazon", ""),
            Flavour::Github => ("github", "revoke_url: ORIGIN/applications, "),
        };
        format!(
            "  {name}: {{ like: {name}, authorize_url: ORIGIN/authorize, token_url: ORIGIN/token, \
             {further}allow_special_use: [127.0.0.0/8] }}\n"
        )
        .replace("ORIGIN", &self.shared.origin())
    }

    /// Where it is: `http://127.0.0.1:1234`. Also Google's `iss`.
    pub(crate) fn origin(&self) -> String {
        self.shared.origin()
    }

    pub(crate) fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.shared.knobs()
    }

    /// Requests for tokens wait from now on; `Hold::Nothing` lets all go.
    pub(crate) fn hold(&self, hold: Hold) {
        self.shared.hold.send_replace(hold);
    }

    /// Waits until so many requests for tokens have arrived, in all.
    pub(crate) async fn arrivals(&self, count: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        let _ = arrived.wait_for(|now| *now >= count).await;
    }

    /// The requests for tokens, in order.
    pub(crate) fn token_requests(&self) -> Vec<TokenRequest> {
        self.shared.book().tokens.clone()
    }

    /// How many of these asked for this: `refresh_token`, `authorization_code`, …
    pub(crate) fn count(&self, grant: &str) -> usize {
        let book = self.shared.book();
        book.tokens.iter().filter(|one| one.grant == grant).count()
    }

    /// The parameters of each request to consent, in order.
    pub(crate) fn authorizations(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.book().authorizations.clone()
    }

    /// What was answered to questions about a token, in order.
    pub(crate) fn checks(&self) -> Vec<u16> {
        self.shared.book().checks.clone()
    }

    /// The requests to end a grant, in order.
    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.shared.book().endings.clone()
    }

    /// How many followed a redirect of `/token`.
    pub(crate) fn followed(&self) -> u32 {
        self.shared.book().followed
    }

    /// Every token, code and key handed out so far: none may be anywhere it should not.
    pub(crate) fn canaries(&self) -> Vec<String> {
        self.shared.book().minted.clone()
    }

    /// Ends all access tokens before their time; grants and refresh tokens stay good.
    pub(crate) fn withdraw_access(&self) {
        self.shared.book().withdraw();
    }

    /// Ends all grants, as when people remove the app in their settings.
    pub(crate) fn end_all_grants(&self) {
        self.shared.book().end_all();
    }

    /// A refresh token that is good, as when the customer brought it: `(refresh token)` of the account that
    /// the knobs name.
    pub(crate) fn grant_by_hand(&self, scopes: &[&str]) -> String {
        let account = self.knobs().account.clone();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let mut book = self.shared.book();
        let grant = book.grant(account, scopes);
        book.mint_refresh(grant)
    }

    /// A service account with a new key: the key file as Google hands it out.
    pub(crate) fn service_account(&self, address: &str) -> Value {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let lines: Vec<String> = BASE64
            .encode(der.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        // The second line: the first of every key of this size is the same.
        self.shared.book().minted.push(lines[1].clone());
        let mut services = self.shared.services.lock().unwrap();
        services.insert(address.to_owned(), pair);
        json!({
            "type": "service_account",
            "project_id": "project-1",
            "private_key_id": "key-1",
            "private_key": format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                lines.join("\n")
            ),
            "client_email": address,
            "client_id": "1",
            "token_uri": format!("{}/token", self.origin()),
        })
    }

    /// Opens the address that a browser was sent to, consents as the knobs say, and gives the address it
    /// is sent back to.
    pub(crate) async fn consent(&self, address: &str) -> String {
        let address = url::Url::parse(address).unwrap();
        let target = &address[url::Position::BeforePath..];
        let text = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let answer = once(self.address, &text).await.expect("an answer");
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").unwrap().to_owned()
    }
}

async fn route(State(shared): State<Arc<Shared>>, request: Request) -> axum::response::Response {
    let asked = Asked::read(request).await;
    let path = asked.path.clone();
    match (&asked.method, path.as_str()) {
        (&Method::GET, "/authorize") => authorize::answer(&shared, &asked),
        (_, "/token") => token::answer(&shared, &asked).await,
        (&Method::POST, "/revoke") if shared.flavour == Flavour::Google => {
            ending::revoke(&shared, &asked)
        }
        (method, "/me/permissions") if shared.flavour == Flavour::Meta => {
            if method == Method::DELETE {
                ending::permissions(&shared, &asked)
            } else {
                ending::list_permissions(&shared, &asked)
            }
        }
        (&Method::DELETE, path)
            if shared.flavour == Flavour::Github && path.starts_with("/applications/") =>
        {
            ending::grant(&shared, &asked)
        }
        (&Method::POST, path)
            if shared.flavour == Flavour::Github && path.starts_with("/applications/") =>
        {
            ending::check(&shared, &asked)
        }
        (_, "/elsewhere") => {
            shared.book().followed += 1;
            answer::json(200, &json!({ "access_token": "canary-at-of-elsewhere" }))
        }
        _ => answer::json(404, &json!({ "error": "not_found" })),
    }
}
