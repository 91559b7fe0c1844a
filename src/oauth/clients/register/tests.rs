use serde_json::{Value, json};

use super::{
    super::{ClientFault, tests::Ground},
    *,
};
use crate::clock::Clock as _;

fn plain() -> Value {
    json!({ "client_name": "Cursor", "redirect_uris": ["https://a.test/cb"] })
}

fn with(name: &str, value: Value) -> Value {
    let mut metadata = plain();
    metadata[name] = value;
    metadata
}

async fn register(ground: &Ground, metadata: &Value) -> Result<Value, OAuthError> {
    let body = metadata.to_string();
    let registration = ground.clients.register(body.as_bytes()).await?;
    Ok(serde_json::to_value(&registration).unwrap())
}

#[tokio::test]
async fn a_client_that_says_nothing_of_secrets_is_public() {
    let ground = Ground::new().await;
    let mut metadata = with("application_type", json!("native"));
    metadata["logo_uri"] = json!("https://x.test/l");
    metadata["scope"] = json!("mcp:tools openid");
    metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
    let answer = register(&ground, &metadata).await.unwrap();
    let id = answer["client_id"].as_str().unwrap();
    assert_eq!(
        answer,
        json!({
            "client_id": id,
            "client_id_issued_at": 1_795_000_000,
            "client_name": "Cursor",
            "redirect_uris": ["https://a.test/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    );
    let client = ground.clients.find(&id.parse().unwrap()).await.unwrap();
    assert_eq!(
        (client.kind, client.auth),
        (ClientKind::Registered, ClientAuth::None)
    );
}

#[tokio::test]
async fn a_confidential_client_gets_its_secret_once_and_is_always_new() {
    let ground = Ground::new().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let metadata = with("token_endpoint_auth_method", json!(method));
        let first = register(&ground, &metadata).await.unwrap();
        let second = register(&ground, &metadata).await.unwrap();
        assert!(first["client_secret"].as_str().unwrap().starts_with("wgs_"));
        assert_eq!(first["client_secret_expires_at"], 0);
        assert_eq!(first["token_endpoint_auth_method"], method);
        assert_ne!(first["client_id"], second["client_id"]);
        assert_ne!(first["client_secret"], second["client_secret"]);
    }
}

#[tokio::test]
async fn o_05_o_06_o_07_only_acceptable_redirects_are_kept() {
    let ground = Ground::new().await;
    let mixed = json!([
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "other://x/cb",
        "http://localhost:8787/callback",
    ]);
    let answer = register(&ground, &with("redirect_uris", mixed))
        .await
        .unwrap();
    let kept = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "http://localhost:8787/callback",
    ];
    assert_eq!(answer["redirect_uris"], json!(kept));
    for bad in [
        json!(["javascript:alert(1)"]),
        json!(["data:text/html,x"]),
        json!(["file:///etc/passwd"]),
        json!(["https://a.test/#f"]),
        json!(["http://a.test/cb"]),
        json!(["https://a.test/*\u{202e}"]),
        json!([]),
        json!("x"),
        json!([1]),
        json!({}),
        Value::Null,
    ] {
        let refused = register(&ground, &with("redirect_uris", bad.clone())).await;
        let code = refused.unwrap_err().code();
        assert_eq!(code, "invalid_redirect_uri", "{bad}");
    }
}

#[tokio::test]
async fn o_08_what_is_too_much_or_odd_is_refused() {
    let ground = Ground::new().await;
    let uris: Vec<String> = (0..11).map(|n| format!("https://a.test/{n}")).collect();
    let many = register(&ground, &with("redirect_uris", json!(uris))).await;
    assert_eq!(many.unwrap_err().code(), "invalid_redirect_uri");
    let named = with("client_name", json!("<b>Evil</b>\u{202e}\u{200b}"));
    assert_eq!(
        register(&ground, &named).await.unwrap()["client_name"],
        "<b>Evil</b>"
    );
    let nameless = with("client_name", json!("\n"));
    assert_eq!(
        register(&ground, &nameless).await.unwrap()["client_name"],
        "a.test"
    );
    let mut local = nameless;
    local["redirect_uris"] = json!(["http://127.0.0.1/cb"]);
    assert_eq!(
        register(&ground, &local).await.unwrap()["client_name"],
        "A client"
    );
    for metadata in [
        with("client_name", json!(["x"])),
        with("grant_types", json!(["client_credentials"])),
        with("grant_types", json!("authorization_code")),
        with("response_types", json!(["token"])),
        with("token_endpoint_auth_method", json!("client_secret_jwt")),
        with("token_endpoint_auth_method", json!("private_key_jwt")),
        with("jwks", json!({ "keys": [{ "kty": "oct", "k": "AA" }] })),
        with("pad", json!("x".repeat(17 * 1024))),
        json!([]),
        json!("x"),
    ] {
        let refused = register(&ground, &metadata).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_client_metadata", "{refused}");
    }
    for body in [
        "",
        "{",
        r#"{"redirect_uris":["https://a.test/"],"redirect_uris":[]}"#,
    ] {
        let refused = ground.clients.register(body.as_bytes()).await;
        assert_eq!(
            refused.err().map(OAuthError::code),
            Some("invalid_client_metadata")
        );
    }
}

#[tokio::test]
async fn s_14_keys_of_a_registered_client_are_guarded() {
    let ground = Ground::new().await;
    let mut metadata = with("token_endpoint_auth_method", json!("private_key_jwt"));
    for (uri, good) in [
        ("https://10.0.0.1/jwks", false),
        ("http://a.test/jwks", false),
        ("https://u@a.test/jwks", false),
        ("https://a.test/jwks", true),
    ] {
        metadata["jwks_uri"] = json!(uri);
        let registered = register(&ground, &metadata).await;
        assert_eq!(registered.is_ok(), good, "{uri}");
    }
}

#[tokio::test]
async fn o_10_the_same_registration_is_the_same_client() {
    let ground = Ground::new().await;
    let first = register(&ground, &plain()).await.unwrap();
    let mut again = with("logo_uri", json!("https://other.test/"));
    again["token_endpoint_auth_method"] = json!("none");
    assert_eq!(register(&ground, &again).await.unwrap(), first);
    let other = with("client_name", json!("cursor"));
    assert_ne!(
        register(&ground, &other).await.unwrap()["client_id"],
        first["client_id"]
    );
}

#[tokio::test]
async fn o_09_a_flood_is_limited_and_the_store_bounded() {
    let ground = Ground::with(|settings| {
        settings.registration.limit = "20/min".parse().unwrap();
        settings.registration.most = 10;
    })
    .await;
    let (mut made, mut refused) = (0, Vec::new());
    for number in 0..50 {
        let metadata = with("client_name", json!(format!("client {number}")));
        match register(&ground, &metadata).await {
            Ok(_) => made += 1,
            Err(error) => refused.push(error),
        }
    }
    assert_eq!((made, refused.len()), (10, 40));
    assert!(refused.iter().all(|error| error.code() == "slow_down"));
    assert_eq!(ground.store.clients(None, 1_000).await.unwrap().len(), 10);
    // Clients that nobody uses make room after a day.
    ground.clock.advance(UNUSED + Duration::from_secs(1));
    assert!(register(&ground, &plain()).await.is_ok());
    assert_eq!(ground.store.clients(None, 1_000).await.unwrap().len(), 1);
}

#[tokio::test]
async fn o_09_a_flood_keeps_out_no_client_that_is_known() {
    let ground = Ground::with(|settings| {
        settings.registration.limit = "3/min".parse().unwrap();
    })
    .await;
    let known = register(&ground, &plain()).await.unwrap();
    for number in 0..5 {
        let metadata = with("client_name", json!(format!("client {number}")));
        assert_eq!(register(&ground, &metadata).await.is_ok(), number < 2);
    }
    for _ in 0..10 {
        assert_eq!(register(&ground, &plain()).await.unwrap(), known);
    }
}

#[tokio::test]
async fn o_09_with_no_room_left_the_oldest_that_nobody_uses_makes_some() {
    let ground = Ground::with(|settings| settings.registration.most = 3).await;
    let of = |number: i32| with("client_name", json!(format!("client {number}")));
    let mut ids = Vec::new();
    for number in 0..3 {
        let answer = register(&ground, &of(number)).await.unwrap();
        ids.push(
            answer["client_id"]
                .as_str()
                .unwrap()
                .parse::<ClientId>()
                .unwrap(),
        );
        ground.clock.advance(Duration::from_secs(1));
    }
    let now = ground.clock.now();
    ground.store.client_used(&ids[0], now).await.unwrap();
    // They may all be about to sign in.
    ground.clock.advance(Duration::from_secs(10 * 60 - 3));
    assert_eq!(
        register(&ground, &of(3)).await.unwrap_err().code(),
        "slow_down"
    );
    ground.clock.advance(Duration::from_secs(3));
    register(&ground, &of(4)).await.unwrap();
    assert_eq!(
        ground.clients.find(&ids[1]).await,
        Err(ClientFault::Unknown)
    );
    for kept in [&ids[0], &ids[2]] {
        assert!(ground.clients.find(kept).await.is_ok());
    }
    assert_eq!(ground.store.clients(None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn o_10_who_registers_the_same_again_is_not_forgotten_minutes_later() {
    let ground = Ground::new().await;
    let id = |answer: &Value| {
        answer["client_id"]
            .as_str()
            .unwrap()
            .parse::<ClientId>()
            .unwrap()
    };
    let unused = id(&register(&ground, &plain()).await.unwrap());
    let idle = with("client_name", json!("idle"));
    let used = id(&register(&ground, &idle).await.unwrap());
    let now = ground.clock.now();
    ground.store.client_used(&used, now).await.unwrap();
    ground.clock.advance(IDLE + Duration::from_hours(1));
    assert_eq!(id(&register(&ground, &plain()).await.unwrap()), unused);
    assert_eq!(id(&register(&ground, &idle).await.unwrap()), used);
    ground.clock.advance(Duration::from_mins(5));
    let before = |span: Duration| {
        let now = ground.clock.now().as_millis();
        Timestamp::from_millis(now - i64::try_from(span.as_millis()).unwrap())
    };
    let pruned = ground
        .store
        .prune_clients(before(UNUSED), before(IDLE))
        .await;
    assert_eq!(pruned, Ok(0));
    ground.clock.advance(UNUSED);
    let pruned = ground
        .store
        .prune_clients(before(UNUSED), before(IDLE))
        .await;
    assert_eq!(pruned, Ok(2));
}

#[tokio::test]
async fn registration_can_be_off() {
    let ground = Ground::with(|settings| settings.registration.enabled = false).await;
    let refused = register(&ground, &plain()).await.unwrap_err();
    assert_eq!(refused.code(), "access_denied");
}
