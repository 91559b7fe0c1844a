//! What one connection is doing and since when, so that it can be ended when that takes too long.
//!
//! `hyper`'s own header timeout also counts the quiet time between requests, so one figure would
//! have to serve for both; and it costs a timer each request. This is one timer a connection.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::clock::SharedClock;

/// How long a connection may take over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// From the first byte, or the connection's start, to the end of a request's head.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// The client reads nothing of what is written.
    pub stalled: Duration,
    /// Longest pause between two looks at the clock.
    pub look: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            stalled: Duration::from_secs(30),
            look: Duration::from_secs(10),
        }
    }
}

const IN_HEAD: u8 = 0;
const BUSY: u8 = 1;
const QUIET: u8 = 2;
/// Quiet, and HTTP/2: bytes that come now may be a ping.
const QUIET_H2: u8 = 3;
const NEVER: u64 = u64::MAX;

/// One connection's state.
pub struct Pulse {
    clock: SharedClock,
    waits: Waits,
    phase: AtomicU8,
    /// Milliseconds of the monotonic clock.
    since: AtomicU64,
    blocked_since: AtomicU64,
    requests: AtomicU32,
    /// Answers that are not handed over, and since when each waits for the client; a client of
    /// HTTP/2 can leave one answer standing while the connection itself goes on.
    answers: Mutex<Vec<(AnswerId, u64)>>,
    next_answer: AtomicU32,
}

/// One answer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerId(u32);

/// Who is to do something next about an answer?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The client: it must take what is there.
    Client,
    /// We: there is nothing to take yet.
    Ours,
}

impl Pulse {
    /// A fresh connection: the head of its first request is awaited.
    pub fn new(clock: SharedClock, waits: Waits) -> Self {
        let pulse = Self {
            clock,
            waits,
            phase: AtomicU8::new(IN_HEAD),
            since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
            requests: AtomicU32::new(0),
            answers: Mutex::default(),
            next_answer: AtomicU32::new(0),
        };
        pulse.enter(IN_HEAD);
        pulse
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(NEVER)
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Release);
    }

    /// Bytes came.
    pub fn received(&self) {
        if self.phase.load(Ordering::Relaxed) == QUIET {
            self.enter(IN_HEAD);
        }
    }

    /// Something was written, or the client takes nothing.
    pub fn wrote(&self, progress: Progress) {
        match progress {
            Progress::Some => {
                if self.blocked_since.load(Ordering::Relaxed) != NEVER {
                    self.blocked_since.store(NEVER, Ordering::Relaxed);
                }
            }
            Progress::None => {
                let now = self.now();
                let since = &self.blocked_since;
                // Only the first stall counts; a failure says that one is running.
                let _ = since.compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(AnswerId, u64)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer is there for the client to take.
    pub fn answer_begins(&self) -> AnswerId {
        let id = AnswerId(self.next_answer.fetch_add(1, Ordering::Relaxed));
        self.answers().push((id, self.now()));
        id
    }

    /// An answer was looked at.
    pub fn answer_at(&self, id: AnswerId, turn: Turn) {
        let since = match turn {
            Turn::Client => self.now(),
            Turn::Ours => NEVER,
        };
        if let Some(answer) = self.answers().iter_mut().find(|(known, _)| *known == id) {
            answer.1 = since;
        }
    }

    /// An answer is handed over, or nobody wants it any more.
    pub fn answer_ends(&self, id: AnswerId) {
        self.answers().retain(|(known, _)| *known != id);
    }

    /// Is no request being answered?
    pub fn is_quiet(&self) -> bool {
        self.requests.load(Ordering::Acquire) == 0
    }

    /// A request's head is whole.
    pub fn request_begins(&self) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.phase.store(BUSY, Ordering::Release);
    }

    /// A request's answer is handed over, or nobody wants it any more.
    pub fn request_ends(&self, version: http::Version) {
        if self.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.enter(if version == http::Version::HTTP_2 {
                QUIET_H2
            } else {
                QUIET
            });
        }
    }

    /// How long this connection may still live if nothing happens; none when it must end now.
    pub fn left(&self) -> Option<Duration> {
        let now = self.now();
        let spent = |since: u64| Duration::from_millis(now.saturating_sub(since));
        let blocked = self.blocked_since.load(Ordering::Relaxed);
        if blocked != NEVER && spent(blocked) >= self.waits.stalled {
            return None;
        }
        let left_standing =
            |(_, since): &(AnswerId, u64)| *since != NEVER && spent(*since) >= self.waits.stalled;
        if self.answers().iter().any(left_standing) {
            return None;
        }
        let limit = match self.phase.load(Ordering::Acquire) {
            IN_HEAD => self.waits.head,
            QUIET | QUIET_H2 => self.waits.idle,
            // Bodies and answers have deadlines of their own; look again later.
            _ => return Some(self.waits.look),
        };
        let left = limit.checked_sub(spent(self.since.load(Ordering::Relaxed)))?;
        (!left.is_zero()).then(|| left.min(self.waits.look))
    }
}

/// Did a write get anywhere?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes were taken.
    Some,
    /// None were.
    None,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    #[test]
    fn h_01_h_03_heads_and_silences_have_their_own_limits() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let shared: SharedClock = clock.clone();
        let pulse = Pulse::new(shared, Waits::default());
        let wait = |seconds| clock.advance(Duration::from_secs(seconds));
        wait(9);
        assert!(pulse.left().is_some());
        wait(1);
        assert_eq!(pulse.left(), None, "no head within ten seconds");

        pulse.request_begins();
        wait(100);
        assert!(
            pulse.left().is_some(),
            "a running request has other deadlines"
        );
        pulse.request_ends(http::Version::HTTP_11);
        wait(74);
        assert!(pulse.left().is_some());
        pulse.received();
        wait(9);
        assert!(pulse.left().is_some());
        wait(1);
        assert_eq!(pulse.left(), None, "a head that trickles");
    }

    #[test]
    fn pings_of_http_2_do_not_begin_a_head() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let shared: SharedClock = clock.clone();
        let pulse = Pulse::new(shared, Waits::default());
        pulse.request_begins();
        pulse.request_ends(http::Version::HTTP_2);
        pulse.received();
        clock.advance(Duration::from_mins(1));
        assert!(pulse.left().is_some());
        clock.advance(Duration::from_secs(15));
        assert_eq!(pulse.left(), None);
    }

    #[test]
    fn a_client_that_leaves_one_answer_standing_is_let_go() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let shared: SharedClock = clock.clone();
        let pulse = Pulse::new(shared, Waits::default());
        pulse.request_begins();
        let stream = pulse.answer_begins();
        pulse.answer_at(stream, Turn::Ours);
        clock.advance(Duration::from_secs(100));
        assert!(pulse.left().is_some(), "an open stream with nothing to say");
        pulse.answer_at(stream, Turn::Client);
        let taken = pulse.answer_begins();
        pulse.answer_ends(taken);
        clock.advance(Duration::from_secs(29));
        assert!(pulse.left().is_some());
        clock.advance(Duration::from_secs(1));
        assert_eq!(pulse.left(), None);
        pulse.answer_ends(stream);
        assert!(pulse.left().is_some());
    }

    #[test]
    fn a_client_that_does_not_read_is_let_go() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let shared: SharedClock = clock.clone();
        let pulse = Pulse::new(shared, Waits::default());
        pulse.request_begins();
        pulse.wrote(Progress::None);
        clock.advance(Duration::from_secs(29));
        pulse.wrote(Progress::None);
        assert!(pulse.left().is_some());
        clock.advance(Duration::from_secs(1));
        assert_eq!(pulse.left(), None);
        pulse.wrote(Progress::Some);
        assert!(pulse.left().is_some());
    }
}
