//! The process environment, read here and nowhere else, by name and never as a whole.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use crate::secret::SecretString;

/// The configuration file, when none is named on the command line.
pub const CONFIG: &str = "WICKETGATE_CONFIG";
/// The log filter.
pub const LOG: &str = "WICKETGATE_LOG";
/// Replaces `public_url`.
pub const PUBLIC_URL: &str = "WICKETGATE_PUBLIC_URL";
/// Replaces `listen.public`.
pub const LISTEN: &str = "WICKETGATE_LISTEN";
/// Replaces `store` with PostgreSQL at this address.
pub const DATABASE_URL: &str = "DATABASE_URL";
/// Replaces `shared.redis.url`.
pub const REDIS_URL: &str = "REDIS_URL";

/// A variable that is set to something else than it must be. Does not hold the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is not {wanted}")]
pub struct EnvironmentError {
    name: &'static str,
    wanted: &'static str,
}

/// Where named values come from: the process, or a map in tests.
#[derive(Clone)]
pub struct Environment(Source);

#[derive(Clone)]
enum Source {
    Process,
    Map(BTreeMap<String, String>),
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Process => f.write_str("Environment(process)"),
            Source::Map(map) => f.debug_set().entries(map.keys()).finish(),
        }
    }
}

impl Environment {
    /// The environment of this process.
    pub const fn process() -> Self {
        Self(Source::Process)
    }

    /// A made-up environment.
    pub fn from_map<K: Into<String>, V: Into<String>>(
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = values.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self(Source::Map(values.collect()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the process environment"
    )]
    fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            Source::Process => std::env::var(name).ok(),
            Source::Map(map) => map.get(name).cloned(),
        };
        value.filter(|text| !text.is_empty())
    }

    /// The secret that `{ env: NAME }` refers to; an empty one counts as missing.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::new)
    }

    /// `WICKETGATE_CONFIG`
    pub fn config_path(&self) -> Option<PathBuf> {
        self.get(CONFIG).map(PathBuf::from)
    }

    /// `WICKETGATE_LOG`
    pub fn log_filter(&self) -> Option<String> {
        self.get(LOG)
    }

    /// `WICKETGATE_PUBLIC_URL`
    pub fn public_url(&self) -> Result<Option<url::Url>, EnvironmentError> {
        self.parsed(PUBLIC_URL, "a URL: write `https://host`")
    }

    /// `WICKETGATE_LISTEN`
    pub fn listen(&self) -> Result<Option<SocketAddr>, EnvironmentError> {
        self.parsed(LISTEN, "an address with a port: write `127.0.0.1:8080`")
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, EnvironmentError> {
        let parse = |text: String| text.parse().map_err(|_| EnvironmentError { name, wanted });
        self.get(name).map(parse).transpose()
    }

    /// Is `REDIS_URL` set?
    pub fn has_redis_url(&self) -> bool {
        self.get(REDIS_URL).is_some()
    }

    /// Is `DATABASE_URL` set?
    pub fn has_database_url(&self) -> bool {
        self.get(DATABASE_URL).is_some()
    }
}
