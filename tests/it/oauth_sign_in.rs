//! The field for the license key: who gets in, who does not, and how fast one may guess.

use std::{sync::Arc, time::Duration};

use wicketgate::{
    clock::{ManualClock, Timestamp},
    crypto::LicenseKey,
    entropy::OsEntropy,
    license::LicenseStatus,
};

use crate::support::{
    browser::{Browser, CALLBACK, authorize, filled, public, told},
    gateway::TestGateway,
    wire::Answer,
};

fn unknown() -> String {
    LicenseKey::generate(&OsEntropy).expose().to_owned()
}

/// What every page must carry.
fn guarded(page: &Answer) {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                  frame-ancestors 'none'";
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        assert_eq!(page.header(name), Some(value), "{}", page.body);
    }
    for bad in ["<script", " style=", "onclick", "javascript:"] {
        assert!(!page.body.contains(bad), "{bad}");
    }
}

#[tokio::test]
async fn o_18_a_key_leads_to_consent_and_every_page_is_guarded() {
    let mut gateway = TestGateway::with(public).await;
    let (_, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let address = authorize(&client, &[]);
    let mut browser = Browser::new(&gateway);
    browser.get(&address).await;
    let page = browser.get(&address).await;
    assert_eq!(page.status, 200, "opened twice");
    guarded(&page);
    assert!(page.body.contains("<bdi>Notes</bdi>"));
    assert!(page.body.contains("<strong>app.test</strong>"));
    let wrong = browser
        .press(&page, "Continue", &[("license_key", "wgl_x")])
        .await;
    assert_eq!(wrong.status, 400);
    guarded(&wrong);
    assert!(wrong.body.contains("not a complete license key"));
    assert!(
        !wrong.body.contains("wgl_x"),
        "what was typed is not shown again"
    );
    let sent = browser
        .press(
            &wrong,
            "Continue",
            &[("license_key", &format!(" {key}\r\n"))],
        )
        .await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    guarded(&sent);
    let cookie = sent.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-login="));
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=43200"),
        "{cookie}"
    );
    let consent = browser.get(sent.header("location").unwrap()).await;
    guarded(&consent);
    assert!(consent.body.contains("Connect this app?"));
    assert!(!consent.body.contains(&key));
    gateway.stop().await;
    assert!(!gateway.log_text().contains(&key));
}

#[tokio::test]
async fn o_21_keys_that_let_nobody_in_have_one_answer() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let now = gateway.clock.now();
    let mut keys = vec![unknown(), gateway.issue_until("pro", Some(now)).await.1];
    for status in [LicenseStatus::Suspended, LicenseStatus::Revoked] {
        let (id, key) = gateway.issue("pro").await;
        let stamp = gateway.stamp();
        let changed = gateway.store.set_license_status(id, status, "test", &stamp);
        changed.await.unwrap();
        keys.push(key);
    }
    let mut bodies = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let mut browser = Browser::new(&gateway);
        let state = format!("state-{number}");
        let page = browser.get(&authorize(&client, &[("state", &state)])).await;
        let refused = browser
            .press(&page, "Continue", &[("license_key", key)])
            .await;
        assert_eq!(refused.status, 403);
        assert!(browser.cookies.keys().all(|name| name == "__Host-visit"));
        let body = refused.body.replace(&state, "state");
        let token = filled(&refused, "Continue", &[]).1;
        let token = token.iter().find(|(name, _)| name == "form").unwrap();
        bodies.push(body.replace(&token.1, "token"));
    }
    assert!(bodies[0].contains("is not accepted"));
    assert!(bodies.iter().all(|body| *body == bodies[0]), "one answer");
}

#[tokio::test]
async fn o_21_guessing_is_slowed_and_then_stopped() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_000_000_000)));
    let shared = Arc::<ManualClock>::clone(&clock);
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.clock = shared;
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let address = authorize(&client, &[]);
    for (number, wait) in [0, 2, 4, 8, 900].into_iter().enumerate() {
        // From another address each time: the request to sign in is what counts.
        let mut browser = Browser::from(&gateway, u8::try_from(number).unwrap() + 1);
        let page = browser.get(&address).await;
        let refused = browser
            .press(&page, "Continue", &[("license_key", &unknown())])
            .await;
        assert_eq!(refused.status, 403, "{number}");
        if wait > 0 {
            let told = browser
                .press(&page, "Continue", &[("license_key", &key)])
                .await;
            assert_eq!(told.status, 429, "a good key must wait as well");
            assert_eq!(told.header("retry-after"), Some(wait.to_string().as_str()));
            assert!(told.body.contains("Too many tries. Wait "), "{}", told.body);
        }
        if wait < 900 {
            clock.advance(Duration::from_secs(wait));
        }
    }
    // Whoever begins anew gets in.
    let mut browser = Browser::new(&gateway);
    let page = browser.get(&authorize(&client, &[("state", "new")])).await;
    assert!(browser.sign_in(&page, &key).await.body.contains(">Allow<"));
}

#[tokio::test]
async fn o_21_an_address_gets_ten_tries_a_minute() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_000_000_000)));
    let shared = Arc::<ManualClock>::clone(&clock);
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.clock = shared;
    })
    .await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut statuses = Vec::new();
    for number in 0..12 {
        let mut browser = Browser::new(&gateway);
        let address = authorize(&client, &[("state", &format!("s{number}"))]);
        let page = browser.get(&address).await;
        let refused = browser
            .press(&page, "Continue", &[("license_key", &unknown())])
            .await;
        statuses.push(refused.status);
    }
    assert_eq!(statuses, [[403; 10].as_slice(), &[429; 2]].concat());
    let mut other = Browser::from(&gateway, 9);
    let page = other.get(&authorize(&client, &[])).await;
    let refused = other
        .press(&page, "Continue", &[("license_key", &unknown())])
        .await;
    assert_eq!(refused.status, 403, "another address has its own");
}

#[tokio::test]
async fn o_22_a_key_in_the_address_is_refused_and_never_logged() {
    let mut gateway = TestGateway::with(public).await;
    let (_, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = Browser::new(&gateway);
    let hint = authorize(&client, &[("login_hint", key.as_str())]);
    let page = browser.get(&hint).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("Ask for a new key"), "{}", page.body);
    let named = browser
        .get(&authorize(&client, &[("license_key", key.as_str())]))
        .await;
    assert_eq!(named.status, 400);
    gateway.stop().await;
    assert!(!gateway.log_text().contains(&key));
}

#[tokio::test]
async fn a_login_ends_with_its_key_and_its_license() {
    let gateway = TestGateway::with(public).await;
    let (id, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let address = authorize(&client, &[]);
    let mut browser = Browser::new(&gateway);
    let page = browser.get(&address).await;
    browser.sign_in(&page, &key).await;
    let is_in = async |browser: &mut Browser<'_>| {
        let page = browser.get(&address).await;
        page.body.contains(">Allow<")
    };
    assert!(is_in(&mut browser).await);
    let set = async |status| {
        let stamp = gateway.stamp();
        let changed = gateway.store.set_license_status(id, status, "test", &stamp);
        changed.await.unwrap();
    };
    set(LicenseStatus::Suspended).await;
    assert!(!is_in(&mut browser).await);
    set(LicenseStatus::Active).await;
    assert!(is_in(&mut browser).await);
    let (other, _) = gateway.new_key();
    let stamp = gateway.stamp();
    let now = Some(gateway.clock.now());
    let added = gateway.store.add_key(id, &other, now, &stamp).await;
    added.unwrap();
    assert!(!is_in(&mut browser).await, "its key was replaced");
}

#[tokio::test]
async fn o_16_a_sign_in_form_is_for_the_browser_that_got_it() {
    let gateway = TestGateway::with(public).await;
    let (_, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut attacker = Browser::new(&gateway);
    let page = attacker.get(&authorize(&client, &[])).await;
    let mut victim = Browser::new(&gateway);
    let planted = victim
        .press(&page, "Continue", &[("license_key", &key)])
        .await;
    assert_eq!(planted.status, 403);
    assert!(
        victim.cookies.is_empty(),
        "nobody is signed in by somebody else"
    );
    let (action, fields) = filled(&page, "Continue", &[("license_key", &key)]);
    for lines in [
        "Origin: https://evil.test\r\n",
        "Origin: https://gw.test.evil.test\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: null\r\n",
    ] {
        let refused = attacker.post(&action, &fields, lines).await;
        assert_eq!(refused.status, 403, "{lines}");
        assert!(refused.body.contains("another web site"));
    }
    let ours = "Origin: https://gw.test\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(attacker.post(&action, &fields, ours).await.status, 303);
}

#[tokio::test]
async fn a_form_that_is_none_is_refused_and_cancel_needs_no_key() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get(&authorize(&client, &[])).await;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(
        browser.send("POST", "/authorize", json, "{}").await.status,
        415
    );
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let large = "a=".to_owned() + &"x".repeat(20_000);
    assert_eq!(
        browser
            .send("POST", "/authorize", form, &large)
            .await
            .status,
        413
    );
    assert_eq!(
        browser.send("DELETE", "/authorize", "", "").await.status,
        405
    );
    let (action, mut fields) = filled(&page, "Cancel", &[]);
    let told = told(&browser.post(&action, &fields, "").await);
    assert_eq!(told["error"], "access_denied");
    fields.retain(|(name, _)| name != "form");
    assert_eq!(browser.post(&action, &fields, "").await.status, 403);
}

#[tokio::test]
async fn o_38_large_headers_of_a_browser_are_bounded() {
    let gateway = TestGateway::with(public).await;
    let mut browser = Browser::new(&gateway);
    let language = format!("Accept-Language: {}\r\n", "x".repeat(10_000));
    let answer = browser.send("GET", "/account", &language, "").await;
    assert_eq!(answer.status, 431);
    let language = format!("Accept-Language: {}\r\n", "x".repeat(4_000));
    assert_eq!(
        browser.send("GET", "/account", &language, "").await.status,
        200
    );
}

#[tokio::test]
async fn on_plain_http_cookies_are_plain() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let address = gateway.address;
    let text = format!("GET /account HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let page = crate::support::wire::once(address, &text).await.unwrap();
    let visit = page.header("set-cookie").unwrap();
    assert!(
        visit.starts_with("visit=") && !visit.contains("Secure"),
        "{visit}"
    );
    assert_eq!(page.header("strict-transport-security"), None);
    let (_, fields) = filled(&page, "Continue", &[("license_key", &key)]);
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(&fields).finish();
    let cookie = visit.split(';').next().unwrap();
    let text = format!(
        "POST /account HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = crate::support::wire::once(address, &text).await.unwrap();
    assert_eq!(sent.status, 303, "{}", sent.body);
    let login = sent.header("set-cookie").unwrap();
    assert!(
        login.starts_with("login=") && !login.contains("Secure"),
        "{login}"
    );
}
