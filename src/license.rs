//! Licenses: the customer's right to call.

mod allowance;

use serde::Serialize;

pub use self::allowance::{Allowance, Override, OverrideError, Overrides, Plans};

use crate::{
    clock::Timestamp,
    ids::LicenseId,
    names::{PlanName, ToolPattern},
};

/// What the store says about a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenseStatus {
    /// It may call, until it expires.
    Active,
    /// Stopped for a while; can be resumed.
    Suspended,
    /// Ended for good.
    Revoked,
}

impl LicenseStatus {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Revoked]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// A license, without its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Its id.
    pub id: LicenseId,
    /// The operator's label, such as a customer's name.
    pub name: String,
    /// The plan whose limits hold.
    pub plan: PlanName,
    /// Narrower entitlements than the plan's; none: the plan's.
    pub tools: Option<Vec<ToolPattern>>,
    /// Limits of its own in place of the plan's.
    pub overrides: Overrides,
    /// What the operator decided.
    pub status: LicenseStatus,
    /// When it was issued.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

impl License {
    /// May it call at this moment?
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.status == LicenseStatus::Active && self.expires.is_none_or(|at| now < at)
    }
}
