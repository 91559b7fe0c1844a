//! One upstream's tools, made as the gateway makes them, without a gateway.

use std::sync::Arc;

use serde_json::Value;

use super::open::Desk;
use crate::{
    config::{Config, UpstreamConfig, secrets::UpstreamSecrets},
    egress::install_tls_provider,
    names::UpstreamName,
    schema::OutputSchema,
    upstream::{
        BoundTool, OpenedCredential,
        answer::OutputCheck,
        kinds::{BindFault, KindParts, bind},
    },
};

/// Makes the tools of one upstream, with its secret where that stands in the configuration. Sends
/// nothing; without the secret nothing can be sent that needs it.
pub fn tools(
    desk: &Desk,
    config: &Config,
    (name, upstream): (&UpstreamName, &UpstreamConfig),
    secrets: &UpstreamSecrets,
) -> Result<Vec<BoundTool>, BindFault> {
    install_tls_provider();
    let provider_header = config.provider_header(upstream);
    let parts = KindParts {
        configured: secrets.value.as_ref().map(OpenedCredential::configured),
        client_secret: secrets.client.as_ref(),
        provider_header: provider_header.as_ref().map(http::HeaderName::as_str),
        clock: Arc::clone(&desk.clock),
        entropy: Arc::clone(&desk.entropy),
        previous: None,
        limiter: None,
        compile_output: &compile_output,
    };
    bind(name, upstream, &parts)
}

/// What of the configuration's upstreams the gateway would refuse, in words.
pub fn faults(desk: &Desk, config: &Config) -> Vec<String> {
    let fault = |(name, upstream)| {
        let none = UpstreamSecrets::default();
        let fault = tools(desk, config, (name, upstream), &none).err()?;
        Some(format!("upstreams.{name}: {fault}"))
    };
    config.upstreams.iter().filter_map(fault).collect()
}

fn compile_output(schema: &Value) -> Result<OutputCheck, String> {
    let schema = OutputSchema::compile(schema).map_err(|fault| fault.to_string())?;
    Ok(Arc::new(move |answer| schema.check(answer).is_ok()))
}
