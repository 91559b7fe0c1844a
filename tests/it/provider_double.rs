//! The double of a provider does what providers are documented to do, so that tests may stand on it.

mod faults;
mod flavours;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::Value;
use url::{Url, form_urlencoded};
use wicketgate::clock::{ManualClock, Timestamp};

use crate::support::{
    provider::{CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider, Proved, api::ResourceApi},
    wire::{Answer, once},
};

const CALLBACK: &str = "https://gw.test/connect/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SCOPE: &str = "reports.read";

/// A provider whose clock the test moves, and an API for its tokens.
struct Scene {
    clock: Arc<ManualClock>,
    provider: OauthProvider,
    api: ResourceApi,
}

impl Scene {
    async fn start(flavour: Flavour) -> Self {
        let now = Timestamp::from_millis(1_795_305_600_000);
        let clock = Arc::new(ManualClock::new(now));
        let provider = OauthProvider::start(flavour, Arc::clone(&clock) as _).await;
        let api = provider.api(SCOPE).await;
        Self {
            clock,
            provider,
            api,
        }
    }

    fn address(&self, change: &[(&str, &str)]) -> String {
        let challenge = BASE64URL_NOPAD.encode(digest(&SHA256, VERIFIER.as_bytes()).as_ref());
        let mut pairs = BTreeMap::from([
            ("client_id", CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("state", "s-1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ]);
        pairs.extend(change.iter().copied());
        pairs.retain(|_, value| !value.is_empty());
        let query = query(pairs);
        format!("{}/authorize?{query}", self.provider.origin())
    }

    /// What the browser is sent back with.
    async fn consent(&self, change: &[(&str, &str)]) -> BTreeMap<String, String> {
        let back = self.provider.consent(&self.address(change)).await;
        assert!(back.starts_with(CALLBACK), "{back}");
        let back = Url::parse(&back).unwrap();
        back.query_pairs().into_owned().collect()
    }

    async fn code(&self) -> String {
        self.consent(&[]).await["code"].clone()
    }

    async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> Answer {
        let mut pairs = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        pairs.extend(change.iter().copied());
        self.token(pairs).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(BTreeMap::from(pairs)).await
    }

    /// With the client's id and secret in the form.
    async fn token(&self, mut pairs: BTreeMap<&str, &str>) -> Answer {
        pairs.entry("client_id").or_insert(CLIENT_ID);
        pairs.entry("client_secret").or_insert(CLIENT_SECRET);
        pairs.retain(|_, value| !value.is_empty());
        self.post("/token", "", &query(pairs)).await
    }

    async fn post(&self, path: &str, lines: &str, form: &str) -> Answer {
        let kind =
            "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n";
        self.send("POST", path, &format!("{kind}{lines}"), form)
            .await
    }

    async fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let text = self.request(method, path, lines, body);
        once(self.provider.address, &text).await.expect("an answer")
    }

    fn request(&self, method: &str, path: &str, lines: &str, body: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            self.provider.address,
            body.len()
        )
    }

    /// Calls the API with a bearer token.
    async fn call(&self, path: &str, token: &str) -> Answer {
        self.call_with(path, &format!("Authorization: Bearer {token}\r\n"))
            .await
    }

    async fn call_with(&self, path: &str, line: &str) -> Answer {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{line}\r\n",
            self.api.address
        );
        once(self.api.address, &text).await.expect("an answer")
    }
}

fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs).finish()
}

#[track_caller]
fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_connect_as_google_has_it() {
    let scene = Scene::start(Flavour::Google).await;
    let told = scene.consent(&[]).await;
    assert_eq!(told["state"], "s-1");
    assert_eq!(told["iss"], scene.provider.origin());
    let answer = ok(&scene.redeem(&told["code"], &[]).await);
    assert_eq!(answer["expires_in"], 3_600);
    assert_eq!(answer["scope"], SCOPE);
    let (access, refresh) = (
        text(&answer, "access_token"),
        text(&answer, "refresh_token"),
    );
    assert!(access.starts_with("canary-at-") && refresh.starts_with("canary-rt-"));

    assert_eq!(scene.call("/api/report", access).await.status, 200);
    let who = scene.call("/api/whoami", access).await.json();
    assert_eq!(who["account"], "ann@example.com");
    scene.clock.advance(Duration::from_hours(1));
    assert_eq!(scene.call("/api/report", access).await.status, 401);

    let second = ok(&scene.refresh(refresh).await);
    assert_eq!(second["refresh_token"], Value::Null);
    let access = text(&second, "access_token");
    assert_eq!(scene.call("/api/report", access).await.status, 200);

    let requests = scene.provider.token_requests();
    assert_eq!(requests[1].presented.as_deref(), Some(refresh));
    assert_eq!((requests[1].status, requests.len()), (Some(200), 2));
    assert_eq!(scene.provider.count("refresh_token"), 1);
    assert_eq!(requests[0].form["redirect_uri"], CALLBACK);
    assert!(!format!("{:?}", requests[0].form).contains("canary"));
    assert_eq!(scene.provider.authorizations()[0]["scope"], SCOPE);
    let calls = scene.api.calls();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[2].status, 401);
    assert_eq!(calls[3].token.as_deref(), Some(access));
    assert_eq!(calls[3].account.as_deref(), Some("ann@example.com"));
    assert_eq!(calls[3].path, "/api/report");
    for canary in [access, refresh, &told["code"]] {
        assert!(scene.provider.canaries().iter().any(|one| one == canary));
    }
}

#[tokio::test]
async fn codes_are_good_once_and_for_whoever_asked() {
    let scene = Scene::start(Flavour::Google).await;
    for (change, status, error) in [
        (("code_verifier", "x"), 400, "invalid_grant"),
        (("code_verifier", ""), 400, "invalid_grant"),
        (
            ("redirect_uri", "https://gw.test/connect/callback/"),
            400,
            "invalid_grant",
        ),
        (("code", "canary-code-guess"), 400, "invalid_grant"),
        (("client_secret", "guess"), 401, "invalid_client"),
        (("client_secret", ""), 401, "invalid_client"),
        (("client_id", "another"), 401, "invalid_client"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
    ] {
        let answer = scene.redeem(&scene.code().await, &[change]).await;
        assert_eq!(answer.status, status, "{change:?}: {}", answer.body);
        assert_eq!(answer.json()["error"], error, "{change:?}");
    }
    let code = scene.code().await;
    ok(&scene.redeem(&code, &[]).await);
    assert_eq!(
        scene.redeem(&code, &[]).await.json()["error"],
        "invalid_grant"
    );
    let code = scene.code().await;
    scene.clock.advance(Duration::from_mins(10));
    assert_eq!(
        scene.redeem(&code, &[]).await.json()["error"],
        "invalid_grant"
    );
    let twice = scene.post("/token", "", "grant_type=a&grant_type=b").await;
    assert_eq!(twice.json()["error"], "invalid_request");
}

#[tokio::test]
async fn clients_prove_themselves_by_header_too() {
    let scene = Scene::start(Flavour::Google).await;
    let refresh = scene.provider.grant_by_hand(&[SCOPE]);
    let form = query([("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
    let basic = |pair: String| {
        format!(
            "Authorization: Basic {}\r\n",
            BASE64.encode(pair.as_bytes())
        )
    };
    let good = basic(format!("{CLIENT_ID}:{}", CLIENT_SECRET.replace('-', "%2D")));
    ok(&scene.post("/token", &good, &form).await);
    let bad = basic(format!("{CLIENT_ID}:guess"));
    assert_eq!(scene.post("/token", &bad, &form).await.status, 401);
    // Both at once are neither (RFC 6749 section 2.3).
    let both = format!("{form}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    assert_eq!(scene.post("/token", &good, &both).await.status, 401);
    let proved: Vec<_> = scene
        .provider
        .token_requests()
        .iter()
        .map(|one| one.proved)
        .collect();
    assert_eq!(proved, [Proved::Basic, Proved::Not, Proved::Not]);
}
