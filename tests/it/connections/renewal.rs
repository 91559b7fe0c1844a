//! Tokens renewed in time, once, and never in vain.

use std::time::Duration;

use wicketgate::{
    names::Label,
    store::{CredentialState, Removal},
};

use super::{SCOPE, Scene, acc, succeeded};
use crate::support::provider::{Flavour, Hold, Rotates, Trouble};

const REFRESH: &str = "refresh_token";

async fn until(what: impl Fn() -> bool) {
    let waited = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited)
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_nobody_waits() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_mins(42));
    assert!(succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.count(REFRESH), 0, "70 % of its life");

    scene.clock.advance(Duration::from_mins(13));
    scene.provider.hold(Hold::Requests);
    assert!(succeeded(&scene.call("report").await), "with the old token");
    scene.provider.arrivals(2).await;
    assert!(succeeded(&scene.call("report").await), "meanwhile");
    scene.provider.hold(Hold::Nothing);
    let before = scene.stored().await.generation;
    let mut now = before;
    for _ in 0..500 {
        now = scene.stored().await.generation;
        if now > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(now, before + 1);
    assert!(succeeded(&scene.call("report").await));
    let tokens: Vec<_> = scene
        .api
        .calls()
        .into_iter()
        .map(|call| call.token)
        .collect();
    assert_eq!(tokens[1], tokens[2]);
    assert_ne!(tokens[2], tokens[3], "the new one");

    // Over: the call waits for the next one, with the refresh token that was rotated in.
    scene.clock.advance(Duration::from_hours(2));
    assert!(succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.count(REFRESH), 2);
}

#[tokio::test]
async fn meta_tokens_are_exchanged_while_they_are_good() {
    let scene = Scene::start(Flavour::Meta).await;
    scene.connect(&[SCOPE]).await;
    assert_eq!(scene.provider.count("fb_exchange_token"), 1);
    scene.clock.advance(Duration::from_hours(24 * 54));
    assert!(succeeded(&scene.call("report").await));
    until(|| scene.provider.count("fb_exchange_token") == 2).await;
    scene.clock.advance(Duration::from_hours(24 * 70));
    assert!(
        !succeeded(&scene.call("report").await),
        "over: nothing renews it"
    );
    assert_eq!(scene.stored().await.state, CredentialState::NeedsReconnect);
}

#[tokio::test]
async fn amazon_tokens_are_renewed_with_the_same_refresh_token() {
    let scene = Scene::start(Flavour::Amazon).await;
    scene.connect(&[SCOPE]).await;
    for renewals in 1..=3 {
        scene.clock.advance(Duration::from_hours(1));
        assert!(succeeded(&scene.call("report").await));
        assert_eq!(scene.provider.count(REFRESH), renewals);
        let stored = scene.stored().await;
        assert_eq!(super::names(&stored.scopes), [SCOPE], "answers name none");
    }
    let requests = scene.provider.token_requests();
    assert_eq!(requests[1].presented, requests[3].presented);
    let mut tokens: Vec<_> = scene.api.calls().into_iter().map(|c| c.token).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    scene.provider.end_all_grants();
    scene.clock.advance(Duration::from_hours(1));
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.stored().await.state, CredentialState::NeedsReconnect);
}

/// Nothing renews them and nothing ends them but their owner: what one API says of one decides
/// nothing, what GitHub says does.
#[tokio::test]
async fn github_tokens_last_until_github_says_otherwise() {
    let scene = Scene::start(Flavour::Github).await;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_hours(24 * 365));
    assert!(succeeded(&scene.call("report").await));

    // An API that wants something else.
    scene.api.reads("x-other");
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.checks(), [200]);
    assert_eq!(scene.stored().await.state, CredentialState::Active);
    // GitHub is not asked at each call.
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.checks(), [200]);

    // Its owner removed the app in the settings.
    scene.provider.end_all_grants();
    scene.clock.advance(Duration::from_secs(11));
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.checks(), [200, 404]);
    assert_eq!(scene.stored().await.state, CredentialState::NeedsReconnect);
    let calls = scene.api.calls().len();
    let answer = scene.call("report").await;
    assert!(answer.body.contains("/connect"), "{}", answer.body);
    assert_eq!(scene.api.calls().len(), calls);
    assert_eq!(scene.provider.token_requests().len(), 1);
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_renewed_once() {
    let scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    scene.provider.withdraw_access();
    assert!(succeeded(&scene.call("report").await));
    let statuses: Vec<u16> = scene.api.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 200]);
    assert_eq!(scene.provider.count(REFRESH), 1);
    // An API that refuses every token makes no storm of renewals.
    scene.provider.withdraw_access();
    assert!(!succeeded(&scene.call("report").await));
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.provider.count(REFRESH), 1);
}

#[tokio::test]
async fn c_09_a_grant_that_ended_is_not_asked_about_again() {
    for trouble in [Trouble::InvalidGrant, Trouble::None] {
        let scene = Scene::start(Flavour::Google).await;
        scene.connect(&[SCOPE]).await;
        scene.provider.knobs().trouble = trouble;
        if trouble == Trouble::None {
            scene.provider.end_all_grants();
        }
        scene.clock.advance(Duration::from_hours(1));
        for _ in 0..5 {
            assert!(!succeeded(&scene.call("report").await));
        }
        assert_eq!(scene.stored().await.state, CredentialState::NeedsReconnect);
        assert_eq!(scene.provider.count(REFRESH), 1);
        assert!(scene.api.calls().is_empty());
        scene.provider.knobs().trouble = Trouble::None;
        scene.connect(&[SCOPE]).await;
        assert!(succeeded(&scene.call("report").await), "connected anew");
    }
}

#[tokio::test]
async fn c_10_a_provider_in_trouble_is_left_alone_for_a_while() {
    let troubles = [
        Trouble::Redirect,
        Trouble::Large,
        Trouble::NotJson,
        Trouble::Status {
            status: 503,
            left: 100,
        },
    ];
    for trouble in troubles {
        let scene = Scene::start(Flavour::Google).await;
        scene.connect(&[SCOPE]).await;
        scene.provider.knobs().trouble = trouble;
        // Due: the old one is used as long as it is good.
        scene.clock.advance(Duration::from_mins(55));
        assert!(succeeded(&scene.call("report").await), "{trouble:?}");
        until(|| scene.provider.count(REFRESH) == 1).await;
        // Over.
        scene.clock.advance(Duration::from_mins(5));
        for _ in 0..5 {
            assert!(!succeeded(&scene.call("report").await), "{trouble:?}");
        }
        assert!(scene.provider.count(REFRESH) <= 2, "{trouble:?}");
        assert_eq!(scene.provider.followed(), 0);
        assert_eq!(scene.stored().await.state, CredentialState::Active);
        scene.provider.knobs().trouble = Trouble::None;
        scene.clock.advance(Duration::from_mins(6));
        assert!(succeeded(&scene.call("report").await), "{trouble:?}");
    }
}

#[tokio::test]
async fn c_12_what_an_error_says_besides_is_logged_nowhere() {
    let mut scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    scene.provider.knobs().trouble = Trouble::SaysTooMuch;
    scene.clock.advance(Duration::from_hours(1));
    let answer = scene.call("report").await;
    assert!(!succeeded(&answer));
    scene.gateway.stop().await;
    let said = format!("{}{}", answer.body, scene.gateway.log_text());
    let canaries = scene.provider.canaries();
    assert!(canaries.len() >= 5);
    assert!(canaries.iter().all(|secret| !said.contains(secret)));
}

#[tokio::test]
async fn c_11_a_deleted_account_opens_for_nobody() {
    let scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_hours(1));
    let gateway = scene.gateway.running().gateway();
    let connections = gateway.connections();
    scene.provider.hold(Hold::Answers);
    let delete = async {
        scene.provider.arrivals(2).await;
        let label = Label::default_label();
        let upstream = acc();
        let gone = connections.disconnect(scene.license, &upstream, &label, "test");
        assert_eq!(gone.await, Ok(Removal::Removed));
        scene.provider.hold(Hold::Nothing);
    };
    let (answer, ()) = tokio::join!(scene.call("report"), delete);
    assert!(!succeeded(&answer), "the renewed token is not used either");
    assert!(scene.api.calls().is_empty());
    assert!(!succeeded(&scene.call("report").await));
    let left = connections.accounts(scene.license).await.unwrap();
    assert!(left.is_empty());

    gateway.tell_providers().await;
    let ended = scene.provider.endings();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].how.as_str(), ended[0].status),
        ("POST /revoke", 200)
    );
}

#[tokio::test]
async fn providers_are_told_that_grants_ended() {
    for (flavour, how, status) in [
        (Flavour::Google, "POST /revoke", 200),
        (Flavour::Meta, "DELETE /me/permissions", 200),
        (
            Flavour::Github,
            "DELETE /applications/{client_id}/grant",
            204,
        ),
    ] {
        let scene = Scene::start(flavour).await;
        scene.connect(&[SCOPE]).await;
        scene.provider.knobs().ending_fails = 2;
        let gateway = scene.gateway.running().gateway();
        let (label, upstream) = (Label::default_label(), acc());
        let connections = gateway.connections();
        let gone = connections.disconnect(scene.license, &upstream, &label, "test");
        assert_eq!(gone.await, Ok(Removal::Removed));
        for minutes in [0, 1, 2, 4, 8] {
            scene.clock.advance(Duration::from_mins(minutes));
            gateway.tell_providers().await;
        }
        let ended = scene.provider.endings();
        let statuses: Vec<u16> = ended.iter().map(|one| one.status).collect();
        assert_eq!(statuses, [503, 503, status], "{flavour:?}");
        assert!(ended.iter().all(|one| one.how == how), "{flavour:?}");
    }
}

#[tokio::test]
async fn a_provider_that_never_listens_is_given_up_after_a_week() {
    let scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    scene.provider.knobs().ending_fails = u32::MAX;
    let gateway = scene.gateway.running().gateway();
    let (label, upstream) = (Label::default_label(), acc());
    let connections = gateway.connections();
    let gone = connections.disconnect(scene.license, &upstream, &label, "test");
    assert_eq!(gone.await, Ok(Removal::Removed));
    for _ in 0..8 * 24 {
        gateway.tell_providers().await;
        scene.clock.advance(Duration::from_hours(1));
    }
    let told = scene.provider.endings().len();
    assert!((20..60).contains(&told), "{told}");
    assert_eq!(gateway.metrics.revocations_given_up.get(), 1);
}
