use serde_json::json;

use super::{signer::Signer, *};

const NOW: i64 = 1_795_000_000;
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::EdDsa,
];

fn rules() -> Rules<'static> {
    Rules {
        algorithms: &ALGORITHMS,
        types: &[],
        issuer: "https://issuer.test/",
        audiences: &["https://gw.test/mcp", "https://gw.test"],
        now: Timestamp::from_millis(NOW * 1_000),
        most_ahead: None,
    }
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.test/", "aud": "https://gw.test/mcp", "exp": NOW + 60, "sub": "a" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn keys(of: &[&Signer]) -> KeySet {
    let list: Vec<&Value> = of.iter().map(|signer| &signer.jwk).collect();
    KeySet::parse(json!({ "keys": list }).to_string().as_bytes()).unwrap()
}

#[test]
fn every_accepted_algorithm_verifies() {
    for algorithm in ALGORITHMS {
        let signer = Signer::new(algorithm, "one");
        let token = signer.sign(&claims());
        let found = verify(&token, &keys(&[&signer]), &rules()).unwrap();
        assert_eq!(found["sub"], "a", "{algorithm:?}");
        let other = Signer::new(algorithm, "one");
        let wrong = verify(&token, &keys(&[&other]), &rules());
        assert_eq!(wrong, Err(JwtFault::Signature), "{algorithm:?}");
        let pinned = Rules {
            algorithms: &[Algorithm::Rs384],
            ..rules()
        };
        let wrong = verify(&token, &keys(&[&signer]), &pinned);
        assert_eq!(wrong, Err(JwtFault::Algorithm), "{algorithm:?}");
    }
}

#[test]
fn headers_cannot_choose_how_they_are_verified() {
    let signer = Signer::new(Algorithm::Es256, "one");
    let set = keys(&[&signer]);
    let fault = |header: Value| verify(&signer.sign_as(&header, &claims()), &set, &rules());
    let wrong = Err(JwtFault::Algorithm);
    for word in ["none", "None", "HS256", "HS512", "es256", "ES256K", ""] {
        assert_eq!(fault(json!({ "alg": word })), wrong, "{word}");
    }
    assert_eq!(fault(json!({})), wrong);
    assert_eq!(fault(json!({ "alg": ["ES256"] })), wrong);
    // A type the key does not have: no key fits.
    assert_eq!(fault(json!({ "alg": "RS256" })), Err(JwtFault::UnknownKey));
    assert_eq!(fault(json!({ "alg": "EdDSA" })), Err(JwtFault::UnknownKey));
    let critical = json!({ "alg": "ES256", "crit": ["exp"] });
    assert_eq!(fault(critical), Err(JwtFault::Critical));
    let odd = json!({ "alg": "ES256", "kid": 1 });
    assert_eq!(fault(odd), Err(JwtFault::Malformed));
    // Its own key counts for nothing.
    let stranger = Signer::new(Algorithm::Es256, "one");
    let header = json!({ "alg": "ES256", "kid": "one", "jwk": stranger.jwk,
        "jku": "https://evil.test/jwks" });
    let token = stranger.sign_as(&header, &claims());
    assert_eq!(verify(&token, &set, &rules()), Err(JwtFault::Signature));
}

#[test]
fn the_unsigned_and_the_changed_are_refused() {
    let signer = Signer::new(Algorithm::EdDsa, "one");
    let set = keys(&[&signer]);
    let token = signer.sign(&claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other = BASE64URL_NOPAD.encode(with("sub", json!("b")).to_string().as_bytes());
    let twice = BASE64URL_NOPAD.encode(br#"{"alg":"EdDSA","alg":"EdDSA"}"#);
    for (bad, fault) in [
        (format!("{header}.{other}.{signature}"), JwtFault::Signature),
        (format!("{message}.AAAA"), JwtFault::Signature),
        (format!("{message}.!"), JwtFault::Signature),
        (format!("{message}."), JwtFault::Malformed),
        (message.to_owned(), JwtFault::Malformed),
        (format!("{token}.x"), JwtFault::Malformed),
        (format!("{twice}.{other}.{signature}"), JwtFault::Malformed),
        (String::new(), JwtFault::Malformed),
        ("...".to_owned(), JwtFault::Malformed),
        (format!("{token}{}", "A".repeat(LONGEST)), JwtFault::TooLong),
    ] {
        assert_eq!(verify(&bad, &set, &rules()), Err(fault), "{bad}");
    }
}

#[test]
fn the_key_is_chosen_by_its_id() {
    let (one, two) = (
        Signer::new(Algorithm::Es256, "one"),
        Signer::new(Algorithm::Es256, "two"),
    );
    let both = keys(&[&one, &two]);
    assert!(verify(&two.sign(&claims()), &both, &rules()).is_ok());
    let alone = keys(&[&one]);
    let unknown = verify(&two.sign(&claims()), &alone, &rules());
    assert_eq!(unknown, Err(JwtFault::UnknownKey));
    // Without an id every fitting key is tried.
    let bare = two.sign_as(&json!({ "alg": "ES256" }), &claims());
    assert!(verify(&bare, &both, &rules()).is_ok());
    // A key that is for another algorithm, for encrypting or for signing only does not fit.
    for (name, value) in [
        ("alg", json!("ES384")),
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
    ] {
        let mut jwk = two.jwk.clone();
        jwk[name] = value;
        let set = KeySet::read(&json!({ "keys": [jwk] })).unwrap();
        let fault = verify(&bare, &set, &rules());
        assert_eq!(fault, Err(JwtFault::UnknownKey), "{name}");
    }
}

#[test]
fn times_are_held_to_the_given_clock() {
    let signer = Signer::new(Algorithm::EdDsa, "one");
    let set = keys(&[&signer]);
    let check = |claims: Value, rules: &Rules<'_>| verify(&signer.sign(&claims), &set, rules).err();
    let rules = rules();
    for (claims, fault) in [
        (with("exp", json!(NOW - 59)), None),
        (with("exp", json!(NOW - 60)), Some(JwtFault::Expired)),
        (with("exp", json!(1_795_000_000.5)), None),
        (with("exp", json!("soon")), Some(JwtFault::NoExpiry)),
        (with("exp", Value::Null), Some(JwtFault::NoExpiry)),
        (with("exp", json!(i64::MAX)), Some(JwtFault::NoExpiry)),
        (with("nbf", json!(NOW + 60)), None),
        (with("nbf", json!(NOW + 61)), Some(JwtFault::NotYet)),
        (with("iat", json!(NOW + 61)), Some(JwtFault::NotYet)),
        (with("iat", json!("x")), Some(JwtFault::NotYet)),
    ] {
        assert_eq!(check(claims.clone(), &rules), fault, "{claims}");
    }
    let short = Rules {
        most_ahead: Some(Duration::from_mins(5)),
        ..rules
    };
    assert_eq!(check(with("exp", json!(NOW + 360)), &short), None);
    let far = check(with("exp", json!(NOW + 361)), &short);
    assert_eq!(far, Some(JwtFault::TooFarAhead));
}

#[test]
fn issuer_audience_and_type_are_exact() {
    let signer = Signer::new(Algorithm::EdDsa, "one");
    let set = keys(&[&signer]);
    let check = |claims: Value| verify(&signer.sign(&claims), &set, &rules()).err();
    let issuer = Some(JwtFault::Issuer);
    assert_eq!(check(with("iss", json!("https://issuer.test"))), issuer);
    assert_eq!(check(with("iss", json!(["https://issuer.test/"]))), issuer);
    let audience = Some(JwtFault::Audience);
    assert_eq!(check(with("aud", json!(["a", "https://gw.test"]))), None);
    assert_eq!(check(with("aud", json!(["https://gw.test/"]))), audience);
    assert_eq!(check(with("aud", json!([]))), audience);
    assert_eq!(check(with("aud", Value::Null)), audience);
    let typed = Rules {
        types: &["at+jwt"],
        ..rules()
    };
    for (typ, fault) in [
        (json!("at+jwt"), None),
        (json!("application/AT+JWT"), None),
        (json!("JWT"), Some(JwtFault::Type)),
        (Value::Null, Some(JwtFault::Type)),
    ] {
        let header = json!({ "alg": "EdDSA", "typ": typ });
        let token = signer.sign_as(&header, &claims());
        assert_eq!(verify(&token, &set, &typed).err(), fault, "{typ}");
    }
}

#[test]
fn a_set_with_anything_secret_is_refused() {
    let signer = Signer::new(Algorithm::Es256, "one");
    for (name, value) in [("d", "AAAA"), ("k", "AAAA"), ("p", "AAAA")] {
        let mut jwk = signer.jwk.clone();
        jwk[name] = json!(value);
        let set = KeySet::read(&json!({ "keys": [signer.jwk, jwk] }));
        assert_eq!(set.err(), Some(KeySetFault::Secret), "{name}");
    }
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
    assert_eq!(KeySet::read(&symmetric).err(), Some(KeySetFault::Secret));
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        let fault = KeySet::parse(bad.as_bytes()).err();
        assert_eq!(fault, Some(KeySetFault::Malformed), "{bad}");
    }
    let many = json!({ "keys": vec![signer.jwk.clone(); 101] });
    assert_eq!(KeySet::read(&many).err(), Some(KeySetFault::TooMany));
    let odd = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" },
        { "kty": "EC", "crv": "secp256k1" }, { "kty": "new" }] });
    assert!(KeySet::read(&odd).unwrap().is_empty());
}
