//! `/account`: what is connected, how much is used, and the way out of both.

use std::{sync::Arc, time::Duration};

use wicketgate::{
    clock::ManualClock,
    entropy::OsEntropy,
    grant::{Binding, ClientId, Scope, SessionKind},
    ids::{LeaseId, LicenseId, ReplicaId, SessionId},
    quota::Meter,
    store::{LeaseRequest, SessionRecord, TokenKind, TokenRecord},
};

use crate::support::{
    browser::{Browser, CALLBACK, filled, public},
    database::NOON,
    gateway::TestGateway,
};

/// A session of this license as a client would hold it.
pub(crate) async fn connect(
    gateway: &TestGateway,
    license: LicenseId,
    client: &ClientId,
    name: &str,
) -> SessionId {
    begin(gateway, license, (client, name), SessionKind::Grant).await
}

/// A session of either kind.
async fn begin(
    gateway: &TestGateway,
    license: LicenseId,
    (client, name): (&ClientId, &str),
    kind: SessionKind,
) -> SessionId {
    let now = gateway.clock.now();
    let session = SessionRecord {
        id: SessionId::generate(now, &OsEntropy),
        license,
        kind,
        client: client.clone(),
        client_name: name.to_owned(),
        client_auth: wicketgate::grant::ClientAuth::None,
        resource: "https://gw.test/mcp".into(),
        scope: Scope::Tools,
        binding: Binding::None,
        bound_to: None,
        generation: 0,
        seed: [0; 16],
        calls: 1_234,
        created: now,
        seen: Some(now),
        expires: now.plus(Duration::from_hours(24)),
        ended: None,
    };
    let token = TokenRecord {
        digest: gateway.digest_text(&session.id.to_string()),
        session: session.id,
        kind: TokenKind::Refresh,
        generation: 0,
        created: now,
        expires: session.expires,
    };
    let begun = gateway
        .store
        .begin_session(&session, &[token], &gateway.stamp())
        .await;
    begun.unwrap();
    session.id
}

#[tokio::test]
async fn connections_are_listed_and_ended_by_their_owner_only() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let (alpha, alpha_key) = gateway.issue("pro").await;
    let (beta, beta_key) = gateway.issue("pro").await;
    let mine = connect(&gateway, alpha, &client, "<i>Notes</i>\u{202e}").await;
    let theirs = connect(&gateway, beta, &client, "Foreign").await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/account").await;
    let page = browser.sign_in(&page, &alpha_key).await;
    for text in [
        "&#60;i&#62;Notes&#60;/i&#62;</bdi>",
        "1,234",
        "<time datetime=\"20",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("Foreign"), "another license's");

    let lives = async |id| {
        gateway
            .store
            .session(id)
            .await
            .unwrap()
            .unwrap()
            .ended
            .is_none()
    };
    let (action, fields) = filled(&page, "Disconnect", &[]);
    let mut crossed = fields.clone();
    for (name, value) in &mut crossed {
        if name == "session" {
            *value = theirs.to_string();
        }
    }
    assert_eq!(browser.post(&action, &crossed, "").await.status, 303);
    assert!(lives(theirs).await && lives(mine).await);
    let without: Vec<_> = fields
        .iter()
        .filter(|(n, _)| n != "form")
        .cloned()
        .collect();
    assert_eq!(browser.post(&action, &without, "").await.status, 403);
    let mut other = Browser::new(&gateway);
    let page_of_other = other.get("/account").await;
    other.sign_in(&page_of_other, &beta_key).await;
    assert_eq!(other.post(&action, &fields, "").await.status, 403);
    assert!(lives(mine).await);

    let mut changes = gateway.running().gateway().changes();
    changes.mark_unchanged();
    let done = browser.press(&page, "Disconnect", &[]).await;
    assert_eq!(done.header("location"), Some("/account?disconnected"));
    assert!(
        changes.has_changed().unwrap(),
        "the gateway heard of it at once"
    );
    let ended = gateway.store.session(mine).await.unwrap().unwrap().ended;
    assert_eq!(ended.unwrap().1, "account");
    let page = browser.get("/account?disconnected").await;
    assert!(page.body.contains("Disconnected."));
    assert!(page.body.contains("No app is connected."));
}

#[tokio::test]
async fn scripts_hide_no_connection() {
    let clock = Arc::new(ManualClock::new(NOON));
    let time = Arc::clone(&clock);
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.clock = time;
        setup.plans = "  pro: { sessions: 5, tools: [\"*\"] }\n".into();
    })
    .await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let (license, key) = gateway.issue("pro").await;
    let begun = async |name: &str, kind| {
        clock.advance(Duration::from_millis(2));
        begin(&gateway, license, (&client, name), kind).await
    };
    begun("Oldest", SessionKind::Grant).await;
    for _ in 0..1_001 {
        begun("script", SessionKind::Exchange).await;
    }
    begun("Newest", SessionKind::Grant).await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/account").await;
    let page = browser.sign_in(&page, &key).await.body;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(at("<bdi>Newest</bdi>") < at("<bdi>Oldest</bdi>"));
    at("2 connected; your plan allows 5 apps at once.");
    at("1,001 script tokens");
    assert!(!page.contains("<bdi>script</bdi>"));
}

#[tokio::test]
async fn the_days_calls_are_shown_against_the_plan() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.plans =
            "  pro: { per_day: 2000, per_minute: 30, sessions: 5, tools: [\"*\"] }\n".into();
    })
    .await;
    let (license, key) = gateway.issue("pro").await;
    let now = gateway.clock.now();
    let wish = LeaseRequest {
        lease: LeaseId::generate(now, &OsEntropy),
        license,
        meter: Meter::CallsDay,
        window: now.day().into(),
        limit: 2_000,
        need: 1,
        unspent: 0,
        replica: ReplicaId::generate(now, &OsEntropy),
        now,
    };
    gateway.store.lease_calls(&wish, |_| 1_500).await.unwrap();
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/account").await;
    let page = browser.sign_in(&page, &key).await;
    for text in [
        "<strong>1,500</strong> of 2,000 calls",
        "75 percent",
        "30 calls a minute",
        "plan <strong>pro</strong>",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert_eq!(page.body.matches("class=\"fill\" x=").count(), 7);
    let out = browser.press(&page, "Sign out", &[]).await;
    assert_eq!(out.header("location"), Some("/account"));
    let page = browser.get("/account").await;
    assert!(page.body.contains(">Continue<"));
    assert!(!browser.cookies.contains_key("__Host-login"));
}
