//! Tokens that an API refuses, and a configuration that names another provider than the one that
//! granted: nothing goes where it does not belong, and nobody of a crowd is left behind.

use std::time::Duration;

use futures_util::future::join_all;
use wicketgate::{names::Label, store::Removal};

use super::{SCOPE, Scene, acc, succeeded};
use crate::support::{
    client::Client,
    provider::{CLIENT_ID, Flavour, Hold},
};

const REFRESH: &str = "refresh_token";

#[tokio::test]
async fn a_crowd_whose_token_is_refused_waits_for_one_renewal() {
    let scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    // Everything is in memory before the crowd comes.
    assert!(succeeded(&scene.call("report").await));
    scene.provider.withdraw_access();
    scene.provider.hold(Hold::Answers);
    let crowd = async {
        let calls = (0..40).map(|_| scene.call("report"));
        join_all(calls).await
    };
    let release = async {
        // All have been refused by the API before the provider answers the one who asks.
        let all = async {
            while scene.api.calls().len() < 41 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("all are refused");
        scene.provider.hold(Hold::Nothing);
    };
    let (answers, ()) = tokio::join!(crowd, release);
    for answer in answers {
        assert!(succeeded(&answer), "{}", answer.body);
    }
    assert_eq!(scene.provider.count(REFRESH), 1);
}

#[tokio::test]
async fn what_one_provider_granted_goes_to_no_other() {
    let mut scene = Scene::start(Flavour::Google).await;
    scene.connect(&[SCOPE]).await;
    assert!(succeeded(&scene.call("report").await));
    let asked = scene.provider.token_requests().len();

    // The same upstream, by another client there: as good as another provider.
    let other = format!("client_id: another-than-{CLIENT_ID}");
    scene.gateway.rewrite(|setup| {
        let own = format!("client_id: {CLIENT_ID}");
        setup.upstreams = setup.upstreams.replace(&own, &other);
    });
    scene.gateway.reload().unwrap();
    scene.clock.advance(Duration::from_hours(1));
    let calls = scene.api.calls().len();
    let answer = Client::modern(scene.gateway.address, &scene.key)
        .call("report", serde_json::json!({}))
        .await;
    assert!(answer.body.contains("/connect"), "{}", answer.body);
    assert_eq!(scene.api.calls().len(), calls, "no token to the API");
    assert_eq!(
        scene.provider.token_requests().len(),
        asked,
        "none to the provider"
    );

    let gateway = scene.gateway.running().gateway();
    let (label, upstream) = (Label::default_label(), acc());
    let gone = gateway
        .connections()
        .disconnect(scene.license, &upstream, &label, "test");
    assert_eq!(gone.await, Ok(Removal::Removed));
    gateway.tell_providers().await;
    assert!(
        scene.provider.endings().is_empty(),
        "nor is it revoked there"
    );
    assert_eq!(gateway.metrics.revocations_given_up.get(), 1);
}
