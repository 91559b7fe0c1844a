use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};

use super::{
    super::{
        ReadFault,
        tests::{Ground, ID, NOW},
    },
    *,
};
use crate::crypto::jwt::{Algorithm, signer::Signer};

const KEYS: &str = "https://keys.test/jwks";

async fn registered(ground: &Ground, more: &[(&str, Value)]) -> (String, String) {
    let mut metadata = json!({ "redirect_uris": ["https://a.test/cb"] });
    for (name, value) in more {
        metadata[*name] = value.clone();
    }
    let body = metadata.to_string();
    let registration = ground.clients.register(body.as_bytes()).await.unwrap();
    let answer = serde_json::to_value(&registration).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (text("client_id"), text("client_secret"))
}

fn header(id: &str, secret: &str) -> String {
    let pair = format!("{id}:{secret}");
    format!("Basic {}", BASE64.encode(pair.as_bytes()))
}

async fn prove(ground: &Ground, header: Option<String>, form: &str) -> Result<String, OAuthError> {
    let form = Form::parse(form.as_bytes()).unwrap();
    let basic = header.map(|value| basic(&value)).transpose()?;
    let presented = ClientCredentials { basic, form: &form };
    let client = ground.clients.authenticate(&presented).await?;
    Ok(client.id.to_string())
}

fn refused(found: Result<String, OAuthError>) {
    assert_eq!(found.unwrap_err(), REFUSED);
}

fn malformed(found: Result<String, OAuthError>) {
    assert_eq!(found.map_err(OAuthError::code), Err("invalid_request"));
}

#[test]
fn basic_credentials_are_form_urlencoded() {
    let read = |text: &str| {
        let (id, secret) = basic(&format!("Basic {}", BASE64.encode(text.as_bytes())))?;
        Ok::<_, OAuthError>((id, secret.expose().clone()))
    };
    let pair = |id: &str, secret: &str| Ok((id.to_owned(), secret.to_owned()));
    assert_eq!(read("a:b"), pair("a", "b"));
    assert_eq!(
        read("https%3A%2F%2Fa.test%2Fc:x%2Fy+z"),
        pair("https://a.test/c", "x/y z")
    );
    assert_eq!(read("a:b:c"), pair("a", "b:c"));
    assert_eq!(read("a:"), pair("a", ""));
    assert!(basic("bAsIc YTpi").is_ok());
    for bad in [
        "Basic",
        "Basic !",
        "Bearer YTpi",
        "Basic YQ==",
        "Basic /w==",
        "",
    ] {
        assert_eq!(basic(bad).map(|_| ()), Err(REFUSED), "{bad}");
    }
}

#[tokio::test]
async fn a_public_client_names_itself() {
    let ground = Ground::new().await;
    let (id, _) = registered(&ground, &[]).await;
    let ok = Ok(id.clone());
    assert_eq!(prove(&ground, None, &format!("client_id={id}")).await, ok);
    let empty = format!("client_id={id}&client_secret=");
    assert_eq!(prove(&ground, None, &empty).await, ok);
    assert_eq!(prove(&ground, Some(header(&id, "")), "").await, ok);
    refused(prove(&ground, None, &format!("client_id={id}&client_secret=x")).await);
    refused(prove(&ground, Some(header(&id, "x")), "").await);
    malformed(prove(&ground, None, "").await);
    malformed(prove(&ground, None, &format!("client_id={id}&client_id={id}")).await);
    malformed(
        prove(
            &ground,
            Some(header("wgi_other", "")),
            &format!("client_id={id}"),
        )
        .await,
    );
}

#[tokio::test]
async fn o_33_an_unknown_client_is_told_as_a_wrong_secret() {
    let ground = Ground::new().await;
    let method = ("token_endpoint_auth_method", json!("client_secret_post"));
    let (id, secret) = registered(&ground, &[method]).await;
    let (other, _) = registered(&ground, &[]).await;
    let with = |id: &str, secret: &str| format!("client_id={id}&client_secret={secret}");
    assert_eq!(
        prove(&ground, None, &with(&id, &secret)).await,
        Ok(id.clone())
    );
    let gone = crate::crypto::ClientId::generate(&crate::entropy::OsEntropy);
    for text in [
        with(gone.expose(), &secret),
        format!("client_id={}", gone.expose()),
        "client_id=nonsense".to_owned(),
        with(&id, "wrong"),
        with(&id, &secret[..52]),
        with(&other, &secret),
        format!("client_id={id}"),
    ] {
        let found = prove(&ground, None, &text).await;
        assert_eq!(found.as_ref().map_err(|error| error.status()), Err(401));
        refused(found);
    }
}

#[tokio::test]
async fn the_registered_way_is_the_only_one() {
    let ground = Ground::new().await;
    let method = |word: &str| ("token_endpoint_auth_method", json!(word));
    let (basic, one) = registered(&ground, &[method("client_secret_basic")]).await;
    let (post, two) = registered(&ground, &[method("client_secret_post")]).await;
    let with = |id: &str, secret: &str| format!("client_id={id}&client_secret={secret}");
    assert_eq!(
        prove(&ground, Some(header(&basic, &one)), "").await,
        Ok(basic.clone())
    );
    refused(prove(&ground, None, &with(&basic, &one)).await);
    refused(prove(&ground, Some(header(&post, &two)), "").await);
    malformed(prove(&ground, Some(header(&basic, &one)), &with(&basic, &one)).await);
    let odd = format!("client_id={basic}&client_assertion=x");
    malformed(prove(&ground, None, &odd).await);
    let saml = format!(
        "{odd}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    );
    malformed(prove(&ground, None, &saml).await);
}

fn claims(id: &str, jti: &str) -> Value {
    json!({ "iss": id, "sub": id, "aud": "https://gw.test/token", "exp": NOW + 120, "jti": jti })
}

fn asserted(token: &str) -> String {
    format!("client_assertion_type={JWT_BEARER}&client_assertion={token}")
}

#[tokio::test]
async fn a_signed_assertion_proves_once() {
    let ground = Ground::new().await;
    for algorithm in [
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::Rs256,
        Algorithm::Ps256,
    ] {
        let signer = Signer::new(algorithm, "one");
        let method = ("token_endpoint_auth_method", json!("private_key_jwt"));
        let (id, _) = registered(&ground, &[method, ("jwks", signer.jwks())]).await;
        let prove =
            async |claims: Value| prove(&ground, None, &asserted(&signer.sign(&claims))).await;
        let with = |name: &str, value: Value| {
            let mut claims = claims(&id, "other");
            claims[name] = value;
            claims
        };
        assert_eq!(prove(claims(&id, "a")).await, Ok(id.clone()));
        refused(prove(with_expiry(&claims(&id, "a"), NOW + 121)).await);
        assert_eq!(prove(claims(&id, "b")).await, Ok(id.clone()));
        for wrong in [
            with("aud", json!("https://gw.test/mcp")),
            with("aud", json!("https://gw.test/")),
            with("iss", json!("https://gw.test")),
            with("sub", json!("wgi_x")),
            with("exp", json!(NOW + 361)),
            with("exp", json!(NOW - 61)),
            with("exp", Value::Null),
            with("jti", Value::Null),
            with("jti", json!("")),
            with("jti", json!("x".repeat(257))),
            with("nbf", json!(NOW + 100)),
        ] {
            refused(prove(wrong).await);
        }
        assert!(prove(with("aud", json!(["https://gw.test"]))).await.is_ok());
        let stranger = Signer::new(Algorithm::EdDsa, "one").sign(&claims(&id, "c"));
        refused(super::tests::prove(&ground, None, &asserted(&stranger)).await);
        refused(super::tests::prove(&ground, None, &format!("client_id={id}")).await);
        refused(super::tests::prove(&ground, None, &asserted("a.b.c")).await);
        let two = format!(
            "{}&client_id=wgi_other",
            asserted(&signer.sign(&claims(&id, "d")))
        );
        malformed(super::tests::prove(&ground, None, &two).await);
    }
}

fn with_expiry(claims: &Value, expiry: i64) -> Value {
    let mut claims = claims.clone();
    claims["exp"] = json!(expiry);
    claims
}

#[tokio::test]
async fn an_assertion_that_is_sent_again_as_it_was_counts_for_moments() {
    let ground = Ground::new().await;
    let signer = Signer::new(Algorithm::Es256, "one");
    let method = ("token_endpoint_auth_method", json!("private_key_jwt"));
    let (id, _) = registered(&ground, &[method, ("jwks", signer.jwks())]).await;
    let one = asserted(&signer.sign(&claims(&id, "a")));
    let other = asserted(&signer.sign(&with_expiry(&claims(&id, "a"), NOW + 100)));
    assert_eq!(prove(&ground, None, &one).await, Ok(id.clone()));
    ground.clock.advance(Duration::from_secs(9));
    assert_eq!(prove(&ground, None, &one).await, Ok(id.clone()));
    refused(prove(&ground, None, &other).await);
    // Sending it again does not make it last longer.
    ground.clock.advance(Duration::from_secs(1));
    refused(prove(&ground, None, &one).await);
}

#[tokio::test]
async fn keys_elsewhere_are_read_and_read_again_for_a_new_key() {
    let ground = Ground::new().await;
    let (old, new) = (
        Signer::new(Algorithm::EdDsa, "1"),
        Signer::new(Algorithm::EdDsa, "2"),
    );
    let document = json!({ "client_id": ID, "redirect_uris": ["https://cimd.test/cb"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": KEYS });
    ground.web.put(ID, Ok(document));
    ground.web.put(KEYS, Ok(old.jwks()));
    let by = async |signer: &Signer, jti: &str| {
        prove(&ground, None, &asserted(&signer.sign(&claims(ID, jti)))).await
    };
    assert_eq!(by(&old, "a").await, Ok(ID.to_owned()));
    assert_eq!(by(&old, "b").await, Ok(ID.to_owned()));
    assert_eq!(ground.web.reads(), 2);
    // An unknown key makes the set be read again, but not within a minute.
    ground.web.put(KEYS, Ok(new.jwks()));
    refused(by(&new, "c").await);
    assert_eq!(ground.web.reads(), 2);
    ground.clock.advance(Duration::from_mins(1));
    assert_eq!(by(&new, "d").await, Ok(ID.to_owned()));
    refused(by(&old, "e").await);
    assert_eq!(ground.web.reads.load(Ordering::SeqCst), 3);
    // Whoever publishes a private key has none.
    let mut leaked = new.jwks();
    leaked["keys"][0]["d"] = json!("AAAA");
    ground.web.put(KEYS, Ok(leaked));
    ground.clock.advance(Duration::from_mins(1));
    refused(by(&old, "f").await);
    // With the host away, or confused, a copy of the last day helps out; without one it is our fault,
    // not theirs.
    for (fault, jti) in [
        (Err(ReadFault::Silent), "g"),
        (Err(ReadFault::Unreadable("404")), "g2"),
        (Ok(json!({ "error": "maintenance" })), "g3"),
    ] {
        ground.web.put(KEYS, fault);
        assert_eq!(by(&new, jti).await, Ok(ID.to_owned()));
    }
    let fresh = Ground::new().await;
    let document = json!({ "client_id": ID, "redirect_uris": ["https://cimd.test/cb"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": KEYS });
    fresh.web.put(ID, Ok(document));
    let found = prove(&fresh, None, &asserted(&new.sign(&claims(ID, "h")))).await;
    assert_eq!(found, Err(OAuthError::Unavailable));
}

#[tokio::test]
async fn our_own_faults_are_told_as_such() {
    let ground = Ground::new().await;
    let found = prove(&ground, None, &format!("client_id={ID}&client_secret=x")).await;
    assert_eq!(found, Err(OAuthError::Unavailable));
    let found = prove(&ground, None, &format!("client_id={ID}")).await;
    assert_eq!(found, Ok(ID.to_owned()));
    let (id, _) = registered(&ground, &[]).await;
    ground.store.close().await;
    let found = prove(&ground, None, &format!("client_id={id}")).await;
    assert_eq!(found, Err(OAuthError::Unavailable));
}
