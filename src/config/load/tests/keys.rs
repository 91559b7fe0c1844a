//! Entries of `keys:` that name key services.

use super::*;

const FILE: &str = "file: k1.key";
const VAULT: &str =
    "vault: { address: \"https://vault.example.com\", key: gw, token: { env: KEY } }";
const AWS: &str = "aws_kms: { region: eu-west-1, key_id: \"arn:aws:kms:eu-west-1:1:key/a\", \
                   access_key_id: AKIA, secret_access_key: { env: KEY } }";
const GCP: &str =
    "gcp_kms: { key: projects/p/locations/l/keyRings/r/cryptoKeys/k, credentials: metadata }";

fn with(entry: &str) -> Vec<Problem> {
    problems(&GOOD.replacen(FILE, entry, 1))
}

#[test]
fn each_kind_is_fine_as_documented() {
    for entry in [VAULT, AWS, GCP] {
        assert_eq!(with(entry), [], "{entry}");
    }
    let by_file = GCP.replace("metadata", "{ key_file: { env: KEY } }");
    assert_eq!(with(&by_file), []);
}

#[test]
fn a_key_in_the_environment_is_for_development() {
    let found = with("env: KEY");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].severity, crate::config::Severity::Warning);
    assert!(found[0].message.contains("development"), "{found:#?}");
}

#[test]
fn what_could_be_taken_for_another_key_or_place_is_refused() {
    let cases = [
        (VAULT, "https://", "http://", "not encrypted"),
        (
            VAULT,
            "https://vault.example.com",
            "https://10.0.0.1",
            "private",
        ),
        (VAULT, "key: gw", "key: \"../gw\"", "does not belong"),
        (
            VAULT,
            "key: gw",
            "mount: a/../b, key: gw",
            "does not belong",
        ),
        (VAULT, "env: KEY", "env: NOTHING", "NOTHING"),
        (
            VAULT,
            "key: gw",
            "key: gw, allow_special_use: [0.0.0.0/0]",
            "every address",
        ),
        (AWS, "region: eu-west-1", "region: eu-west-2", "region"),
        (
            AWS,
            "arn:aws:kms:eu-west-1:1:key/a",
            "alias/gw",
            "not an ARN",
        ),
        (AWS, "env: KEY", "env: NOTHING", "NOTHING"),
        (GCP, "projects/p/", "p/", "resource name"),
        (GCP, "metadata", "{ key_file: { env: NOTHING } }", "NOTHING"),
    ];
    for (entry, from, to, message) in cases {
        let found = with(&entry.replacen(from, to, 1));
        assert_eq!(found.len(), 1, "{to}: {found:#?}");
        assert!(found[0].message.contains(message), "{to}: {found:#?}");
        assert!(!format!("{found:?}").contains("CANARY"));
    }
    let both = with(&format!("{VAULT}, {GCP}"));
    assert!(both[0].message.contains("exactly one"), "{both:#?}");
}
