//! What differs between the providers.

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use wicketgate::{
    config::{Environment, load},
    names::ProviderName,
};

use super::{CALLBACK, SCOPE, Scene, VERIFIER, ok, query, text};
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Consent, Ending, Flavour, Proved};

#[tokio::test]
async fn google_gives_a_refresh_token_only_offline_and_merges_grants() {
    let scene = Scene::start(Flavour::Google).await;
    let online = scene.consent(&[("access_type", "")]).await;
    let answer = ok(&scene.redeem(&online["code"], &[]).await);
    assert_eq!(answer["refresh_token"], Value::Null);
    let again = scene.consent(&[("prompt", "")]).await;
    let answer = ok(&scene.redeem(&again["code"], &[]).await);
    assert_eq!(answer["refresh_token"], Value::Null, "not the first time");
    let more = [("scope", "ads"), ("include_granted_scopes", "true")];
    let answer = ok(&scene.redeem(&scene.consent(&more).await["code"], &[]).await);
    assert_eq!(answer["scope"], "ads reports.read");

    let refresh = text(&answer, "refresh_token").to_owned();
    let access = text(&answer, "access_token").to_owned();
    let ended = scene
        .post("/revoke", "", &query([("token", refresh.as_str())]))
        .await;
    assert_eq!(ended.status, 200);
    assert_eq!(scene.call("/api/whoami", &access).await.status, 401);
    assert_eq!(
        scene.refresh(&refresh).await.json()["error"],
        "invalid_grant"
    );
    let again = scene
        .post("/revoke", "", &query([("token", refresh.as_str())]))
        .await;
    assert_eq!(again.status, 400);
    let how = "POST /revoke".to_owned();
    let (one, two) = (
        Ending {
            how: how.clone(),
            token: refresh.clone(),
            status: 200,
        },
        Ending {
            how,
            token: refresh,
            status: 400,
        },
    );
    assert_eq!(scene.provider.endings(), [one, two]);
}

#[tokio::test]
async fn google_takes_assertions_of_service_accounts() {
    let scene = Scene::start(Flavour::Google).await;
    let file = scene.provider.service_account("robot@project-1.example");
    let der: Vec<u8> = BASE64
        .decode(
            text(&file, "private_key")
                .lines()
                .filter(|line| !line.starts_with("-----"))
                .collect::<String>()
                .as_bytes(),
        )
        .unwrap();
    let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
    let assertion = |claims: &Value, alg: &str| {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!(
            "{}.{}",
            part(&json!({ "alg": alg, "typ": "JWT" })),
            part(claims)
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    };
    let now = 1_795_305_600;
    let claims = json!({
        "iss": "robot@project-1.example", "aud": file["token_uri"],
        "scope": SCOPE, "iat": now, "exp": now + 3_600,
    });
    let ask = |assertion: String| {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let form = query([("grant_type", grant), ("assertion", &assertion)]);
        let scene = &scene;
        async move { scene.post("/token", "", &form).await }
    };
    let answer = ok(&ask(assertion(&claims, "RS256")).await);
    let access = text(&answer, "access_token");
    let report = scene.call("/api/report", access).await.json();
    assert_eq!(report["account"], "robot@project-1.example");

    let mut broken = assertion(&claims, "RS256");
    let flipped = if broken.pop() == Some('A') { 'Q' } else { 'A' };
    broken.push(flipped);
    let mut refused = vec![broken, assertion(&claims, "HS256"), "a.b".into()];
    for (name, value) in [
        ("iss", json!("another")),
        ("aud", json!("https://oauth2.googleapis.com/token")),
        ("exp", json!(now)),
        ("exp", json!(now + 3_601)),
        ("iat", json!(now + 120)),
        ("scope", json!("")),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        refused.push(assertion(&claims, "RS256"));
    }
    for assertion in refused {
        assert_eq!(ask(assertion.clone()).await.status, 400, "{assertion}");
    }
    let mut delegated = claims;
    delegated["sub"] = "ann@example.com".into();
    let answer = ok(&ask(assertion(&delegated, "RS256")).await);
    let who = scene
        .call("/api/whoami", text(&answer, "access_token"))
        .await;
    assert_eq!(who.json()["account"], "ann@example.com");
}

#[tokio::test]
async fn meta_exchanges_and_lists_permissions() {
    let scene = Scene::start(Flavour::Meta).await;
    scene.provider.knobs().consent = Consent::Only(vec!["ads_read".into()]);
    let told = scene
        .consent(&[("scope", "ads_read,email"), ("code_challenge", "")])
        .await;
    assert_eq!(told.get("iss"), None);
    let pair = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    let get = |pairs: Vec<(&str, &str)>| {
        let target = format!("/token?{}", query(pairs));
        let scene = &scene;
        async move { scene.send("GET", &target, "", "").await }
    };
    let mut code = vec![("code", told["code"].as_str()), ("redirect_uri", CALLBACK)];
    code.extend(pair);
    let first = ok(&get(code).await);
    assert_eq!(
        (&first["scope"], &first["refresh_token"]),
        (&Value::Null, &Value::Null)
    );
    let short = text(&first, "access_token");

    let mut exchange = vec![
        ("grant_type", "fb_exchange_token"),
        ("fb_exchange_token", short),
    ];
    exchange.extend(pair);
    let second = ok(&get(exchange.clone()).await);
    assert_eq!(second["expires_in"], 60 * 86_400);
    let long = text(&second, "access_token");
    assert_eq!(
        scene.provider.token_requests()[1].presented.as_deref(),
        Some(short)
    );
    scene.clock.advance(Duration::from_hours(1));
    let late = get(exchange).await;
    assert_eq!(
        (late.status, &late.json()["error"]["code"]),
        (400, &json!(190))
    );

    let bearer = format!("Authorization: Bearer {long}\r\n");
    let list = ok(&scene.send("GET", "/me/permissions", &bearer, "").await);
    assert_eq!(
        list["data"],
        json!([
            { "permission": "ads_read", "status": "granted" },
            { "permission": "email", "status": "declined" },
        ])
    );
    scene.provider.knobs().ending_fails = 1;
    let delete = || scene.send("DELETE", "/me/permissions", &bearer, "");
    assert_eq!(delete().await.status, 503);
    assert_eq!(ok(&delete().await)["success"], true);
    assert_eq!(delete().await.status, 400);
    let list = scene.send("GET", "/me/permissions", &bearer, "").await;
    assert_eq!(list.status, 400);
    let statuses: Vec<u16> = scene
        .provider
        .endings()
        .iter()
        .map(|one| one.status)
        .collect();
    assert_eq!(statuses, [503, 200, 400]);
}

#[tokio::test]
async fn amazon_repeats_refresh_tokens_and_knows_no_revocation() {
    let scene = Scene::start(Flavour::Amazon).await;
    let first = ok(&scene.redeem(&scene.code().await, &[]).await);
    assert_eq!(scene.provider.token_requests()[0].proved, Proved::Body);
    assert_eq!(first["scope"], Value::Null);
    let refresh = text(&first, "refresh_token");
    let second = ok(&scene.refresh(refresh).await);
    assert_eq!(second["refresh_token"], refresh);
    let access = text(&second, "access_token");
    scene.api.reads("x-amz-access-token");
    let line = format!("x-amz-access-token: {access}\r\n");
    assert_eq!(scene.call_with("/api/report", &line).await.status, 200);
    assert_eq!(scene.call("/api/report", access).await.status, 401);
    let revoke = scene
        .post("/revoke", "", &query([("token", refresh)]))
        .await;
    assert_eq!(revoke.status, 404);

    let machine = [("grant_type", "client_credentials"), ("scope", "")];
    let refused = scene.token(BTreeMap::from(machine)).await;
    assert_eq!(refused.json()["error"], "invalid_scope");
    let machine = [("grant_type", "client_credentials"), ("scope", "ours::x")];
    let answer = ok(&scene.token(BTreeMap::from(machine)).await);
    assert_eq!(answer["scope"], "ours::x");
    let line = format!("x-amz-access-token: {}\r\n", text(&answer, "access_token"));
    assert_eq!(scene.call_with("/api/report", &line).await.status, 403);
    scene.api.needs("/api/ours", &["ours::x", "ours::y"]);
    assert_eq!(scene.call_with("/api/ours", &line).await.status, 200);
    assert_eq!(scene.call_with("/api/none", &line).await.status, 404);
}

#[tokio::test]
async fn github_errs_with_200_and_separates_by_commas() {
    let scene = Scene::start(Flavour::Github).await;
    let told = scene.consent(&[("scope", "repo gist")]).await;
    let first = ok(&scene.redeem(&told["code"], &[]).await);
    assert_eq!(first["scope"], "gist,repo");
    assert_eq!(
        (&first["expires_in"], &first["refresh_token"]),
        (&Value::Null, &Value::Null)
    );
    let access = text(&first, "access_token");
    scene.clock.advance(Duration::from_hours(10_000));
    assert_eq!(scene.call("/api/whoami", access).await.status, 200);
    let again = scene.redeem(&told["code"], &[]).await;
    assert_eq!(
        (again.status, &again.json()["error"]),
        (200, &json!("bad_verification_code"))
    );

    // A form, unless JSON is asked for.
    let form = query([
        ("client_id", CLIENT_ID),
        ("client_secret", "guess"),
        ("code", VERIFIER),
    ]);
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let plain = scene.send("POST", "/token", kind, &form).await;
    assert!(
        plain
            .body
            .starts_with("error=incorrect_client_credentials&"),
        "{}",
        plain.body
    );

    let basic = BASE64.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}").as_bytes());
    let lines = format!("Authorization: Basic {basic}\r\nContent-Type: application/json\r\n");
    let path = format!("/applications/{CLIENT_ID}/grant");
    let body = json!({ "access_token": access }).to_string();
    assert_eq!(scene.send("DELETE", &path, "", &body).await.status, 404);
    assert_eq!(scene.send("DELETE", &path, &lines, &body).await.status, 204);
    assert_eq!(scene.send("DELETE", &path, &lines, &body).await.status, 422);
    assert_eq!(scene.call("/api/whoami", access).await.status, 401);
}

#[tokio::test]
async fn the_gateway_reads_each_double_as_a_provider() {
    let mut providers = String::new();
    let mut wanted = Vec::new();
    for flavour in [
        Flavour::Google,
        Flavour::Meta,
        Flavour::Amazon,
        Flavour::Github,
    ] {
        let scene = Scene::start(flavour).await;
        providers.push_str(&scene.provider.yaml());
        wanted.push(scene.provider.origin());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wicketgate.yaml");
    std::fs::write(
        &path,
        format!("keys: [{{ id: k, file: key }}]\nproviders:\n{providers}"),
    )
    .unwrap();
    std::fs::write(folder.path().join("key"), "x").unwrap();
    let loaded = load(&path, &Environment::from_map([("NONE", "")])).unwrap();
    assert_eq!(loaded.warnings, []);
    for (name, origin) in ["google", "meta", "amazon", "github"]
        .into_iter()
        .zip(wanted)
    {
        let name: ProviderName = name.parse().unwrap();
        let provider = loaded.config.provider(&name).unwrap();
        assert_eq!(provider.token_url.as_str(), format!("{origin}/token"));
        assert_eq!(
            provider.authorize_url.as_str(),
            format!("{origin}/authorize")
        );
    }
}
