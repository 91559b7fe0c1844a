//! OAuth clients at the command line: added, listed, removed; a secret is shown once.

use std::fs;

use super::Place;

const REDIRECT: &str = "https://vertexaisearch.cloud.google.com/oauth-redirect";

#[test]
fn a_secret_is_shown_once_and_kept_nowhere() {
    let place = Place::initialised();
    let added = place
        .run(&format!(
            "client add --name Gemini --redirect {REDIRECT} --json"
        ))
        .done()
        .json();
    let (id, secret) = (
        added["id"].as_str().unwrap(),
        added["client_secret"].as_str().unwrap(),
    );
    assert!(id.starts_with("wgi_") && secret.starts_with("wgs_"));
    assert_eq!(added["auth"], "client_secret_basic");
    assert_eq!(added["redirect_uris"][0], REDIRECT);
    assert!(
        added["token_endpoint"]
            .as_str()
            .unwrap()
            .ends_with("/token")
    );
    let list = place.run("client list --json").done();
    assert_eq!(list.json()[0]["id"], id);
    assert_eq!(list.json()[0]["kind"], "added");
    assert!(!list.shows(secret));
    assert!(!place.run("client list").done().shows(secret));
    let bytes = place.all_bytes();
    let kept = bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes());
    assert!(!kept, "the secret is in a file");

    let human = place
        .run(&format!("client add --name Two --redirect {REDIRECT}"))
        .done();
    assert!(human.out.contains("shown this once"), "{}", human.out);

    let removed = place.run("client remove Gemini --json").done().json();
    assert_eq!(removed["id"], id);
    assert_eq!(removed["sessions_ended"], 0);
    place.run(&format!("client remove {id}")).refused(1);
    let pasted = place.run(&format!("client remove {secret}")).refused(1);
    assert!(!pasted.shows(secret), "{}", pasted.err);
}

#[test]
fn a_client_proves_itself_as_it_is_told() {
    let place = Place::initialised();
    let add = |more: &str| {
        place.run(&format!(
            "client add --name A --redirect {REDIRECT} {more} --json"
        ))
    };
    let public = add("--auth none").done().json();
    assert!(public.get("client_secret").is_none());
    let post = add("--auth client_secret_post").done().json();
    assert!(post["client_secret"].is_string());
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    fs::write(place.path("keys.json"), keys).unwrap();
    let signed = add("--auth private_key_jwt --jwks keys.json").done().json();
    assert!(signed.get("client_secret").is_none());
    let uri = "https://idp.example.com/jwks";
    let signed = add(&format!("--auth private_key_jwt --jwks-uri {uri}"))
        .done()
        .json();
    assert_eq!(signed["jwks_uri"], uri);
    // Several have the name now.
    let several = place.run("client remove A").refused(1);
    assert!(several.err.contains("several"), "{}", several.err);

    fs::write(
        place.path("secret.json"),
        keys.replace("\"x\"", "\"d\":\"AA\",\"x\""),
    )
    .unwrap();
    for (more, part) in [
        ("--auth private_key_jwt", "needs jwks"),
        ("--auth private_key_jwt --jwks secret.json", "private"),
        ("--auth private_key_jwt --jwks missing.json", "cannot read"),
        ("--auth private_key_jwt --jwks-uri http://a.test/k", "https"),
        ("--redirect javascript:alert(1)", "redirect URI"),
        ("--redirect http://a.test/cb", "redirect URI"),
    ] {
        let ran = add(more).refused(1);
        assert!(ran.err.contains(part), "{more}: {}", ran.err);
    }
    add("--jwks keys.json").refused(2);
    add("--auth client_secret_jwt").refused(2);
    place.run("client add --name A").refused(2);
}
