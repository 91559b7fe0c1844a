//! The pages between a link and a connected account, and everybody who must not get through them.

use std::time::Duration;

use serde_json::json;

use super::{Accounts, Scene, asked, path, succeeded};
use crate::support::{
    browser::{Browser, HOST, filled},
    client::Client,
    provider::{Consent, Flavour, Iss, StateSent, Trouble},
    wire::{Answer, Wire},
};

const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A browser signed in at our consent page.
async fn at_consent(scene: &Scene) -> (Browser<'_>, Answer, String) {
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get(&path(&link)).await;
    assert_eq!(first.status, 200);
    let page = browser.sign_in(&first, &scene.key).await;
    assert_eq!(page.status, 200, "{}", page.body);
    (browser, page, link)
}

#[tokio::test]
async fn u05_the_consent_page_says_who_asks_for_what_in_plain_words() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    assert!(!link.contains(&scene.license.to_string()) && !link.contains("acc"));
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get(&path(&link)).await;
    assert!(
        first
            .body
            .contains("needs your <strong>Shop reports</strong> account")
    );
    let page = browser.sign_in(&first, &scene.key).await;
    for words in [
        "Connect Shop reports?",
        "Google",
        "See your reports",
        "only reads",
        "Change your reports",
        "can change things",
        "Run a report",
        "Change a report",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("<script") && !page.body.contains("style="));
    for answer in [&first, &page] {
        assert_eq!(answer.header("content-security-policy"), Some(POLICY));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    // Looking is not connecting.
    assert!(scene.provider.authorizations().is_empty());
}

#[tokio::test]
async fn c_04_u06_a_link_is_of_no_use_to_another_license() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    let (victim, key) = scene.gateway.issue("pro").await;
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get(&path(&link)).await;
    let page = browser.sign_in(&first, &key).await;
    assert_eq!(page.status, 403);
    assert!(
        page.body.contains("This link is for another license"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("Go on to"));

    // Nor is the form, sent by hand with a field of a page that is one's own.
    let account = browser.get("/account").await;
    let (_, fields) = filled(&account, "Sign out", &[]);
    let token = fields
        .iter()
        .find(|(name, _)| name == "form")
        .unwrap()
        .clone();
    let fields = [token, ("step".to_owned(), "connect".to_owned())];
    let sent = browser
        .post(&path(&link), &fields, "Sec-Fetch-Site: same-origin\r\n")
        .await;
    assert_eq!(sent.status, 403);
    assert!(scene.provider.authorizations().is_empty());
    let connections = scene.gateway.running().gateway().connections();
    assert!(connections.accounts(victim).await.unwrap().is_empty());
    assert!(scene.stored().await.is_empty());

    // With the right key the way is open.
    let page = browser.get(&path(&link)).await;
    let out = browser.press(&page, "Use another license key", &[]).await;
    assert_eq!(
        (out.status, out.header("location")),
        (303, Some(&*path(&link)))
    );
    let first = browser.get(&path(&link)).await;
    let page = browser.sign_in(&first, &scene.key).await;
    assert_eq!(scene.consents(&mut browser, &page).await.status, 200);
}

#[tokio::test]
async fn c_04_what_a_browser_brings_back_counts_for_its_own_license_only() {
    let scene = Scene::start(Flavour::Google).await;
    let (mut attacker, page, _) = at_consent(&scene).await;
    let sent = attacker.press(&page, &scene.go_on(), &[]).await;
    let back = scene
        .provider
        .consent(sent.header("location").unwrap())
        .await;

    // Somebody else, signed in with another license, is sent there.
    let (_, key) = scene.gateway.issue("pro").await;
    let mut victim = Browser::new(&scene.gateway);
    let account = victim.get("/account").await;
    victim.sign_in(&account, &key).await;
    assert_eq!(victim.get(&path(&back)).await.status, 403);
    // And somebody who is not signed in at all.
    assert_eq!(
        Browser::new(&scene.gateway).get(&path(&back)).await.status,
        403
    );
    // C-01: and the same license in another browser.
    let mut other = Browser::new(&scene.gateway);
    let account = other.get("/account").await;
    scene.clock.advance(Duration::from_secs(1));
    other.sign_in(&account, &scene.key).await;
    assert_eq!(other.get(&path(&back)).await.status, 403);
    assert!(scene.provider.token_requests().is_empty());
    assert!(scene.stored().await.is_empty());
}

#[tokio::test]
async fn c_01_c_03_what_was_not_sent_from_here_is_a_page_and_no_request_for_tokens() {
    let scene = Scene::start(Flavour::Google).await;
    let (mut browser, page, link) = at_consent(&scene).await;
    for sent in [StateSent::Missing, StateSent::Wrong] {
        scene.provider.knobs().state = sent;
        let end = scene.consents(&mut browser, &page).await;
        assert_eq!(end.status, 403, "{sent:?}");
        assert!(
            end.body
                .contains("does not belong to a connection you began")
        );
    }
    scene.provider.knobs().state = StateSent::Right;
    scene.provider.knobs().iss = Iss::Says(format!("{}/", scene.provider.origin()));
    assert_eq!(scene.consents(&mut browser, &page).await.status, 403);
    scene.provider.knobs().iss = Iss::Usual;

    // Twice the same parameter: which would count?
    let page = browser.get(&path(&link)).await;
    let sent = browser.press(&page, &scene.go_on(), &[]).await;
    let back = path(
        &scene
            .provider
            .consent(sent.header("location").unwrap())
            .await,
    );
    for name in ["state", "code", "iss", "error"] {
        let twice = browser.get(&format!("{back}&{name}=a&{name}=b")).await;
        assert_eq!(twice.status, 400, "{name}");
    }
    // C-02: to another upstream's place, and to none.
    for place in ["other", "UP", "a/b", "%00"] {
        let elsewhere = back.replacen("/acc?", &format!("/{place}?"), 1);
        let status = browser.get(&elsewhere).await.status;
        assert!(status == 403 || status == 404, "{place}: {status}");
    }
    assert!(scene.provider.token_requests().is_empty());
    assert!(scene.stored().await.is_empty());

    // A state counts once.
    let page = browser.get(&path(&link)).await;
    let sent = browser.press(&page, &scene.go_on(), &[]).await;
    let back = path(
        &scene
            .provider
            .consent(sent.header("location").unwrap())
            .await,
    );
    let mut wire = Wire::connect(scene.gateway.address).await;
    wire.send(format!("HEAD {back} HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes())
        .await;
    let head = wire.head().await.expect("a head");
    assert_eq!(head.status, 405, "a HEAD does not count");
    assert_eq!(browser.get(&back).await.status, 303);
    assert_eq!(browser.get(&back).await.status, 403);
    assert_eq!(scene.provider.count("authorization_code"), 1);
}

#[tokio::test]
async fn c_06_a_provider_s_words_are_not_repeated() {
    let scene = Scene::start(Flavour::Google).await;
    let (mut browser, page, _) = at_consent(&scene).await;
    let words = "<script>alert(1)</script> gone-fishing";
    scene.provider.knobs().consent = Consent::Denies(words.to_owned());
    let end = scene.consents(&mut browser, &page).await;
    assert_eq!(end.status, 403);
    assert!(
        end.body.contains("You did not allow access"),
        "{}",
        end.body
    );
    assert!(!end.body.contains("script") && !end.body.contains("gone-fishing"));
    assert!(scene.provider.token_requests().is_empty());

    scene.provider.knobs().consent = Consent::Grants;
    scene.provider.knobs().trouble = Trouble::InvalidGrant;
    let end = scene.consents(&mut browser, &page).await;
    assert_eq!(end.status, 502);
    assert!(
        end.body.contains("did not accept the answer"),
        "{}",
        end.body
    );
    assert!(scene.stored().await.is_empty());
}

#[tokio::test]
async fn links_end_and_what_is_none_says_so() {
    let scene = Scene::start(Flavour::Google).await;
    let (link, _) = asked(&scene.sends("report", &json!({})).await);
    let mut browser = Browser::new(&scene.gateway);
    for nothing in [
        "/connect/x",
        "/connect/wgh_AAAA",
        "/connect/a/b",
        "/connect/%00",
    ] {
        let page = browser.get(nothing).await;
        assert_eq!(page.status, 404, "{nothing}");
    }
    for at in [10, 30, 60, 100] {
        let mut changed = path(&link).into_bytes();
        let at = at + "/connect/".len();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let page = browser.get(&String::from_utf8(changed).unwrap()).await;
        assert_eq!(page.status, 404);
    }
    for method in ["PUT", "DELETE", "OPTIONS"] {
        assert_eq!(browser.send(method, &path(&link), "", "").await.status, 405);
    }
    scene.clock.advance(Duration::from_mins(30));
    let page = browser.get(&path(&link)).await;
    assert_eq!(page.status, 410);
    assert!(page.body.contains("This link is too old"));
}

#[tokio::test]
async fn the_form_is_ours_for_what_was_shown_and_not_for_ever() {
    let scene = Scene::start(Flavour::Google).await;
    let (mut browser, page, link) = at_consent(&scene).await;
    let (action, fields) = filled(&page, &scene.go_on(), &[]);
    let foreign = "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.test\r\n";
    assert_eq!(browser.post(&action, &fields, foreign).await.status, 403);
    let without: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name != "form")
        .cloned()
        .collect();
    assert_eq!(browser.post(&action, &without, "").await.status, 403);
    // Another link's field.
    let (second, _) = asked(&scene.sends("change", &json!({})).await);
    assert_ne!(second, link);
    assert_eq!(browser.post(&path(&second), &fields, "").await.status, 403);
    scene.clock.advance(Duration::from_mins(10));
    assert_eq!(browser.post(&action, &fields, "").await.status, 403);
    assert!(scene.provider.authorizations().is_empty());

    let page = browser.get(&path(&link)).await;
    let cancelled = browser.press(&page, "Cancel", &[]).await;
    assert_eq!(cancelled.header("location"), Some("/account"));
    assert!(scene.provider.authorizations().is_empty());
}

#[tokio::test]
async fn several_accounts_have_names_that_people_choose() {
    let mut scene = Scene::with(Flavour::Google, Accounts::Several, "").await;
    let (mut browser, page, link) = at_consent(&scene).await;
    for bad in ["", "Two Words", "ä", "<b>"] {
        let again = browser
            .press(&page, &scene.go_on(), &[("label", bad)])
            .await;
        assert_eq!(again.status, 200);
        assert!(
            again.body.contains("small letters, digits"),
            "{}",
            again.body
        );
        assert!(!again.body.contains("<b>"));
    }
    for label in ["work", "shop-2"] {
        let page = browser.get(&path(&link)).await;
        scene.provider.knobs().account = format!("{label}@example.com");
        let sent = browser
            .press(&page, &scene.go_on(), &[("label", label)])
            .await;
        let end = scene.returns(&mut browser, &sent).await;
        assert!(
            end.body.contains(&format!("<strong>{label}</strong>")),
            "{}",
            end.body
        );
    }
    let page = browser.get(&path(&link)).await;
    let taken = browser
        .press(&page, &scene.go_on(), &[("label", "work")])
        .await;
    assert!(taken.body.contains("connected already"), "{}", taken.body);

    let client = Client::modern(scene.gateway.address, &scene.key);
    let unnamed = super::sends(&client, "report", &json!({})).await;
    assert_eq!(unnamed.json()["result"]["isError"], true);
    assert!(unnamed.body.contains("work") && unnamed.body.contains("shop-2"));
    let named = json!({ "arguments": { "account": "work" } });
    assert!(succeeded(&scene.sends("report", &named).await));
    // A slip is told, with the names there are, and leads to no new account.
    let slip = json!({ "arguments": { "account": "wrok" } });
    let told = scene.sends("report", &slip).await;
    assert_eq!(told.json()["result"]["isError"], true, "{}", told.body);
    assert!(
        told.body.contains("There are: shop-2, work"),
        "{}",
        told.body
    );
    assert!(!told.body.contains("/connect/") && !told.body.contains("wrok"));
    let lines = scene.gateway.stop().await;
    let last = lines.last().unwrap();
    assert_eq!(last["error"], "account_unknown", "{last}");
}

#[tokio::test]
async fn the_first_account_s_name_may_be_what_the_assistant_calls_it() {
    let scene = Scene::with(Flavour::Google, Accounts::Several, "").await;
    let named = json!({ "arguments": { "account": "third" } });
    let (link, _) = asked(&scene.sends("report", &named).await);
    let mut browser = Browser::new(&scene.gateway);
    let first = browser.get(&path(&link)).await;
    let page = browser.sign_in(&first, &scene.key).await;
    let says = "calls this account <strong>third</strong>";
    assert!(page.body.contains(says), "{}", page.body);
}
