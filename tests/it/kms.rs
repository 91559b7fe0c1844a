//! Master keys in key services: what goes over the wire is checked by doubles that wrap for real.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use url::Url;
use wicketgate::{
    clock::{ManualClock, SharedClock, Timestamp},
    crypto::{Context, Purpose},
    entropy::{SeededEntropy, SharedEntropy},
    kms::{
        AwsKms, AwsKmsParts, GcpIdentity, GcpKms, GcpKmsParts, KeyProvider, KeySetupError,
        KmsError, VaultTransit, VaultTransitParts,
    },
    secret::SecretString,
};

use crate::support::key_service::{
    ACCESS_KEY, ARN, Flavour, GCP_KEY, KeyService, NAMESPACE, REGION, SECRET_KEY, SESSION, TOKEN,
    Trouble, VAULT_KEY, key_file,
};

const ALL: [Flavour; 3] = [Flavour::Vault, Flavour::Aws, Flavour::Gcp];
const SECRET: &[u8] = b"CANARY-0123456789abcdef-32-bytes";

fn place() -> Context<'static> {
    Context {
        purpose: Purpose::DataKey,
        tenant: "operator",
        table: "data_keys",
        row: "dek_1",
        column: "wrapped",
        upstream: "",
        generation: 0,
    }
}

fn text(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn loopback() -> [IpNet; 1] {
    ["127.0.0.0/8".parse().unwrap()]
}

struct Given {
    clock: Arc<ManualClock>,
    secret: &'static str,
    metadata: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_760_000_000_000))),
            secret: "",
            metadata: false,
        }
    }
}

fn provider(service: &KeyService, flavour: Flavour, given: &Given) -> Box<dyn KeyProvider> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(5));
    let clock: SharedClock = given.clock.clone();
    let (url, allowed): (Url, _) = (service.url(), loopback());
    let file = text(&key_file(url.as_str().trim_end_matches('/')));
    let secret = |usual: &str| {
        text(if given.secret.is_empty() {
            usual
        } else {
            given.secret
        })
    };
    match flavour {
        Flavour::Vault => Box::new(
            VaultTransit::new(VaultTransitParts {
                address: &url,
                mount: "keys/transit",
                key: VAULT_KEY,
                token: &secret(TOKEN),
                namespace: Some(NAMESPACE),
                allow_special_use: &allowed,
                entropy,
            })
            .unwrap(),
        ),
        Flavour::Aws => Box::new(
            AwsKms::new(AwsKmsParts {
                region: REGION,
                key_id: ARN,
                access_key_id: ACCESS_KEY,
                secret_access_key: &secret(SECRET_KEY),
                session_token: Some(&text(SESSION)),
                endpoint: Some(&url),
                allow_special_use: &allowed,
                clock,
                entropy,
            })
            .unwrap(),
        ),
        Flavour::Gcp => Box::new(
            GcpKms::new(GcpKmsParts {
                endpoint: &url,
                key: GCP_KEY,
                identity: if given.metadata {
                    GcpIdentity::Metadata(&url)
                } else {
                    GcpIdentity::KeyFile(&file)
                },
                allow_special_use: &allowed,
                clock,
                entropy,
            })
            .unwrap(),
        ),
    }
}

#[tokio::test]
async fn each_wraps_for_one_place_under_one_key() {
    for flavour in ALL {
        let service = KeyService::start(flavour).await;
        let key = provider(&service, flavour, &Given::default());
        let wrapped = key.wrap(&place(), SECRET).await.unwrap();
        assert_eq!(wrapped.starts_with(b"vault:v1:"), flavour == Flavour::Vault);
        assert!(!wrapped.windows(8).any(|w| w == &SECRET[..8]));
        let opened = key.unwrap(&place(), &wrapped).await.unwrap();
        assert_eq!(opened.expose(), SECRET);

        let elsewhere = [
            Context {
                tenant: "lic_x",
                ..place()
            },
            Context {
                row: "dek_2",
                ..place()
            },
            Context {
                purpose: Purpose::RootSecret,
                ..place()
            },
            Context {
                upstream: "crm",
                ..place()
            },
            Context {
                generation: 1,
                ..place()
            },
        ];
        for place in elsewhere {
            let error = key.unwrap(&place, &wrapped).await.unwrap_err();
            assert_eq!(error, KmsError::DoesNotOpen, "{flavour:?} {place:?}");
        }
        service.trouble(Trouble::OtherKey);
        let error = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert_eq!(error, KmsError::DoesNotOpen, "{flavour:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_an_outage() {
    for flavour in ALL {
        let service = KeyService::start(flavour).await;
        let key = provider(&service, flavour, &Given::default());
        let wrapped = key.wrap(&place(), SECRET).await.unwrap();
        let before = service.asked().len();

        service.trouble(Trouble::Status(403, 1));
        let refused = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert!(
            matches!(refused, KmsError::Refused(_)),
            "{flavour:?} {refused}"
        );
        service.trouble(Trouble::WrongType);
        let unfit = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert!(matches!(unfit, KmsError::Refused(_)), "{flavour:?} {unfit}");
        assert_eq!(service.asked().len(), before + 2, "a refusal is final");

        // Twice at fault, then well: nobody notices.
        for status in [500, 503, 429] {
            service.trouble(Trouble::Status(status, 2));
            key.unwrap(&place(), &wrapped).await.unwrap();
        }
        let before = service.asked().len();
        service.trouble(Trouble::Status(503, u32::MAX));
        let away = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert!(
            matches!(away, KmsError::Unavailable(_)),
            "{flavour:?} {away}"
        );
        assert_eq!(service.asked().len(), before + 3, "tries are bounded");
        service.trouble(Trouble::Status(302, 1));
        let moved = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert!(
            matches!(moved, KmsError::Unavailable(_)),
            "{flavour:?} {moved}"
        );

        let said = format!("{key:?} {refused} {unfit} {away} {moved} {away:?}");
        assert!(!said.to_lowercase().contains("canary"), "{said}");
        let address = service.address;
        drop(service);
        // Until the port is closed the old task may still answer.
        let gone = loop {
            match key.unwrap(&place(), &wrapped).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(gone, KmsError::Unavailable(_)),
            "{flavour:?} {gone} {address}"
        );
    }
}

#[tokio::test]
async fn a_service_that_hangs_holds_nobody_for_long() {
    let waits = ALL.map(async |flavour| {
        let service = KeyService::start(flavour).await;
        let key = provider(&service, flavour, &Given::default());
        let wrapped = key.wrap(&place(), SECRET).await.unwrap();
        service.trouble(Trouble::Hangs);
        let since = tokio::time::Instant::now();
        let error = key.unwrap(&place(), &wrapped).await.unwrap_err();
        assert!(matches!(error, KmsError::Unavailable(_)), "{error}");
        assert!(since.elapsed() < Duration::from_secs(6));
    });
    futures_util::future::join_all(waits).await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    for flavour in [Flavour::Vault, Flavour::Aws] {
        let service = KeyService::start(flavour).await;
        let given = Given {
            secret: "canary-wrong",
            ..Given::default()
        };
        let key = provider(&service, flavour, &given);
        let error = key.wrap(&place(), SECRET).await.unwrap_err();
        assert!(matches!(error, KmsError::Refused(_)), "{flavour:?} {error}");
    }
}

#[tokio::test]
async fn tokens_are_kept_until_they_are_nearly_over() {
    for metadata in [false, true] {
        let service = KeyService::start(Flavour::Gcp).await;
        let given = Given {
            metadata,
            ..Given::default()
        };
        let key = provider(&service, Flavour::Gcp, &given);
        let tokens = || {
            let asked = service.asked();
            asked
                .iter()
                .filter(|one| one.path.ends_with("/token"))
                .count()
        };
        let wrapped = key.wrap(&place(), SECRET).await.unwrap();
        key.unwrap(&place(), &wrapped).await.unwrap();
        assert_eq!(tokens(), 1);
        given.clock.advance(Duration::from_mins(59));
        key.unwrap(&place(), &wrapped).await.unwrap();
        assert_eq!(tokens(), 2);
        // Ended early: once more with another.
        service.trouble(Trouble::Status(401, 1));
        key.unwrap(&place(), &wrapped).await.unwrap();
        assert_eq!(tokens(), 3);
    }
}

#[tokio::test]
async fn what_was_damaged_on_the_way_is_not_believed() {
    let service = KeyService::start(Flavour::Gcp).await;
    let key = provider(&service, Flavour::Gcp, &Given::default());
    let wrapped = key.wrap(&place(), SECRET).await.unwrap();
    service.trouble(Trouble::Damages);
    let error = key.unwrap(&place(), &wrapped).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    let error = key.wrap(&place(), SECRET).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[tokio::test]
async fn plain_text_goes_to_listed_networks_alone() {
    let service = KeyService::start(Flavour::Vault).await;
    let parts = |address: &Url| {
        VaultTransit::new(VaultTransitParts {
            address,
            mount: "transit",
            key: VAULT_KEY,
            token: &text(TOKEN),
            namespace: None,
            allow_special_use: &[],
            entropy: Arc::new(SeededEntropy::new(5)),
        })
    };
    let key = parts(&service.url()).unwrap();
    let error = key.wrap(&place(), SECRET).await.unwrap_err();
    assert_eq!(error, KmsError::Refused("its address may not be called"));
    assert!(service.asked().is_empty());
    let other = parts(&"ftp://127.0.0.1/".parse().unwrap());
    assert_eq!(other.unwrap_err(), KeySetupError::Address);
}
