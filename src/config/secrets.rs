//! Reading a secret from where the configuration says it is. Errors name the place only.

use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{Config, ConfigError, CredentialConfig, Environment, Problem, SecretSource, Severity};
use crate::{
    names::UpstreamName,
    secret::{SecretBytes, SecretString},
};

/// Largest secret file.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the secret file {path} cannot be read ({kind})")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word for it.
        kind: std::io::ErrorKind,
    },
    /// More than 64 KiB.
    #[error("the secret file {0} is larger than 64 KiB")]
    TooLarge(PathBuf),
    /// Empty, or not UTF-8.
    #[error("the secret file {0} is empty or not text")]
    NotText(PathBuf),
}

/// Reads the secret; one trailing newline of a file is dropped.
///
/// A relative path is relative to `base_dir`, the folder of the configuration file.
pub fn resolve_secret(
    source: &SecretSource,
    base_dir: &Path,
    environment: &Environment,
) -> Result<SecretString, SecretError> {
    match source {
        SecretSource::Env(name) => environment
            .secret(name)
            .ok_or_else(|| SecretError::Unset(name.clone())),
        SecretSource::File(path) => read(base_dir.join(path)),
    }
}

/// The secrets of one upstream that stand in the configuration.
#[derive(Debug, Default)]
pub struct UpstreamSecrets {
    /// `credential.value`
    pub value: Option<SecretString>,
    /// What the kind needs besides: the client's secret at a provider, or a session token.
    pub client: Option<SecretString>,
}

/// Those of all upstreams.
pub type ConfiguredSecrets = HashMap<UpstreamName, UpstreamSecrets>;

/// The secrets of all upstreams that stand in the configuration rather than in the store.
pub fn configured_secrets(
    config: &Config,
    path: &Path,
    environment: &Environment,
) -> Result<ConfiguredSecrets, ConfigError> {
    let base = path.parent().unwrap_or(Path::new("."));
    let (mut secrets, mut problems) = (ConfiguredSecrets::new(), Vec::new());
    for (name, upstream) in &config.upstreams {
        let credential = upstream
            .rest
            .as_ref()
            .and_then(|rest| rest.credential.as_ref());
        let Some(credential) = credential else {
            continue;
        };
        let mut get = |source: Option<&SecretSource>, key: &str| match resolve_secret(
            source?,
            base,
            environment,
        ) {
            Ok(secret) => Some(secret),
            Err(error) => {
                problems.push(Problem {
                    severity: Severity::Error,
                    file: path.to_owned(),
                    line: None,
                    path: format!("upstreams.{name}.rest.credential.{key}"),
                    message: error.to_string(),
                    fix: "provide the secret".to_owned(),
                });
                None
            }
        };
        let (client, key) = client_secret(credential);
        let found = UpstreamSecrets {
            value: get(credential.value.as_ref(), "value"),
            client: get(client, key),
        };
        secrets.insert(name.clone(), found);
    }
    if problems.is_empty() {
        Ok(secrets)
    } else {
        Err(ConfigError { problems })
    }
}

/// Where the second secret is, in kinds that have one beside the credential's own: that of a client,
/// or a session token.
pub fn client_secret(credential: &CredentialConfig) -> (Option<&SecretSource>, &'static str) {
    if let Some(account) = &credential.account {
        (account.client_secret.as_ref(), "account.client_secret")
    } else if let Some(amazon) = &credential.login_with_amazon {
        (
            Some(&amazon.client_secret),
            "login_with_amazon.client_secret",
        )
    } else if let Some(sigv4) = &credential.sigv4 {
        (sigv4.session_token.as_ref(), "sigv4.session_token")
    } else {
        (None, "")
    }
}

fn read(path: PathBuf) -> Result<SecretString, SecretError> {
    let mut buffer = Vec::with_capacity(4096);
    let outcome = File::open(&path).and_then(|file| {
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut buffer)
            .map(|_| ())
    });
    // From here on wiped when dropped.
    let bytes = SecretBytes::new(buffer);
    if let Err(error) = outcome {
        let kind = error.kind();
        return Err(SecretError::Unreadable { path, kind });
    }
    if u64::try_from(bytes.expose().len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(SecretError::TooLarge(path));
    }
    let Ok(text) = std::str::from_utf8(bytes.expose()) else {
        return Err(SecretError::NotText(path));
    };
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(SecretError::NotText(path));
    }
    Ok(SecretString::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: &str) -> SecretSource {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn one_newline_is_dropped_and_places_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), "s3cret\n\n").unwrap();
        std::fs::write(folder.path().join("large"), vec![b'x'; 65_537]).unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let environment = Environment::from_map([("TOKEN", "from-env"), ("NONE", "")]);
        let get = |json: &str| resolve_secret(&source(json), folder.path(), &environment);
        assert_eq!(get(r#"{"file":"one"}"#).unwrap().expose(), "s3cret\n");
        assert_eq!(get(r#"{"env":"TOKEN"}"#).unwrap().expose(), "from-env");
        for (json, message) in [
            (
                r#"{"env":"NONE"}"#,
                "the environment variable NONE is not set",
            ),
            (r#"{"file":"large"}"#, "larger than 64 KiB"),
            (r#"{"file":"empty"}"#, "empty or not text"),
            (r#"{"file":"none"}"#, "cannot be read (entity not found)"),
        ] {
            let error = get(json).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(!format!("{environment:?}").contains("from-env"));
    }
}
