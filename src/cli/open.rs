//! What most commands begin with: load the configuration, open the store, open the vault.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{failure::Failure, output::Output};
use crate::{
    clock::{SharedClock, SystemClock},
    config::{
        self, Config, Loaded, SecretSource, StoreConfig,
        environment::Environment,
        secrets::{UpstreamSecrets, client_secret, resolve_secret},
    },
    crypto::{KeyringError, MasterKeyId},
    entropy::{OsEntropy, SharedEntropy},
    kms::Keyring,
    names::UpstreamName,
    secret::SecretString,
    serve::ConfigSource,
    store::{Stamp, Store, StoreError, StoreTarget},
    vault::{Vault, VaultError},
};

/// Who changes things from here, in the audit trail.
pub const ACTOR: &str = "cli";

/// What says which configuration file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// `-c FILE`
    OnCommandLine,
    /// `WICKETGATE_CONFIG`, or nothing.
    Elsewhere,
}

/// What every command is given.
pub struct Desk {
    /// Where results go.
    pub output: Output,
    /// The configuration file.
    pub config: PathBuf,
    /// What names it.
    pub named: Named,
    /// The machine's clock.
    pub clock: SharedClock,
    /// The operating system's randomness.
    pub entropy: SharedEntropy,
    pub(super) environment: Environment,
}

/// An open installation.
pub struct Opened {
    /// Its configuration.
    pub loaded: Loaded,
    /// Its database, at this version's tables.
    pub store: Store,
    /// Its vault.
    pub vault: Vault,
}

/// Why an installation is not open.
pub enum OpenError {
    /// The store is in the way.
    Store(StoreError),
    /// The vault is.
    Vault(VaultError),
    /// Something that does not change by waiting.
    Failed(Failure),
}

impl Desk {
    /// For this configuration file; none: `WICKETGATE_CONFIG`, else `wicketgate.yaml`.
    pub fn new(output: Output, config: Option<PathBuf>) -> Self {
        let environment = Environment::process();
        let named = match config {
            Some(_) => Named::OnCommandLine,
            None => Named::Elsewhere,
        };
        let config = config
            .or_else(|| environment.config_path())
            .unwrap_or_else(|| PathBuf::from("wicketgate.yaml"));
        Self {
            output,
            config,
            named,
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(OsEntropy),
            environment,
        }
    }

    /// The same for another configuration, which no environment variable changes.
    #[must_use]
    pub fn elsewhere(&self, config: PathBuf) -> Self {
        Self {
            output: self.output,
            config,
            named: Named::Elsewhere,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            environment: Environment::from_map::<String, String>([]),
        }
    }

    /// Where the configuration comes from, for reloads.
    pub fn source(&self) -> ConfigSource {
        ConfigSource {
            path: self.config.clone(),
            environment: self.environment.clone(),
        }
    }

    /// How much is logged, as `WICKETGATE_LOG` says.
    pub fn log_level(&self) -> Option<String> {
        self.environment.log_filter()
    }

    /// Who changes something, and when.
    pub fn stamp(&self) -> Stamp {
        Stamp::new(ACTOR, &*self.clock, &*self.entropy)
    }

    /// The configuration, which must be without errors.
    pub fn load(&self) -> Result<Loaded, Failure> {
        config::load(&self.config, &self.environment).map_err(|error| {
            let failure = Failure::from(error);
            if self.config.exists() {
                failure
            } else {
                failure.fix("name it with -c FILE, or make one with `wicketgate init`")
            }
        })
    }

    /// The database as it is.
    pub async fn connect(&self, loaded: &Loaded) -> Result<Store, Failure> {
        Ok(Box::pin(Store::open(&self.target(loaded)?)).await?)
    }

    fn target(&self, loaded: &Loaded) -> Result<StoreTarget, Failure> {
        Ok(match &loaded.config.store {
            StoreConfig::Sqlite(sqlite) => StoreTarget::Sqlite(self.folder().join(&sqlite.path)),
            StoreConfig::Postgres(postgres) => StoreTarget::Postgres {
                url: self.resolve("store.postgres.url", &postgres.url)?,
                max_connections: postgres.max_connections,
            },
        })
    }

    /// The address of the shared Redis, when there is one.
    pub fn redis(&self, config: &Config) -> Result<Option<SecretString>, Failure> {
        let redis = config.shared.redis.as_ref();
        redis
            .map(|redis| self.resolve("shared.redis.url", &redis.url))
            .transpose()
    }

    /// Everything. A SQLite file is brought to this version's tables; a server, which others may
    /// be using, is not: `wicketgate migrate` does that.
    pub async fn open(&self) -> Result<Opened, Failure> {
        Ok(Box::pin(self.try_open()).await?)
    }

    /// The same, and what is in the way where that may change.
    pub async fn try_open(&self) -> Result<Opened, OpenError> {
        let loaded = self.load()?;
        let keyring = self.keyring(&loaded.config)?;
        let store = Box::pin(Store::open(&self.target(&loaded)?)).await?;
        let opened = Box::pin(self.open_over(&store, keyring, &loaded.config.store)).await;
        match opened {
            Ok(vault) => Ok(Opened {
                loaded,
                store,
                vault,
            }),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn open_over(
        &self,
        store: &Store,
        keyring: Keyring,
        kind: &StoreConfig,
    ) -> Result<Vault, OpenError> {
        self.bring_up(store, kind).await?;
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        Ok(Box::pin(Vault::bootstrap(store.clone(), keyring, clock, entropy)).await?)
    }

    /// The database at this version's tables, for what must work without any key.
    pub async fn prepared(&self, loaded: &Loaded) -> Result<Store, Failure> {
        let store = self.connect(loaded).await?;
        self.bring_up(&store, &loaded.config.store).await?;
        Ok(store)
    }

    /// Brings a file to this version's tables; of a server, says what it lacks.
    async fn bring_up(&self, store: &Store, kind: &StoreConfig) -> Result<(), OpenError> {
        match kind {
            StoreConfig::Sqlite(_) => {
                Box::pin(store.migrate(self.clock.now())).await?;
            }
            StoreConfig::Postgres(_) => {
                if !store.pending().await?.steps.is_empty() {
                    let lacks = Failure::failed("the database lacks tables of this version");
                    return Err(lacks.fix("run `wicketgate migrate`").into());
                }
            }
        }
        Ok(())
    }

    /// The secrets of this upstream that stand outside the credential store.
    pub fn configured(
        &self,
        config: &Config,
        upstream: &UpstreamName,
    ) -> Result<UpstreamSecrets, Failure> {
        let credential = config
            .upstreams
            .get(upstream)
            .and_then(|upstream| upstream.rest.as_ref()?.credential.as_ref());
        let Some(credential) = credential else {
            return Ok(UpstreamSecrets::default());
        };
        let read = |source: Option<&SecretSource>, key: &str| {
            let place = format!("upstreams.{upstream}.rest.credential.{key}");
            source
                .map(|source| self.resolve(&place, source))
                .transpose()
        };
        let (client, key) = client_secret(credential);
        Ok(UpstreamSecrets {
            value: read(credential.value.as_ref(), "value")?,
            client: read(client, key)?,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new("."))
    }

    pub(super) fn resolve(
        &self,
        place: &str,
        source: &SecretSource,
    ) -> Result<SecretString, Failure> {
        resolve_secret(source, self.folder(), &self.environment)
            .map_err(|error| Failure::bad_configuration(format_args!("{place}: {error}")))
    }

    /// The master keys, which must be readable by this user alone.
    pub fn keyring(&self, config: &Config) -> Result<Keyring, Failure> {
        let mut keys = Vec::with_capacity(config.keys.len());
        for key in &config.keys {
            let wrong = |error: KeyringError| {
                Failure::bad_configuration(format_args!("keys: {}: {error}", key.id))
            };
            let id: MasterKeyId = key.id.parse().map_err(wrong)?;
            let provider = self.key_provider(key, &id)?;
            keys.push((id, provider));
        }
        Keyring::new(keys).map_err(|error| {
            Failure::bad_configuration(format_args!("keys: {error}")).fix(MAKE_KEY)
        })
    }
}

pub(super) const MAKE_KEY: &str = "make one with `wicketgate key generate --out FILE`";

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<VaultError> for OpenError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Vault(error) => error.into(),
            OpenError::Failed(failure) => failure,
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Missing => Self::failed("no credential is stored for this upstream")
                .fix("wicketgate credential set UPSTREAM"),
            VaultError::Unavailable(error) | VaultError::Store(error) => error.into(),
            VaultError::WrongMasterKey { .. } | VaultError::UnknownMasterKey { .. } => {
                Self::bad_configuration(error).fix(
                    "restore the key file that belongs to this database, and name it in `keys:`",
                )
            }
            VaultError::KeyService(error) => Self::failed(error)
                .fix("check that the key service answers and lets this gateway use the key"),
            VaultError::Sealed => Self::failed(error).fix("let it go on with `wicketgate unseal`"),
            VaultError::Damaged(_) | VaultError::RolledBack => {
                Self::failed(error).fix("restore a backup of the database")
            }
        }
    }
}
