//! What a session is tied to and counted by, and what it may call.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use wicketgate::{
    grant::Scope,
    oauth::{OAuthError, grants::NO_ROOM},
    store::SessionFilter,
};

use crate::support::{
    client::Client,
    database::{Fixture, on_both},
    gateway::TestGateway,
    oauth::{App, Given, refused},
    wire::Wire,
};

on_both! {
    a_copied_token_is_refused_elsewhere
    the_minute_is_the_sessions_not_the_tokens
    a_session_that_reads_calls_only_what_reads
    a_plan_bounds_its_connections
    what_sessions_did_is_written
}

async fn on(fixture: &Fixture, limits: &str, plans: &str) -> TestGateway {
    TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.limits = format!("  unauthenticated: 100000/min\n{limits}");
        setup.plans += plans;
    })
    .await
}

/// Lists the tools from this address as this program; the status.
async fn list(gateway: &TestGateway, token: &str, from: [u8; 4], agent: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    let message = client.message(&json!(1), "tools/list", json!({}));
    let agent = format!("User-Agent: {agent}\r\nContent-Length:");
    let request = client
        .request(&message)
        .replacen("Content-Length:", &agent, 1);
    let source = IpAddr::V4(Ipv4Addr::from(from));
    let mut wire = Wire::connect_from(source, gateway.address).await;
    wire.send(request.as_bytes()).await;
    wire.answer().await.unwrap().status
}

async fn a_copied_token_is_refused_elsewhere(fixture: &Fixture) {
    const PLANS: &str = "  tied: { tools: [\"*\"], binding: client }\n  \
                         near: { tools: [\"*\"], binding: network }\n";
    let gateway = on(fixture, "", PLANS).await;
    let (here, near, far) = ([127, 0, 1, 1], [127, 0, 1, 9], [127, 0, 2, 1]);
    let (ours, newer, other) = ("prog/1.0 (x)", "Prog/2.3 (y)", "curl/8");

    let (license, _) = gateway.issue("tied").await;
    let (app, given) = App::connected(&gateway, license).await;
    assert_eq!(list(&gateway, &given.access, here, ours).await, 200);
    assert_eq!(list(&gateway, &given.access, far, newer).await, 200);
    assert_eq!(list(&gateway, &given.access, here, other).await, 401);
    assert_eq!(list(&gateway, &given.access, here, ours).await, 200);
    // The tie is the session's, and outlives its tokens and what is remembered.
    let next = Given::of(&app.refresh(&given.refresh).await);
    gateway.issue("pro").await;
    gateway.changed().await;
    assert_eq!(list(&gateway, &next.access, here, other).await, 401);
    // A thief's attempt was no use: the owner's lost answer is given again.
    assert_eq!(
        Given::of(&app.refresh(&given.refresh).await).access,
        next.access
    );
    assert_eq!(list(&gateway, &next.access, far, ours).await, 200);

    let (license, _) = gateway.issue("near").await;
    let (_, given) = App::connected(&gateway, license).await;
    assert_eq!(list(&gateway, &given.access, here, ours).await, 200);
    assert_eq!(list(&gateway, &given.access, near, other).await, 200);
    assert_eq!(list(&gateway, &given.access, far, ours).await, 401);

    let (license, _) = gateway.issue("pro").await;
    let (_, given) = App::connected(&gateway, license).await;
    assert_eq!(list(&gateway, &given.access, here, ours).await, 200);
    assert_eq!(list(&gateway, &given.access, far, other).await, 200);
}

async fn the_minute_is_the_sessions_not_the_tokens(fixture: &Fixture) {
    let gateway = on(fixture, "  session: 3/h\n", "").await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let (_, neighbour) = App::connected(&gateway, license).await;
    let call = async |token: &str| {
        let client = Client::modern(gateway.address, token);
        client.call("get_any", json!({ "id": "1" })).await.status
    };
    assert_eq!(call(&first.access).await, 200);
    let second = Given::of(&app.refresh(&first.refresh).await);
    assert_eq!(call(&second.access).await, 200);
    assert_eq!(call(&first.access).await, 200);
    assert_eq!(call(&second.access).await, 429);
    assert_eq!(call(&first.access).await, 429);
    assert_eq!(call(&neighbour.access).await, 200);
}

async fn a_session_that_reads_calls_only_what_reads(fixture: &Fixture) {
    let mut gateway = on(fixture, "", "").await;
    let (license, _) = gateway.issue("pro").await;
    let app = App::registered(&gateway).await;
    let code = app.code_of(&gateway, license, Scope::Read).await.unwrap();
    let given = Given::of(&app.redeem(&code).await);
    for client in [
        Client::modern(gateway.address, &given.access),
        Client::legacy(gateway.address, &given.access),
    ] {
        let read = client.call("get_any", json!({ "id": "1" })).await;
        assert_eq!(read.status, 200, "{}", read.body);
        let write = client.call("del_item", json!({ "id": "1" })).await;
        assert_eq!(write.status, 403, "{}", write.body);
        assert_eq!(write.json()["error"]["code"], 40_301);
        let origin = gateway.running().gateway().config().public_origin();
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", \
             resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\", \
             scope=\"mcp:tools\""
        );
        assert_eq!(write.header("www-authenticate"), Some(challenge.as_str()));
        // What does not exist is not told apart by scope.
        assert_ne!(client.call("nothing", json!({})).await.status, 403);
    }
    assert_eq!(gateway.upstream.count(), 2);
    let lines = gateway.stop().await;
    let words = lines
        .iter()
        .filter(|line| line["error"] == "insufficient_scope");
    assert_eq!(words.count(), 2);
}

async fn a_plan_bounds_its_connections(fixture: &Fixture) {
    let gateway = on(fixture, "", "  two: { tools: [\"*\"], sessions: 2 }\n").await;
    let (license, _) = gateway.issue("two").await;
    let app = App::registered(&gateway).await;
    let codes = [(); 3].map(|()| app.code(&gateway, license));
    let [first, second, third] = codes;
    let (first, second, third) = (first.await, second.await, third.await);
    let given = Given::of(&app.redeem(&first).await);
    Given::of(&app.redeem(&second).await);
    refused(&app.redeem(&third).await, 400, "invalid_grant");
    let more = app.code_of(&gateway, license, Scope::Tools).await;
    assert_eq!(more, Err(NO_ROOM));
    assert!(matches!(NO_ROOM, OAuthError::AccessDenied(_)));
    assert_eq!(app.revoke(&given.access).await.status, 200);
    let code = app.code(&gateway, license).await;
    let last = Given::of(&app.redeem(&code).await);
    // At the bound, a replay ends what its code led to all the same.
    assert_eq!(list(&gateway, &last.access, [127, 0, 0, 1], "a").await, 200);
    refused(&app.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(list(&gateway, &last.access, [127, 0, 0, 1], "a").await, 401);
}

async fn what_sessions_did_is_written(fixture: &Fixture) {
    let mut gateway = on(fixture, "", "").await;
    let (license, _) = gateway.issue("pro").await;
    let (_, given) = App::connected(&gateway, license).await;
    let client = Client::modern(gateway.address, &given.access);
    client.rpc("tools/list", json!({})).await;
    for _ in 0..3 {
        client.call("get_any", json!({ "id": "1" })).await;
    }
    let lines = gateway.stop().await;
    let sessions = fixture.store.sessions(&SessionFilter::default()).await;
    let session = &sessions.unwrap()[0];
    assert_eq!(session.calls, 3);
    assert!(session.seen.unwrap() >= session.created);
    // The endpoint and the calls name the same session in the log.
    let named: Vec<&Value> = lines.iter().map(|line| &line["session"]).collect();
    assert_eq!(named.len(), 5);
    assert!(named[0].is_string() && named.iter().all(|it| *it == named[0]));
    assert_eq!(lines[0]["route"], "/token");
    assert_eq!(lines[0]["outcome"], "ok");
}
