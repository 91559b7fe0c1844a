//! Sessions, tokens, codes and clients: one behaviour on both databases.

use std::time::Duration;

use wicketgate::{
    clock::Timestamp,
    crypto::TokenDigest,
    entropy::SeededEntropy,
    grant::{Binding, ClientId, Scope, SessionKind},
    ids::{LicenseId, SessionId},
    license::{License, LicenseStatus},
    store::{
        Asserted, AssertionTimes, CodeRecord, KeyRecord, Pace, Redeemed, Rotated, SessionFilter,
        SessionOrder, SessionRecord, SessionUse, Stamp, Store, TokenKind, TokenRecord,
    },
};

use crate::support::database::{Fixture, NOON, on_both};

on_both! {
    a_session_is_found_by_its_tokens_only
    the_first_use_ties_and_is_kept
    a_rotation_happens_once
    a_code_is_spent_once_and_a_replay_ends
    the_last_place_is_given_once
    sessions_are_listed_ended_and_counted
    an_assertion_counts_once_and_is_pruned
    many_rows_are_pruned_at_once
}

const PACE: Pace = Pace {
    most: 10,
    since: Timestamp::from_millis(0),
};

pub(crate) fn digest(number: u8) -> TokenDigest {
    TokenDigest::from_bytes([number; 32])
}

pub(crate) fn stamp(at: Timestamp) -> Stamp {
    let entropy = wicketgate::entropy::OsEntropy;
    Stamp {
        id: wicketgate::ids::AuditId::generate(at, &entropy),
        at,
        actor: "test".into(),
    }
}

pub(crate) fn client_id(seed: u64) -> ClientId {
    (&wicketgate::crypto::ClientId::generate(&SeededEntropy::new(seed))).into()
}

pub(crate) fn later(minutes: u64) -> Timestamp {
    NOON.plus(std::time::Duration::from_mins(minutes))
}

pub(crate) async fn license(store: &Store) -> LicenseId {
    let license = License {
        id: LicenseId::generate(NOON, &SeededEntropy::new(5)),
        name: "test".into(),
        plan: "pro".parse().unwrap(),
        tools: None,
        overrides: wicketgate::license::Overrides::default(),
        status: LicenseStatus::Active,
        created: NOON,
        expires: None,
    };
    let key = KeyRecord {
        digest: digest(200),
        hint: "wgl_…".into(),
        created: NOON,
        expires: None,
    };
    store
        .insert_license(&license, &key, &stamp(NOON))
        .await
        .unwrap();
    license.id
}

pub(crate) fn session(license: LicenseId, seed: u64) -> SessionRecord {
    SessionRecord {
        id: SessionId::generate(NOON, &SeededEntropy::new(seed)),
        license,
        kind: SessionKind::Grant,
        client: client_id(1),
        client_name: "A client".into(),
        client_auth: wicketgate::grant::ClientAuth::None,
        resource: "https://gw.test/mcp".into(),
        scope: Scope::Tools,
        binding: Binding::None,
        bound_to: None,
        generation: 0,
        seed: [7; 16],
        calls: 0,
        created: NOON,
        seen: None,
        expires: later(100),
        ended: None,
    }
}

fn token(session: &SessionRecord, kind: TokenKind, generation: u64, number: u8) -> TokenRecord {
    TokenRecord {
        digest: digest(number),
        session: session.id,
        kind,
        generation,
        created: NOON,
        expires: later(60),
    }
}

async fn a_session_is_found_by_its_tokens_only(fixture: &Fixture) {
    let store = fixture.store.clone();
    let license = license(&store).await;
    let session = session(license, 1);
    let tokens = [
        token(&session, TokenKind::Access, 0, 1),
        token(&session, TokenKind::Refresh, 0, 2),
    ];
    store
        .begin_session(&session, &tokens, &stamp(NOON))
        .await
        .unwrap();
    let found = store
        .token(TokenKind::Access, &digest(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.session, session);
    assert_eq!(found.license.id, license);
    assert_eq!((found.generation, found.used), (0, None));
    assert_eq!(found.expires, later(60));
    for (kind, number) in [
        (TokenKind::Refresh, 1),
        (TokenKind::Access, 2),
        (TokenKind::Access, 3),
    ] {
        assert_eq!(store.token(kind, &digest(number)).await.unwrap(), None);
    }
    assert_eq!(store.live_grants(license, NOON).await.unwrap(), 1);
    assert_eq!(store.live_grants(license, later(59)).await.unwrap(), 1);
    // Over with its last token, not only at its own end.
    assert_eq!(store.live_grants(license, later(60)).await.unwrap(), 0);
}

async fn the_first_use_ties_and_is_kept(fixture: &Fixture) {
    let store = fixture.store.clone();
    let session = session(license(&store).await, 1);
    let tokens = [token(&session, TokenKind::Access, 0, 1)];
    store
        .begin_session(&session, &tokens, &stamp(NOON))
        .await
        .unwrap();
    assert_eq!(store.generation_used(session.id, 0).await.unwrap(), None);
    let first = digest(50);
    let tied = store
        .token_used(&digest(1), session.id, Some(&first), later(1))
        .await;
    assert_eq!(tied.unwrap(), Some(first));
    let tied = store
        .token_used(&digest(1), session.id, Some(&digest(51)), later(2))
        .await;
    assert_eq!(tied.unwrap(), Some(first));
    let used = async |generation| {
        let used = store.generation_used(session.id, generation).await;
        used.unwrap()
    };
    assert_eq!(used(0).await, Some(later(1)));
    assert_eq!(used(1).await, None);
    // It outlives the token, and the late use of an older one.
    let next = [
        token(&session, TokenKind::Access, 0, 3),
        token(&session, TokenKind::Access, 1, 4),
    ];
    let rotated = store.rotate_session(session.id, 0, [9; 16], &next, later(10), PACE);
    assert_eq!(rotated.await.unwrap(), Rotated::Done);
    for (number, at) in [(4, later(3)), (3, later(4))] {
        store
            .token_used(&digest(number), session.id, None, at)
            .await
            .unwrap();
    }
    store.prune_sessions(later(90), NOON).await.unwrap();
    assert_eq!(
        store.token(TokenKind::Access, &digest(4)).await.unwrap(),
        None
    );
    assert_eq!(used(1).await, Some(later(3)));
}

async fn a_rotation_happens_once(fixture: &Fixture) {
    let store = fixture.store.clone();
    let session = session(license(&store).await, 1);
    let tokens = [token(&session, TokenKind::Access, 0, 1)];
    store
        .begin_session(&session, &tokens, &stamp(NOON))
        .await
        .unwrap();
    let next = [
        token(&session, TokenKind::Access, 1, 3),
        token(&session, TokenKind::Refresh, 1, 4),
    ];
    let rotate = || store.rotate_session(session.id, 0, [9; 16], &next, later(10), PACE);
    assert_eq!(rotate().await.unwrap(), Rotated::Done);
    assert_eq!(rotate().await.unwrap(), Rotated::Lost);
    let now = store.session(session.id).await.unwrap().unwrap();
    assert_eq!((now.generation, now.seed), (1, [9; 16]));
    let expires = |number| {
        let store = store.clone();
        async move {
            let found = store.token(TokenKind::Access, &digest(number)).await;
            found.unwrap().unwrap().expires
        }
    };
    assert_eq!(expires(1).await, later(10));
    assert_eq!(expires(3).await, later(60));
    assert!(
        store
            .end_session(session.id, "test", &stamp(NOON))
            .await
            .unwrap()
    );
    let next = [token(&session, TokenKind::Access, 2, 5)];
    let ended = store.rotate_session(session.id, 1, [1; 16], &next, later(10), PACE);
    assert_eq!(ended.await.unwrap(), Rotated::Lost);
}

async fn a_code_is_spent_once_and_a_replay_ends(fixture: &Fixture) {
    let store = fixture.store.clone();
    let license = license(&store).await;
    let code = code(license, 9);
    store.insert_code(&code).await.unwrap();
    assert_eq!(store.code(&digest(9)).await.unwrap(), Some(code));
    assert_eq!(store.code(&digest(8)).await.unwrap(), None);
    let (first, second) = (session(license, 1), session(license, 2));
    let redeem = |session: SessionRecord, number| {
        let store = store.clone();
        async move {
            let tokens = [token(&session, TokenKind::Access, 0, number)];
            let stamp = stamp(NOON);
            store
                .redeem_code(&digest(9), &session, &tokens, Some(1), &stamp)
                .await
        }
    };
    assert_eq!(redeem(first.clone(), 1).await.unwrap(), Redeemed::Done);
    // An attempt of our own that was stored and whose answer was lost.
    assert_eq!(redeem(first.clone(), 1).await.unwrap(), Redeemed::Done);
    let now = store.session(first.id).await.unwrap().unwrap();
    assert_eq!(now.ended, None);
    // A replay is one also when there is no room.
    let ended = Some(first.id);
    let replayed = redeem(second.clone(), 2).await.unwrap();
    assert_eq!(replayed, Redeemed::Replayed { ended });
    let replayed = redeem(second.clone(), 2).await.unwrap();
    assert_eq!(replayed, Redeemed::Replayed { ended: None });
    let ended = store.session(first.id).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some((NOON, "code_replayed".into())));
    assert_eq!(store.session(second.id).await.unwrap(), None);
}

async fn the_last_place_is_given_once(fixture: &Fixture) {
    let store = fixture.store.clone();
    let license = license(&store).await;
    let attempts = (1..=8_u8).map(|number| {
        let store = store.clone();
        async move {
            let code = code(license, number);
            store.insert_code(&code).await.unwrap();
            let session = session(license, number.into());
            let tokens = [token(&session, TokenKind::Access, 0, number)];
            let stamp = stamp(NOON);
            let redeemed = store.redeem_code(&code.digest, &session, &tokens, Some(3), &stamp);
            redeemed.await.unwrap()
        }
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    let of = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
    assert_eq!((of(Redeemed::Done), of(Redeemed::Full)), (3, 5));
    assert_eq!(store.live_grants(license, NOON).await.unwrap(), 3);
}

fn code(license: LicenseId, number: u8) -> CodeRecord {
    CodeRecord {
        digest: digest(number),
        license,
        client: client_id(1),
        client_name: "A client".into(),
        client_auth: wicketgate::grant::ClientAuth::None,
        redirect_uri: "https://a.test/cb".into(),
        challenge: "c".into(),
        resource: "https://gw.test/mcp".into(),
        scope: Scope::Read,
        created: NOON,
        expires: later(1),
    }
}

async fn sessions_are_listed_ended_and_counted(fixture: &Fixture) {
    let store = fixture.store.clone();
    let license = license(&store).await;
    for seed in 1..=3 {
        store
            .begin_session(&session(license, seed), &[], &stamp(NOON))
            .await
            .unwrap();
    }
    let epoch = store.epoch().await.unwrap();
    let all = store.sessions(&SessionFilter::default()).await.unwrap();
    assert_eq!(all.len(), 3);
    let ids = |sessions: &[SessionRecord]| sessions.iter().map(|one| one.id).collect::<Vec<_>>();
    let mut newest = SessionFilter {
        order: SessionOrder::Newest,
        kind: Some(SessionKind::Grant),
        limit: Some(2),
        ..SessionFilter::default()
    };
    let first = store.sessions(&newest).await.unwrap();
    assert_eq!(ids(&first), [all[2].id, all[1].id]);
    newest.after = Some(all[1].id);
    assert_eq!(ids(&store.sessions(&newest).await.unwrap()), [all[0].id]);
    let scripts = SessionFilter {
        kind: Some(SessionKind::Exchange),
        ..SessionFilter::default()
    };
    assert!(store.sessions(&scripts).await.unwrap().is_empty());
    let used = SessionUse {
        session: all[0].id,
        seen: later(3),
        calls: 5,
    };
    store.sessions_used(&[used, used]).await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), epoch);
    let read = store.session(all[0].id).await.unwrap().unwrap();
    assert_eq!((read.calls, read.seen), (10, Some(later(3))));
    let end = |id| {
        let store = store.clone();
        let stamp = stamp(NOON);
        async move { store.end_session(id, "test", &stamp).await.unwrap() }
    };
    assert!(end(all[0].id).await);
    assert!(!end(all[0].id).await);
    assert!(store.epoch().await.unwrap() > epoch);
    let living = SessionFilter {
        license: Some(license),
        live_at: Some(NOON),
        ..SessionFilter::default()
    };
    assert_eq!(store.sessions(&living).await.unwrap().len(), 2);
    let stamp = stamp(NOON);
    let ended = store.end_sessions(Some(license), "test", &stamp);
    assert_eq!(ended.await.unwrap(), 2);
    assert!(store.sessions(&living).await.unwrap().is_empty());
}

async fn an_assertion_counts_once_and_is_pruned(fixture: &Fixture) {
    let store = fixture.store.clone();
    let note = async |id: u8, text: u8, now: Timestamp| {
        let times = AssertionTimes {
            now,
            again: NOON.plus(Duration::from_secs(10)),
            expires: later(1),
        };
        let noted = store
            .first_assertion(&digest(id), &digest(text), times)
            .await;
        noted.unwrap()
    };
    let soon = NOON.plus(Duration::from_secs(9));
    assert_eq!(note(101, 201, NOON).await, Asserted::First);
    assert_eq!(note(101, 201, soon).await, Asserted::Again);
    assert_eq!(note(101, 202, soon).await, Asserted::Replayed);
    let late = NOON.plus(Duration::from_secs(10));
    assert_eq!(note(101, 201, late).await, Asserted::Replayed);
    let session = session(license(&store).await, 1);
    let tokens = [token(&session, TokenKind::Access, 0, 1)];
    store
        .begin_session(&session, &tokens, &stamp(NOON))
        .await
        .unwrap();
    // The assertion's id and its text.
    assert_eq!(store.prune_sessions(later(2), NOON).await.unwrap(), 2);
    assert_eq!(
        store.prune_sessions(later(200), later(200)).await.unwrap(),
        2
    );
    assert_eq!(store.session(session.id).await.unwrap(), None);
}

async fn many_rows_are_pruned_at_once(fixture: &Fixture) {
    const MANY: u32 = 5_003;
    let store = fixture.store.clone();
    let (first, second) = {
        let license = license(&store).await;
        (session(license, 1), session(license, 2))
    };
    let tokens: Vec<_> = (0..MANY)
        .map(|number| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            TokenRecord {
                digest: TokenDigest::from_bytes(bytes),
                ..token(&first, TokenKind::Access, 0, 0)
            }
        })
        .collect();
    for some in tokens.chunks(1_000) {
        // One transaction has a deadline: not all in one.
        let own = SessionRecord {
            id: SessionId::generate(NOON, &wicketgate::entropy::OsEntropy),
            ..first.clone()
        };
        let some: Vec<_> = some
            .iter()
            .map(|token| TokenRecord {
                session: own.id,
                ..token.clone()
            })
            .collect();
        store
            .begin_session(&own, &some, &stamp(NOON))
            .await
            .unwrap();
    }
    let living = [token(&second, TokenKind::Refresh, 0, 200)];
    store
        .begin_session(&second, &living, &stamp(NOON))
        .await
        .unwrap();
    assert_eq!(store.prune_sessions(NOON, NOON).await.unwrap(), 0);
    // Six sessions end; their tokens go with them, the seventh stays as it is.
    for session in store.sessions(&SessionFilter::default()).await.unwrap() {
        if session.id != second.id {
            let ended = store.end_session(session.id, "test", &stamp(NOON)).await;
            assert!(ended.unwrap());
        }
    }
    let pruned = store.prune_sessions(NOON, later(1)).await.unwrap();
    assert_eq!(pruned, u64::from(MANY) + 6);
    let left = store.sessions(&SessionFilter::default()).await.unwrap();
    assert_eq!(left, [second]);
    let found = store.token(TokenKind::Refresh, &digest(200)).await;
    assert!(found.unwrap().is_some());
}
