//! `wicketgate serve`, and the gateway that `wicketgate demo` starts.

use std::{io::Write, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    failure::Failure,
    open::{Desk, Opened},
    sealed::{self, Started},
};
use crate::{
    config::configured_secrets,
    egress,
    gateway::{BuildError, Gateway, GatewayParts},
    serve::{self, Drained, Running, ServeError},
    store::RowSecurity,
    telemetry::{events, metrics::Metrics},
};

/// Serve until SIGTERM or Ctrl-C
///
/// SIGHUP, or a changed file, reloads the configuration. The first SIGTERM drains, after a delay for
/// load balancers; so does Ctrl-C, without one. A second ends at once. Access records go to standard output, events to standard error.
#[derive(Debug, Args)]
pub struct ServeArgs {}

/// Where access records go.
pub enum AccessRecords {
    /// One JSON line each.
    StandardOutput,
    /// Nowhere: the demonstration prints for people.
    Nowhere,
}

impl AccessRecords {
    pub(super) fn sink(&self) -> Box<dyn Write + Send> {
        match self {
            Self::StandardOutput => Box::new(std::io::stdout()),
            Self::Nowhere => Box::new(std::io::sink()),
        }
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, _: &ServeArgs) -> Result<(), Failure> {
    events::install(desk.log_level().as_deref());
    let mut signals = Signals::listen()?;
    let running = match Box::pin(sealed::start(desk, &mut signals)).await? {
        Started::Running(running) => *running,
        Started::Stopped => return Ok(()),
    };
    let asked = signals.one().await;
    let stopped = async {
        match asked {
            Asked::ToLeave => running.leave().await,
            Asked::AtOnce => running.stop().await,
        }
    };
    let drained = tokio::select! {
        drained = stopped => drained,
        _ = signals.one() => {
            return Err(Failure::failed("ended by a second signal before the drain was over"));
        }
    };
    match drained {
        Drained::Whole => Ok(()),
        Drained::CutOff => Err(Failure::failed(
            "calls were still running at `limits.drain_timeout`",
        )),
    }
}

/// Why a gateway did not start.
pub enum StartError {
    /// Somebody listens where it should; elsewhere it may.
    AddressTaken(ServeError),
    /// For another reason.
    Failed(Failure),
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::AddressTaken(error) => error.into(),
            StartError::Failed(failure) => failure,
        }
    }
}

/// Starts a gateway with the desk's configuration, which must be possible now.
pub async fn start(desk: &Desk, records: &AccessRecords) -> Result<Running, StartError> {
    egress::install_tls_provider();
    let opened = Box::pin(desk.open()).await?;
    let gateway = Box::pin(build(desk, opened, records, Metrics::new())).await?;
    let started = Box::pin(serve::start(gateway, Some(desk.source()))).await;
    started.map_err(|error| {
        if error.source.kind() == std::io::ErrorKind::AddrInUse {
            StartError::AddressTaken(error)
        } else {
            StartError::Failed(error.into())
        }
    })
}

/// A gateway over what is open.
pub(super) async fn build(
    desk: &Desk,
    opened: Opened,
    records: &AccessRecords,
    metrics: Arc<Metrics>,
) -> Result<Gateway, Failure> {
    let Opened {
        loaded,
        store,
        vault,
    } = opened;
    match store.row_security().await {
        Ok(RowSecurity::Enforced | RowSecurity::NotOffered) => {}
        // Our own queries still keep tenants apart.
        Ok(RowSecurity::Bypassed) => tracing::warn!("store.row_security_bypassed"),
        Err(error) => tracing::warn!(%error, "store.row_security_unknown"),
    }
    for problem in &loaded.warnings {
        tracing::warn!(%problem, "config.warning");
    }
    let redis = desk.redis(&loaded.config)?;
    let source = desk.source();
    let configured = configured_secrets(&loaded.config, &source.path, &source.environment)?;
    let parts = GatewayParts {
        config: loaded.config,
        configured,
        store,
        vault,
        redis,
        clock: Arc::clone(&desk.clock),
        entropy: Arc::clone(&desk.entropy),
        access_log: records.sink(),
    };
    Ok(Box::pin(Gateway::build_counting(parts, metrics)).await?)
}

/// How somebody wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM: a process manager, and maybe a load balancer that has to notice.
    ToLeave,
    /// Ctrl-C: a person.
    AtOnce,
}

/// SIGTERM and Ctrl-C, remembered from when listening began.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::failed(format_args!("signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub async fn one(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToLeave,
            _ = self.interrupt.recv() => Asked::AtOnce,
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::bad_configuration(error).fix("`wicketgate check` tells every finding with its line")
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::failed(error).fix("free the address, or set another under `listen:`")
    }
}
