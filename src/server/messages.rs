//! The budget of what a session sends besides calls and lists: notifications, pings, and messages
//! that cannot be served. A client that is well never meets it.
//!
//! Not for `initialize` and `server/discover`: whoever starts anew is always told where it is.

use std::{num::NonZeroU32, time::Duration};

use super::{Exchange, McpServer, Refusal};
use crate::{
    auth::Principal,
    limit::Claim,
    mcp::ProtocolFault,
    quota::{Exhausted, Rate, Tier},
    telemetry::record::{Ending, Record},
};

/// Ten a second, in bursts of a minute's. The busiest clients ping every few seconds and tell of
/// each call that they cancel.
const MESSAGES: Rate = Rate {
    count: match NonZeroU32::new(600) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    },
    per: Duration::from_mins(1),
};

impl McpServer {
    /// Takes one message from the session's budget. The one place that does.
    pub fn take_message(&self, principal: &Principal) -> Result<(), Exhausted> {
        let key = principal.session().to_bytes();
        // In this process: a flood is to be turned away here, and not to be carried to Redis.
        let claim = Claim::one(Tier::Messages, MESSAGES, key);
        self.parts.limiter.here().take(&claim).map(drop)
    }

    /// The same for a message whose refusal is noted.
    pub(super) fn spend_message(&self, exchange: &Exchange<'_>) -> Result<(), Refusal> {
        let taken = self.take_message(&exchange.principal);
        taken.map_err(|exhausted| {
            limited(&exchange.record, &exhausted);
            Refusal::List(exhausted)
        })
    }

    /// What a message that cannot be served is told: why, until the session sends too many.
    pub(super) fn faulty(&self, exchange: &Exchange<'_>, fault: ProtocolFault) -> Refusal {
        match self.spend_message(exchange) {
            Ok(()) => {
                exchange.record.ended(Ending::Refused, Some(fault.word()));
                Refusal::Protocol(fault)
            }
            Err(refusal) => refusal,
        }
    }
}

fn limited(record: &Record, exhausted: &Exhausted) {
    record.ended(Ending::Limited, Some("limited"));
    record.fields().tier = Some(exhausted.tier.as_str());
}
