//! A call that needs an account: the client sends its person to our page and comes back with the
//! same call (2026-07-28, MRTR). What it brings back proves nothing but that we gave it out.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Exchange, McpServer, Refusal, Serving};
use crate::{
    call::{CallError, Waiting},
    connect::{ConnectionNeeded, StateFault},
    mcp::{
        ProtocolFault,
        elicit::{Did, Retry, SendsPeople},
    },
    names::UpstreamName,
    telemetry::record::Ending,
    upstream::Source,
};

/// Of the time of a call, the part that it may wait for a person: as much is left for the upstream.
const SHARE: u32 = 2;

/// With what a call came.
pub(super) enum Came {
    /// With nothing that matters here.
    Fresh,
    /// Its person agreed to open our page.
    Accepted,
    /// Its person did not.
    Declined,
}

impl McpServer {
    /// What a call brought back from the one before. Whatever is wrong with it is an error: asking
    /// anew would hide that somebody tampered with it (T54).
    pub(super) fn came(
        &self,
        exchange: &Exchange<'_>,
        tool: &str,
        arguments: &Value,
        retry: &Retry,
    ) -> Result<Came, ProtocolFault> {
        let Some(state) = &retry.state else {
            return Ok(Came::Fresh);
        };
        let upstream = self
            .parts
            .connections
            .waited(&exchange.principal, tool, arguments, state)
            .map_err(|fault| ProtocolFault::InvalidParams(why(fault)))?;
        Ok(match retry.answer(&key(&upstream))? {
            None => Came::Fresh,
            Some(Did::Accept) => Came::Accepted,
            Some(Did::Decline | Did::Cancel) => Came::Declined,
        })
    }

    /// A call whose person declined is over.
    pub(super) fn declined(serving: &Serving, exchange: &Exchange<'_>, tool: &str) -> Refusal {
        let error = CallError::ConnectionDeclined;
        let license = exchange.principal.license();
        let tool = serving.catalog.resolve(license, tool);
        let name = tool.map(|tool| tool.bound.definition.name.clone());
        let record = &exchange.record;
        record.ended(Ending::ToolError, Some(error.word()));
        let mut fields = record.fields();
        fields.tool.clone_from(&name);
        fields.upstream = tool.map(|tool| tool.bound.site.name.clone());
        Refusal::Call(error, name)
    }

    /// How a call waits whose person agreed to open our page.
    pub(super) fn waits(&self, now: Instant, timeout: Duration) -> Waiting {
        Waiting {
            until: now + timeout / SHARE,
            changes: self.parts.watcher.subscribe(),
            authenticator: std::sync::Arc::clone(&self.parts.authenticator),
            metrics: std::sync::Arc::clone(&self.parts.metrics),
        }
    }

    /// What the answer to this call will need if it needs an account: its arguments, which the call
    /// itself takes along. None where nobody can be sent anywhere.
    pub(super) fn kept(
        serving: &Serving,
        sends: SendsPeople,
        tool: &str,
        arguments: &Value,
    ) -> Option<Value> {
        let account = |name| {
            let tool = serving.catalog.find(name)?;
            matches!(tool.bound.site.source, Source::Account(_)).then_some(())
        };
        match sends {
            SendsPeople::Yes => account(tool).map(|()| arguments.clone()),
            SendsPeople::No => None,
        }
    }

    /// The request to the person.
    pub(super) fn ask(
        &self,
        exchange: &Exchange<'_>,
        tool: &str,
        arguments: &Value,
        needed: Box<ConnectionNeeded>,
    ) -> Refusal {
        let caller = &exchange.principal;
        let connections = &self.parts.connections;
        Refusal::Connect {
            key: key(&needed.upstream),
            state: connections.waiting(caller, tool, arguments, &needed.upstream),
            needed,
        }
    }
}

fn key(upstream: &UpstreamName) -> String {
    format!("connect_{upstream}")
}

const fn why(fault: StateFault) -> &'static str {
    match fault {
        StateFault::Foreign => "`requestState` is not one that this client was given",
        StateFault::Over => "`requestState` is over; call again without it",
        StateFault::OtherCall => "`requestState` was given for another tool or other arguments",
    }
}
