//! Arguments against the tool's schema, then into a request. No credential, no upstream yet.

use super::{Call, CallError, policy::Policy};
use crate::{mcp::json::Excess, schema::Violation};

/// Checks the arguments and prepares the request that they become.
#[derive(Clone)]
pub struct Validate;

impl Policy for Validate {
    fn admit(&self, call: &mut Call) -> Result<(), CallError> {
        if let Some(excess) = call.excess {
            return Err(CallError::InvalidArguments(vec![Violation::of_the_whole(
                excess_rule(excess),
            )]));
        }
        let tool = call.tool()?;
        tool.input
            .check(&call.arguments)
            .map_err(CallError::InvalidArguments)?;
        let prepared = tool.bound.target.prepare(&call.arguments);
        call.prepared = Some(prepared.map_err(CallError::UnsafeArgument)?);
        Ok(())
    }
}

const fn excess_rule(excess: Excess) -> &'static str {
    match excess {
        Excess::Depth => "is nested too deep; at most 64 levels",
        Excess::Count => "holds too many values; at most 10,000, and 1,024 keys an object",
        Excess::Nul => "holds a NUL character in a text",
        Excess::Number => "holds a number beyond 2^53 that would lose digits; send it as text",
    }
}
