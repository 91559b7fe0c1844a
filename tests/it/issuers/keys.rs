//! The keys of an issuer: rotated, withdrawn, away, hostile.

use std::time::Duration;

use serde_json::json;

use super::Place;
use crate::support::identity::{Signer, unsigned};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_and_a_flood_of_key_names_asks_once_in_a_while() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let place = Place::of(&[&old]).await;
    let with_old = old.token(&place.claims());
    assert_eq!(place.status(&with_old).await, 200);
    assert_eq!(place.provider.key_requests(), 1);
    place.provider.publish(&[&old, &new]);
    assert_eq!(place.status(&new.token(&place.claims())).await, 200);
    assert_eq!(place.provider.key_requests(), 2);
    assert_eq!(place.status(&with_old).await, 200);

    let flood = async || {
        let tokens: Vec<String> = (0..40)
            .map(|n| {
                let header = json!({ "alg": "ES256", "kid": format!("made-up-{n}") });
                old.token_as(&header, &place.claims())
            })
            .collect();
        let all = tokens.iter().map(|token| place.status(token));
        for status in futures_util::future::join_all(all).await {
            assert_eq!(status, 401);
        }
    };
    flood().await;
    assert_eq!(
        place.provider.key_requests(),
        2,
        "asked within these 30 seconds"
    );
    place.clock.advance(Duration::from_secs(30));
    flood().await;
    flood().await;
    assert_eq!(place.provider.key_requests(), 3);

    // A key that the issuer withdraws takes its tokens along, those remembered too.
    place.provider.publish(&[&new]);
    place.clock.advance(Duration::from_secs(30));
    flood().await;
    assert_eq!(place.provider.key_requests(), 4);
    place.clock.advance(Duration::from_secs(5));
    place.gateway.changed().await;
    assert_eq!(place.status(&with_old).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_ask_once() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let tokens: Vec<String> = (0..40)
        .map(|n| signer.token(&place.but(&json!({ "jti": n }))))
        .collect();
    let all = tokens.iter().map(|token| place.status(token));
    for status in futures_util::future::join_all(all).await {
        assert_eq!(status, 200);
    }
    assert_eq!(place.provider.key_requests(), 1);
}

/// Is told to come back, and not that the token is bad.
async fn unavailable(place: &Place, token: &str) {
    let answer = place.client(token).rpc("tools/list", json!({})).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_from_the_start_is_503_until_it_is_back() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    place.provider.answers().status = 503;
    let token = signer.token(&place.claims());
    unavailable(&place, &token).await;
    let asked = place.provider.asked().len();
    unavailable(&place, &token).await;
    assert_eq!(
        place.provider.asked().len(),
        asked,
        "not asked again at once"
    );
    // What no key could make good is refused all the same.
    let none = unsigned(&json!({ "alg": "none" }), &place.claims()) + ".AA";
    assert_eq!(place.status(&none).await, 401);
    assert_eq!(place.status(&place.gateway.issue("pro").await.1).await, 200);
    place.provider.answers().status = 200;
    place.clock.advance(Duration::from_secs(2));
    assert_eq!(place.status(&token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_goes_away_later_is_believed_for_another_day() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let fresh = || signer.token(&place.claims());
    assert_eq!(place.status(&fresh()).await, 200);
    place.provider.answers().status = 503;
    // The keys were good for ten minutes.
    place.clock.advance(11 * MINUTE);
    place.gateway.changed().await;
    assert_eq!(place.status(&fresh()).await, 200);
    place.clock.advance((24 * 60 - 2) * MINUTE);
    place.gateway.changed().await;
    assert_eq!(place.status(&fresh()).await, 200);
    place.clock.advance(MINUTE);
    place.gateway.changed().await;
    unavailable(&place, &fresh()).await;
    place.provider.answers().status = 200;
    place.clock.advance(MINUTE);
    place.gateway.changed().await;
    assert_eq!(place.status(&fresh()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_again_before_they_age_out_and_nobody_waits() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let token = signer.token(&place.claims());
    assert_eq!(place.status(&token).await, 200);
    place.clock.advance(7 * MINUTE);
    place.gateway.changed().await;
    assert_eq!(place.status(&token).await, 200);
    assert_eq!(place.provider.key_requests(), 1);
    place.clock.advance(MINUTE);
    place.gateway.changed().await;
    assert_eq!(place.status(&token).await, 200);
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while place.provider.key_requests() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("read in the background");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_sets_that_are_none_are_not_taken() {
    let signer = Signer::p256("a");
    let place = Place::of(&[&signer]).await;
    let token = signer.token(&place.claims());
    let origin = format!("http://{}", place.provider.address);
    let mut failed = 0;
    let mut refuses = async |what: &str| {
        unavailable(&place, &token).await;
        failed += 1;
        assert_eq!(place.provider.key_requests(), 0, "{what}");
        place.clock.advance(Duration::from_secs(2));
        place.gateway.changed().await;
    };
    for discovery in [
        json!({ "issuer": origin }),
        json!({ "issuer": format!("{origin}/tenant/") }),
        json!({ "issuer": null }),
        json!({ "jwks_uri": null }),
        json!({ "jwks_uri": "ftp://127.0.0.1/keys" }),
        json!({ "jwks_uri": "http://169.254.169.254/keys" }),
        json!({ "jwks_uri": "http://10.0.0.1/keys" }),
        json!({ "jwks_uri": "https://192.168.0.1/keys" }),
    ] {
        place.provider.answers().discovery = discovery.clone();
        refuses(&discovery.to_string()).await;
    }
    place.provider.answers().discovery = json!({});
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" });
    let elsewhere = vec![("location", format!("{origin}/other"))];
    for n in 0..5 {
        let before = place.provider.asked().len();
        {
            let mut answers = place.provider.answers();
            (answers.status, answers.tail) = (200, String::new());
            answers.fields.clear();
            match n {
                0 => answers.tail = " ".repeat((256 << 10) + 1),
                1 => (answers.status, answers.fields) = (302, elsewhere.clone()),
                2 => answers.tail = "x".into(),
                3 => answers.keys = vec![secret.clone()],
                _ => answers.keys = Vec::new(),
            }
        }
        unavailable(&place, &token).await;
        assert!(place.provider.asked().len() > before);
        assert!(!place.provider.asked().contains(&"/other".to_owned()));
        place.clock.advance(Duration::from_secs(2));
        place.gateway.changed().await;
    }
    place.provider.answers().tail = String::new();
    place.provider.publish(&[&signer]);
    assert_eq!(place.status(&token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_one_name_and_without_any() {
    for named in [json!("a"), json!(null)] {
        let (old, new) = (Signer::p256("a"), Signer::p256("a"));
        let place = Place::of(&[&old]).await;
        let token = |signer: &Signer, jti: u32| {
            let mut header = json!({ "alg": "ES256", "kid": named });
            if named.is_null() {
                header = json!({ "alg": "ES256" });
            }
            signer.token_as(&header, &place.but(&json!({ "jti": jti })))
        };
        assert_eq!(place.status(&token(&old, 1)).await, 200);
        place.provider.publish(&[&new]);
        assert_eq!(place.status(&token(&new, 2)).await, 200, "{named}");
        assert_eq!(place.provider.key_requests(), 2);
        // Wrong signatures ask no more often than unknown names do.
        for jti in 3..20 {
            assert_eq!(place.status(&token(&old, jti)).await, 401);
        }
        assert_eq!(place.provider.key_requests(), 2);
    }
}
