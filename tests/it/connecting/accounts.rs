//! The account page: what is connected elsewhere, connecting without a call, and ending it.

use serde_json::json;

use super::{READ, Scene, asked, path, retry, succeeded};
use crate::support::{
    browser::{Browser, filled},
    provider::{Consent, Flavour},
};

#[tokio::test]
async fn an_account_is_connected_seen_and_disconnected_there() {
    let scene = Scene::start(Flavour::Google).await;
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get("/account").await;
    let page = browser.sign_in(&first, &scene.key).await;
    assert!(
        page.body
            .contains("Not connected. Tools of your license need your Google account.")
    );

    let sent = browser.press(&page, "Connect Shop reports", &[]).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let page = browser.get(&path(sent.header("location").unwrap())).await;
    let end = scene.consents(&mut browser, &page).await;
    assert!(
        end.body.contains("Shop reports is connected"),
        "{}",
        end.body
    );
    assert!(succeeded(&scene.sends("report", &json!({})).await));

    let page = browser.get("/account").await;
    for words in [
        "Shop reports",
        "<li>See your reports</li>",
        "<li>Change your reports</li>",
        "Connect again",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("Not connected"));
    for secret in scene.provider.canaries() {
        assert!(!page.body.contains(&secret) && !end.body.contains(&secret));
    }

    let ended = browser.press(&page, "Disconnect account", &[]).await;
    assert_eq!(ended.header("location"), Some("/account?ended"));
    let page = browser.get("/account?ended").await;
    assert!(page.body.contains("No tool uses that account any more."));
    assert!(page.body.contains("Not connected"));
    assert!(scene.stored().await.is_empty());
    asked(&scene.sends("report", &json!({})).await);
}

#[tokio::test]
async fn one_s_own_accounts_only_and_by_forms_of_this_page() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;
    let (_, key) = scene.gateway.issue("pro").await;
    let mut other = Browser::new(&scene.gateway);
    let first = other.get("/account").await;
    let page = other.sign_in(&first, &key).await;
    assert!(page.body.contains("Not connected"), "{}", page.body);
    let (_, mut fields) = filled(&page, "Connect Shop reports", &[]);
    fields.retain(|(name, _)| name != "step");
    fields.push(("label".to_owned(), "default".to_owned()));
    fields.push(("step".to_owned(), "end".to_owned()));
    let sent = other
        .post("/account", &fields, "Sec-Fetch-Site: same-origin\r\n")
        .await;
    assert_eq!(
        sent.status, 303,
        "nothing of theirs is there, and that is all they learn"
    );
    assert_eq!(scene.stored().await.len(), 1);
    assert!(succeeded(&scene.sends("report", &json!({})).await));
    fields.retain(|(name, _)| name != "form");
    assert_eq!(other.post("/account", &fields, "").await.status, 403);
}

#[tokio::test]
async fn one_that_its_provider_ended_says_so_until_it_is_connected_again() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get("/account").await;
    let page = browser.sign_in(&first, &scene.key).await;
    assert!(!page.body.contains("no longer accepts"));

    scene.provider.withdraw_access();
    scene.provider.end_all_grants();
    let (_, state) = asked(&scene.sends("report", &json!({})).await);
    let page = browser.get("/account").await;
    let says = "Google no longer accepts this connection.";
    assert!(page.body.contains(says), "{}", page.body);
    let sent = browser.press(&page, "Connect again", &[]).await;
    let page = browser.get(&path(sent.header("location").unwrap())).await;
    assert!(page.body.contains("Connect Shop reports again?"));
    scene.consents(&mut browser, &page).await;
    assert!(!browser.get("/account").await.body.contains(says));
    assert!(succeeded(
        &scene.sends("report", &retry(&state, "accept")).await
    ));
}

#[tokio::test]
async fn a_connection_with_less_is_connected_again_for_the_same() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().consent = Consent::Only(vec![READ.to_owned()]);
    let (link, state) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get("/account").await;
    let page = browser.sign_in(&first, &scene.key).await;
    let sent = browser.press(&page, "Connect again", &[]).await;
    let page = browser.get(&path(sent.header("location").unwrap())).await;
    assert!(
        page.body.contains("Connect Shop reports again?"),
        "{}",
        page.body
    );
    let end = scene.consents(&mut browser, &page).await;
    assert_eq!(end.status, 200);
    // What was granted before is what is asked for again: not more.
    assert_eq!(scene.provider.authorizations()[1]["scope"], READ);
    assert_eq!(scene.stored().await.len(), 1);
    assert!(succeeded(
        &scene.sends("report", &retry(&state, "accept")).await
    ));
}
