//! What a modern client brings back (T53 to T57, U03, U09): bound, checked, waited for, declined.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Scene, asked, request, retry, sends, succeeded};
use crate::support::{
    client::{Client, Speaks},
    protocol,
    provider::Flavour,
    wire::Answer,
};

/// JSON-RPC -32602 and nothing that asks anew.
#[track_caller]
fn refused(answer: &Answer, word: &str) {
    protocol::error("2026-07-28", -32602, &answer.json());
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains(word), "{}", answer.body);
    assert!(!answer.body.contains("/connect/"), "{}", answer.body);
}

#[tokio::test]
async fn t54_t55_a_state_is_for_one_client_one_call_and_ten_minutes() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, state) = asked(&scene.sends("report", &json!({})).await);

    let (_, other) = scene.gateway.issue("pro").await;
    let other = Client::modern(scene.gateway.address, &other);
    refused(
        &sends(&other, "report", &retry(&state, "accept")).await,
        "this client",
    );
    // Another key of the same license is another client.
    let (record, second) = scene.gateway.new_key();
    scene.gateway.add_key(scene.license, &record).await;
    let second = Client::modern(scene.gateway.address, &second);
    refused(
        &sends(&second, "report", &retry(&state, "accept")).await,
        "this client",
    );

    refused(
        &scene.sends("change", &retry(&state, "accept")).await,
        "another tool",
    );
    let mut more = retry(&state, "accept");
    more["arguments"] = json!({ "account": "a" });
    refused(&scene.sends("report", &more).await, "other arguments");

    let bytes = state.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        refused(
            &scene.sends("report", &retry(&changed, "accept")).await,
            "this client",
        );
    }
    // A link is no state.
    let handle = link.rsplit('/').next().unwrap();
    refused(
        &scene.sends("report", &retry(handle, "accept")).await,
        "this client",
    );
    refused(
        &scene.sends("report", &json!({ "requestState": 7 })).await,
        "must be a string",
    );

    // Checked also where nothing is needed any more, and good for that too.
    scene.connects(&link).await;
    refused(
        &scene.sends("report", &retry("wgh_AAAA", "accept")).await,
        "this client",
    );
    assert!(succeeded(
        &scene.sends("report", &retry(&state, "accept")).await
    ));
    scene.clock.advance(Duration::from_mins(10));
    refused(
        &scene.sends("report", &retry(&state, "accept")).await,
        "is over",
    );
}

#[tokio::test]
async fn t56_answers_are_checked_and_strangers_in_them_passed_over() {
    let scene = Scene::start(Flavour::Google).await;
    let (_, state) = asked(&scene.sends("report", &json!({})).await);
    for bad in [json!([]), json!("accept"), json!(null)] {
        let more = json!({ "requestState": state, "inputResponses": bad });
        refused(&scene.sends("report", &more).await, "must be an object");
    }
    for bad in [
        json!(7),
        json!({}),
        json!({ "action": "maybe" }),
        json!({ "action": 1 }),
    ] {
        let more = json!({ "requestState": state, "inputResponses": { "connect_acc": bad } });
        refused(&scene.sends("report", &more).await, "action");
    }
    // Nothing that was asked is answered: asked again.
    let more = json!({ "requestState": state, "inputResponses": { "weather": 7 } });
    asked(&scene.sends("report", &more).await);
    asked(
        &scene
            .sends("report", &json!({ "requestState": state }))
            .await,
    );
}

#[tokio::test]
async fn u09_who_declines_is_not_asked_in_a_loop() {
    let scene = Scene::start(Flavour::Google).await;
    let (_, state) = asked(&scene.sends("report", &json!({})).await);
    for action in ["decline", "cancel"] {
        let answer = scene.sends("report", &retry(&state, action)).await;
        protocol::result("2026-07-28", "CallToolResult", &answer.json());
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], true);
        assert!(answer.body.contains("declined"), "{}", answer.body);
        assert!(!answer.body.contains("/connect/"));
    }
}

#[tokio::test]
async fn t51_t53_nobody_is_asked_who_cannot_be_and_never_elsewhere() {
    let scene = Scene::start(Flavour::Google).await;
    let client = scene.client(Speaks::Modern);
    let call = |capabilities: Value| {
        let params = json!({ "name": "report", "arguments": {} });
        let mut message = client.message(&json!(1), "tools/call", params);
        message["params"]["_meta"][super::META] = capabilities;
        message
    };
    for less in [
        json!({}),
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {} } }),
    ] {
        let answer = request(&client, &call(less)).await;
        assert_eq!(
            answer.json()["result"]["resultType"],
            "complete",
            "{}",
            answer.body
        );
        assert_eq!(answer.json()["result"]["isError"], true);
    }
    let mut list = client.message(&json!(1), "tools/list", json!({ "requestState": "x" }));
    list["params"]["_meta"][super::META] = json!({ "elicitation": { "url": {} } });
    let answer = request(&client, &list).await;
    assert_eq!(answer.json()["result"]["resultType"], "complete");
}
