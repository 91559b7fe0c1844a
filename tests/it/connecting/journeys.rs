//! Acceptance: the whole way, for each era and each provider.

use serde_json::json;

use super::{READ, Scene, WRITE, asked, link_in, path, retry, succeeded};
use crate::support::{
    browser::Browser,
    client::Speaks,
    protocol,
    provider::{Consent, Flavour},
};

const FLAVOURS: [Flavour; 3] = [Flavour::Google, Flavour::Meta, Flavour::Amazon];

#[tokio::test]
async fn a_modern_client_that_can_send_people_comes_back_and_succeeds() {
    for flavour in FLAVOURS {
        let scene = Scene::start(flavour).await;
        let answer = scene.sends("report", &json!({})).await;
        protocol::result("2026-07-28", "InputRequiredResult", &answer.json());
        let request = answer.json()["result"]["inputRequests"]["connect_acc"].clone();
        protocol::fits("2026-07-28", "ElicitRequest", &request);
        let (link, state) = asked(&answer);
        scene.connects(&link).await;
        let again = scene.sends("report", &retry(&state, "accept")).await;
        assert!(succeeded(&again), "{flavour:?}: {}", again.body);
        protocol::result("2026-07-28", "CallToolResult", &again.json());
        // And from now on without any of it.
        assert!(succeeded(&scene.sends("report", &json!({})).await));
        let log = scene.gateway.log_text();
        for secret in scene.provider.canaries() {
            assert!(!log.contains(&secret) && !again.body.contains(&secret));
        }
    }
}

#[tokio::test]
async fn a_modern_client_that_cannot_reads_the_link() {
    for flavour in FLAVOURS {
        let scene = Scene::start(flavour).await;
        let answer = scene.call(Speaks::Modern, "report", &json!({})).await;
        protocol::result("2026-07-28", "CallToolResult", &answer.json());
        assert_eq!(answer.json()["result"]["isError"], true);
        scene.connects(&link_in(&answer.body)).await;
        assert!(succeeded(
            &scene.call(Speaks::Modern, "report", &json!({})).await
        ));
    }
}

#[tokio::test]
async fn u02_2025_11_25_is_told_by_an_error_of_its_own() {
    for flavour in FLAVOURS {
        let scene = Scene::start(flavour).await;
        let speaks = Speaks::Legacy("2025-11-25");
        let answer = scene.call(speaks, "report", &json!({})).await;
        assert_eq!(answer.status, 200);
        protocol::error("2025-11-25", -32042, &answer.json());
        protocol::fits("2025-11-25", "URLElicitationRequiredError", &answer.json());
        let asked = &answer.json()["error"]["data"]["elicitations"][0];
        let link = asked["url"].as_str().unwrap().to_owned();
        scene.connects(&link).await;
        assert!(succeeded_legacy(&scene, speaks).await);
    }
}

#[tokio::test]
async fn u04_older_clients_read_the_link() {
    let each = FLAVOURS.map(|flavour| ["2025-06-18", "2025-03-26"].map(|it| (flavour, it)));
    for (flavour, revision) in each.into_iter().flatten() {
        let scene = Scene::start(flavour).await;
        let speaks = Speaks::Legacy(revision);
        let answer = scene.call(speaks, "report", &json!({})).await;
        protocol::result(revision, "CallToolResult", &answer.json());
        assert_eq!(answer.json()["result"]["isError"], true);
        scene.connects(&link_in(&answer.body)).await;
        assert!(succeeded_legacy(&scene, speaks).await);
    }
}

async fn succeeded_legacy(scene: &Scene, speaks: Speaks) -> bool {
    succeeded(&scene.call(speaks, "report", &json!({})).await)
}

#[tokio::test]
async fn the_first_consent_asks_for_what_all_tools_of_the_license_need_and_no_more() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;
    let scope = scene.provider.authorizations()[0]["scope"].clone();
    assert_eq!(scope, format!("{READ} {WRITE}"));

    // A license with fewer tools is asked for less.
    let mut scene = Scene::start(Flavour::Google).await;
    (scene.license, scene.key) = scene.gateway.issue("reader").await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;
    assert_eq!(scene.provider.authorizations()[0]["scope"], READ);
}

#[tokio::test]
async fn c_05_less_granted_than_asked_is_kept_as_granted_and_asked_again_when_needed() {
    for flavour in [Flavour::Google, Flavour::Meta] {
        let scene = Scene::start(flavour).await;
        scene.provider.knobs().consent = Consent::Only(vec![READ.to_owned()]);
        let (link, state) = asked(&scene.sends("change", &json!({})).await);
        let end = scene.connects(&link).await;
        assert!(
            end.body.contains("Not everything was allowed"),
            "{}",
            end.body
        );
        let names: Vec<_> = scene.stored().await[0]
            .scopes
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, [READ], "{flavour:?}");
        assert!(succeeded(&scene.sends("report", &json!({})).await));

        // The tool that needs more asks anew, and says why.
        let again = scene
            .sends("change", &json!({ "requestState": state }))
            .await;
        let (link, state) = asked(&again);
        assert!(again.body.contains("must allow more"), "{}", again.body);
        scene.provider.knobs().consent = Consent::Grants;
        let mut browser = Browser::new(&scene.gateway);
        let first = browser.get(&path(&link)).await;
        let page = browser.sign_in(&first, &scene.key).await;
        assert!(page.body.contains("already allowed"), "{}", page.body);
        let end = scene.consents(&mut browser, &page).await;
        assert!(!end.body.contains("Not everything"), "{}", end.body);
        let done = scene.sends("change", &retry(&state, "accept")).await;
        assert!(succeeded(&done), "{}", done.body);
    }
}
