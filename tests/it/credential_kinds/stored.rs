//! Secrets that buy tokens, from the credential store: through the real binary, as an operator has it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};
use wicketgate::clock::SystemClock;

use super::{SCOPE, upstream};
use crate::{
    cli::Ran,
    support::{
        client::Client,
        gateway::{Setup, yaml},
        operator::{Operator, Serving},
        provider::{
            ACCOUNT, CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider, Rotates, api::ResourceApi,
        },
    },
};

const AMAZON: &str = "{ login_with_amazon: { client_id: CLIENT, client_secret: { env: CLIENT_SECRET }, \
                      token_url: ORIGIN/token } }";

/// As long as a change in the store may take to reach a gateway.
const SOON: Duration = Duration::from_secs(5);

/// An installation whose upstream `api` buys tokens at a double.
struct Site {
    operator: Operator,
    provider: OauthProvider,
    api: ResourceApi,
    shown: Vec<String>,
}

impl Site {
    async fn new(flavour: Flavour, credential: &str) -> Self {
        let provider = OauthProvider::start(flavour, Arc::new(SystemClock::new())).await;
        let api = provider.api(SCOPE).await;
        let credential = credential
            .replace("ORIGIN", &provider.origin())
            .replace("CLIENT,", &format!("{CLIENT_ID},"));
        let setup = Setup {
            upstreams: upstream(api.address, &credential),
            ..Setup::default()
        };
        let mut operator = Operator::new(&yaml(&setup, api.address));
        operator.export("CLIENT_SECRET", CLIENT_SECRET);
        operator.run("migrate").done();
        Self {
            operator,
            provider,
            api,
            shown: Vec::new(),
        }
    }

    fn run(&mut self, line: &str, input: &str) -> Ran {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = self.operator.run_with(&words, input);
        self.shown.push(format!("{}{}", ran.out, ran.err));
        ran
    }

    /// A refresh token of an account, as its owner would bring it.
    fn refresh_token(&self, account: &str) -> String {
        account.clone_into(&mut self.provider.knobs().account);
        let token = self.provider.grant_by_hand(&[SCOPE]);
        ACCOUNT.clone_into(&mut self.provider.knobs().account);
        token
    }

    /// A license: its id and its key.
    fn license(&mut self, name: &str) -> (String, String) {
        let line = format!("license issue --name {name} --plan pro --json");
        let issued = self.operator.run(&line).done().json();
        let text = |name: &str| issued[name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// The account that the API saw in its last call.
    fn last_account(&self) -> Option<String> {
        self.api.calls().last().unwrap().account.clone()
    }

    /// Nothing secret was shown, logged, or written to any file.
    fn leaks_nothing(&self, serving: &Serving, more: &[String]) {
        let mut canaries = self.provider.canaries();
        canaries.push(CLIENT_SECRET.to_owned());
        let files = self.operator.place.all_bytes();
        let outputs = [serving.stdout(), serving.stderr()];
        for canary in canaries {
            for text in self.shown.iter().chain(&outputs).chain(more) {
                assert!(!text.contains(&canary), "{canary} in {text}");
            }
            let mut windows = files.windows(canary.len());
            assert!(
                !windows.any(|window| window == canary.as_bytes()),
                "{canary} in a file"
            );
        }
    }
}

async fn works(client: &Client) -> String {
    let answer = client.call("report", json!({})).await;
    assert!(answer.body.contains("visits"), "{}", answer.body);
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licenses_own_secret_comes_before_the_operators() {
    let mut site = Site::new(Flavour::Amazon, AMAZON).await;
    let (acme, acme_key) = site.license("acme");
    let (_, bolt_key) = site.license("bolt");
    let (ours, theirs) = (
        site.refresh_token("operator@example.com"),
        site.refresh_token("acme@example.com"),
    );
    site.run("credential set api", &ours).done();
    site.run(&format!("credential set api --license {acme}"), &theirs)
        .done();
    let serving = site.operator.serve().await;
    let [acme_client, bolt] = [&acme_key, &bolt_key].map(|key| Client::modern(serving.public, key));
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(works(&acme_client).await);
        assert_eq!(site.last_account().as_deref(), Some("acme@example.com"));
        answers.push(works(&bolt).await);
        assert_eq!(site.last_account().as_deref(), Some("operator@example.com"));
    }
    assert_eq!(site.provider.token_requests().len(), 2);

    // Its own gone, it has the operator's; nobody goes on with a token bought with what is gone.
    site.run(&format!("credential delete api --license {acme}"), "")
        .done();
    let since = Instant::now();
    loop {
        answers.push(works(&acme_client).await);
        if site.last_account().as_deref() == Some("operator@example.com") {
            break;
        }
        assert!(since.elapsed() < SOON);
        sleep(Duration::from_millis(20)).await;
    }
    answers.push(serving.ask("/metrics").await.unwrap().body);
    site.leaks_nothing(&serving, &answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_the_seller_replaces_is_kept() {
    let mut site = Site::new(Flavour::Amazon, AMAZON).await;
    site.provider.knobs().rotates = Rotates::OneTime;
    let (_, key) = site.license("acme");
    let token = site.refresh_token(ACCOUNT);
    site.run("credential set api", &token).done();
    for generation in [2, 3] {
        // A gateway that starts anew has nothing but what the store has.
        let mut serving = site.operator.serve().await;
        let client = Client::modern(serving.public, &key);
        works(&client).await;
        works(&client).await;
        let list = site.run("credential list --json", "").done().json();
        assert_eq!(list[0]["generation"], generation, "{list}");
        let _ = serving.stop().await;
        site.leaks_nothing(&serving, &[]);
    }
    assert_eq!(site.provider.token_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_stops_what_was_bought_too() {
    let mut site = Site::new(Flavour::Amazon, AMAZON).await;
    let (_, key) = site.license("acme");
    let token = site.refresh_token(ACCOUNT);
    site.run("credential set api", &token).done();
    let serving = site.operator.serve().await;
    let client = Client::modern(serving.public, &key);
    works(&client).await;
    site.run("seal", "").done();
    let since = Instant::now();
    while client
        .call("report", json!({}))
        .await
        .body
        .contains("visits")
    {
        assert!(since.elapsed() < SOON);
        sleep(Duration::from_millis(20)).await;
    }
    let before = site.api.calls().len();
    let refused = client.call("report", json!({})).await;
    assert!(!refused.body.contains("visits"), "{}", refused.body);
    assert_eq!(site.api.calls().len(), before);
    assert_eq!(site.provider.token_requests().len(), 1);
    site.run("unseal", "").done();
    let since = Instant::now();
    while !client
        .call("report", json!({}))
        .await
        .body
        .contains("visits")
    {
        assert!(since.elapsed() < SOON);
        sleep(Duration::from_millis(20)).await;
    }
    // What had been bought was dropped.
    assert_eq!(site.provider.token_requests().len(), 2);
    site.leaks_nothing(&serving, &[refused.body]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_call_buys_for_itself() {
    let mut site = Site::new(Flavour::Amazon, AMAZON).await;
    let preview = site.run("tool call report --dry-run", "").done();
    assert!(preview.shows("***"), "{}", preview.out);
    assert!(site.provider.token_requests().is_empty());
    let ran = site.run("tool call report", "").refused(1);
    assert!(ran.shows("credential set api"), "{}", ran.err);
    let token = site.refresh_token(ACCOUNT);
    site.run("credential set api", &token).done();
    let ran = site.run("tool call report --json", "").done();
    assert!(ran.shows("visits"), "{}", ran.out);
    assert_eq!(site.last_account().as_deref(), Some(ACCOUNT));
    let serving = site.operator.serve().await;
    site.leaks_nothing(&serving, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_tried_before_it_is_stored() {
    let kind = format!("{{ service_account: {{ scopes: [{SCOPE}], token_url: ORIGIN/token }} }}");
    let mut site = Site::new(Flavour::Google, &kind).await;
    let file = site.provider.service_account("robot@project-1.iam.example");
    let with = |name: &str, value: &str| {
        let mut changed = file.clone();
        changed[name] = json!(value);
        changed.to_string()
    };
    for (wrong, says) in [
        ("canary-no-json".to_owned(), "JSON key file"),
        (
            with("type", "authorized_user"),
            "not that of a service account",
        ),
        (
            with("token_uri", "https://canary.example/token"),
            "`token_uri`",
        ),
        (with("private_key", "canary-no-pem"), "`private_key`"),
    ] {
        let ran = site.run("credential set api", &wrong).refused(1);
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
        assert!(!ran.shows("canary"), "{}", ran.err);
    }
    let list = site.run("credential list --json", "").done().json();
    assert_eq!(list, json!([]));
    site.run("credential set api", &file.to_string()).done();
    let ran = site.run("tool call report --json", "").done();
    assert!(ran.shows("visits"), "{}", ran.out);
    let serving = site.operator.serve().await;
    site.leaks_nothing(&serving, &[]);
}
