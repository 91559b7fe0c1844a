//! A call that waits for its person (U03): it goes on when the account is there, ends when its license
//! does, and asks again when its time is over. Nothing here sleeps until something has happened.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use wicketgate::license::LicenseStatus;

use super::{Accounts, Scene, asked, retry, succeeded};
use crate::support::{
    client::{Client, Speaks},
    provider::Flavour,
    wire::once,
};

/// A call of this scene would wait for twenty seconds.
const PATIENT: &str = "  call_timeout: 40s\n";
/// Whatever is done at once is done before this.
const SOON: Duration = Duration::from_secs(15);

/// How many calls wait now, as the operator sees it.
async fn waiting(scene: &Scene) -> String {
    let admin = scene.gateway.admin;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let metrics = once(admin, &request).await.unwrap().body;
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("wicketgate_calls_waiting "));
    count.unwrap().to_owned()
}

/// Until a call has looked for its account in vain and waits.
async fn one_waits(scene: &Scene) {
    let began = Instant::now();
    while waiting(scene).await != "1" {
        assert!(began.elapsed() < SOON, "no call waits");
    }
}

#[tokio::test]
async fn u03_a_call_that_waits_goes_on_when_the_account_is_there() {
    let scene = Scene::with(Flavour::Google, Accounts::One, PATIENT).await;
    let (link, state) = asked(&scene.sends("report", &json!({})).await);
    let retry = retry(&state, "accept");
    let began = Instant::now();
    let person = async {
        one_waits(&scene).await;
        scene.connects(&link).await
    };
    let (answer, _) = tokio::join!(scene.sends("report", &retry), person);
    assert!(succeeded(&answer), "{}", answer.body);
    assert!(began.elapsed() < SOON, "it was not woken");
    assert_eq!(waiting(&scene).await, "0");
}

#[tokio::test]
async fn a_call_that_waits_ends_with_its_license() {
    let scene = Scene::with(Flavour::Google, Accounts::One, PATIENT).await;
    let (_, state) = asked(&scene.sends("report", &json!({})).await);
    let retry = retry(&state, "accept");
    let began = Instant::now();
    let operator = async {
        one_waits(&scene).await;
        let (store, stamp) = (&scene.gateway.store, scene.gateway.stamp());
        let revoked = LicenseStatus::Revoked;
        let changed = store.set_license_status(scene.license, revoked, "a test", &stamp);
        changed.await.unwrap();
        scene.gateway.changed().await;
    };
    let (answer, ()) = tokio::join!(scene.sends("report", &retry), operator);
    assert!(!succeeded(&answer));
    assert!(began.elapsed() < SOON, "it was not woken");
    assert_eq!(waiting(&scene).await, "0");
    assert_eq!(scene.sends("report", &retry).await.status, 401);
}

#[tokio::test]
async fn changes_of_others_do_not_end_it_and_its_time_does() {
    // Half of a call's time is for the person.
    let scene = Scene::with(Flavour::Google, Accounts::One, "  call_timeout: 2s\n").await;
    let (_, state) = asked(&scene.sends("report", &json!({})).await);
    let retry = retry(&state, "accept");
    let began = Instant::now();
    let others = async {
        one_waits(&scene).await;
        let (_, key) = scene.gateway.issue("pro").await;
        scene.gateway.changed().await;
        let other = Client::modern(scene.gateway.address, &key);
        assert!(!succeeded(&super::call(&other, "report", &json!({})).await));
    };
    let (answer, ()) = tokio::join!(scene.sends("report", &retry), others);
    asked(&answer);
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!(waiting(&scene).await, "0");
}

#[tokio::test]
async fn an_account_that_ends_between_two_calls_is_told_with_the_second() {
    for speaks in [Speaks::Modern, Speaks::Legacy("2025-06-18")] {
        let scene = Scene::start(Flavour::Google).await;
        let (link, _) = asked(&scene.sends("report", &json!({})).await);
        scene.connects(&link).await;
        assert!(succeeded(&scene.call(speaks, "report", &json!({})).await));
        // Its owner removes the app in the settings there. The API says no first, then the provider.
        scene.provider.withdraw_access();
        scene.provider.end_all_grants();
        for _ in 0..2 {
            let told = scene.call(speaks, "report", &json!({})).await;
            assert!(!succeeded(&told));
            assert!(
                told.body.contains("must be connected again"),
                "{}",
                told.body
            );
            assert!(told.body.contains("/connect/"), "{}", told.body);
        }
        assert_eq!(scene.provider.count("refresh_token"), 1, "asked no more");
    }
}
