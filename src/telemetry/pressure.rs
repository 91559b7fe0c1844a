//! How short of memory the process is: what one timer measures, and everything that admits work
//! reads. It measures nothing itself.

use prometheus_client::metrics::gauge::Gauge;

/// From this share of what there is, in thousandths, new calls are refused.
pub const SHORT: u128 = 900;
/// From this share on, new connections wait too.
pub const CRITICAL: u128 = 950;
/// A level ends so much below where it began, so that it does not flicker.
pub const SLACK: u128 = 50;

/// What may still be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Calm,
    /// No calls.
    Short,
    /// No calls and no connections.
    Critical,
}

impl Level {
    /// The level that follows this one when `used` of `most` bytes are used. With nothing to
    /// compare there is no shortage.
    #[must_use]
    pub const fn after(self, used: u64, most: u64) -> Self {
        if most == 0 {
            return Self::Calm;
        }
        let share = used as u128 * 1_000 / most as u128;
        match self {
            _ if share >= CRITICAL => Self::Critical,
            Self::Critical if share + SLACK >= CRITICAL => Self::Critical,
            _ if share >= SHORT => Self::Short,
            Self::Critical | Self::Short if share + SLACK >= SHORT => Self::Short,
            Self::Calm | Self::Short | Self::Critical => Self::Calm,
        }
    }
}

/// The level of one process, read with one atomic load.
#[derive(Debug, Default, Clone)]
pub struct Pressure(Gauge);

impl Pressure {
    /// The level now.
    pub fn level(&self) -> Level {
        match self.0.get() {
            ..=0 => Level::Calm,
            1 => Level::Short,
            2.. => Level::Critical,
        }
    }

    /// Sets it.
    pub fn set(&self, level: Level) {
        self.0.set(match level {
            Level::Calm => 0,
            Level::Short => 1,
            Level::Critical => 2,
        });
    }

    /// What a scraper reads: 0, 1 or 2.
    pub(super) fn gauge(&self) -> Gauge {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_where_they_say_and_end_below() {
        use Level::{Calm, Critical, Short};
        let mut level = Calm;
        let mut seen = Vec::new();
        for used in [0, 899, 900, 949, 950, 901, 899, 851, 849, 899, 1_200, 0] {
            level = level.after(used, 1_000);
            seen.push(level);
        }
        let wanted = [
            Calm, Calm, Short, Short, Critical, Critical, Short, Short, Calm, Calm, Critical, Calm,
        ];
        assert_eq!(seen, wanted);
        assert_eq!(Critical.after(7, 0), Calm);
        assert_eq!(Calm.after(u64::MAX, u64::MAX), Critical, "no overflow");
    }

    #[test]
    fn what_is_set_is_read() {
        let pressure = Pressure::default();
        assert_eq!(pressure.level(), Level::Calm);
        for level in [Level::Short, Level::Critical, Level::Calm] {
            pressure.clone().set(level);
            assert_eq!(pressure.level(), level);
        }
    }
}
