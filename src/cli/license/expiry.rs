//! Points in time as people write them: `365d`, `2027-01-01`.

use std::str::FromStr;

use time::{Date, macros::format_description};

use crate::{clock::Timestamp, config::Span};

/// After a span, or at the beginning of a UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `365d`: so long from now.
    After(Span),
    /// `2027-01-01`: when that day begins in UTC.
    At(Timestamp),
}

impl Expiry {
    /// The moment, counted from `now`.
    pub fn counted_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(span) => now.plus(span.duration()),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "write a span such as `365d`, or a UTC date such as `2027-01-01`";
        if let Ok(span) = text.parse() {
            return Ok(Self::After(span));
        }
        let date =
            Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| WRONG)?;
        let seconds = date.midnight().assume_utc().unix_timestamp();
        Ok(Self::At(Timestamp::from_millis(seconds * 1_000)))
    }
}

/// The day and minute of a moment, for tables: `2026-11-22 21:02`.
pub fn minute(at: Timestamp) -> String {
    at.to_string()
        .chars()
        .take(16)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_from_now_and_dates_stand() {
        let now = Timestamp::from_millis(1_795_305_600_000);
        let at = |text: &str| {
            text.parse::<Expiry>()
                .unwrap()
                .counted_from(now)
                .to_string()
        };
        assert_eq!(at("24h"), "2026-11-23T00:00:00Z");
        assert_eq!(at("2027-01-01"), "2027-01-01T00:00:00Z");
        for bad in ["", "soon", "2027-13-01", "2027-1-1", "365"] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tables_show_minutes() {
        assert_eq!(
            minute(Timestamp::from_millis(1_795_305_600_000)),
            "2026-11-22 00:00"
        );
    }
}
