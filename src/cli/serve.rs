//! `wicketgate serve`: runs the gateway until it is told to stop.

use clap::Args;

use super::{failure::Failure, open::Desk};

/// Serve until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub struct ServeArgs {}
