//! Credentials whose secret is never sent to the API: signatures, and tokens that are bought.

mod reload;
mod sigv4;
mod stored;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::json;
use wicketgate::clock::ManualClock;

use crate::support::{
    client::Client,
    database::NOON,
    gateway::TestGateway,
    provider::{
        ACCOUNT, CLIENT_ID, CLIENT_SECRET, Flavour, Hold, OauthProvider, Proved, Trouble,
        api::ResourceApi,
    },
    wire::Answer,
};

const SCOPE: &str = "reports.read";

/// A gateway with the upstream `api`, called with tokens that are bought at a double.
struct Scene {
    clock: Arc<ManualClock>,
    provider: OauthProvider,
    api: ResourceApi,
    gateway: TestGateway,
    client: Client,
}

/// The entry of `upstreams:` named `api` with this credential and the tool `report`.
fn upstream(api: SocketAddr, credential: &str) -> String {
    format!(
        "  api:\n    rest:\n      base_url: http://{api}\n      allow_special_use: [127.0.0.0/8]\n      \
         limit: 10000/s\n      max_concurrent: 100\n      max_queue: 1000\n      credential: {credential}\n      tools:\n        - {{ name: report, \
         description: Reads., read_only: true, request: {{ path: /api/report }}, \
         input: {{ type: object, additionalProperties: false }} }}\n"
    )
}

impl Scene {
    /// `secret` is what the configuration finds; `ORIGIN` in the credential is the double's.
    async fn start(
        flavour: Flavour,
        credential: &str,
        secret: impl FnOnce(&OauthProvider) -> String,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let provider = OauthProvider::start(flavour, Arc::clone(&clock) as _).await;
        let api = provider.api(SCOPE).await;
        let credential = credential.replace("ORIGIN", &provider.origin());
        let secret = secret(&provider);
        let gateway = TestGateway::with(|setup| {
            setup.clock = Arc::clone(&clock) as _;
            setup.upstreams = upstream(api.address, &credential);
            setup.environment = vec![
                ("SECRET", secret),
                ("CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ];
        })
        .await;
        let (_, key) = gateway.issue("pro").await;
        let client = Client::modern(gateway.address, &key);
        Self {
            clock,
            provider,
            api,
            gateway,
            client,
        }
    }

    async fn machine(shown_by: &str) -> Self {
        let credential = format!(
            "{{ client_credentials: {{ token_url: ORIGIN/token, client_id: {CLIENT_ID}, \
             client_auth: {shown_by}, scopes: [{SCOPE}], audience: reports }}, \
             value: {{ env: SECRET }} }}"
        );
        Self::start(Flavour::Google, &credential, |_| CLIENT_SECRET.to_owned()).await
    }

    async fn report(&self) -> Answer {
        self.client.call("report", json!({})).await
    }

    async fn works(&self) {
        let answer = self.report().await;
        assert!(answer.body.contains("visits"), "{}", answer.body);
    }

    async fn fails(&self) -> String {
        let answer = self.report().await;
        assert!(answer.body.contains(r#""isError":true"#), "{}", answer.body);
        answer.body
    }

    fn bought(&self) -> usize {
        self.provider.token_requests().len()
    }

    /// Nothing secret is in the log or in these texts.
    async fn leaks_nothing(mut self, texts: &[String]) {
        let _ = self.gateway.stop().await;
        let mut canaries = self.provider.canaries();
        canaries.push(CLIENT_SECRET.to_owned());
        let log = self.gateway.log_text();
        for canary in canaries {
            assert!(!log.contains(&canary), "{canary} in the log");
            assert!(texts.iter().all(|text| !text.contains(&canary)), "{canary}");
        }
    }
}

#[tokio::test]
async fn client_credentials_are_shown_as_the_server_wants_them() {
    for (shown_by, proved) in [("basic", Proved::Basic), ("body", Proved::Body)] {
        let scene = Scene::machine(shown_by).await;
        scene.works().await;
        scene.works().await;
        let asked = scene.provider.token_requests();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].proved, asked[0].status), (proved, Some(200)));
        assert_eq!(asked[0].grant, "client_credentials");
        assert_eq!(asked[0].form["audience"], "reports");
        let calls = scene.api.calls();
        assert_eq!(calls[0].account.as_deref(), Some(CLIENT_ID));
        scene.leaks_nothing(&[]).await;
    }
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let credential = format!(
        "{{ service_account: {{ scopes: [{SCOPE}], subject: ann@example.com, \
         token_url: ORIGIN/token }}, value: {{ env: SECRET }} }}"
    );
    let key_file = |provider: &OauthProvider| {
        let file = provider.service_account("robot@project-1.iam.example");
        file.to_string()
    };
    let scene = Scene::start(Flavour::Google, &credential, key_file).await;
    scene.works().await;
    assert_eq!(scene.api.calls()[0].account.as_deref(), Some(ACCOUNT));
    assert_eq!(scene.bought(), 1);
    scene.leaks_nothing(&[]).await;
}

#[tokio::test]
async fn login_with_amazon_refreshes_into_its_own_header() {
    let credential = format!(
        "{{ login_with_amazon: {{ client_id: {CLIENT_ID}, client_secret: {{ env: CLIENT_SECRET }}, \
         token_url: ORIGIN/token, header: x-amz-access-token }}, value: {{ env: SECRET }} }}"
    );
    let grant = |provider: &OauthProvider| provider.grant_by_hand(&[SCOPE]);
    let scene = Scene::start(Flavour::Amazon, &credential, grant).await;
    scene.api.reads("x-amz-access-token");
    scene.works().await;
    let asked = scene.provider.token_requests();
    assert_eq!((asked.len(), asked[0].proved), (1, Proved::Body));
    scene.leaks_nothing(&[]).await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_bought_again_after() {
    let scene = Scene::machine("basic").await;
    scene.works().await;
    // Before 72 % of an hour nobody asks.
    scene.clock.advance(Duration::from_mins(43));
    scene.works().await;
    assert_eq!(scene.bought(), 1);
    // Past 88 % the call goes on with the old one while the next is bought.
    scene.clock.advance(Duration::from_mins(11));
    scene.provider.hold(Hold::Requests);
    scene.works().await;
    scene.provider.arrivals(2).await;
    scene.works().await;
    scene.provider.hold(Hold::Nothing);
    // Over: there is one wait, for the new one.
    scene.clock.advance(Duration::from_hours(2));
    scene.works().await;
    assert_eq!(scene.bought(), 3);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let scene = Scene::machine("basic").await;
    scene.works().await;
    scene.provider.withdraw_access();
    scene.works().await;
    assert_eq!(scene.bought(), 2);
    // An API that refuses every token brings about no storm.
    scene.provider.withdraw_access();
    for _ in 0..5 {
        scene.fails().await;
    }
    assert_eq!(scene.bought(), 2);
    scene.clock.advance(Duration::from_mins(2));
    scene.works().await;
    assert_eq!(scene.bought(), 3);
}

#[tokio::test]
async fn a_hundred_calls_buy_one_token() {
    let scene = Scene::machine("basic").await;
    scene.provider.hold(Hold::Requests);
    let calls = (0..100).map(|_| scene.report());
    let release = async {
        scene.provider.arrivals(1).await;
        scene.provider.hold(Hold::Nothing);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), release);
    assert!(answers.iter().all(|answer| answer.body.contains("visits")));
    assert_eq!(scene.bought(), 1);
}

#[tokio::test]
async fn a_provider_in_trouble_is_named_nowhere_and_not_stormed() {
    let scene = Scene::machine("basic").await;
    let mut texts = Vec::new();
    for trouble in [
        Trouble::Status {
            status: 503,
            left: 9,
        },
        Trouble::Redirect,
        Trouble::Large,
        Trouble::SaysTooMuch,
        Trouble::NotJson,
    ] {
        scene.clock.advance(Duration::from_mins(3));
        scene.provider.knobs().trouble = trouble;
        let before = scene.bought();
        for _ in 0..5 {
            let text = scene.fails().await;
            assert!(!text.contains(&scene.provider.origin()) && !text.contains("/token"));
            texts.push(text);
        }
        assert_eq!(scene.bought(), before + 1, "{trouble:?}");
    }
    assert_eq!(scene.provider.followed(), 0);
    assert!(scene.api.calls().is_empty());
    scene.provider.knobs().trouble = Trouble::None;
    scene.clock.advance(Duration::from_mins(3));
    scene.works().await;
    // A token that is good outlives the trouble.
    scene.provider.knobs().trouble = Trouble::InvalidGrant;
    scene.clock.advance(Duration::from_mins(55));
    let before = scene.bought();
    scene.works().await;
    scene.provider.arrivals(before + 1).await;
    scene.works().await;
    scene.leaks_nothing(&texts).await;
}
