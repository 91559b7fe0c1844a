//! What a provider gave and the store does not take.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use wicketgate::{
    names::Label,
    store::{CredentialState, Removal},
};

use super::{SCOPE, Scene, acc, succeeded};
use crate::support::{
    database::Fixture,
    provider::{Flavour, Hold, Rotates},
};

const REFRESH: &str = "refresh_token";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pair_that_is_not_stored_within_a_minute_is_lost_and_said_so() {
    let fixture = Fixture::sqlite().await;
    let url = format!("sqlite://{}", fixture.file().unwrap().display());
    let mut scene = Scene::over(Flavour::Google, fixture.target()).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_hours(1));
    scene.provider.hold(Hold::Answers);
    let break_it = async {
        scene.provider.arrivals(2).await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        for sql in [
            "CREATE TRIGGER no_credential BEFORE UPDATE ON credentials \
             BEGIN SELECT RAISE(ABORT, 'away'); END",
            "CREATE TRIGGER no_audit BEFORE INSERT ON audit_entries \
             BEGIN SELECT RAISE(ABORT, 'away'); END",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
        scene.provider.hold(Hold::Nothing);
        connection
    };
    let (answer, mut connection) = tokio::join!(scene.call("report"), break_it);
    assert!(succeeded(&answer), "from memory: {}", answer.body);
    assert!(succeeded(&scene.call("report").await), "from memory");
    let metrics = &scene.gateway.running().gateway().metrics;
    assert_eq!(metrics.grants_lost.get(), 0);

    scene.clock.advance(Duration::from_secs(61));
    until(|| metrics.grants_lost.get() == 1).await;
    assert_eq!(scene.provider.count(REFRESH), 1);
    for sql in ["DROP TRIGGER no_credential", "DROP TRIGGER no_audit"] {
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    let id = scene.stored().await.id.to_string();
    let noted = async || {
        let entries = scene.gateway.store.audit_tail(20).await.unwrap();
        entries.into_iter().find(|e| e.action == "connection.lost")
    };
    let mut entry = noted().await;
    for _ in 0..500 {
        if entry.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        entry = noted().await;
    }
    let entry = entry.expect("noted when the store is back");
    assert_eq!((entry.subject, entry.actor.as_str()), (id, "gateway"));
    assert_eq!(entry.detail["upstream"], "acc");

    // What is stored is spent: the provider says so, and its owner is asked to connect anew.
    scene.clock.advance(Duration::from_mins(1));
    assert!(!succeeded(&scene.call("report").await));
    assert_eq!(scene.stored().await.state, CredentialState::NeedsReconnect);
    scene.connect(&[SCOPE]).await;
    assert!(succeeded(&scene.call("report").await));
    scene.gateway.stop().await;
    fixture.remove().await;
}

#[tokio::test]
async fn c_11_a_rotation_that_lands_after_the_end_is_revoked_as_well() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().rotates = Rotates::OneTime;
    scene.connect(&[SCOPE]).await;
    scene.clock.advance(Duration::from_hours(1));
    let gateway = scene.gateway.running().gateway();
    let connections = gateway.connections();
    scene.provider.hold(Hold::Answers);
    let delete = async {
        scene.provider.arrivals(2).await;
        until(|| scene.provider.token_requests()[1].status == Some(200)).await;
        let (upstream, label) = (acc(), Label::default_label());
        let gone = connections.disconnect(scene.license, &upstream, &label, "test");
        assert_eq!(gone.await, Ok(Removal::Removed));
        scene.provider.hold(Hold::Nothing);
    };
    let (answer, ()) = tokio::join!(scene.call("report"), delete);
    assert!(!succeeded(&answer));
    gateway.tell_providers().await;
    let told: Vec<String> = scene
        .provider
        .endings()
        .into_iter()
        .map(|ending| ending.token)
        .collect();
    let spent = scene.provider.token_requests()[1].presented.clone();
    assert_eq!(told.len(), 2, "the old one and the new one");
    assert_eq!(
        told.iter()
            .filter(|token| Some(*token) == spent.as_ref())
            .count(),
        1
    );
    assert_ne!(told[0], told[1]);
    let canaries = scene.provider.canaries();
    assert!(
        told.iter()
            .all(|token| canaries.contains(token) && token.contains("-rt-"))
    );
    assert!(scene.api.calls().is_empty());
}

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
