//! Rates as people write them, what is counted exactly, and what a refusal says.

mod meter;

use std::{borrow::Cow, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::meter::{Meter, Window};

/// So many in so long: `60/min`, `10/s`, `200/h`, `100/10s`, `5_000/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; also the burst.
    pub count: NonZeroU32,
    /// In what span.
    pub per: Duration,
}

/// Why a text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate: write a count and a span, such as `60/min`, `10/s` or `100/10s`")]
pub struct RateError;

impl Rate {
    /// `count` in each minute.
    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self {
            count,
            per: Duration::from_mins(1),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, span) = text.split_once('/').ok_or(RateError)?;
        let count = count
            .trim()
            .replace('_', "")
            .parse()
            .map_err(|_| RateError)?;
        let span = span.trim();
        let split = span.find(|c: char| !c.is_ascii_digit()).ok_or(RateError)?;
        let (number, unit) = span.split_at(split);
        let number: u64 = if number.is_empty() {
            1
        } else {
            number.parse().map_err(|_| RateError)?
        };
        let unit = match unit {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return Err(RateError),
        };
        let seconds = number
            .checked_mul(unit)
            .filter(|s| (1..=86_400).contains(s));
        Ok(Self {
            count,
            per: Duration::from_secs(seconds.ok_or(RateError)?),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3_600 => write!(f, "{}/h", self.count),
            86_400 => write!(f, "{}/day", self.count),
            seconds => write!(f, "{}/{seconds}s", self.count),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "So many in so long: `60/min`, `10/s`, `200/h`, `100/10s`.",
            "pattern": "^[0-9][0-9_]*/[0-9]*(s|sec|m|min|h|hour|d|day)$",
        })
    }
}

/// Which limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// One credential presented to us, per minute.
    Session,
    /// Lists and subscriptions of one credential, per minute.
    List,
    /// Short sessions that one license begins, per minute.
    Exchange,
    /// One license, per minute.
    LicenseMinute,
    /// One license, at once.
    LicenseAtOnce,
    /// One license, per UTC day.
    LicenseDay,
    /// One license, per UTC calendar month.
    LicenseMonth,
    /// One license, cost units per UTC day.
    LicenseCost,
    /// One upstream: its rate, its concurrency, or its own refusal.
    Upstream,
    /// Unauthenticated attempts of one client address.
    Address,
    /// Registrations of OAuth clients, all together.
    Registration,
    /// What one session sends that is no call and no list, and what cannot be read.
    Messages,
}

impl Tier {
    /// The word used in answers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::List => "list",
            Self::Exchange => "exchange",
            Self::LicenseMinute => "license_minute",
            Self::LicenseAtOnce => "license_at_once",
            Self::LicenseDay => "license_day",
            Self::LicenseMonth => "license_month",
            Self::LicenseCost => "license_cost",
            Self::Upstream => "upstream",
            Self::Address => "address",
            Self::Registration => "registration",
            Self::Messages => "messages",
        }
    }
}

/// How a window stands after one was taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLevel {
    /// Which limit it is.
    pub tier: Tier,
    /// How many in what span.
    pub rate: Rate,
    /// How many are left.
    pub remaining: u32,
    /// How long until it is full again, if nothing more is taken.
    pub reset: Duration,
}

/// A limit said no, and when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Which limit.
    pub tier: Tier,
    /// How long until one more would be let through.
    pub retry_after: Duration,
}

impl Exhausted {
    /// `Retry-After` (RFC 9110 section 10.2.3): whole seconds, rounded up, at least one.
    pub fn retry_after_seconds(&self) -> u64 {
        whole_seconds(self.retry_after)
    }
}

/// A wait as `Retry-After` tells it: whole seconds, rounded up, at least one.
pub fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Option<(u32, u64)> {
        text.parse::<Rate>()
            .ok()
            .map(|r| (r.count.get(), r.per.as_secs()))
    }

    #[test]
    fn rates_are_read_as_written() {
        assert_eq!(rate("60/min"), Some((60, 60)));
        assert_eq!(rate("10/s"), Some((10, 1)));
        assert_eq!(rate("100/10s"), Some((100, 10)));
        assert_eq!(rate("5_000/day"), Some((5_000, 86_400)));
        for bad in [
            "",
            "60",
            "0/min",
            "-1/s",
            "60/",
            "60/week",
            "1/0s",
            "1/999999h",
            "1e3/s",
        ] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_after_is_whole_seconds_and_never_zero() {
        let of = |millis| Exhausted {
            tier: Tier::Session,
            retry_after: Duration::from_millis(millis),
        };
        assert_eq!(of(0).retry_after_seconds(), 1);
        assert_eq!(of(1_000).retry_after_seconds(), 1);
        assert_eq!(of(1_001).retry_after_seconds(), 2);
    }
}
