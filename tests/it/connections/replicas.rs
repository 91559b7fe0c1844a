//! Several processes over one PostgreSQL: a grant is renewed by one of them, once.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use wicketgate::store::CredentialState;

use super::{SCOPE, Scene, connects, succeeded};
use crate::support::{
    client::Client,
    database::Fixture,
    gateway::TestGateway,
    provider::{Flavour, Hold, Rotates},
};

/// How many calls come at the moment of expiry.
const CALLS: usize = 500;

/// Another process over the same database.
async fn second(scene: &Scene, fixture: &Fixture, key: &str) -> TestGateway {
    TestGateway::with(|setup| {
        setup.clock = Arc::clone(&scene.clock) as _;
        setup.target = fixture.target();
        setup.master_key = wicketgate::secret::SecretString::new(key.to_owned());
        connects(setup, Flavour::Google, &scene.provider, &scene.api);
    })
    .await
}

/// F-14 and F-15: a herd at expiry, on two replicas.
#[tokio::test(flavor = "multi_thread")]
async fn c_07_500_calls_at_expiry_on_two_processes_renew_once() {
    let fixture = Fixture::postgres().await;
    let mut scene = Scene::over(Flavour::Google, fixture.target()).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.connect(&[SCOPE]).await;
    let mut second = second(&scene, &fixture, scene.gateway.master_key()).await;
    let clients =
        [scene.gateway.address, second.address].map(|address| Client::modern(address, &scene.key));
    for client in &clients {
        assert!(succeeded(&client.call("report", json!({})).await));
    }
    assert_eq!(scene.provider.count("refresh_token"), 0);

    // The renewal hangs until all calls that wait for it are there.
    scene.clock.advance(Duration::from_hours(1));
    // Both have just heard of the license from the store, as at any other moment.
    for (gateway, client) in [&scene.gateway, &second].into_iter().zip(&clients) {
        gateway.changed().await;
        assert!(succeeded(&client.call("search", json!({ "q": "x" })).await));
    }
    scene.provider.hold(Hold::Answers);
    let clients = Arc::new(clients);
    let calls: Vec<_> = (0..CALLS)
        .map(|at| {
            let clients = Arc::clone(&clients);
            tokio::spawn(async move { clients[at % 2].call("report", json!({})).await })
        })
        .collect();
    scene.provider.arrivals(2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.provider.hold(Hold::Nothing);
    let mut good = 0;
    for call in calls {
        let answer = call.await.unwrap();
        assert!(succeeded(&answer), "{} {}", answer.status, answer.body);
        good += 1;
    }
    assert_eq!(good, CALLS);
    assert_eq!(scene.provider.count("refresh_token"), 1);
    let tokens: std::collections::BTreeSet<_> = scene
        .api
        .calls()
        .into_iter()
        .skip(2)
        .map(|call| call.token)
        .collect();
    assert_eq!(tokens.len(), 1, "all with the new one");
    second.stop().await;
    scene.gateway.stop().await;
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_a_process_that_dies_with_the_lease_blocks_it_for_thirty_seconds() {
    let fixture = Fixture::postgres().await;
    let mut scene = Scene::over(Flavour::Google, fixture.target()).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_hours(1));
    // A process that is gone holds the lease: it never rotated.
    let dead = wicketgate::ids::ReplicaId::from_bytes([7; 16]);
    let info = scene.stored().await;
    let now = wicketgate::clock::Clock::now(&*scene.clock);
    let until = now.plus(Duration::from_secs(30));
    let lease = fixture.store.lease_grant(&info, dead, now, until).await;
    assert_eq!(lease, Ok(wicketgate::store::Lease::Ours));
    let (answer, ()) = tokio::join!(scene.call("report"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(scene.provider.count("refresh_token"), 0, "it is leased");
        scene.clock.advance(Duration::from_secs(31));
    });
    assert!(succeeded(&answer), "{}", answer.body);
    assert_eq!(scene.provider.count("refresh_token"), 1);
    assert_eq!(scene.stored().await.state, CredentialState::Active);
    scene.gateway.stop().await;
    fixture.remove().await;
}
