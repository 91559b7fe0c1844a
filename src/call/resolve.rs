//! Which tool, and may this license use it? Unknown and forbidden look the same.

use std::sync::Arc;

use super::{Call, CallError, policy::Policy};
use crate::catalog::Catalog;

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
        if let Some(limit) = tool.bound.definition.timeout {
            call.deadline = call.deadline.min(tokio::time::Instant::now() + limit);
        }
        call.tool = Some(Arc::clone(tool));
        Ok(())
    }
}
