//! The link to our page that connects an account: sealed, so that nobody can aim it elsewhere. It
//! says whose call raised it; the page has to prove that the person holds the same license.

use serde::{Deserialize, Serialize};

use super::Connections;
use crate::{
    crypto::{HandleKind, Handled},
    ids::LicenseId,
    names::{Label, ScopeName, UpstreamName},
    upstream::BoundTool,
};

/// How long a link leads somewhere.
const LIFE: std::time::Duration = std::time::Duration::from_mins(30);

/// What a link is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The license whose call raised it.
    pub license: LicenseId,
    /// The upstream an account is wanted for.
    pub upstream: UpstreamName,
    /// The label it will have; none: nobody chose yet.
    pub label: Option<Label>,
    /// What the tool needs that raised it.
    pub scopes: Vec<ScopeName>,
}

/// What a text that somebody opened is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A link of ours.
    Good(Link),
    /// One of ours that is too old.
    Over,
    /// Nothing of ours.
    Unknown,
}

impl Connections {
    /// The address of our page for what this tool needs.
    pub(super) fn link(
        &self,
        license: LicenseId,
        tool: &BoundTool,
        label: Option<&Label>,
    ) -> String {
        self.address(&Link {
            license,
            upstream: tool.site.name.clone(),
            label: label.cloned(),
            scopes: tool.scopes.to_vec(),
        })
    }

    /// The address of our page for this wish.
    pub fn address(&self, link: &Link) -> String {
        // A struct of names always becomes JSON.
        let content = serde_json::to_vec(link).unwrap_or_default();
        let ends = self.clock.now().plus(LIFE);
        let kind = HandleKind::ConnectLink;
        let handle = self
            .handle_key()
            .seal(kind, "", &content, ends, &*self.entropy);
        format!("{}/connect/{handle}", self.origin)
    }

    /// What the last segment of such an address says.
    pub fn open_link(&self, handle: &str) -> Opened {
        let now = self.clock.now();
        match self
            .handle_key()
            .open(HandleKind::ConnectLink, "", handle, now)
        {
            Some(Handled::Open(content)) => {
                serde_json::from_slice(content.expose()).map_or(Opened::Unknown, Opened::Good)
            }
            Some(Handled::Over) => Opened::Over,
            None => Opened::Unknown,
        }
    }
}
