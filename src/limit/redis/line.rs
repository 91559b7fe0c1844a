//! The one connection to Redis: every question has a deadline, and while Redis is away nobody waits
//! for it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo as _, Script,
    ScriptInvocation, TlsCertificates, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::runtime::Handle;
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

/// A script that writes, and what it writes.
const WRITES: &str = "redis.call('SET', KEYS[1], '1', 'PX', 1000) return 1";
const PROBE: &str = "wg:{probe}";

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

/// A place among those that run at once, to be given back.
#[derive(Debug, Clone)]
pub struct GivenBack {
    /// Where the places are.
    pub key: String,
    /// Its name there.
    pub name: String,
}

impl GivenBack {
    fn command(&self) -> Cmd {
        redis::cmd("ZREM").arg(&self.key).arg(&self.name).take()
    }
}

/// One connection of those there were, by number.
#[derive(Clone)]
struct Connected {
    number: u64,
    connection: MultiplexedConnection,
}

/// A connection that is kept up.
pub struct Line {
    client: Client,
    timeout: Duration,
    connected: ArcSwapOption<Connected>,
    here: AtomicBool,
    /// The number of the next question, and the highest of one that was answered.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Places that could not be given back yet.
    owed: Mutex<Vec<GivenBack>>,
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
            connected: ArcSwapOption::empty(),
            here: AtomicBool::new(false),
            asked: AtomicU64::new(1),
            answered: AtomicU64::new(0),
            owed: Mutex::default(),
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
        self.metrics.redis_questions.inc();
        let mut to = self.connected()?;
        let number = self.asked.fetch_add(1, Ordering::AcqRel);
        match call.invoke_async(&mut to.connection).await {
            Ok(answer) => {
                self.answered.fetch_max(number, Ordering::AcqRel);
                Ok(answer)
            }
            // Answers come in the order of the questions: a later one has come, so this one is late.
            Err(error) if error.is_timeout() && self.answered.load(Ordering::Acquire) > number => {
                Err(Unanswered::Late)
            }
            Err(error) => Err(self.lost(to.number, &error)),
        }
    }

    /// Gives a place back, now or, while Redis is away, when it is there again. Nobody waits for it.
    pub fn give_back(self: &Arc<Self>, place: GivenBack) {
        let line = Arc::clone(self);
        match (self.connected(), Handle::try_current()) {
            (Ok(mut to), Ok(runtime)) => drop(runtime.spawn(async move {
                if let Err(error) = place.command().exec_async(&mut to.connection).await {
                    line.lost(to.number, &error);
                    line.keep_for_later(place);
                }
            })),
            _ => line.keep_for_later(place),
        }
    }

    /// Those that find no room end by themselves.
    fn keep_for_later(&self, place: GivenBack) {
        let mut owed = self.owed();
        if owed.len() < MOST_UNDER_WAY {
            owed.push(place);
        }
    }

    fn owed(&self) -> MutexGuard<'_, Vec<GivenBack>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self) -> Result<Connected, Unanswered> {
        if !self.is_here() {
            return Err(Unanswered::Away);
        }
        let connected = self.connected.load();
        connected.as_deref().cloned().ok_or(Unanswered::Away)
    }

    fn tell(&self, state: State) {
        let away = i64::from(state != State::Ok);
        self.metrics.redis_away.set(away);
        let health = &self.metrics.health;
        health.tell(Component::Redis, state, self.clock.now());
    }

    /// What was asked on a connection that has been replaced since says nothing of its successor.
    fn lost(&self, number: u64, error: &redis::RedisError) -> Unanswered {
        let current = self.connected.load().as_deref().map_or(0, |to| to.number);
        if number == current && self.here.swap(false, Ordering::AcqRel) {
            self.tell(self.without);
            // Its kind only: the text may hold what was asked.
            tracing::warn!(kind = ?error.kind(), timeout = error.is_timeout(), "redis.away");
        }
        Unanswered::Away
    }

    /// Connects, and asks whether scripts that write run: a replica that may only be read, or a full
    /// memory, counts as away.
    pub async fn connect(self: &Arc<Self>) -> Result<(), Unanswered> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_concurrency_limit(MOST_UNDER_WAY);
        let open = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let opened = tokio::time::timeout(self.timeout * 2, open).await;
        let Ok(Ok(mut connection)) = opened else {
            return Err(Unanswered::Away);
        };
        if let Err(error) = Self::probe(&mut connection).await {
            tracing::debug!(kind = ?error.kind(), "redis.unusable");
            return Err(Unanswered::Away);
        }
        let number = 1 + self.connected.load().as_deref().map_or(0, |to| to.number);
        let to = Connected { number, connection };
        self.connected.store(Some(Arc::new(to)));
        if !self.here.swap(true, Ordering::AcqRel) {
            self.tell(State::Ok);
            tracing::info!("redis.here");
        }
        let owed = std::mem::take(&mut *self.owed());
        for place in owed {
            self.give_back(place);
        }
        Ok(())
    }

    async fn probe(connection: &mut MultiplexedConnection) -> redis::RedisResult<()> {
        Script::new(WRITES)
            .key(PROBE)
            .invoke_async(connection)
            .await
    }

    /// Keeps the connection up until told to stop.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.is_here() {
                let probe = Script::new(WRITES);
                // Says itself what became of it.
                let _: Result<u64, Unanswered> = self.run(&probe.key(PROBE)).await;
            } else {
                // Away still: said once, when it was lost.
                let _ = self.connect().await;
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
