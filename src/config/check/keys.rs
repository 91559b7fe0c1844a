//! `keys:`: one kind each, addresses that cannot be taken for others, secrets that are there.

use std::collections::HashSet;

use ipnet::IpNet;
use url::Url;

use super::{
    super::{
        Config, KeyConfig, SecretSource,
        findings::{Findings, Spot},
        keys::{AwsKeyConfig, GcpCredentials, GcpKeyConfig, VaultKeyConfig},
    },
    Coverage, Scope, base_url, issuer, secret,
};

pub(super) fn check(config: &Config, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    if config.keys.is_empty() && scope.coverage == Coverage::Whole {
        findings.error(
            at,
            "there is no master key",
            "run `wicketgate key generate` and name its file",
        );
    }
    let mut ids = HashSet::new();
    for (i, key) in config.keys.iter().enumerate() {
        let at = at.index(i);
        let is_id = (1..=32).contains(&key.id.len())
            && key
                .id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_id {
            findings.error(
                &at.key("id"),
                "not a valid key id",
                "use 1 to 32 of A-Z, a-z, 0-9, `-`, `_` and `.`",
            );
        } else if !ids.insert(&key.id) {
            findings.error(
                &at.key("id"),
                "this key id is used twice",
                "rename one of them",
            );
        }
        kind(key, scope, &at, findings);
    }
}

fn kind(key: &KeyConfig, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let kinds = [
        key.file.is_some(),
        key.env.is_some(),
        key.vault.is_some(),
        key.aws_kms.is_some(),
        key.gcp_kms.is_some(),
    ];
    if kinds.iter().filter(|given| **given).count() != 1 {
        findings.error(
            at,
            "a key needs exactly one of `file`, `env`, `vault`, `aws_kms` and `gcp_kms`",
            "keep one of them",
        );
        return;
    }
    if let Some(file) = &key.file {
        let source = SecretSource::File(file.clone());
        secret(&source, &at.key("file"), scope, findings);
    }
    if let Some(name) = &key.env {
        let at = at.key("env");
        secret(&SecretSource::Env(name.clone()), &at, scope, findings);
        findings.warning(
            &at,
            "a master key in the environment is for development: other processes can read it",
            "name a file with mode 0600, or a key service",
        );
    }
    if let Some(vault) = &key.vault {
        self::vault(vault, scope, &at.key("vault"), findings);
    }
    if let Some(aws) = &key.aws_kms {
        self::aws(aws, scope, &at.key("aws_kms"), findings);
    }
    if let Some(gcp) = &key.gcp_kms {
        self::gcp(gcp, scope, &at.key("gcp_kms"), findings);
    }
}

fn address(
    name: &str,
    url: Option<&Url>,
    allowed: &[IpNet],
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    issuer::networks(allowed, at, findings);
    let judged = url.map(|url| base_url::judge(url.as_str(), allowed));
    if let Some(Err((message, fix))) = judged {
        let fix = if fix.contains("allow_special_use") {
            fix
        } else {
            "write the https address of the key service, without query, fragment and user"
        };
        findings.error(&at.key(name), message, fix);
    }
}

/// A word that stands in a path, a header or a name, and nothing else.
fn word(name: &str, text: &str, more: &[u8], at: &Spot<'_>, findings: &mut Findings) {
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b) || more.contains(&b))
        && !text.split('/').any(|part| matches!(part, "." | ".."));
    if !fits {
        findings.error(
            &at.key(name),
            "empty, or holds a character that does not belong there",
            "write it as the key service shows it",
        );
    }
}

fn vault(key: &VaultKeyConfig, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let allowed = &key.allow_special_use;
    address("address", Some(&key.address), allowed, at, findings);
    word("mount", &key.mount, b"/", at, findings);
    word("key", &key.key, b"", at, findings);
    if let Some(namespace) = &key.namespace {
        word("namespace", namespace, b"/", at, findings);
    }
    secret(&key.token, &at.key("token"), scope, findings);
}

fn aws(key: &AwsKeyConfig, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let allowed = &key.allow_special_use;
    address("endpoint", key.endpoint.as_ref(), allowed, at, findings);
    word("region", &key.region, b"", at, findings);
    word("key_id", &key.key_id, b":/", at, findings);
    word("access_key_id", &key.access_key_id, b"", at, findings);
    let is_arn = key.key_id.starts_with("arn:");
    if is_arn && key.key_id.split(':').nth(3) != Some(&key.region) {
        findings.error(
            &at.key("region"),
            "not the region of `key_id`",
            "write the region that the ARN names",
        );
    }
    if !is_arn {
        findings.warning(
            &at.key("key_id"),
            "not an ARN: which key it is depends on the access key's account",
            "write `arn:aws:kms:REGION:ACCOUNT:key/ID`",
        );
    }
    let secrets = [
        ("secret_access_key", Some(&key.secret_access_key)),
        ("session_token", key.session_token.as_ref()),
    ];
    for (name, source) in secrets {
        if let Some(source) = source {
            secret(source, &at.key(name), scope, findings);
        }
    }
}

fn gcp(key: &GcpKeyConfig, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let allowed = &key.allow_special_use;
    address("endpoint", key.endpoint.as_ref(), allowed, at, findings);
    word("key", &key.key, b"/:", at, findings);
    let parts: Vec<&str> = key.key.split('/').collect();
    let named = matches!(
        parts.as_slice(),
        [
            "projects",
            _,
            "locations",
            _,
            "keyRings",
            _,
            "cryptoKeys",
            _
        ]
    );
    if !named || parts.iter().any(|part| part.is_empty()) {
        findings.error(
            &at.key("key"),
            "not the resource name of a key",
            "write `projects/P/locations/L/keyRings/R/cryptoKeys/K`",
        );
    }
    match &key.credentials {
        GcpCredentials::KeyFile(source) => {
            let at = at.key("credentials").key("key_file");
            secret(source, &at, scope, findings);
        }
        GcpCredentials::Metadata => {}
    }
}
