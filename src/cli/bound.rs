//! One upstream's tools, made as the gateway makes them, without a gateway.

use std::sync::Arc;

use serde_json::Value;

use super::open::Desk;
use crate::{
    config::{Config, UpstreamConfig},
    egress::install_tls_provider,
    names::UpstreamName,
    schema::OutputSchema,
    secret::SecretString,
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
    name: &UpstreamName,
    config: &UpstreamConfig,
    configured: Option<&SecretString>,
) -> Result<Vec<BoundTool>, BindFault> {
    install_tls_provider();
    let parts = KindParts {
        configured: configured.map(OpenedCredential::configured),
        clock: Arc::clone(&desk.clock),
        entropy: Arc::clone(&desk.entropy),
        previous: None,
        compile_output: &compile_output,
    };
    bind(name, config, &parts)
}

/// What of the configuration's upstreams the gateway would refuse, in words.
pub fn faults(desk: &Desk, config: &Config) -> Vec<String> {
    let fault = |(name, upstream)| {
        let fault = tools(desk, name, upstream, None).err()?;
        Some(format!("upstreams.{name}: {fault}"))
    };
    config.upstreams.iter().filter_map(fault).collect()
}

fn compile_output(schema: &Value) -> Result<OutputCheck, String> {
    let schema = OutputSchema::compile(schema).map_err(|fault| fault.to_string())?;
    Ok(Arc::new(move |answer| schema.check(answer).is_ok()))
}
