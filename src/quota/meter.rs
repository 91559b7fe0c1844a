//! What is counted exactly, in the database: calls and cost units of a license's day and month.

use std::time::Duration;

use super::Tier;
use crate::clock::{Day, Month, Timestamp};

/// One count of a license. Each has windows of its own: UTC days or UTC calendar months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meter {
    /// Cost units of a day.
    CostDay,
    /// Calls of a month.
    CallsMonth,
    /// Calls of a day.
    CallsDay,
}

/// One window of a meter: a day or a month, by its number since 1970-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window(i64);

impl Window {
    /// From its number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl From<Day> for Window {
    fn from(day: Day) -> Self {
        Self(day.number())
    }
}

impl From<Month> for Window {
    fn from(month: Month) -> Self {
        Self(month.number())
    }
}

impl Meter {
    /// In the order in which a call is taken from them. What differs from call to call comes first:
    /// a call that finds too little of it has kept nothing from calls that need less. Of the others
    /// the longest window comes first, so that a refusal names the longest wait.
    pub const ALL: [Self; 3] = [Self::CostDay, Self::CallsMonth, Self::CallsDay];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CostDay => "cost_day",
            Self::CallsMonth => "calls_month",
            Self::CallsDay => "calls_day",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.as_str() == word)
    }

    /// Which limit refuses when it is used up.
    pub const fn tier(self) -> Tier {
        match self {
            Self::CostDay => Tier::LicenseCost,
            Self::CallsMonth => Tier::LicenseMonth,
            Self::CallsDay => Tier::LicenseDay,
        }
    }

    /// The window that this moment lies in.
    pub fn window(self, now: Timestamp) -> Window {
        match self {
            Self::CostDay | Self::CallsDay => now.day().into(),
            Self::CallsMonth => now.day().month().into(),
        }
    }

    /// How long until the next window; never zero.
    pub fn until_next(self, now: Timestamp) -> Duration {
        match self {
            Self::CostDay | Self::CallsDay => now.until_next_day(),
            Self::CallsMonth => now.until_next_month(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_meter_has_its_windows_and_its_word() {
        let noon = Timestamp::from_millis(1_795_348_800_000);
        assert_eq!(noon.to_string(), "2026-11-22T12:00:00Z");
        for meter in Meter::ALL {
            assert_eq!(Meter::parse(meter.as_str()), Some(meter));
            let next = noon.plus(meter.until_next(noon));
            let last = noon.plus(
                meter
                    .until_next(noon)
                    .saturating_sub(Duration::from_millis(1)),
            );
            assert_eq!(meter.window(last), meter.window(noon));
            assert_eq!(
                meter.window(next).number(),
                meter.window(noon).number() + 1,
                "{meter:?}"
            );
        }
        assert_eq!(
            Meter::CallsMonth.until_next(noon),
            Duration::from_hours(8 * 24 + 12)
        );
        assert_eq!(Meter::parse("calls"), None);
    }
}
