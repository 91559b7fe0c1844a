//! Group T: license keys that are not quite license keys.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wicketgate::{
    clock::{Clock as _, ManualClock},
    crypto::{AccessToken, LicenseKey, TokenDigest},
    entropy::OsEntropy,
    store::KeyRecord,
};

use crate::support::{
    client::Client,
    database::NOON,
    oauth::App,
    oracle::Ground,
    wire::{Answer, once},
};

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text with the right checksum, whatever it begins with: written anew from the documented form.
fn with_checksum(front: &str) -> String {
    let mut rest = crc32fast::hash(front.as_bytes()) as usize;
    let mut check = vec![b'0'; 6];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[rest % 62];
        rest /= 62;
    }
    format!("{front}{}", String::from_utf8(check).unwrap())
}

fn fresh() -> String {
    LicenseKey::generate(&OsEntropy).expose().to_owned()
}

/// The good request with other `Authorization` lines.
fn with_lines(ground: &Ground, lines: &[u8]) -> Vec<u8> {
    let good = ground.good();
    let line = format!("Authorization: Bearer {}\r\n", ground.alpha);
    let (front, back) = good.split_once(&line).unwrap();
    [front.as_bytes(), lines, back.as_bytes()].concat()
}

/// The one answer to a credential that was presented and not accepted.
fn is_refusal(ground: &Ground, answer: &Answer) {
    let challenge = ground.gateway.challenge(r#"error="invalid_token", "#);
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    let text = "The token or license key was not accepted. Let the client sign in again by this \
                connector URL, or check that the license key is complete.";
    let body = format!(r#"{{"jsonrpc":"2.0","error":{{"code":40100,"message":"{text}"}}}}"#);
    assert_eq!(answer.body, body);
}

async fn refused(ground: &mut Ground, lines: impl AsRef<[u8]>) {
    let request = with_lines(ground, lines.as_ref());
    let answer = ground.answered(&request, 401).await;
    is_refusal(ground, &answer);
}

async fn bearer(ground: &mut Ground, token: &str) {
    ground.presented(token);
    refused(ground, format!("Authorization: Bearer {token}\r\n")).await;
}

/// Look-ups of a credential that asked the store so far.
async fn lookups(ground: &Ground) -> u64 {
    let admin = ground.gateway.admin;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let metrics = once(admin, &request).await.unwrap().body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("wicketgate_authentication_lookups_total "));
    line.expect("the metric").parse().unwrap()
}

#[tokio::test]
async fn t_01_a_credential_is_a_bearer_and_not_nothing() {
    let mut ground = Ground::start().await;
    let none = with_lines(&ground, b"");
    let answer = ground.answered(&none, 401).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(ground.gateway.challenge("").as_str())
    );
    let key = ground.alpha.clone();
    for lines in [
        "Authorization: \r\n".to_owned(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        "Authorization: Basic d2dsX3g6\r\n".to_owned(),
        format!("Authorization: Basic {key}\r\n"),
        format!("Authorization: {key}\r\n"),
        format!("Authorization: Bearer:{key}\r\n"),
        format!("Authorization: Bearer {key}, Bearer {key}\r\n"),
        format!("Authorization: Token {key}\r\n"),
    ] {
        refused(&mut ground, lines).await;
    }
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let request = with_lines(
            &ground,
            format!("authorization: {scheme} {key}\r\n").as_bytes(),
        );
        ground.answered(&request, 200).await;
        ground.allow_good(1);
    }
    // A header that other gateways take means nothing here.
    let other = with_lines(&ground, format!("X-Api-Key: {key}\r\n").as_bytes());
    ground.answered(&other, 401).await;
    ground.prove().await;
}

#[tokio::test]
async fn t_02_two_credentials_are_none() {
    let mut ground = Ground::start().await;
    let (good, bad) = (ground.alpha.clone(), fresh());
    ground.presented(&bad);
    for (first, second) in [(&good, &bad), (&bad, &good), (&good, &good)] {
        let lines = format!("Authorization: Bearer {first}\r\nAuthorization: Bearer {second}\r\n");
        refused(&mut ground, lines).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn t_03_a_key_and_something_more_is_no_key() {
    let mut ground = Ground::start().await;
    let key = ground.alpha.clone();
    let (front, back) = key.split_at(20);
    for token in [
        format!(" {key}"),
        format!("\t{key}"),
        format!("{key}\u{0430}"),
        format!("{key}="),
        format!("{key}x"),
        format!("\"{key}\""),
        format!("{front} {back}"),
        key.replacen("wgl_", "wgӏ_", 1),
        key.to_uppercase(),
        key.repeat(2),
    ] {
        refused(&mut ground, format!("Authorization: Bearer {token}\r\n")).await;
    }
    // White space around a field's value is no part of it (RFC 9110 section 5.5).
    for tail in [" ", "\t", "  \t "] {
        let lines = format!("Authorization:  Bearer {key}{tail}\r\n");
        let request = with_lines(&ground, lines.as_bytes());
        ground.answered(&request, 200).await;
        ground.allow_good(1);
    }
    for odd in ["\0", "\r\n x", "\r", "\u{7f}"] {
        let request = with_lines(
            &ground,
            format!("Authorization: Bearer {key}{odd}\r\n").as_bytes(),
        );
        ground.answered(&request, 400).await;
    }
    let long = format!("Authorization: Bearer {}\r\n", key.repeat(200));
    let request = with_lines(&ground, long.as_bytes());
    ground.answered(&request, 431).await;
    ground.prove().await;
}

#[tokio::test]
async fn t_04_t_05_a_wrong_checksum_costs_no_look_up_and_reads_the_same() {
    let mut ground = Ground::start().await;
    let unknown = fresh();
    let last = if unknown.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &unknown[..unknown.len() - 1]);
    let before = lookups(&ground).await;
    bearer(&mut ground, &mistyped).await;
    assert_eq!(lookups(&ground).await, before, "the store is not asked");
    bearer(&mut ground, &unknown).await;
    assert_eq!(lookups(&ground).await, before + 1);
    bearer(&mut ground, &unknown).await;
    assert_eq!(
        lookups(&ground).await,
        before + 1,
        "nor twice for an unknown one"
    );
    ground.prove().await;
}

#[tokio::test]
async fn t_06_a_license_key_is_a_bearer_token() {
    let mut ground = Ground::start().await;
    let good = ground.good();
    ground.answered(&good, 200).await;
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn t_07_t_16_a_token_of_another_kind_is_no_license_key() {
    let mut ground = Ground::start().await;
    let body = ground.alpha[4..47].to_owned();
    assert_eq!(
        with_checksum(&format!("wgl_{body}")),
        ground.alpha,
        "the form is understood"
    );
    for prefix in [
        "wga_", "wgr_", "wgc_", "wgs_", "wgm_", "WGL_", "wgl-", "wgl", "gwl_", "",
    ] {
        let lines = format!(
            "Authorization: Bearer {}\r\n",
            with_checksum(&format!("{prefix}{body}"))
        );
        refused(&mut ground, lines).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn t_09_a_key_ends_at_its_last_millisecond() {
    let clock = std::sync::Arc::new(ManualClock::new(NOON));
    let shared = std::sync::Arc::clone(&clock);
    let mut ground = Ground::with(|setup| setup.clock = shared).await;
    let (id, _) = ground.gateway.issue("pro").await;
    let key = LicenseKey::generate(&OsEntropy);
    let record = KeyRecord {
        digest: ground.gateway.digest(&key),
        hint: key.hint(),
        created: clock.now(),
        expires: Some(clock.now().plus(Duration::from_secs(2))),
    };
    ground.gateway.add_key(id, &record).await;
    ground.presented(key.expose());
    let client = Client::modern(ground.gateway.address, key.expose());
    clock.advance(Duration::from_millis(1_999));
    let answer = ground
        .call(&client, "search", serde_json::json!({ "q": "last" }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    ground.allow("GET /v1/search?q=last");
    clock.advance(Duration::from_millis(1));
    // Somebody else's look at the store makes the gateway ask again.
    ground.gateway.changed().await;
    bearer(&mut ground, key.expose()).await;
    ground.prove().await;
}

#[tokio::test]
async fn t_10_a_key_in_the_url_is_refused_and_not_logged() {
    let mut ground = Ground::start().await;
    let key = ground.alpha.clone();
    for name in [
        "access_token",
        "token",
        "api_key",
        "apikey",
        "key",
        "license_key",
        "Token",
    ] {
        let target = format!("/mcp?x=1&{name}={key}");
        let request = ground.good().replacen("/mcp", &target, 1);
        ground.answered(&request, 400).await;
        // Also beside no key at all, and on a path that does not exist.
        let request = String::from_utf8(with_lines(&ground, b"")).unwrap();
        let request = request.replacen("/mcp", &format!("/other?{name}={key}"), 1);
        ground.answered(&request, 400).await;
    }
    let lines = ground.prove().await;
    assert!(
        lines[..14]
            .iter()
            .all(|line| line["error"] == "secret_in_url")
    );
}

#[tokio::test]
async fn t_12_wrong_keys_are_limited_by_address_and_good_ones_are_not() {
    let mut ground = Ground::with(|setup| setup.limits += "  unauthenticated: 10/min\n").await;
    let mut limited = 0;
    for _ in 0..30 {
        let token = fresh();
        ground.presented(&token);
        let request = with_lines(
            &ground,
            format!("Authorization: Bearer {token}\r\n").as_bytes(),
        );
        let answer = ground.send(&request).await.unwrap();
        match answer.status {
            401 => is_refusal(&ground, &answer),
            429 => {
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!(wait >= 1);
                limited += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!((15..=20).contains(&limited), "{limited}");
    // The good key of the same address passes; a forged origin of the request changes nothing.
    let good = ground.good();
    ground.answered(&good, 200).await;
    ground.allow_good(1);
    // H-31: who is not a trusted proxy cannot name another address.
    for n in 0..5 {
        let lines = format!("Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.{n}\r\n");
        let request = with_lines(&ground, lines.as_bytes());
        ground.answered(&request, 429).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn t_12_a_token_that_ended_is_told_to_renew_and_does_not_count() {
    let mut ground = Ground::with(|setup| setup.limits += "  unauthenticated: 3/h\n").await;
    let (license, _) = ground.gateway.issue("pro").await;
    let (app, given) = App::connected(&ground.gateway, license).await;
    assert_eq!(app.revoke(&given.refresh).await.status, 200);
    let unknown = AccessToken::generate(&OsEntropy).expose().to_owned();
    for token in [&given.access, &unknown] {
        for _ in 0..5 {
            bearer(&mut ground, token).await;
        }
    }
    for (status, token) in [
        (401, fresh()),
        (401, given.access.replacen("wga_", "wga-", 1)),
        (401, unknown.chars().rev().collect()),
        (429, "wga_x".to_owned()),
        (429, fresh()),
    ] {
        ground.presented(&token);
        let line = format!("Authorization: Bearer {token}\r\n");
        let request = with_lines(&ground, line.as_bytes());
        ground.answered(&request, status).await;
    }
    // An address that used up its failures still learns that it must refresh.
    bearer(&mut ground, &given.access).await;
}

#[tokio::test]
async fn t_14_tokens_of_others_are_nothing_here() {
    let mut ground = Ground::start().await;
    for token in [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImV4cCI6NDEwMjQ0NDgwMH0.",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2F1dGgudGVzdCJ9.c2lnbmF0dXJl",
        "sk-ant-api03-0000000000000000000000000000",
        "ghp_000000000000000000000000000000000000",
    ] {
        bearer(&mut ground, token).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn t_17_a_row_written_with_a_plain_hash_lets_nobody_in() {
    let mut ground = Ground::start().await;
    let (id, _) = ground.gateway.issue("pro").await;
    let key = LicenseKey::generate(&OsEntropy);
    let digest: [u8; 32] = Sha256::digest(key.expose().as_bytes()).into();
    let record = KeyRecord {
        digest: TokenDigest::from_bytes(digest),
        hint: key.hint(),
        created: ground.gateway.clock.now(),
        expires: None,
    };
    ground.gateway.add_key(id, &record).await;
    bearer(&mut ground, key.expose()).await;
    ground.prove().await;
}
