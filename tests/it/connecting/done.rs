//! Where a browser ends after the provider's consent: a page that can be loaded again, and holds
//! nothing of what the provider brought.

use serde_json::json;

use super::{Scene, asked, path, succeeded};
use crate::support::{browser::Browser, provider::Flavour};

const DONE: &str = "/connect/done/acc/default";

#[tokio::test]
async fn a_reload_says_the_same_and_the_code_is_nowhere() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get(&path(&link)).await;
    let page = browser.sign_in(&first, &scene.key).await;
    let sent = browser.press(&page, &scene.go_on(), &[]).await;
    let provider = &scene.provider;
    let back = provider.consent(sent.header("location").unwrap()).await;
    let end = browser.get(&path(&back)).await;
    assert_eq!((end.status, end.header("location")), (303, Some(DONE)));
    for _ in 0..2 {
        let page = browser.get(DONE).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Shop reports is connected"));
        assert!(page.body.contains("<li>See your reports</li>"));
        assert!(!page.body.contains("Not everything"));
        for secret in provider.canaries() {
            assert!(!page.body.contains(&secret));
        }
    }
    // The back button brings the provider's answer once more: it counted once.
    let again = browser.get(&path(&back)).await;
    assert_eq!(again.status, 403);
    assert_eq!(provider.count("authorization_code"), 1);
    assert!(succeeded(&scene.sends("report", &json!({})).await));
}

#[tokio::test]
async fn it_tells_strangers_nothing() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    scene.connects(&link).await;

    let away = |answer: &crate::support::wire::Answer| {
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/account"))
        );
        assert_eq!(answer.body, "");
    };
    let mut nobody = Browser::new(&scene.gateway);
    away(&nobody.get(DONE).await);
    let (_, key) = scene.gateway.issue("pro").await;
    let mut other = Browser::new(&scene.gateway);
    let first = other.get("/account").await;
    other.sign_in(&first, &key).await;
    away(&other.get(DONE).await);
    away(&other.get("/connect/done/acc/none").await);
    away(&other.get("/connect/done/other/default").await);
    for nothing in [
        "/connect/done/acc",
        "/connect/done/acc/",
        "/connect/done/acc/A%20b",
        "/connect/done/a/b/c",
    ] {
        assert_eq!(other.get(nothing).await.status, 404, "{nothing}");
    }
    assert_eq!(other.send("POST", DONE, "", "").await.status, 405);
}
