//! `wicketgate health`: asks the admin listener whether the process lives, for container checks.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{failure::Failure, loopback, open::Desk};

/// Longest time the whole question may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Ask the admin listener whether the gateway lives: exit code 0 when it does
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The admin address. Default: `listen.admin` of the configuration
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// Ask whether it can serve (`/readyz`), not only whether it lives (`/livez`)
    #[arg(long)]
    ready: bool,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: HealthArgs) -> Result<(), Failure> {
    let address = match args.address {
        Some(address) => address,
        None => desk.load()?.config.listen.admin,
    };
    let path = if args.ready { "/readyz" } else { "/livez" };
    let request = Request::get(path)
        .body(Full::<Bytes>::default())
        .map_err(Failure::failed)?;
    let reply = loopback::send(address, request, LIMIT)
        .await
        .map_err(|error| {
            Failure::failed(error).fix("is `wicketgate serve` running with this configuration?")
        })?;
    if !reply.status.is_success() {
        return Err(Failure::failed(format_args!(
            "http://{address}{path} answered {}",
            reply.status.as_u16()
        )));
    }
    let url = format!("http://{address}{path}");
    desk.output.show(
        &json!({ "healthy": true, "url": url }),
        format_args!("healthy: {url}"),
    );
    Ok(())
}
