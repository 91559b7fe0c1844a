//! A circuit breaker: stops calling an upstream that mostly fails, and tries it again with one
//! call. Knows no clock; every method is told the time.

use std::time::Duration;

/// The window is this many buckets long.
const BUCKETS: usize = 10;

/// One bucket of the window.
const BUCKET: Duration = Duration::from_secs(3);

/// Fewer calls in the window say nothing.
const FEWEST: u32 = 10;

/// First span without calls; doubles with every failed probe.
const FIRST_SPAN: Duration = Duration::from_secs(10);

/// Longest span without calls.
const LONGEST_SPAN: Duration = Duration::from_mins(2);

/// What came of an admitted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream works.
    Good,
    /// The upstream does not.
    Bad,
    /// Neither can be said.
    Unknown,
}

/// Goes back to the breaker with the outcome of the call it admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    era: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Probe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration, span: Duration },
    HalfOpen { span: Duration },
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    number: u64,
    good: u32,
    bad: u32,
}

/// The breaker of one upstream: closed, open or half open.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Rises with every change of state, so that late outcomes of another state are told apart.
    era: u64,
    window: [Bucket; BUCKETS],
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            era: 0,
            window: [Bucket::default(); BUCKETS],
        }
    }
}

impl Breaker {
    /// Would a call be admitted now? If not, how long until one may be.
    pub fn check(&self, now: Duration) -> Result<(), Duration> {
        match self.state {
            State::Closed => Ok(()),
            State::Open { until, .. } if now >= until => Ok(()),
            State::Open { until, .. } => Err(until.saturating_sub(now)),
            // The probe under way decides; nobody knows when.
            State::HalfOpen { .. } => Err(Duration::from_secs(1)),
        }
    }

    /// Admits a call. Half open, it is the one that decides.
    pub fn admit(&mut self, now: Duration) -> Result<Ticket, Duration> {
        self.check(now)?;
        let kind = match self.state {
            State::Open { span, .. } => {
                self.change(State::HalfOpen { span });
                Kind::Probe
            }
            State::Closed | State::HalfOpen { .. } => Kind::Normal,
        };
        Ok(Ticket {
            era: self.era,
            kind,
        })
    }

    /// Most others leave the upstream alone: unless it did well here lately, the next call alone is
    /// to find out.
    pub fn doubt(&mut self, now: Duration) {
        if self.state == State::Closed && self.recent(now).0 == 0 {
            let span = FIRST_SPAN;
            self.change(State::Open { until: now, span });
        }
    }

    /// Takes the outcome of an admitted call.
    pub fn settle(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) {
        if ticket.era != self.era {
            return;
        }
        match (self.state, ticket.kind) {
            (State::HalfOpen { span }, Kind::Probe) => match outcome {
                Outcome::Good => {
                    self.window = [Bucket::default(); BUCKETS];
                    self.count(now, outcome);
                    self.change(State::Closed);
                }
                Outcome::Bad => self.open(now, (span * 2).min(LONGEST_SPAN)),
                // Nothing learned: the next call is the probe.
                Outcome::Unknown => self.change(State::Open { until: now, span }),
            },
            (State::Closed, Kind::Normal) => {
                self.count(now, outcome);
                if outcome == Outcome::Bad && self.mostly_fails(now) {
                    self.open(now, FIRST_SPAN);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, now: Duration, span: Duration) {
        let until = now + span;
        self.change(State::Open { until, span });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }

    fn count(&mut self, now: Duration, outcome: Outcome) {
        let number = number_of(now);
        let slot = usize::try_from(number % BUCKETS as u64).unwrap_or(0);
        let bucket = &mut self.window[slot];
        if bucket.number != number {
            *bucket = Bucket {
                number,
                ..Bucket::default()
            };
        }
        match outcome {
            Outcome::Good => bucket.good += 1,
            Outcome::Bad => bucket.bad += 1,
            Outcome::Unknown => {}
        }
    }

    fn mostly_fails(&self, now: Duration) -> bool {
        let (good, bad) = self.recent(now);
        good + bad >= FEWEST && bad >= good
    }

    /// Good and bad calls of the window.
    fn recent(&self, now: Duration) -> (u32, u32) {
        let oldest = number_of(now).saturating_sub(BUCKETS as u64 - 1);
        let recent = self.window.iter().filter(|bucket| bucket.number >= oldest);
        recent.fold((0, 0), |(good, bad), bucket| {
            (good + bucket.good, bad + bucket.bad)
        })
    }
}

const fn number_of(now: Duration) -> u64 {
    now.as_secs() / BUCKET.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(breaker: &mut Breaker, seconds: u64, outcome: Outcome) {
        let ticket = breaker.admit(at(seconds)).unwrap();
        breaker.settle(at(seconds), ticket, outcome);
    }

    fn tripped(seconds: u64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FEWEST {
            call(&mut breaker, seconds, Outcome::Bad);
        }
        assert_eq!(breaker.admit(at(seconds)), Err(FIRST_SPAN));
        breaker
    }

    #[test]
    fn r_18_it_opens_by_rate() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            call(&mut breaker, 0, Outcome::Good);
            call(&mut breaker, 1, Outcome::Bad);
        }
        call(&mut breaker, 2, Outcome::Good);
        assert_eq!(breaker.check(at(2)), Ok(()));
        call(&mut breaker, 2, Outcome::Bad);
        assert_eq!(breaker.check(at(2)), Err(at(10)));
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = Breaker::default();
        for seconds in 0..200 {
            let outcome = if seconds % 4 == 0 {
                Outcome::Bad
            } else {
                Outcome::Good
            };
            call(&mut breaker, seconds, outcome);
        }
        for _ in 0..FEWEST - 1 {
            call(&mut breaker, 300, Outcome::Bad);
        }
        assert_eq!(breaker.check(at(300)), Ok(()));
    }

    #[test]
    fn r_18_half_open_takes_a_single_probe() {
        let mut breaker = tripped(5);
        assert_eq!(breaker.admit(at(14)), Err(at(1)));
        let probe = breaker.admit(at(15)).unwrap();
        assert!(breaker.admit(at(15)).is_err());
        breaker.settle(at(16), probe, Outcome::Good);
        call(&mut breaker, 16, Outcome::Bad);
        assert_eq!(breaker.check(at(16)), Ok(()));
    }

    #[test]
    fn failed_probes_double_the_span_up_to_two_minutes() {
        let mut breaker = tripped(0);
        let mut now = at(10);
        for span in [20, 40, 80, 120, 120] {
            let probe = breaker.admit(now).unwrap();
            breaker.settle(now, probe, Outcome::Bad);
            assert_eq!(breaker.check(now), Err(at(span)));
            now += at(span);
        }
    }

    #[test]
    fn a_cancelled_probe_lets_the_next_call_try() {
        let mut breaker = tripped(0);
        let probe = breaker.admit(at(10)).unwrap();
        breaker.settle(at(10), probe, Outcome::Unknown);
        assert!(breaker.admit(at(10)).is_ok());
    }

    #[test]
    fn others_word_makes_one_call_the_probe_unless_it_did_well_here() {
        let mut breaker = Breaker::default();
        breaker.doubt(at(1));
        let probe = breaker.admit(at(1)).unwrap();
        assert!(breaker.admit(at(1)).is_err(), "one, not a herd");
        breaker.doubt(at(1));
        breaker.settle(at(2), probe, Outcome::Good);
        breaker.doubt(at(3));
        assert_eq!(breaker.check(at(3)), Ok(()));
        call(&mut breaker, 3, Outcome::Good);
        breaker.doubt(at(40));
        let probe = breaker.admit(at(40)).unwrap();
        breaker.settle(at(40), probe, Outcome::Bad);
        assert_eq!(breaker.check(at(40)), Err(at(20)));
    }

    #[test]
    fn late_outcomes_of_another_state_count_nothing() {
        let mut breaker = Breaker::default();
        let early = breaker.admit(at(0)).unwrap();
        for _ in 0..FEWEST {
            call(&mut breaker, 0, Outcome::Bad);
        }
        breaker.settle(at(1), early, Outcome::Good);
        assert!(breaker.check(at(1)).is_err());
    }
}
