//! everything that beta holds, put by alpha into every place of every route. The answer is the
//! one that a handle gets which never was, and beta's own still works afterwards.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::form_urlencoded;
use wicketgate::{
    connect::Wish,
    entropy::OsEntropy,
    http::{
        ROUTES,
        router::{Access, Route},
    },
    ids::{CredentialId, LicenseId, SessionId},
    names::Label,
    store::SessionFilter,
};

use super::{
    Counted,
    scene::{Scene, ask, came, send},
    tools::{Holding, Kind, SCOPE, Tool},
};
use crate::support::{
    browser::{Browser, HOST, filled},
    client::{Client, Speaks},
    database::{Fixture, NOON},
    oauth::{App, CALLBACK, Given, VERIFIER, form},
    wire::Answer,
};

const UPSTREAM: &str = "account_both";

/// Something of beta's, and something like it that never was.
struct Handle {
    kind: &'static str,
    text: String,
    ghost: String,
}

/// Where alpha puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Path,
    Query,
    Header,
    Cookie,
    FormCode,
    FormRefresh,
    FormToken,
    FormPage,
    FormKey,
    JsonCall,
    JsonList,
}

const SPOTS: [Spot; 11] = [
    Spot::Path,
    Spot::Query,
    Spot::Header,
    Spot::Cookie,
    Spot::FormCode,
    Spot::FormRefresh,
    Spot::FormToken,
    Spot::FormPage,
    Spot::FormKey,
    Spot::JsonCall,
    Spot::JsonList,
];

/// Where the answers differ because whoever has a link may know that it is one (U06).
const TOLD: [&str; 1] = ["connect link Path /connect/{*handle}: 403, not 404"];

/// What alpha proves itself with, and what a provider gave with beta's state.
struct Stage<'s> {
    client: &'s Client,
    cookie: String,
    app: &'s App,
    provider_code: String,
}

fn account() -> Tool {
    Tool {
        kind: Kind::Account,
        holding: Holding::Both,
    }
}

fn handle(kind: &'static str, text: &str) -> Handle {
    let mut ghost = text.to_owned().into_bytes();
    let at = ghost.len() * 3 / 5;
    ghost[at] = if ghost[at] == b'A' { b'B' } else { b'A' };
    Handle {
        kind,
        text: text.to_owned(),
        ghost: String::from_utf8(ghost).unwrap(),
    }
}

/// Beta's, made as beta makes them.
struct Beta {
    client: Client,
    link: String,
    state: String,
    oauth_state: String,
    provider_code: String,
    back: String,
    app: App,
    code: String,
    given: Given,
    cursor: String,
    form: String,
    login: String,
    visit: String,
    credential: String,
    session: String,
}

const LOGIN: &str = "__Host-login";

impl Beta {
    async fn of(scene: &Scene) -> Self {
        // An account that beta has not connected, for what leads to one.
        scene.uproot(account(), "beta").await;
        scene.told().await;
        let (gateway, license) = (&scene.gateways[0], scene.beta.license);
        let client = scene.client("beta", 0, Speaks::Modern);
        let needed = scene.call(&client, UPSTREAM, "beta", &json!({})).await;
        let result = &needed.json()["result"];
        let asked = result["inputRequests"].as_object().expect("a link");
        let link = asked.values().next().unwrap()["params"]["url"].as_str();
        let link = link.unwrap().rsplit('/').next().unwrap().to_owned();
        let state = result["requestState"].as_str().unwrap().to_owned();

        let mut browser = Browser::new(gateway);
        let first = browser.get("/account").await;
        let visit = browser.cookies.values().next().unwrap().clone();
        let page = browser.sign_in(&first, &scene.beta.key).await;
        let (_, fields) = filled(&page, "Sign out", &[]);
        let form = fields
            .into_iter()
            .find(|(name, _)| name == "form")
            .unwrap()
            .1;
        let login = browser.cookies[LOGIN].clone();

        let connections = gateway.running().gateway().connections();
        let wish = Wish {
            upstream: UPSTREAM.parse().unwrap(),
            label: Label::default_label(),
            scopes: std::iter::once(SCOPE.parse().unwrap()).collect(),
        };
        "beta-9".clone_into(&mut scene.provider.knobs().account);
        let address = connections.begin(license, &wish, &login).await.unwrap();
        let back = scene.provider.consent(address.as_str()).await;
        let came = came(&back);

        let app = App::registered(gateway).await;
        let code = app.code(gateway, license).await;
        let given = Given::of(&redeem(&app, &app.code(gateway, license).await).await);
        let list = ask(&client, "tools/list", json!({})).await.json();
        let cursor = list["result"]["nextCursor"].as_str().unwrap().to_owned();
        let accounts = connections.accounts(license).await.unwrap();
        let filter = SessionFilter {
            license: Some(license),
            ..SessionFilter::default()
        };
        let sessions = gateway.store.sessions(&filter).await.unwrap();
        Self {
            client,
            link,
            state,
            oauth_state: came.state.unwrap(),
            provider_code: came.code.unwrap(),
            back,
            app,
            code,
            given,
            cursor,
            form,
            login,
            visit,
            credential: accounts[0].id.to_string(),
            session: sessions[0].id.to_string(),
        }
    }

    fn handles(&self, scene: &Scene) -> Vec<Handle> {
        let ids = &OsEntropy;
        let id = |kind, text: &str, ghost: String| Handle {
            kind,
            text: text.to_owned(),
            ghost,
        };
        let license = scene.beta.license.to_string();
        vec![
            handle("connect link", &self.link),
            handle("request state", &self.state),
            handle("form token", &self.form),
            handle("login cookie", &self.login),
            handle("visit cookie", &self.visit),
            handle("oauth state", &self.oauth_state),
            handle("authorization code", &self.code),
            handle("access token", &self.given.access),
            handle("refresh token", &self.given.refresh),
            handle("cursor", &self.cursor),
            id(
                "license id",
                &license,
                LicenseId::generate(NOON, ids).to_string(),
            ),
            id(
                "credential id",
                &self.credential,
                CredentialId::generate(NOON, ids).to_string(),
            ),
            id(
                "session id",
                &self.session,
                SessionId::generate(NOON, ids).to_string(),
            ),
        ]
    }

    /// Whatever alpha did: all of it is as good as before.
    async fn is_unharmed(&self, scene: &Scene) {
        let gateway = &scene.gateways[0];
        let token = Client {
            key: self.given.access.clone(),
            ..self.client.clone()
        };
        let list =
            async |cursor: &str| ask(&token, "tools/list", json!({ "cursor": cursor })).await;
        assert_eq!(ask(&token, "tools/list", json!({})).await.status, 200);
        let next = ask(&self.client, "tools/list", json!({ "cursor": self.cursor })).await;
        assert!(next.body.contains("\"tools\""), "{}", next.body);
        assert_ne!(list("").await.status, 200);
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", self.app.id.as_str()),
            ("refresh_token", &self.given.refresh),
        ];
        Given::of(&post(&self.app, "/token", &fields).await);
        Given::of(&redeem(&self.app, &self.code).await);

        let mut browser = Browser::new(gateway);
        browser.cookies.insert(LOGIN.to_owned(), self.login.clone());
        let page = browser.get(&format!("/connect/{}", self.link)).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, back) = self.back.split_once(HOST).unwrap();
        let page = browser.get(back).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let carried = json!({ "requestState": self.state });
        let done = scene.call(&self.client, UPSTREAM, "beta", &carried).await;
        assert!(done.body.contains("beta-9"), "{}", done.body);
        let fields = [("form", &self.form), ("step", &"sign-out".to_owned())];
        let fields: Vec<_> = fields.map(|(n, v)| (n.to_owned(), v.clone())).into();
        let sent = browser
            .post("/account", &fields, "Sec-Fetch-Site: same-origin\r\n")
            .await;
        assert_ne!(sent.status, 403, "the form is still ours: {}", sent.body);
    }
}

async fn redeem(app: &App, code: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", app.id.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    post(app, "/token", &fields).await
}

async fn post(app: &App, path: &str, fields: &[(&str, &str)]) -> Answer {
    let text = crate::support::oauth::form_request(app.address, path, "", &form(fields));
    send(app.address, &text).await
}

impl Stage<'_> {
    /// What alpha sends: its own key and login, and this text there.
    #[expect(clippy::too_many_lines, reason = "a table of places")]
    fn request(&self, route: Route, spot: Spot, text: &str) -> String {
        let tail = match route.path {
            "/connect/callback/{*upstream}" => UPSTREAM,
            "/connect/done/{*account}" => "account_both/default",
            "/connect/{*handle}" => "wgh_none",
            _ => "oauth-authorization-server",
        };
        let plain = match route.path.split_once("{*") {
            Some((below, _)) => format!("{below}{tail}"),
            None => route.path.to_owned(),
        };
        let pair = |name: &'static str| (name, text);
        let path = match (spot, route.path.split_once("{*")) {
            (Spot::Path, Some((below, _))) => format!("{below}{text}"),
            (Spot::Path, None) => format!("{plain}/{text}"),
            (Spot::Query, _) => {
                let code = if route.path.starts_with("/connect/callback") {
                    &self.provider_code
                } else {
                    text
                };
                let query = form(&[pair("state"), ("code", code), pair("form"), pair("label")]);
                format!("{plain}?{query}")
            }
            _ => plain,
        };
        let mut lines = format!("Authorization: Bearer {}\r\n", self.client.key);
        let more = match spot {
            Spot::Cookie => format!(
                "Cookie: {}; __Host-visit={text}; session={text}\r\n",
                self.cookie
            ),
            Spot::Header => format!(
                "Cookie: {}\r\nX-License: {text}\r\nMcp-Session-Id: {text}\r\nX-Tenant-Id: \
                 {text}\r\nX-Forwarded-User: {text}\r\n",
                self.cookie
            ),
            Spot::Path
            | Spot::Query
            | Spot::FormCode
            | Spot::FormRefresh
            | Spot::FormToken
            | Spot::FormPage
            | Spot::FormKey
            | Spot::JsonCall
            | Spot::JsonList => format!("Cookie: {}\r\n", self.cookie),
        };
        lines.push_str(&more);
        let id = self.app.id.as_str();
        let fields: Vec<(&str, &str)> = match spot {
            Spot::FormCode => vec![
                ("grant_type", "authorization_code"),
                ("client_id", id),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
                pair("code"),
            ],
            Spot::FormRefresh => vec![
                ("grant_type", "refresh_token"),
                ("client_id", id),
                pair("refresh_token"),
            ],
            Spot::FormToken => vec![("client_id", id), pair("token")],
            Spot::FormPage => vec![
                pair("form"),
                ("step", "end"),
                ("upstream", UPSTREAM),
                ("label", "default"),
            ],
            Spot::FormKey => vec![pair("license_key")],
            Spot::Path
            | Spot::Query
            | Spot::Header
            | Spot::Cookie
            | Spot::JsonCall
            | Spot::JsonList => Vec::new(),
        };
        let params = match spot {
            Spot::JsonCall => Some((
                "tools/call",
                json!({ "name": UPSTREAM, "arguments": { "who": "beta" }, "requestState": text }),
            )),
            Spot::JsonList => Some(("tools/list", json!({ "cursor": text }))),
            _ if route.access == Access::Principal && fields.is_empty() => {
                Some(("tools/list", json!({ "_meta": { "x.test/tenant": text } })))
            }
            _ => None,
        };
        if let Some((method, params)) = params {
            let message = self.client.message(&json!(7), method, params);
            let whole = self.client.request(&message);
            let own = format!("Authorization: Bearer {}\r\n", self.client.key);
            return whole
                .replacen("POST /mcp", &format!("POST {path}"), 1)
                .replacen(&own, &lines, 1);
        }
        let head = |method: &str, body: &str| {
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\n{lines}\
                 Content-Length: {}\r\n",
                body.len()
            )
        };
        if fields.is_empty() {
            return format!("{}\r\n", head("GET", ""));
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let kind = "Content-Type: application/x-www-form-urlencoded";
        format!("{}{kind}\r\n\r\n{body}", head("POST", &body))
    }
}

/// What alpha can tell two answers apart by: what is long and drawn by lot is left out, as is what
/// was sent.
fn shape(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers
        .retain(|(name, _)| !["date", "x-request-id", "content-length"].contains(&name.as_str()));
    for (_, value) in &mut headers {
        *value = without_lots(value);
    }
    (answer.status, headers, without_lots(&answer.body))
}

fn without_lots(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '%');
    let (mut shape, mut run) = (String::new(), String::new());
    for c in text.chars().chain([' ']) {
        if is_part(c) {
            run.push(c);
        } else {
            shape.push_str(if run.len() >= 22 { "…" } else { &run });
            run.clear();
            shape.push(c);
        }
    }
    shape
}

pub(super) async fn x_01_every_handle_of_beta_is_nothing_to_alpha(fixture: &Fixture) {
    let scene = Scene::start(fixture, 1).await;
    let gateway = &scene.gateways[0];
    let beta = Beta::of(&scene).await;
    let client = scene.client("alpha", 0, Speaks::Modern);
    let mut browser = Browser::new(gateway);
    let first = browser.get("/account").await;
    browser.sign_in(&first, &scene.alpha.key).await;
    let app = App::registered(gateway).await;
    let stage = Stage {
        client: &client,
        cookie: format!("{LOGIN}={}", browser.cookies[LOGIN]),
        app: &app,
        provider_code: beta.provider_code.clone(),
    };
    let handles = beta.handles(&scene);
    let (mut counted, mut differs) = (Counted::default(), Vec::new());
    let mut statuses = BTreeSet::new();
    let before = scene.mark();
    for route in ROUTES {
        for spot in SPOTS {
            for handle in &handles {
                let mut shapes = Vec::new();
                for text in [&handle.text, &handle.ghost] {
                    let answer = send(client.address, &stage.request(route, spot, text)).await;
                    let place = format!("{} {spot:?} {}", handle.kind, route.path);
                    for (name, of_beta) in [
                        ("license", scene.beta.license.to_string()),
                        ("account", "beta-".into()),
                    ] {
                        let sent = text.contains(&of_beta);
                        assert!(sent || !answer.body.contains(&of_beta), "{place}: {name}");
                    }
                    statuses.insert(answer.status);
                    shapes.push(shape(&answer));
                }
                if shapes[0] != shapes[1] {
                    let (was, ghost) = (shapes[0].0, shapes[1].0);
                    let place = format!("{} {spot:?} {}", handle.kind, route.path);
                    if was == ghost {
                        differs.push(format!("{place}: {shapes:?}"));
                    } else {
                        differs.push(format!("{place}: {was}, not {ghost}"));
                    }
                }
                counted.cell([
                    format!("route {}", route.path),
                    format!("handle {}", handle.kind),
                    format!("spot {spot:?}"),
                    format!("access {:?}", route.access),
                ]);
            }
        }
    }
    assert_eq!(differs, TOLD);
    // With beta's handles alpha reached its own account at most.
    for (_, owner) in &scene.arrived_since(before) {
        assert_eq!(owner, "alpha-1");
    }
    beta.is_unharmed(&scene).await;
    counted.print("Handles");
    println!("  statuses {statuses:?}");
    assert_eq!(counted.cells, ROUTES.len() * SPOTS.len() * handles.len());
    assert!(
        handles.len() >= 13 && counted.cells >= 1_859,
        "{}",
        counted.cells
    );
    assert!(
        statuses.len() >= 6,
        "not all was refused at the door: {statuses:?}"
    );
    let lines: Vec<Value> = scene.stop().await;
    assert!(lines.len() > counted.cells);
}
