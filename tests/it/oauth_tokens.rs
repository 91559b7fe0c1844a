//! Codes and tokens through the real endpoints: what they are good for, once, and until when.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wicketgate::{
    clock::{ManualClock, Timestamp},
    crypto::{AccessToken, RefreshToken, TokenDigest},
    entropy::SeededEntropy,
    grant::{Binding, ClientId, Scope, SessionKind},
    ids::{LicenseId, SessionId},
    store::{SessionFilter, SessionRecord, TokenKind, TokenRecord},
    telemetry::health::{Component, State},
};

use crate::support::{
    client::Client,
    database::{Fixture, NOON, on_both},
    gateway::TestGateway,
    oauth::{App, CALLBACK, Given, VERIFIER, refused},
};

on_both! {
    t_07_t_16_t_17_only_access_tokens_of_ours_are_access_tokens
    t_08_t_09_a_token_is_for_one_connector_and_a_time
    o_12_o_14_a_code_is_bound_and_burns
    o_13_a_code_is_redeemed_once
    o_28_o_29_a_lost_answer_is_given_again_a_replay_ends
    o_29_a_replay_is_found_after_the_tokens_are_pruned
    a_session_is_rotated_ten_times_a_minute
    o_30_racing_refreshes_end_with_one_pair
    o_31_a_refresh_asks_for_no_more_than_was_granted
    o_36_only_the_owner_revokes
    an_early_refresh_fails_no_call
    sessions_end_when_idle_and_in_any_case
}

/// A gateway on this database, and the clock it reads.
async fn on(fixture: &Fixture) -> (TestGateway, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOON));
    let gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
    })
    .await;
    (gateway, clock)
}

async fn status(gateway: &TestGateway, token: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    client.rpc("tools/list", json!({})).await.status
}

async fn sessions(gateway: &TestGateway) -> Vec<SessionRecord> {
    let all = SessionFilter::default();
    gateway.store.sessions(&all).await.unwrap()
}

/// What ended the one session there is.
async fn ended_by(gateway: &TestGateway) -> Option<String> {
    let all = sessions(gateway).await;
    assert_eq!(all.len(), 1);
    all[0].ended.as_ref().map(|(_, by)| by.clone())
}

fn record(license: LicenseId, resource: &str) -> SessionRecord {
    SessionRecord {
        id: SessionId::generate(NOON, &SeededEntropy::new(1)),
        license,
        kind: SessionKind::Grant,
        client: "https://a.test/client".parse::<ClientId>().unwrap(),
        client_name: "A client".into(),
        client_auth: wicketgate::grant::ClientAuth::None,
        resource: resource.into(),
        scope: Scope::Tools,
        binding: Binding::None,
        bound_to: None,
        generation: 0,
        seed: [1; 16],
        calls: 0,
        created: NOON,
        seen: None,
        expires: later(3_600),
        ended: None,
    }
}

fn later(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

async fn store(
    gateway: &TestGateway,
    session: &SessionRecord,
    tokens: &[(TokenKind, TokenDigest)],
) {
    let tokens: Vec<_> = tokens
        .iter()
        .map(|(kind, digest)| TokenRecord {
            digest: *digest,
            session: session.id,
            kind: *kind,
            generation: 0,
            created: NOON,
            expires: later(60),
        })
        .collect();
    let stamp = gateway.stamp();
    let begun = gateway.store.begin_session(session, &tokens, &stamp);
    begun.await.unwrap();
}

async fn t_07_t_16_t_17_only_access_tokens_of_ours_are_access_tokens(fixture: &Fixture) {
    let (gateway, _) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    let code = app.code(&gateway, license).await;
    assert_eq!(status(&gateway, &given.access).await, 200);
    assert_eq!(status(&gateway, &given.refresh).await, 401);
    assert_eq!(status(&gateway, &code).await, 401);
    // The same body with other letters and a right checksum, and a row whose digest has no key.
    let same = |seed| SeededEntropy::new(seed);
    let refresh = RefreshToken::generate(&same(5));
    let relabelled = AccessToken::generate(&same(5));
    let chosen = AccessToken::generate(&same(6));
    assert_eq!(refresh.expose()[4..40], relabelled.expose()[4..40]);
    let resource = gateway.running().gateway().config().connector_url();
    let unkeyed = TokenDigest::from_bytes(Sha256::digest(chosen.expose().as_bytes()).into());
    let tokens = [
        (TokenKind::Refresh, gateway.digest_text(refresh.expose())),
        (TokenKind::Access, unkeyed),
    ];
    store(&gateway, &record(license, &resource), &tokens).await;
    assert_eq!(status(&gateway, relabelled.expose()).await, 401);
    assert_eq!(status(&gateway, refresh.expose()).await, 401);
    assert_eq!(status(&gateway, chosen.expose()).await, 401);
}

async fn t_08_t_09_a_token_is_for_one_connector_and_a_time(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let token = AccessToken::generate(&SeededEntropy::new(5));
    let row = (TokenKind::Access, gateway.digest_text(token.expose()));
    store(&gateway, &record(license, "https://other.test/mcp"), &[row]).await;
    assert_eq!(status(&gateway, token.expose()).await, 401);

    let (_, given) = App::connected(&gateway, license).await;
    assert_eq!(given.expires_in, 24 * 3_600);
    clock.advance(Duration::from_secs(24 * 3_600 - 1));
    gateway.changed().await;
    assert_eq!(status(&gateway, &given.access).await, 200);
    // Remembered, and refused from this very second on.
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&gateway, &given.access).await, 401);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&gateway, &given.access).await, 401);
}

async fn o_12_o_14_a_code_is_bound_and_burns(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, other) = (
        App::registered(&gateway).await,
        App::registered(&gateway).await,
    );
    let (short, long) = (&VERIFIER[..42], "a".repeat(129));
    let wrong = "another-verifier-of-at-least-forty-three-characters";
    for (name, value, error) in [
        ("code_verifier", wrong, "invalid_grant"),
        ("code_verifier", short, "invalid_grant"),
        ("code_verifier", long.as_str(), "invalid_grant"),
        ("code_verifier", "", "invalid_grant"),
        (
            "redirect_uri",
            "http://localhost:4712/callback",
            "invalid_grant",
        ),
        ("client_id", other.id.as_str(), "invalid_grant"),
        ("resource", "https://other.test/mcp", "invalid_target"),
    ] {
        let code = app.code(&gateway, license).await;
        let answer = app.redeem_with(&[("code", &code), (name, value)]).await;
        refused(&answer, 400, error);
        refused(&app.redeem(&code).await, 400, "invalid_grant");
    }
    assert!(sessions(&gateway).await.is_empty());
    let code = app.code(&gateway, license).await;
    clock.advance(Duration::from_mins(1));
    refused(&app.redeem(&code).await, 400, "invalid_grant");
    // With and without a resource, in capitals, and without a redirect URI.
    let resource = gateway.running().gateway().config().connector_url();
    let shouted = resource.replacen("http", "HTTP", 1) + "/";
    for change in [
        ("resource", resource.as_str()),
        ("resource", shouted.as_str()),
        ("redirect_uri", ""),
        ("redirect_uri", CALLBACK),
    ] {
        let code = app.code(&gateway, license).await;
        Given::of(&app.redeem_with(&[("code", &code), change]).await);
    }
}

async fn o_13_a_code_is_redeemed_once(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let app = App::registered(&gateway).await;
    let code = app.code(&gateway, license).await;
    let given = Given::of(&app.redeem(&code).await);
    assert_eq!(status(&gateway, &given.access).await, 200);
    // A replay without the verifier proves nothing and ends nothing.
    let bare = app
        .redeem_with(&[("code", &code), ("code_verifier", "")])
        .await;
    refused(&bare, 400, "invalid_grant");
    assert_eq!(status(&gateway, &given.access).await, 200);
    refused(&app.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(ended_by(&gateway).await.as_deref(), Some("code_replayed"));
    assert_eq!(status(&gateway, &given.access).await, 401);
    refused(&app.refresh(&given.refresh).await, 400, "invalid_grant");

    let code = app.code(&gateway, license).await;
    let answers = join_all((0..50).map(|_| app.redeem(&code))).await;
    let good: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(good.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        refused(answer, 400, "invalid_grant");
    }
    assert_eq!(status(&gateway, &Given::of(good[0]).access).await, 401);
    assert_eq!(sessions(&gateway).await.len(), 2);

    // Also long after the code expired.
    let code = app.code(&gateway, license).await;
    let given = Given::of(&app.redeem(&code).await);
    clock.advance(Duration::from_mins(9));
    gateway.changed().await;
    assert_eq!(status(&gateway, &given.access).await, 200);
    refused(&app.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(status(&gateway, &given.access).await, 401);
}

async fn o_28_o_29_a_lost_answer_is_given_again_a_replay_ends(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let second = Given::of(&app.refresh(&first.refresh).await);
    assert_ne!(second.access, first.access);
    assert_ne!(second.refresh, first.refresh);
    clock.advance(Duration::from_mins(5));
    let again = Given::of(&app.refresh(&first.refresh).await);
    assert_eq!(
        (&again.access, &again.refresh),
        (&second.access, &second.refresh)
    );
    assert_eq!(again.expires_in, second.expires_in - 300);
    assert_eq!(status(&gateway, &second.access).await, 200);
    refused(&app.refresh(&first.refresh).await, 400, "invalid_grant");
    assert_eq!(ended_by(&gateway).await.as_deref(), Some("refresh_reuse"));
    for token in [&first.access, &second.access] {
        assert_eq!(status(&gateway, token).await, 401);
    }
    refused(&app.refresh(&second.refresh).await, 400, "invalid_grant");
    let audit = gateway.store.audit_tail(100).await.unwrap();
    let noted = audit.iter().filter(|it| it.action == "session.end");
    let noted: Vec<_> = noted.map(|it| it.detail["by"].clone()).collect();
    assert_eq!(noted, [Value::from("refresh_reuse")]);
    // A successor that was refreshed was used, too.
    let (app, first) = App::connected(&gateway, license).await;
    let second = Given::of(&app.refresh(&first.refresh).await);
    let third = Given::of(&app.refresh(&second.refresh).await);
    refused(&app.refresh(&first.refresh).await, 400, "invalid_grant");
    assert_eq!(status(&gateway, &third.access).await, 401);
}

async fn o_29_a_replay_is_found_after_the_tokens_are_pruned(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let second = Given::of(&app.refresh(&first.refresh).await);
    assert_eq!(status(&gateway, &second.access).await, 200);
    clock.advance(Duration::from_hours(49));
    sweep(&gateway).await;
    let digest = gateway.digest_text(&second.access);
    let pruned = gateway.store.token(TokenKind::Access, &digest).await;
    assert_eq!(pruned.unwrap(), None);
    refused(&app.refresh(&first.refresh).await, 400, "invalid_grant");
    assert_eq!(ended_by(&gateway).await.as_deref(), Some("refresh_reuse"));
    refused(&app.refresh(&second.refresh).await, 400, "invalid_grant");
}

async fn a_session_is_rotated_ten_times_a_minute(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, mut given) = App::connected(&gateway, license).await;
    let mut before = given.clone();
    for _ in 0..10 {
        before = given;
        given = Given::of(&app.refresh(&before.refresh).await);
    }
    for _ in 0..2 {
        let answer = app.refresh(&given.refresh).await;
        refused(&answer, 429, "slow_down");
        assert!(answer.header("retry-after").is_some());
    }
    // A lost answer is given again whatever the rate, and the refusals cost nothing.
    assert_eq!(Given::of(&app.refresh(&before.refresh).await), given);
    assert_eq!(status(&gateway, &given.access).await, 200);
    clock.advance(Duration::from_mins(1));
    Given::of(&app.refresh(&given.refresh).await);
}

async fn o_30_racing_refreshes_end_with_one_pair(fixture: &Fixture) {
    let (gateway, _) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let answers = join_all((0..50).map(|_| app.refresh(&first.refresh))).await;
    let given: Vec<_> = answers.iter().map(Given::of).collect();
    assert!(given.iter().all(|one| *one == given[0]));
    assert_eq!(status(&gateway, &given[0].access).await, 200);
    assert_eq!(sessions(&gateway).await[0].generation, 1);
    // Two workers of one client: both go on, whoever was faster.
    let (left, right) = tokio::join!(
        app.refresh(&given[0].refresh),
        app.refresh(&given[1].refresh)
    );
    for worker in [left, right] {
        let worker = Given::of(&worker);
        assert_eq!(status(&gateway, &worker.access).await, 200);
    }
    assert_eq!(ended_by(&gateway).await, None);
}

async fn o_31_a_refresh_asks_for_no_more_than_was_granted(fixture: &Fixture) {
    let (gateway, _) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let app = App::registered(&gateway).await;
    let code = app.code_of(&gateway, license, Scope::Read).await.unwrap();
    let given = Given::of(&app.redeem(&code).await);
    let ask = async |name, value| app.refresh_with(&given.refresh, &[(name, value)]).await;
    refused(&ask("scope", "mcp:tools").await, 400, "invalid_scope");
    let other = "https://other.test/mcp";
    refused(&ask("resource", other).await, 400, "invalid_target");
    let stranger = App::registered(&gateway).await;
    refused(
        &stranger.refresh(&given.refresh).await,
        400,
        "invalid_grant",
    );
    let answer = ask("scope", "mcp:read offline_access").await;
    assert_eq!(answer.json()["scope"], "mcp:read");
    // Nothing of this cost the client its session.
    assert_eq!(status(&gateway, &Given::of(&answer).access).await, 200);
}

async fn o_36_only_the_owner_revokes(fixture: &Fixture) {
    let (gateway, _) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    let (stranger, _) = App::connected(&gateway, license).await;
    for token in [&given.access, &given.refresh] {
        assert_eq!(stranger.revoke(token).await.status, 200);
    }
    assert_eq!(app.revoke("garbage").await.status, 200);
    assert_eq!(status(&gateway, &given.access).await, 200);
    let nobody = stranger.post("/revoke", &[("token", &given.access)]).await;
    refused(&nobody, 400, "invalid_request");
    for name in ["access", "refresh"] {
        let (app, given) = App::connected(&gateway, license).await;
        assert_eq!(status(&gateway, &given.access).await, 200);
        let token = if name == "access" {
            &given.access
        } else {
            &given.refresh
        };
        assert_eq!(app.revoke(token).await.status, 200);
        assert_eq!(status(&gateway, &given.access).await, 401, "{name}");
        refused(&app.refresh(&given.refresh).await, 400, "invalid_grant");
        assert_eq!(
            app.revoke(token).await.status,
            200,
            "also when it had ended"
        );
    }
}

async fn an_early_refresh_fails_no_call(fixture: &Fixture) {
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    assert_eq!(status(&gateway, &first.access).await, 200);
    let second = Given::of(&app.refresh(&first.refresh).await);
    for token in [&first.access, &second.access, &first.access] {
        assert_eq!(status(&gateway, token).await, 200);
    }
    clock.advance(Duration::from_secs(599));
    assert_eq!(status(&gateway, &first.access).await, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&gateway, &first.access).await, 401);
    assert_eq!(status(&gateway, &second.access).await, 200);
}

async fn sessions_end_when_idle_and_in_any_case(fixture: &Fixture) {
    const DAY: Duration = Duration::from_hours(24);
    let (gateway, clock) = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, mut given) = App::connected(&gateway, license).await;
    let (idle, unused) = App::connected(&gateway, license).await;
    for _ in 0..3 {
        clock.advance(DAY * 29);
        given = Given::of(&app.refresh(&given.refresh).await);
    }
    refused(&idle.refresh(&unused.refresh).await, 400, "invalid_grant");
    sweep(&gateway).await;
    let mut ends: Vec<_> = sessions(&gateway).await;
    ends.sort_by_key(|session| session.generation);
    assert_eq!(ends[0].ended.as_ref().unwrap().1, "idle");
    assert_eq!(ends[1].ended, None);
    // 87 days are over: the last access token lives no longer than its session.
    clock.advance(DAY * 2);
    given = Given::of(&app.refresh(&given.refresh).await);
    assert_eq!(given.expires_in, 24 * 3_600);
    clock.advance(DAY);
    refused(&app.refresh(&given.refresh).await, 400, "invalid_grant");
    assert_eq!(status(&gateway, &given.access).await, 401);
}

/// As if the store's clock were the test's: what is old is not judged by one that differs.
async fn sweep(gateway: &TestGateway) {
    let now = gateway.clock.now();
    let gateway = gateway.running().gateway();
    gateway
        .metrics
        .health
        .tell(Component::Clock, State::Ok, now);
    gateway.sweep().await;
}
