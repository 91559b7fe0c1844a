//! A reload that changes what tokens are bought for, and what previews show.

use serde_json::json;

use super::Scene;
use crate::{
    cli::Place,
    support::provider::{CLIENT_ID, CLIENT_SECRET},
};

#[tokio::test]
async fn a_token_bought_for_another_client_is_not_used() {
    let mut scene = Scene::machine("basic").await;
    scene.works().await;
    scene.works().await;
    assert_eq!(scene.bought(), 1);
    // The provider knows no such client: only a token that is left over could still work.
    let swap = |scene: &mut Scene, from: &str, to: &str| {
        let (from, to) = (format!("client_id: {from},"), format!("client_id: {to},"));
        scene.gateway.rewrite(|setup| {
            assert!(setup.upstreams.contains(&from), "{}", setup.upstreams);
            setup.upstreams = setup.upstreams.replace(&from, &to);
        });
        scene.gateway.reload().unwrap();
    };
    swap(&mut scene, CLIENT_ID, "another.apps.example");
    let refused = scene.fails().await;
    assert_eq!(scene.bought(), 2);
    swap(&mut scene, "another.apps.example", CLIENT_ID);
    scene.works().await;
    assert_eq!(scene.bought(), 3);
    // A reload that changes nothing of it buys nothing.
    scene.gateway.reload().unwrap();
    scene.works().await;
    assert_eq!(scene.bought(), 3);
    scene.leaks_nothing(&[refused]).await;
}

#[test]
fn a_preview_masks_every_kind() {
    const KINDS: [&str; 9] = [
        "{ header: X-Api-Key, value: { env: SECRET } }",
        "{ query: key, value: { env: SECRET } }",
        "{ bearer: {}, value: { env: SECRET } }",
        "{ basic: { username: us }, value: { env: SECRET } }",
        "{ sigv4: { region: eu-west-1, service: execute-api, access_key_id: ASIDEXAMPLE, \
         session_token: { env: SECRET } }, value: { env: SECRET } }",
        "{ client_credentials: { token_url: 'https://id.example.com/token', client_id: us }, \
         value: { env: SECRET } }",
        "{ service_account: { scopes: [a] }, value: { env: SECRET } }",
        "{ login_with_amazon: { client_id: us, client_secret: { env: SECRET }, \
         header: x-amz-access-token }, value: { env: SECRET } }",
        "{ account: { provider: google, client_id: us, client_secret: { env: SECRET }, \
         scopes: [openid] } }",
    ];
    let environment = [("SECRET".to_owned(), CLIENT_SECRET.to_owned())];
    for kind in KINDS {
        let place = Place::initialised();
        place.edit("{ header: X-Api-Key }", kind);
        let arguments = json!({ "order_id": "42" }).to_string();
        let line = [
            "tool",
            "call",
            "get_order",
            "--dry-run",
            "--args",
            &arguments,
        ];
        let ran = place.run_as(&line, &environment, "").done();
        assert!(ran.out.contains("***"), "{kind}: {}", ran.out);
        assert!(!ran.shows(CLIENT_SECRET), "{kind}: {}", ran.out);
        let ran = place.run_as(&["config", "show"], &environment, "").done();
        assert!(!ran.shows(CLIENT_SECRET), "{kind}: {}", ran.out);
    }
}
