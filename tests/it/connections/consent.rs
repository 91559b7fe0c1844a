//! To the provider's consent and back, and everything that must not pass for it.

use std::time::Duration;

use wicketgate::{
    connect::{Came, ConsentError, TokenError},
    store::CredentialState,
};

use super::{BROWSER, SCOPE, Scene, WIDER, acc, name_of, names, succeeded};
use crate::support::provider::{CLIENT_ID, Consent, Flavour, Iss, Proved, StateSent};

const ALL: [Flavour; 4] = [
    Flavour::Google,
    Flavour::Meta,
    Flavour::Amazon,
    Flavour::Github,
];

#[tokio::test]
async fn an_account_is_connected_at_every_provider() {
    for flavour in ALL {
        let scene = Scene::start(flavour).await;
        let finished = scene.connect(&[SCOPE]).await;
        assert_eq!(names(&finished.granted), [SCOPE], "{flavour:?}");
        assert!(!finished.short);
        assert_eq!(finished.title, "Reports");

        let asked = scene.provider.authorizations().remove(0);
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["state"].len(), 43);
        assert_eq!(
            asked.contains_key("code_challenge"),
            flavour != Flavour::Meta
        );
        let redeemed = scene.provider.token_requests().remove(0);
        assert_eq!(redeemed.proved, Proved::Body, "{flavour:?}");
        assert_eq!(redeemed.status, Some(200));

        let stored = scene.stored().await;
        assert_eq!(names(&stored.scopes), [SCOPE]);
        assert_eq!(
            (stored.state, stored.shortfalls),
            (CredentialState::Active, 0)
        );
        let days = stored
            .expires
            .map(|ends| ends.since(stored.updated).as_secs() / 86_400);
        assert_eq!(
            days,
            match flavour {
                // The exchange, not the code, said so.
                Flavour::Meta => Some(60),
                Flavour::Github => None,
                Flavour::Google | Flavour::Amazon => Some(0),
            },
            "{flavour:?}"
        );
        assert!(
            succeeded(&scene.call("report").await),
            "{}",
            name_of(flavour)
        );
        assert_eq!(scene.api.calls().len(), 1);
        let log = scene.gateway.log_text();
        assert!(
            scene
                .provider
                .canaries()
                .iter()
                .all(|secret| !log.contains(secret))
        );
    }
}

#[tokio::test]
async fn c_01_a_state_counts_once_in_time_here_and_for_its_license() {
    let scene = Scene::start(Flavour::Google).await;
    let refused = |came: Came| {
        let scene = &scene;
        async move { scene.finish(&came).await.unwrap_err() }
    };
    for sent in [StateSent::Missing, StateSent::Wrong] {
        scene.provider.knobs().state = sent;
        let came = scene.consent(&[SCOPE]).await;
        assert_eq!(refused(came).await, ConsentError::State, "{sent:?}");
    }
    scene.provider.knobs().state = StateSent::Right;

    let late = scene.consent(&[SCOPE]).await;
    scene.clock.advance(Duration::from_mins(10));
    assert_eq!(
        refused(late).await,
        ConsentError::State,
        "after ten minutes"
    );

    let connections = scene.gateway.running().gateway().connections();
    let came = scene.consent(&[SCOPE]).await;
    let (other, _) = scene.gateway.issue("pro").await;
    let theirs = connections.finish(other, &acc(), &came, BROWSER).await;
    assert_eq!(theirs, Err(ConsentError::State), "another license");
    let upstream = acc();
    let elsewhere = connections.finish(scene.license, &upstream, &came, "browser-2");
    assert_eq!(elsewhere.await, Err(ConsentError::OtherBrowser));
    assert_eq!(
        refused(came).await,
        ConsentError::State,
        "spent by the other browser"
    );
    assert_eq!(scene.provider.token_requests().len(), 0);

    let came = scene.consent(&[SCOPE]).await;
    assert!(scene.finish(&came).await.is_ok());
    assert_eq!(refused(came).await, ConsentError::State, "twice");
    assert_eq!(scene.provider.count("authorization_code"), 1);
}

#[tokio::test]
async fn c_02_an_answer_for_one_upstream_is_none_for_another() {
    let scene = Scene::start(Flavour::Google).await;
    let came = scene.consent(&[SCOPE]).await;
    let connections = scene.gateway.running().gateway().connections();
    let up = "up".parse().unwrap();
    let other = connections.finish(scene.license, &up, &came, BROWSER);
    assert_eq!(other.await, Err(ConsentError::OtherUpstream));
    assert_eq!(
        scene.finish(&came).await,
        Err(ConsentError::State),
        "it is spent"
    );
    assert_eq!(scene.provider.token_requests().len(), 0);
}

#[tokio::test]
async fn c_03_another_issuer_is_refused_to_the_last_slash() {
    let scene = Scene::start(Flavour::Google).await;
    let origin = scene.provider.origin();
    for iss in [format!("{origin}/"), origin.to_uppercase(), String::new()] {
        scene.provider.knobs().iss = Iss::Says(iss);
        let came = scene.consent(&[SCOPE]).await;
        assert_eq!(scene.finish(&came).await, Err(ConsentError::Issuer));
    }
    assert_eq!(scene.provider.token_requests().len(), 0);
}

#[tokio::test]
async fn c_05_what_was_granted_counts_not_what_was_asked() {
    for flavour in ALL {
        // Amazon's answers do not say what was granted.
        if flavour == Flavour::Amazon {
            continue;
        }
        let scene = Scene::start(flavour).await;
        scene.provider.knobs().consent = Consent::Only(vec![SCOPE.to_owned()]);
        let finished = scene.connect(&[SCOPE, WIDER]).await;
        assert_eq!(names(&finished.granted), [SCOPE], "{flavour:?}");
        assert!(finished.short);
        assert_eq!(scene.stored().await.shortfalls, 1);
        assert!(succeeded(&scene.call("report").await));
        assert!(!succeeded(&scene.call("change").await));
        assert_eq!(scene.api.calls().len(), 1, "nothing goes upstream in vain");
    }
}

#[tokio::test]
async fn more_is_asked_for_besides_what_was_granted() {
    for flavour in ALL {
        let scene = Scene::start(flavour).await;
        scene.connect(&[SCOPE]).await;
        let finished = scene.connect(&[WIDER]).await;
        assert_eq!(names(&finished.granted), [SCOPE, WIDER], "{flavour:?}");
        let asked = scene.provider.authorizations().remove(1);
        let expected = match flavour {
            Flavour::Meta => format!("{SCOPE},{WIDER}"),
            Flavour::Google | Flavour::Amazon | Flavour::Github => format!("{SCOPE} {WIDER}"),
        };
        assert_eq!(asked["scope"], expected, "{flavour:?}");
        assert!(succeeded(&scene.call("change").await), "{flavour:?}");
    }
}

#[tokio::test]
async fn a_refusal_connects_nothing_and_is_never_repeated() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().consent = Consent::Denies("<script>alert(1)</script>".to_owned());
    let came = scene.consent(&[SCOPE]).await;
    let error = scene.finish(&came).await.unwrap_err();
    assert_eq!(error, ConsentError::Denied);
    assert!(!error.public().contains('<'));
    assert_eq!(scene.provider.token_requests().len(), 0);

    scene.provider.knobs().consent = Consent::Grants;
    let mut came = scene.consent(&[SCOPE]).await;
    came.code = Some("another".to_owned());
    let error = scene.finish(&came).await.unwrap_err();
    assert_eq!(error, ConsentError::Tokens(TokenError::Refused));
}

#[tokio::test]
async fn nothing_beyond_the_ceiling_is_asked_for() {
    let scene = Scene::start(Flavour::Google).await;
    let beyond = scene.begin(&[SCOPE, "reports.delete"]).await;
    assert_eq!(beyond.unwrap_err(), ConsentError::BeyondCeiling);
    let mut wish = Scene::wish(&[SCOPE]);
    wish.upstream = "up".parse().unwrap();
    let connections = scene.gateway.running().gateway().connections();
    let begun = connections.begin(scene.license, &wish, BROWSER).await;
    assert_eq!(begun.unwrap_err(), ConsentError::UnknownUpstream);
    assert_eq!(scene.provider.authorizations().len(), 0);
}

#[tokio::test]
async fn c_05_who_withholds_three_times_is_not_sent_again() {
    let scene = Scene::start(Flavour::Google).await;
    scene.provider.knobs().consent = Consent::Only(vec![SCOPE.to_owned()]);
    for shortfalls in 1..=3 {
        if shortfalls > 1 {
            let answer = scene.call("change").await;
            assert!(answer.body.contains("/connect"), "{}", answer.body);
        }
        assert!(scene.connect(&[SCOPE, WIDER]).await.short);
        assert_eq!(scene.stored().await.shortfalls, shortfalls);
    }
    for _ in 0..2 {
        let answer = scene.call("change").await;
        assert!(!succeeded(&answer));
        assert!(!answer.body.contains("/connect"), "{}", answer.body);
        assert!(answer.body.contains("did not grant"), "{}", answer.body);
    }
    assert!(succeeded(&scene.call("report").await), "what it may");
    assert!(
        scene
            .api
            .calls()
            .iter()
            .all(|call| call.path == "/api/report")
    );
    assert_eq!(scene.provider.authorizations().len(), 3);

    scene.provider.knobs().consent = Consent::Grants;
    assert!(!scene.connect(&[SCOPE, WIDER]).await.short);
    assert_eq!(scene.stored().await.shortfalls, 0);
    assert!(succeeded(&scene.call("change").await));
}
