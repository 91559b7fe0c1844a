//! The four revisions that are served, and what differs between them.

use serde::{Serialize, Serializer};

/// A revision of the protocol, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// Batches; no structured content, no version header.
    V2025_03_26,
    /// Structured content, version header.
    V2025_06_18,
    /// Invalid arguments as tool results; icons.
    V2025_11_25,
    /// Stateless: the envelope is in each request.
    V2026_07_28,
}

/// How a revision behaves on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2025: `initialize`, answers at 200, a disconnect is no cancellation.
    Legacy,
    /// 2026-07-28: `_meta` in each request, errors by status, a disconnect cancels.
    Modern,
}

impl Revision {
    /// Newest first, as `server/discover` and -32022 list them.
    pub const ALL: [Self; 4] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
    ];

    /// What `initialize` answers when it is asked for a revision that it does not negotiate.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// What a missing `MCP-Protocol-Version` header means in the 2025 era.
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The date that names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// From the date; case and spelling count.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }

    /// Its era.
    pub const fn era(self) -> Era {
        match self {
            Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// A position for tables with one entry a revision.
    pub const fn index(self) -> usize {
        match self {
            Self::V2025_03_26 => 0,
            Self::V2025_06_18 => 1,
            Self::V2025_11_25 => 2,
            Self::V2026_07_28 => 3,
        }
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_and_nothing_else_parses() {
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        }
        for other in [
            "2024-11-05",
            "1900-01-01",
            "2026-07-28'--",
            "2026-07-28 ",
            "",
        ] {
            assert_eq!(Revision::parse(other), None, "{other}");
        }
    }
}
