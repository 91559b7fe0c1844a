//! The one connection to Redis: every question has a deadline, and while Redis is away nobody waits
//! for it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo as _, Script,
    ScriptInvocation, TlsCertificates, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    secret::SecretString,
    telemetry::{
        health::{Component, State},
        metrics::Metrics,
    },
};

/// How often a lost Redis is looked for, and a quiet one asked whether it is there.
const LOOK: Duration = Duration::from_millis(500);

/// Most questions under way at once; further ones count as unanswered.
const MOST_UNDER_WAY: usize = 10_000;

/// Why there can be no connection, whatever Redis does.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// The address is not one.
    #[error(
        "`shared.redis.url` is not an address of Redis: write `rediss://user:password@host:6379/0`"
    )]
    Address,
    /// The certificates cannot be read.
    #[error("`shared.redis.ca_file`: {path} cannot be read ({kind})")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word for it.
        kind: ErrorKind,
    },
    /// The certificates are not certificates.
    #[error("`shared.redis.ca_file`: {0} holds no certificates in PEM")]
    Certificates(PathBuf),
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Redis does not answer, or not what it should. Nobody is to wait for it.
    #[error("redis is away")]
    Away,
    /// This answer came too late; others came meanwhile, so Redis is there. What was asked for may
    /// have been taken.
    #[error("redis was late")]
    Late,
}

/// A connection that is kept up.
pub struct Line {
    client: Client,
    timeout: Duration,
    connection: ArcSwapOption<MultiplexedConnection>,
    here: AtomicBool,
    /// How many questions were answered.
    answers: AtomicU64,
    without: State,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

/// What a line is made from.
pub struct LineParts<'a> {
    /// `redis://` or `rediss://`, with user and password.
    pub url: &'a SecretString,
    /// What TLS trusts; none: what the system does.
    pub ca_file: Option<&'a Path>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How the gateway is without it.
    pub without: State,
    /// Says since when.
    pub clock: SharedClock,
    /// Shows whether it is there.
    pub metrics: Arc<Metrics>,
}

impl Line {
    /// Not connected yet; see [`Line::connect`].
    pub fn new(parts: LineParts<'_>) -> Result<Self, LineFault> {
        let LineParts {
            url,
            ca_file,
            timeout,
            without,
            clock,
            metrics,
        } = parts;
        let address = url.expose().as_str().into_connection_info();
        // The library's own words may repeat the address, and with it the password.
        let address = address.map_err(|_| LineFault::Address)?;
        let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = match ca_file {
            None => Client::open(address).map_err(|_| LineFault::Address)?,
            Some(path) => {
                let root_cert = std::fs::read(path).map_err(|error| LineFault::Unreadable {
                    path: path.to_owned(),
                    kind: error.kind(),
                })?;
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(root_cert),
                };
                Client::build_with_tls(address, certificates)
                    .map_err(|_| LineFault::Certificates(path.to_owned()))?
            }
        };
        let line = Self {
            client,
            timeout,
            connection: ArcSwapOption::empty(),
            here: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            without,
            clock,
            metrics,
        };
        line.tell(without);
        Ok(line)
    }

    /// Does Redis answer, as far as is known?
    pub fn is_here(&self) -> bool {
        self.here.load(Ordering::Acquire)
    }

    /// Runs a script. While Redis is away this returns at once.
    pub async fn run<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Unanswered> {
        let mut connection = self.connection()?;
        self.metrics.redis_questions.inc();
        let asked = self.answers.load(Ordering::Acquire);
        match call.invoke_async(&mut connection).await {
            Ok(answer) => {
                self.answers.fetch_add(1, Ordering::AcqRel);
                Ok(answer)
            }
            // Answers come in the order of the questions: after a later one, this one is only late.
            Err(error) if error.is_timeout() && self.answers.load(Ordering::Acquire) != asked => {
                Err(Unanswered::Late)
            }
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// Sends a command whose answer nobody waits for.
    pub fn send(self: &Arc<Self>, command: Cmd) {
        let (line, connection) = (Arc::clone(self), self.connection());
        if let Ok(mut connection) = connection {
            tokio::spawn(async move {
                let sent = command.exec_async(&mut connection).await;
                sent.map_err(|error| line.lost(&error))
            });
        }
    }

    fn connection(&self) -> Result<MultiplexedConnection, Unanswered> {
        if !self.is_here() {
            return Err(Unanswered::Away);
        }
        let connection = self.connection.load();
        connection.as_deref().cloned().ok_or(Unanswered::Away)
    }

    fn tell(&self, state: State) {
        let away = i64::from(state != State::Ok);
        self.metrics.redis_away.set(away);
        let health = &self.metrics.health;
        health.tell(Component::Redis, state, self.clock.now());
    }

    fn lost(&self, error: &redis::RedisError) -> Unanswered {
        if self.here.swap(false, Ordering::AcqRel) {
            self.tell(self.without);
            // Its kind only: the text may hold what was asked.
            tracing::warn!(kind = ?error.kind(), timeout = error.is_timeout(), "redis.away");
        }
        Unanswered::Away
    }

    /// Connects, and asks whether scripts that write run: a replica that may only be read, or a full
    /// memory, counts as away.
    pub async fn connect(&self) -> Result<(), Unanswered> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_concurrency_limit(MOST_UNDER_WAY);
        let open = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = match tokio::time::timeout(self.timeout * 2, open).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.lost(&error)),
            Err(_) => return Err(Unanswered::Away),
        };
        Self::probe(&mut connection)
            .await
            .map_err(|error| self.lost(&error))?;
        self.connection.store(Some(Arc::new(connection)));
        if !self.here.swap(true, Ordering::AcqRel) {
            self.tell(State::Ok);
            tracing::info!("redis.here");
        }
        Ok(())
    }

    async fn probe(connection: &mut MultiplexedConnection) -> redis::RedisResult<()> {
        const WRITES: &str = "redis.call('SET', KEYS[1], '1', 'PX', 1000) return 1";
        Script::new(WRITES)
            .key("wg:{probe}")
            .invoke_async(connection)
            .await
    }

    /// Keeps the connection up until told to stop.
    pub async fn keep(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.connection() {
                Err(_) => {
                    // Away still: said once, when it was lost.
                    let _ = self.connect().await;
                }
                Ok(mut connection) => {
                    if let Err(error) = Self::probe(&mut connection).await {
                        self.lost(&error);
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("here", &self.is_here())
            .finish_non_exhaustive()
    }
}
