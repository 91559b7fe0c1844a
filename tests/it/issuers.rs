//! Tokens of identity providers: what is believed, and what is refused.

mod keys;

use std::{sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use wicketgate::{
    clock::{Clock as _, ManualClock},
    ids::LicenseId,
    license::{License, LicenseStatus},
};

use crate::support::{
    client::Client,
    database::NOON,
    gateway::TestGateway,
    identity::{Provider, Signer, unsigned},
    protocol,
};

const AUDIENCE: &str = "https://api.example.com";

/// A gateway that believes a provider, with a license that the claim `org: acme` stands for.
struct Place {
    gateway: TestGateway,
    provider: Provider,
    clock: Arc<ManualClock>,
    license: LicenseId,
}

impl Place {
    async fn of(keys: &[&Signer]) -> Self {
        Self::with(keys, "", "").await
    }

    /// With further YAML inside the issuer, and other limits.
    async fn with(keys: &[&Signer], more: &str, limits: &str) -> Self {
        Self::limited(keys, more, limits, "100000/min").await
    }

    /// The same with another limit on failures.
    async fn limited(keys: &[&Signer], more: &str, limits: &str, failures: &str) -> Self {
        let (provider, clock) = (
            Provider::start(keys).await,
            Arc::new(ManualClock::new(NOON)),
        );
        let license = LicenseId::from_bytes([7; 16]);
        let issuer = provider.issuer().to_owned();
        let time = clock.clone();
        let gateway = TestGateway::with(|setup| {
            setup.clock = time;
            let limits = if limits.is_empty() { "session: 100000/min" } else { limits };
            setup.limits = format!("  {limits}\n  unauthenticated: {failures}\n");
            setup.more = format!(
                "auth:\n  issuers:\n    - issuer: {issuer}\n      audiences: [\"{AUDIENCE}\"]\n      \
                 allow_special_use: [127.0.0.0/8]\n      \
                 license: {{ claim: org, map: {{ acme: {license}, gone: {gone} }} }}\n{more}",
                gone = LicenseId::from_bytes([8; 16]),
            );
        })
        .await;
        let (record, _) = gateway.new_key();
        let record_of = License {
            id: license,
            name: "Acme".into(),
            plan: "pro".parse().unwrap(),
            tools: None,
            overrides: wicketgate::license::Overrides::default(),
            status: LicenseStatus::Active,
            created: NOON,
            expires: None,
        };
        gateway
            .store
            .insert_license(&record_of, &record, &gateway.stamp())
            .await
            .unwrap();
        gateway.changed().await;
        Self {
            gateway,
            provider,
            clock,
            license,
        }
    }

    fn seconds(&self) -> i64 {
        self.clock.now().as_millis() / 1_000
    }

    /// Claims of a good token.
    fn claims(&self) -> Value {
        json!({
            "iss": self.provider.issuer(),
            "aud": AUDIENCE,
            "sub": "user-1",
            "client_id": "app",
            "iat": self.seconds(),
            "exp": self.seconds() + 3_600,
            "jti": "1",
            "org": "acme",
        })
    }

    /// The same with some of it changed; null removes.
    fn but(&self, changes: &Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().unwrap() {
            let map = claims.as_object_mut().unwrap();
            map.remove(name);
            if !value.is_null() {
                map.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    fn client(&self, token: &str) -> Client {
        Client::modern(self.gateway.address, token)
    }

    async fn status(&self, token: &str) -> u16 {
        self.client(token).rpc("tools/list", json!({})).await.status
    }

    fn lookups(&self) -> u64 {
        let metrics = &self.gateway.running().gateway().metrics;
        metrics.authentication_lookups.get()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_tokens_of_every_usual_form_call_tools() {
    let (p256, rsa) = (Signer::p256("a"), Signer::rsa("b"));
    let place = Place::of(&[&p256, &rsa]).await;
    for signer in [&p256, &rsa] {
        let token = signer.token(&place.claims());
        let answer = place
            .client(&token)
            .call("search", json!({ "q": "a" }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(
            answer.json()["result"]["isError"],
            json!(false),
            "{}",
            answer.body
        );
    }
    let many = place.but(&json!({ "aud": ["https://other", AUDIENCE], "nbf": place.seconds() }));
    assert_eq!(place.status(&p256.token(&many)).await, 200);
    // Clocks may differ by a minute.
    let early = place.but(&json!({ "iat": place.seconds() + 59, "exp": place.seconds() - 59 }));
    assert_eq!(place.status(&p256.token(&early)).await, 200);
    for header in [
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "typ": "JWT", "kid": "a" }),
        json!({ "alg": "ES256", "typ": "application/at+jwt", "kid": "a" }),
    ] {
        let token = p256.token_as(&header, &place.claims());
        assert_eq!(place.status(&token).await, 200, "{header}");
    }
    assert_eq!(
        place.provider.asked(),
        ["/tenant/.well-known/openid-configuration", "/keys"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_map_names_the_license_itself_and_the_connector() {
    let signer = Signer::p256("a");
    let provider = Provider::start(&[&signer]).await;
    provider.answers().path_inserted = true;
    let gateway = TestGateway::with(|setup| {
        setup.more = format!(
            "public_url: https://mcp.example.com\nauth:\n  issuers:\n    - issuer: {}\n      \
             allow_special_use: [127.0.0.1/32]\n      license: {{ claim: \"https://x/license\" }}\n",
            provider.issuer()
        );
        setup.listen = "  allowed_hosts: [127.0.0.1]\n".into();
    })
    .await;
    let (license, _) = gateway.issue("pro").await;
    let exp = gateway.clock.now().as_millis() / 1_000 + 60;
    let status = async |audience: &str, license: &str| {
        let claims = json!({ "iss": provider.issuer(), "aud": audience, "exp": exp,
            "https://x/license": license });
        let client = Client::modern(gateway.address, &signer.token(&claims));
        client.rpc("tools/list", json!({})).await.status
    };
    let license = license.to_string();
    assert_eq!(status("https://mcp.example.com/mcp", &license).await, 200);
    assert_eq!(status("https://mcp.example.com", &license).await, 401);
    assert_eq!(status("https://mcp.example.com/mcp", "acme").await, 401);
    assert_eq!(
        provider.asked(),
        [
            "/tenant/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/tenant",
            "/keys"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_everything_else_is_refused_alike() {
    let (signer, stranger) = (Signer::p256("a"), Signer::p256("a"));
    let rsa = Signer::rsa("r");
    let place = Place::of(&[&signer, &rsa]).await;
    let unknown = place.client(&place.gateway.new_key().1);
    let unknown = unknown.rpc("tools/list", json!({})).await;
    let now = place.seconds();
    let mut tokens: Vec<(String, String)> = [
        json!({ "aud": "https://other.example.com" }),
        json!({ "aud": null }),
        json!({ "aud": [AUDIENCE.to_uppercase()] }),
        json!({ "iss": "https://auth.openai.com" }),
        json!({ "iss": "https://claude.ai" }),
        json!({ "iss": place.provider.issuer().to_owned() + "/" }),
        json!({ "iss": null }),
        json!({ "exp": now - 60 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": now + 61 }),
        json!({ "iat": now + 61 }),
        json!({ "org": null }),
        json!({ "org": "unmapped" }),
        json!({ "org": ["acme"] }),
        json!({ "org": { "acme": true } }),
        json!({ "org": "gone" }),
        json!({ "org": place.license.to_string() }),
    ]
    .iter()
    .map(|change| (change.to_string(), signer.token(&place.but(change))))
    .collect();

    let claims = place.claims();
    let mut add = |what: &str, token: String| tokens.push((what.to_owned(), token));
    add("another key of that name", stranger.token(&claims));
    for alg in [
        "none", "None", "NONE", "HS256", "ES384", "RS512", "PS256", "",
    ] {
        let header = json!({ "alg": alg, "kid": "a" });
        add(alg, signer.token_as(&header, &claims));
        add(alg, unsigned(&header, &claims) + ".");
    }
    // The public key as a shared secret.
    for secret in [
        rsa.jwk["n"].as_str().unwrap().to_owned(),
        rsa.jwk.to_string(),
    ] {
        let message = unsigned(&json!({ "alg": "HS256", "kid": "r" }), &claims);
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        let mac = data_encoding::BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
        add("HS256 by the public key", format!("{message}.{mac}"));
    }
    for header in [
        json!({ "alg": "ES256", "kid": "a", "crit": ["exp"] }),
        json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" }),
        json!({ "alg": "ES256", "kid": "r" }),
        json!({ "alg": "ES256", "kid": 1 }),
        json!({ "alg": "ES256", "kid": "z", "jwk": stranger.jwk }),
        json!({ "alg": "ES256", "kid": "z", "jku": format!("http://{}/evil", place.provider.address) }),
    ] {
        add(&header.to_string(), stranger.token_as(&header, &claims));
        if header["jwk"].is_null() && header["jku"].is_null() {
            add(&header.to_string(), signer.token_as(&header, &claims));
        }
    }
    let good = signer.token(&claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    add("two parts", message.to_owned());
    add("four parts", format!("{good}.e30"));
    add("no signature", format!("{message}."));
    add(
        "half a signature",
        format!("{message}.{}", &signature[..40]),
    );
    add(
        "not base64url",
        format!("{message}.{}", signature.replace(['-', '_', 'A'], "+")),
    );
    let long = place.but(&json!({ "pad": "x".repeat(7_000) }));
    add("too long", signer.token(&long));

    for (what, token) in &tokens {
        let answer = place.client(token).rpc("tools/list", json!({})).await;
        // A field of more than 8 KiB is not even read.
        if what == "too long" && answer.status == 431 {
            continue;
        }
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        assert_eq!(answer.body, unknown.body, "{what}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, unknown.header("www-authenticate"), "{what}");
    }
    assert_eq!(place.status(&good).await, 200);
    let asked = place.provider.asked();
    assert!(asked.iter().all(|path| path != "/evil"), "{asked:?}");
    assert!(place.provider.key_requests() <= 2, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_says_of_the_license_holds() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let token = signer.token(&place.claims());
    for (decided, answered) in [
        (LicenseStatus::Active, 200),
        (LicenseStatus::Suspended, 401),
        (LicenseStatus::Active, 200),
        (LicenseStatus::Revoked, 401),
    ] {
        let store = &place.gateway.store;
        let stamp = place.gateway.stamp();
        store
            .set_license_status(place.license, decided, "a test", &stamp)
            .await
            .unwrap();
        place.gateway.changed().await;
        assert_eq!(place.status(&token).await, answered, "{decided:?}");
    }
    assert_eq!(place.provider.key_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_asked_for_and_narrow() {
    let signer = Signer::p256("a");
    let place = Place::with(&[&signer], "      scopes: [\"mcp:read\"]\n", "").await;
    for scopes in [
        json!({}),
        json!({ "scope": "mcp:readx openid" }),
        json!({ "scp": ["x"] }),
    ] {
        let token = signer.token(&place.but(&scopes));
        let answer = place.client(&token).rpc("tools/list", json!({})).await;
        assert_eq!(answer.status, 403, "{scopes}: {}", answer.body);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("error=\"insufficient_scope\""),
            "{challenge}"
        );
        protocol::error("2026-07-28", 40300, &answer.json());
    }
    for scopes in [
        json!({ "scope": "openid mcp:read" }),
        json!({ "scp": ["mcp:read", "mcp:tools"] }),
        json!({ "scp": "mcp:read" }),
    ] {
        let token = signer.token(&place.but(&scopes));
        assert_eq!(place.status(&token).await, 200, "{scopes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_seen_before_costs_no_io() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let token = signer.token(&place.claims());
    assert_eq!(place.status(&token).await, 200);
    let (asked, lookups) = (place.provider.asked().len(), place.lookups());
    for _ in 0..20 {
        assert_eq!(place.status(&token).await, 200);
    }
    assert_eq!(place.provider.asked().len(), asked);
    assert_eq!(place.lookups(), lookups);
    // It is remembered no longer than it is good.
    place.clock.advance(Duration::from_secs(3_659));
    place.gateway.changed().await;
    assert_eq!(place.status(&token).await, 200);
    place.clock.advance(Duration::from_secs(1));
    assert_eq!(place.status(&token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_keeps_the_bucket_and_another_subject_has_another() {
    let signer = Signer::p256("a");
    let place = Place::with(&[&signer], "", "session: 2/min").await;
    let call = async |changes: Value| {
        let token = signer.token(&place.but(&changes));
        place
            .client(&token)
            .call("search", json!({ "q": "a" }))
            .await
            .status
    };
    assert_eq!(call(json!({ "jti": "2" })).await, 200);
    assert_eq!(call(json!({ "jti": "3" })).await, 200);
    assert_eq!(call(json!({ "jti": "4" })).await, 429);
    assert_eq!(call(json!({ "jti": "5", "sub": "user-2" })).await, 200);
    assert_eq!(
        call(json!({ "jti": "6", "sub": null, "client_id": "user-1" })).await,
        429
    );
    assert_eq!(
        call(json!({ "jti": "7", "sub": null, "client_id": null, "azp": "z" })).await,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_no_guess() {
    let (signer, stranger) = (Signer::p256("a"), Signer::p256("a"));
    let place = Place::limited(&[&signer], "", "", "3/h").await;
    let first = signer.token(&place.claims());
    assert_eq!(place.status(&first).await, 200);
    let old = place.but(&json!({ "exp": place.seconds() - 60 }));
    let old = signer.token(&old);
    for _ in 0..5 {
        assert_eq!(place.status(&old).await, 401);
    }
    // Remembered, and over since.
    place.clock.advance(Duration::from_mins(61));
    for _ in 0..5 {
        assert_eq!(place.status(&first).await, 401);
    }
    place.gateway.changed().await;
    let forged = stranger.token(&place.but(&json!({ "exp": place.seconds() - 60 })));
    for status in [401, 401, 401, 429] {
        assert_eq!(
            place.status(&forged).await,
            status,
            "nobody we know signed it"
        );
    }
    for token in [&first, &old] {
        assert_eq!(place.status(token).await, 401, "told to renew all the same");
    }
    assert_eq!(place.status(&signer.token(&place.claims())).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_built_in_server_an_issuers_token_is_told_the_issuers_scopes() {
    let signer = Signer::p256("a");
    let place = Place::with(&[&signer], "      scopes: [\"tools.use\", \"api\"]\n", "").await;
    let answer = place.client(&signer.token(&place.claims()));
    let answer = answer.rpc("tools/list", json!({})).await;
    assert_eq!(answer.status, 403);
    let told = answer.header("www-authenticate").unwrap();
    assert!(told.ends_with(", scope=\"api tools.use\""), "{told}");
    let unknown = place.client("wga_x").rpc("tools/list", json!({})).await;
    let told = unknown.header("www-authenticate").unwrap();
    assert!(told.ends_with(", scope=\"mcp:tools\""), "{told}");
}
