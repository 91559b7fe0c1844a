//! Time as an argument. Nothing else in the crate reads a clock.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use time::{Date, Month as MonthOfYear, OffsetDateTime, format_description::well_known::Rfc3339};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The UTC calendar day this point lies in.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(MILLIS_PER_DAY))
    }

    /// How long until the next UTC midnight; never zero.
    pub fn until_next_day(self) -> Duration {
        let rest = MILLIS_PER_DAY - self.0.rem_euclid(MILLIS_PER_DAY);
        Duration::from_millis(rest.unsigned_abs())
    }

    /// How long until the next UTC calendar month; never zero.
    pub fn until_next_month(self) -> Duration {
        let next = Month(self.day().month().0.saturating_add(1)).first_day();
        Self(next.0.saturating_mul(MILLIS_PER_DAY)).since(self)
    }

    /// This point, later by `span`.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How much later this is than `earlier`; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        match OffsetDateTime::from_unix_timestamp_nanos(nanos).map(|at| at.format(&Rfc3339)) {
            Ok(Ok(text)) => f.write_str(&text),
            _ => write!(f, "{}ms", self.0),
        }
    }
}

/// A UTC calendar day: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// From days since 1970-01-01.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl Day {
    /// The calendar month it lies in.
    pub fn month(self) -> Month {
        let seconds = self.0.saturating_mul(MILLIS_PER_DAY / 1_000);
        // Beyond the years that have dates there are no calls.
        let date =
            OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MIN, OffsetDateTime::date);
        Month((i64::from(date.year()) - 1970) * 12 + i64::from(u8::from(date.month())) - 1)
    }
}

/// Why a text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day: write a UTC date, such as `2026-11-01`")]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let plain = text.len() == 10 && text.is_ascii();
        let at = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339);
        match at {
            Ok(at) if plain => Ok(Self(at.unix_timestamp().div_euclid(MILLIS_PER_DAY / 1_000))),
            _ => Err(DayError),
        }
    }
}

/// A UTC calendar month: months since 1970-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

impl Month {
    /// From months since 1970-01.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Months since 1970-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Its first day.
    pub fn first_day(self) -> Day {
        let year = i32::try_from(self.0.div_euclid(12).saturating_add(1970));
        let month = u8::try_from(self.0.rem_euclid(12) + 1).unwrap_or(1);
        let date = MonthOfYear::try_from(month)
            .ok()
            .zip(year.ok())
            .and_then(|(month, year)| Date::from_calendar_date(year, month, 1).ok());
        let date = date.unwrap_or(Date::MAX).midnight().assume_utc();
        Day(date.unix_timestamp().div_euclid(MILLIS_PER_DAY / 1_000))
    }
}

impl fmt::Display for Month {
    /// `YYYY-MM`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.first_day().to_string();
        f.write_str(text.get(..7).unwrap_or_default())
    }
}

impl fmt::Display for Day {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp(self.0 * MILLIS_PER_DAY).to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may jump; use it for what people and contracts date.
    fn now(&self) -> Timestamp;

    /// Time since this clock was made. It never goes back; use it for limits and durations.
    fn monotonic(&self) -> Duration;
}

/// A clock that parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that tests move by hand.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl ManualClock {
    /// Stands at `now` until moved.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            wall: AtomicI64::new(now.0),
            monotonic: AtomicI64::new(0),
        }
    }

    /// Both clocks go forward.
    pub fn advance(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// Only the wall clock jumps, as when an operator sets it.
    pub fn set_wall(&self, now: Timestamp) {
        self.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_utc_midnight() {
        let at = Timestamp::from_millis(1_795_305_599_999);
        assert_eq!(at.to_string(), "2026-11-21T23:59:59.999Z");
        assert_eq!(at.until_next_day(), Duration::from_millis(1));
        assert_eq!(at.day().to_string(), "2026-11-21");
        assert_eq!(
            at.plus(Duration::from_millis(1)).day().number(),
            at.day().number() + 1
        );
    }

    #[test]
    fn months_are_calendar_months() {
        let month = |text: &str| text.parse::<Day>().unwrap().month();
        for (text, shown) in [
            ("2026-11-01", "2026-11"),
            ("2026-11-30", "2026-11"),
            ("2026-12-31", "2026-12"),
            ("2028-02-29", "2028-02"),
            ("1969-12-31", "1969-12"),
        ] {
            assert_eq!(month(text).to_string(), shown);
        }
        assert_eq!(month("1970-01-15").number(), 0);
        assert_eq!(
            month("2027-01-01").number(),
            month("2026-12-31").number() + 1
        );
        let last = Timestamp::from_millis(1_798_761_599_999);
        assert_eq!(last.to_string(), "2026-12-31T23:59:59.999Z");
        assert_eq!(last.until_next_month(), Duration::from_millis(1));
        assert_eq!(last.day().to_string().parse(), Ok(last.day()));
        for bad in [
            "",
            "2026-11",
            "2026-02-30",
            "2026-11-01T",
            "20261101xx",
            "+026-01-01",
        ] {
            assert_eq!(bad.parse::<Day>(), Err(DayError), "{bad}");
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Timestamp::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(5));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_millis(1_005));
        assert_eq!(clock.monotonic(), Duration::from_secs(1));
        clock.set_wall(Timestamp::from_millis(0));
        assert_eq!(clock.monotonic(), Duration::from_secs(1));
    }
}
