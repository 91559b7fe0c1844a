//! What goes wrong when it is told to.

use std::time::Duration;

use serde_json::Value;

use super::{SCOPE, Scene, ok, text};
use crate::support::{
    provider::{Consent, Flavour, Hold, Iss, Rotates, StateSent, Trouble},
    wire::{Wire, once},
};

#[tokio::test]
async fn the_person_and_the_way_back_do_as_the_knobs_say() {
    let scene = Scene::start(Flavour::Google).await;
    let nasty = "<script>alert(1)</script>";
    scene.provider.knobs().consent = Consent::Denies(nasty.into());
    let told = scene.consent(&[]).await;
    assert_eq!(
        (told["error"].as_str(), told["error_description"].as_str()),
        ("access_denied", nasty)
    );
    assert_eq!((told.get("code"), told["state"].as_str()), (None, "s-1"));

    scene.provider.knobs().consent = Consent::Only(vec!["b".into()]);
    scene.provider.knobs().account = "bob@example.com".into();
    let told = scene.consent(&[("scope", "a b")]).await;
    let answer = ok(&scene.redeem(&told["code"], &[]).await);
    assert_eq!(answer["scope"], "b");
    let access = text(&answer, "access_token");
    let who = scene.call("/api/whoami", access).await.json();
    assert_eq!(who["account"], "bob@example.com");
    let refused = scene.call("/api/report", access).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer error=\"insufficient_scope\"")
    );

    scene.provider.knobs().consent = Consent::Grants;
    scene.provider.knobs().iss = Iss::Says(format!("{}/", scene.provider.origin()));
    scene.provider.knobs().state = StateSent::Wrong;
    let told = scene.consent(&[]).await;
    assert!(told["iss"].ends_with('/') && told["state"] != "s-1");
    scene.provider.knobs().state = StateSent::Missing;
    assert_eq!(scene.consent(&[]).await.get("state"), None);

    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", ""), "invalid_scope"),
    ] {
        assert_eq!(scene.consent(&[change]).await["error"], error, "{change:?}");
    }
    for change in [("client_id", "x"), ("redirect_uri", "x"), ("state", "")] {
        let address = scene.address(&[change]);
        let target = address.trim_start_matches(&scene.provider.origin());
        let answer = scene.send("GET", target, "", "").await;
        assert_eq!(answer.status, 400, "{change:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_for_one_use_ends_the_grant_with_its_second() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.provider.knobs().says_lifetime = false;
    scene.provider.knobs().access_lifetime = Duration::from_secs(5);
    let first = scene.provider.grant_by_hand(&[SCOPE, "b"]);
    let answer = ok(&scene.refresh(&first).await);
    assert_eq!(answer["expires_in"], Value::Null);
    let second = text(&answer, "refresh_token");
    assert_ne!(second, first);
    let answer = ok(&scene.refresh(second).await);
    let access = text(&answer, "access_token").to_owned();
    scene.clock.advance(Duration::from_secs(4));
    assert_eq!(scene.call("/api/report", &access).await.status, 200);
    assert_eq!(scene.refresh(&first).await.json()["error"], "invalid_grant");
    assert_eq!(scene.call("/api/report", &access).await.status, 401);
    let third = text(&answer, "refresh_token");
    assert_eq!(scene.refresh(third).await.json()["error"], "invalid_grant");

    scene.provider.knobs().rotates = Rotates::Never;
    let other = scene.provider.grant_by_hand(&[SCOPE]);
    let answer = ok(&scene.refresh(&other).await);
    let access = text(&answer, "access_token").to_owned();
    scene.provider.withdraw_access();
    assert_eq!(scene.call("/api/report", &access).await.status, 401);
    ok(&scene.refresh(&other).await);
    scene.provider.end_all_grants();
    assert_eq!(scene.refresh(&other).await.status, 400);
}

#[tokio::test]
async fn trouble_comes_as_it_is_called() {
    let scene = Scene::start(Flavour::Google).await;
    let refresh = scene.provider.grant_by_hand(&[SCOPE]);
    let with = |trouble: Trouble| {
        scene.provider.knobs().trouble = trouble;
        scene.refresh(&refresh)
    };
    assert_eq!(
        with(Trouble::InvalidGrant).await.json()["error"],
        "invalid_grant"
    );
    assert_eq!(
        with(Trouble::Status {
            status: 503,
            left: 2
        })
        .await
        .status,
        503
    );
    assert_eq!(scene.refresh(&refresh).await.status, 503);
    ok(&scene.refresh(&refresh).await);
    assert_eq!(scene.provider.knobs().trouble, Trouble::None);

    let redirect = with(Trouble::Redirect).await;
    assert_eq!(redirect.status, 302);
    assert_eq!(scene.provider.followed(), 0);
    let elsewhere = redirect.header("location").unwrap();
    let target = elsewhere.trim_start_matches(&scene.provider.origin());
    assert_eq!(scene.send("GET", target, "", "").await.status, 200);
    assert_eq!(scene.provider.followed(), 1);

    assert!(with(Trouble::Large).await.body.len() > 10 << 20);
    let much = with(Trouble::SaysTooMuch).await;
    assert_eq!(much.status, 400);
    let leaked = text(&much.json(), "refresh_token").to_owned();
    assert!(scene.provider.canaries().contains(&leaked));
    let html = with(Trouble::NotJson).await;
    assert_eq!((html.status, html.json()), (200, Value::Null));
    let statuses: Vec<Option<u16>> = scene
        .provider
        .token_requests()
        .iter()
        .map(|one| one.status)
        .collect();
    assert_eq!(statuses, [400, 503, 503, 200, 302, 200, 400, 200].map(Some));
}

#[tokio::test]
async fn requests_and_answers_wait_until_released() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    let refresh = scene.provider.grant_by_hand(&[SCOPE]);
    let form = |token: &str| {
        super::query([
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", super::CLIENT_ID),
            ("client_secret", super::CLIENT_SECRET),
        ])
    };
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let text_of = |token: &str| scene.request("POST", "/token", kind, &form(token));
    let address = scene.provider.address;

    scene.provider.hold(Hold::Requests);
    let request = text_of(&refresh);
    let waiting = tokio::spawn(async move { once(address, &request).await.unwrap() });
    scene.provider.arrivals(1).await;
    assert_eq!(
        scene.provider.token_requests()[0].status,
        None,
        "nothing was done"
    );
    scene.provider.hold(Hold::Answers);
    // The rotation is done, whoever waits for the answer.
    while scene.provider.token_requests()[0].status.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    scene.provider.hold(Hold::Nothing);
    let answer = ok(&waiting.await.unwrap());
    let second = text(&answer, "refresh_token");

    scene.provider.knobs().trouble = Trouble::Stalls;
    let mut wire = Wire::connect(address).await;
    wire.send(text_of(second).as_bytes()).await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, None));
    let first = wire.take(20).await;
    assert!(!first.is_empty());
    scene.provider.hold(Hold::Nothing);
    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        rest.extend(wire.take(1).await);
    }
    assert!(String::from_utf8_lossy(&rest).contains("canary-rt-"));
}
