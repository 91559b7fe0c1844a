//! `/authorize`: which requests are put before a person, what the person reads, and what the client
//! is told.

use crate::support::{
    browser::{Browser, CALLBACK, ORIGIN, authorize, filled, public, told},
    gateway::TestGateway,
    wire::Answer,
};

/// A browser that signed in with a key of this plan, and a client.
async fn signed_in<'g>(gateway: &'g TestGateway, plan: &str) -> Browser<'g> {
    let (_, key) = gateway.issue(plan).await;
    let mut browser = Browser::new(gateway);
    let page = browser.get("/account").await;
    let page = browser.sign_in(&page, &key).await;
    assert!(page.body.contains("Your account"), "{}", page.body);
    browser
}

fn is_page(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("location"), None);
    assert!(answer.body.contains(text), "{text}: {}", answer.body);
}

#[tokio::test]
async fn o_01_to_o_06_no_code_leaves_for_an_address_that_is_not_registered() {
    let gateway = TestGateway::with(public).await;
    let cursor = "cursor://anysphere.cursor-mcp/oauth/callback";
    let uris = [
        CALLBACK,
        "http://localhost/callback",
        cursor,
        "other://x/cb",
    ];
    let client = gateway.client("Notes", &uris).await;
    let mut browser = signed_in(&gateway, "pro").await;
    for bad in [
        "https://app.test/cb/",
        "https://app.test/cb?a=b",
        "https://app.test/CB",
        "https://app.test/",
        "https://app.test.evil.test/cb",
        "https://app.test@evil.test/cb",
        "https://app.test%2f@evil/cb",
        "https://app.test\\@evil.test/cb",
        "http://localhost.evil.test/callback",
        "http://127.0.0.1.evil.test/",
        "http://localhost@evil.test/callback",
        "https://localhost/callback",
        "http://127.1/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback/x",
        "cursor://anysphere.cursor-mcp/oauth/callback?a",
        "javascript:alert(1)",
    ] {
        let answer = browser
            .get(&authorize(&client, &[("redirect_uri", bad)]))
            .await;
        is_page(&answer, 400, "not registered");
    }
    let unsafe_one = [("redirect_uri", "other://x/cb")];
    let answer = browser.get(&authorize(&client, &unsafe_one)).await;
    is_page(&answer, 400, "not safe");
    for (good, shown) in [
        (CALLBACK, "back to <strong>app.test</strong>"),
        (
            "http://localhost:49152/callback",
            "a program on this computer",
        ),
        (cursor, "opens <strong>cursor://</strong> links"),
    ] {
        let page = browser
            .get(&authorize(&client, &[("redirect_uri", good)]))
            .await;
        is_page(&page, 200, shown);
        let sent = browser.press(&page, "Allow", &[]).await;
        let told = told(&sent);
        assert!(
            sent.header("location")
                .unwrap()
                .starts_with(&format!("{good}?code=wgc_"))
        );
        assert_eq!(
            (told["state"].as_str(), told["iss"].as_str()),
            ("s-1", ORIGIN)
        );
    }
    // Left out: only where there is no choice.
    let none = [("redirect_uri", "")];
    is_page(
        &browser.get(&authorize(&client, &none)).await,
        400,
        "not registered",
    );
    let single = gateway.client("One", &[CALLBACK]).await;
    let page = browser.get(&authorize(&single, &none)).await;
    assert!(told(&browser.press(&page, "Allow", &[]).await).contains_key("code"));
}

#[tokio::test]
async fn o_24_a_client_that_is_none_gets_a_page() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = Browser::new(&gateway);
    let none = [("client_id", "")];
    is_page(
        &browser.get(&authorize(&client, &none)).await,
        400,
        "invalid_client",
    );
    for bad in ["wgi_short", "http://app.test/client", "<script>", "x"] {
        let answer = browser
            .get(&authorize(&client, &[("client_id", bad)]))
            .await;
        is_page(&answer, 400, "invalid_client");
    }
    gateway
        .store
        .remove_client(&client, &gateway.stamp())
        .await
        .unwrap();
    is_page(
        &browser.get(&authorize(&client, &[])).await,
        400,
        "add it again",
    );
    let twice = format!(
        "{}&redirect_uri=https://evil.test/",
        authorize(&client, &[])
    );
    is_page(&browser.get(&twice).await, 400, "twice");
}

#[tokio::test]
async fn o_11_o_15_o_34_other_faults_are_told_to_the_client() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = Browser::new(&gateway);
    for (change, error) in [
        ([("code_challenge", "")], "invalid_request"),
        ([("code_challenge", "0123456789")], "invalid_request"),
        ([("code_challenge_method", "plain")], "invalid_request"),
        ([("code_challenge_method", "")], "invalid_request"),
        ([("response_type", "token")], "unsupported_response_type"),
        ([("resource", "https://evil.test/mcp")], "invalid_target"),
        ([("resource", "https://gw.test/mcp#x")], "invalid_target"),
        ([("scope", "openid email")], "invalid_scope"),
    ] {
        let told = told(&browser.get(&authorize(&client, &change)).await);
        assert_eq!(told["error"], error, "{change:?}");
        assert_eq!(told["iss"], ORIGIN);
        assert_eq!(told["state"], "s-1");
        assert!(told["error_description"].is_ascii());
    }
    let two = format!("{}&resource=https://gw.test/mcp", authorize(&client, &[]));
    assert_eq!(told(&browser.get(&two).await)["error"], "invalid_target");
    for change in [
        [("resource", "https://GW.TEST/mcp")],
        [("resource", "https://gw.test/mcp/")],
        [("resource", "")],
        [("scope", "")],
        [("scope", "openid mcp:read offline_access")],
        [("prompt", "none")],
    ] {
        assert_eq!(browser.get(&authorize(&client, &change)).await.status, 200);
    }
}

#[tokio::test]
async fn o_23_state_comes_back_as_it_was_or_not_at_all() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = signed_in(&gateway, "pro").await;
    let odd = "\"'><script>alert(1)</script>&x=y #%41+";
    let page = browser.get(&authorize(&client, &[("state", odd)])).await;
    assert!(!page.body.contains("<script"), "{}", page.body);
    let told = told(&browser.press(&page, "Allow", &[]).await);
    assert_eq!(told["state"], odd);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    for bad in ["x".repeat(1_025), "a\r\nSet-Cookie: a=b".into(), "ü".into()] {
        let answer = browser.get(&authorize(&client, &[("state", &bad)])).await;
        is_page(&answer, 400, "(state)");
    }
}

#[tokio::test]
async fn o_16_o_17_consent_is_for_one_request_in_one_browser() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = signed_in(&gateway, "pro").await;
    let first = browser.get(&authorize(&client, &[("state", "one")])).await;
    let second = browser.get(&authorize(&client, &[("state", "two")])).await;

    let (action, fields) = filled(&first, "Allow", &[]);
    let without: Vec<_> = fields
        .iter()
        .filter(|(n, _)| n != "form")
        .cloned()
        .collect();
    is_page(
        &browser.post(&action, &without, "").await,
        403,
        "Nothing was done",
    );
    let mut crossed = without.clone();
    let (_, others) = filled(&second, "Allow", &[]);
    crossed.extend(others.into_iter().filter(|(name, _)| name == "form"));
    is_page(
        &browser.post(&action, &crossed, "").await,
        403,
        "Nothing was done",
    );
    let site = "Sec-Fetch-Site: cross-site\r\n";
    is_page(
        &browser.post(&action, &fields, site).await,
        403,
        "another web site",
    );
    let mut stranger = signed_in(&gateway, "pro").await;
    is_page(
        &stranger.post(&action, &fields, "").await,
        403,
        "Nothing was done",
    );
    let mut nobody = Browser::new(&gateway);
    is_page(
        &nobody.post(&action, &fields, "").await,
        403,
        "Nothing was done",
    );

    let one = told(&browser.press(&first, "Allow", &[]).await);
    let two = told(&browser.press(&second, "Allow", &[]).await);
    assert_eq!(
        (one["state"].as_str(), two["state"].as_str()),
        ("one", "two")
    );
    let again = told(&browser.press(&first, "Allow", &[]).await);
    assert_ne!(
        one["code"], again["code"],
        "pressed twice: two codes, one is never used"
    );
}

#[tokio::test]
async fn o_19_o_34_consent_is_asked_every_time_and_no_is_told() {
    let gateway = TestGateway::with(public).await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = signed_in(&gateway, "pro").await;
    let page = browser.get(&authorize(&client, &[])).await;
    told(&browser.press(&page, "Allow", &[]).await);
    let page = browser.get(&authorize(&client, &[])).await;
    is_page(&page, 200, ">Allow<");
    let told = told(&browser.press(&page, "Cancel", &[]).await);
    assert_eq!(told["error"], "access_denied");
    assert_eq!(
        (told["state"].as_str(), told["iss"].as_str()),
        ("s-1", ORIGIN)
    );
    let out = browser.press(&page, "Use another license key", &[]).await;
    assert_eq!(out.status, 303);
    assert_eq!(
        browser.get(out.header("location").unwrap()).await.status,
        200
    );
    let page = browser.get(&authorize(&client, &[])).await;
    is_page(&page, 200, ">Continue<");
}

#[tokio::test]
async fn o_20_the_person_reads_who_asks_for_what() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.more += "branding: { name: 'Acme <Data>' }\n";
    })
    .await;
    let name = "\u{202e}<b onmouseover=alert(1)>Claude</b>\r\n\"'&";
    let client = gateway.client(name, &[CALLBACK]).await;
    let mut browser = signed_in(&gateway, "pro").await;
    let page = browser.get(&authorize(&client, &[])).await;
    for text in [
        "It calls itself",
        "<bdi>&#60;b onmouseover=alert(1)&#62;Claude&#60;/b&#62; &#34;&#39;&#38;</bdi>",
        "nobody has checked its name",
        "Acme &#60;Data&#62;",
        "Use every tool of your license.",
        "3 tools that only read",
        "3 that can change things",
        "at most 90 days",
        "not used for 30 days",
        "wgl_",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains('\u{202e}') && !page.body.contains("<b "));
    let page = browser
        .get(&authorize(&client, &[("scope", "mcp:read")]))
        .await;
    assert!(page.body.contains("Use tools that only read."));
    assert!(!page.body.contains("change things"), "{}", page.body);
    // A license of a smaller plan reaches less.
    let mut browser = signed_in(&gateway, "small").await;
    let page = browser.get(&authorize(&client, &[])).await;
    assert!(page.body.contains("2 tools that only read"));
    assert!(!page.body.contains("change things"));
}

#[tokio::test]
async fn t_13_a_full_plan_is_told_before_consent() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.plans = "  pro: { sessions: 1, tools: [\"*\"] }\n".into();
    })
    .await;
    let (license, key) = gateway.issue("pro").await;
    let client = gateway.client("Notes", &[CALLBACK]).await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get(&authorize(&client, &[])).await;
    let page = browser.sign_in(&page, &key).await;
    is_page(&page, 200, ">Allow<");
    crate::oauth_account::connect(&gateway, license, &client, "Notes").await;
    is_page(
        &browser.press(&page, "Allow", &[]).await,
        403,
        "href=\"/account\"",
    );
    let full = browser.get(&authorize(&client, &[])).await;
    is_page(&full, 403, "Your plan allows no more connections");
}

#[tokio::test]
async fn the_style_has_the_operators_colours_and_is_kept() {
    let gateway = TestGateway::with(|setup| {
        public(setup);
        setup.more += "branding: { accent: '#123456', key_hint: 'It is in your welcome mail.' }\n";
    })
    .await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/account").await;
    assert!(page.body.contains("It is in your welcome mail."));
    let (_, rest) = page.body.split_once("stylesheet\" href=\"").unwrap();
    let style = browser.get(rest.split('"').next().unwrap()).await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(style.body.contains("--accent:#123456"));
    let tag = format!("If-None-Match: {}\r\n", style.header("etag").unwrap());
    let again = browser.send("GET", "/style.css", &tag, "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(browser.get("/logo").await.status, 404);
}
