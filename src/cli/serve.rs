//! `wicketgate serve`, and the gateway that `wicketgate demo` starts.

use std::net::SocketAddr;

use clap::Args;

use super::{failure::Failure, open::Desk};

/// Serve until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub struct ServeArgs {}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// Where MCP clients connect.
    pub public: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
}

impl Running {
    /// Stops it: running calls end first.
    pub async fn stop(self) -> Result<(), Failure> {
        std::future::ready(Err(not_yet())).await
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, _: &ServeArgs) -> Result<(), Failure> {
    start(desk).await?.stop().await
}

/// Starts a gateway with the desk's configuration.
pub async fn start(desk: &Desk) -> Result<Running, Failure> {
    drop(desk.open().await?);
    Err(not_yet())
}

fn not_yet() -> Failure {
    Failure::failed("this build has no gateway yet")
}
