//! Clients that are kept: one behaviour on both databases.

use wicketgate::{
    grant::{ClientAuth, ClientKind},
    store::{ClientRecord, Registered},
};

use crate::{
    store_sessions::{client_id, digest, later, license, session, stamp},
    support::database::{Fixture, NOON, on_both},
};

on_both! {
    the_same_registration_is_the_same_client
    an_added_client_takes_its_sessions_along
}

fn client(seed: u64, kind: ClientKind, fingerprint: Option<u8>) -> ClientRecord {
    ClientRecord {
        id: client_id(seed),
        kind,
        name: "A client".into(),
        redirect_uris: vec!["http://localhost/cb".into()],
        auth: ClientAuth::None,
        secret: None,
        secret_hint: None,
        jwks: None,
        jwks_uri: None,
        fingerprint: fingerprint.map(digest),
        created: NOON,
        used: None,
    }
}

async fn the_same_registration_is_the_same_client(fixture: &Fixture) {
    let store = fixture.store.clone();
    let first = client(1, ClientKind::Registered, Some(1));
    let register = |client: ClientRecord| {
        let store = store.clone();
        async move { store.register_client(&client, 2).await.unwrap() }
    };
    assert_eq!(register(first.clone()).await, Registered::New);
    let again = register(client(2, ClientKind::Registered, Some(1))).await;
    assert_eq!(again, Registered::Known(Box::new(first.clone())));
    let other = client(3, ClientKind::Registered, Some(2));
    assert_eq!(register(other).await, Registered::New);
    let full = register(client(4, ClientKind::Registered, Some(3))).await;
    assert_eq!(full, Registered::Full);
    assert_eq!(store.client(&first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.client(&client_id(2)).await.unwrap(), None);
    store.client_used(&first.id, later(5)).await.unwrap();
    assert_eq!(store.prune_clients(later(1), NOON).await.unwrap(), 1);
    assert_eq!(store.clients(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.prune_clients(later(1), later(6)).await.unwrap(), 1);
}

async fn an_added_client_takes_its_sessions_along(fixture: &Fixture) {
    let store = fixture.store.clone();
    let added = client(1, ClientKind::Added, None);
    store.add_client(&added, &stamp(NOON)).await.unwrap();
    assert!(store.add_client(&added, &stamp(NOON)).await.is_err());
    let session = session(license(&store).await, 1);
    store
        .begin_session(&session, &[], &stamp(NOON))
        .await
        .unwrap();
    let removed = store.remove_client(&added.id, &stamp(NOON)).await.unwrap();
    assert_eq!(removed, Some(1));
    let removed = store.remove_client(&added.id, &stamp(NOON)).await.unwrap();
    assert_eq!(removed, None);
}
