//! Which tool, and may this license use it? Unknown and forbidden look the same. A session that may
//! only read is told so: its client can ask for more.

use std::sync::Arc;

use super::{Call, CallError, policy::Policy};
use crate::{catalog::Catalog, config::rest::ReadOnly, grant::Scope};

/// Finds the tool among those that the license sees.
#[derive(Clone)]
pub struct Resolve {
    /// The tools being served.
    pub catalog: Arc<Catalog>,
}

impl Policy for Resolve {
    fn admit(&self, call: &mut Call) -> Result<(), CallError> {
        let license = call.principal.license();
        let tool = self
            .catalog
            .resolve(license, &call.name)
            .ok_or(CallError::UnknownTool)?;
        let mut fields = call.record.fields();
        fields.tool = Some(tool.bound.definition.name.clone());
        fields.upstream = Some(tool.bound.site.name.clone());
        drop(fields);
        let needed = match tool.bound.definition.read_only {
            ReadOnly::Yes => Scope::Read,
            ReadOnly::No => Scope::Tools,
        };
        if !call.principal.scope().covers(needed) {
            return Err(CallError::InsufficientScope);
        }
        if let Some(limit) = tool.bound.definition.timeout {
            call.deadline = call.deadline.min(tokio::time::Instant::now() + limit);
        }
        call.tool = Some(Arc::clone(tool));
        Ok(())
    }
}
