//! Whom an upstream sent away, and until when: all of us, or the holder of one credential.

use std::{collections::HashMap, time::Duration};

use crate::upstream::credential::Holder;

/// Most credentials that are remembered. Whoever is forgotten calls again and is told again.
const MOST: usize = 4_096;

/// Fewer are not worth a sweep.
const FEW: usize = 64;

/// Pauses of one upstream, by the monotonic clock.
#[derive(Debug)]
pub(super) struct Pauses {
    everybody: Duration,
    by_holder: HashMap<Holder, Duration>,
    /// So many, and those that are over are forgotten.
    sweep_at: usize,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            everybody: Duration::ZERO,
            by_holder: HashMap::new(),
            sweep_at: FEW,
        }
    }
}

impl Pauses {
    /// When a call with this credential may start again.
    pub(super) fn until(&self, holder: Option<Holder>) -> Duration {
        let own = holder.and_then(|holder| self.by_holder.get(&holder));
        own.map_or(self.everybody, |own| self.everybody.max(*own))
    }

    /// Nobody calls before `until`.
    pub(super) fn everybody(&mut self, until: Duration) {
        self.everybody = self.everybody.max(until);
    }

    /// Nobody calls with this credential before `until`.
    pub(super) fn one(&mut self, holder: Holder, until: Duration, now: Duration) {
        if let Some(known) = self.by_holder.get_mut(&holder) {
            *known = until.max(*known);
            return;
        }
        if self.by_holder.len() >= self.sweep_at {
            self.by_holder.retain(|_, until| *until > now);
            self.sweep_at = (self.by_holder.len() * 2).clamp(FEW, MOST);
        }
        if self.by_holder.len() >= MOST {
            let soonest = self.by_holder.iter().min_by_key(|(_, until)| **until);
            if let Some(soonest) = soonest.map(|(holder, _)| *holder) {
                self.by_holder.remove(&soonest);
            }
        }
        self.by_holder.insert(holder, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CredentialId;

    fn holder(number: u32) -> Holder {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Holder::Stored(CredentialId::from_bytes(bytes))
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pause_concerns_whom_it_names() {
        let mut pauses = Pauses::default();
        pauses.one(holder(1), at(10), at(0));
        pauses.one(holder(1), at(5), at(0));
        assert_eq!(pauses.until(Some(holder(1))), at(10));
        assert_eq!(pauses.until(Some(holder(2))), at(0));
        assert_eq!(pauses.until(None), at(0));
        pauses.everybody(at(7));
        assert_eq!(pauses.until(Some(holder(1))), at(10));
        assert_eq!(pauses.until(Some(holder(2))), at(7));
        assert_eq!(pauses.until(Some(Holder::Configured)), at(7));
    }

    #[test]
    fn they_are_bounded_and_those_that_are_over_are_forgotten() {
        let mut pauses = Pauses::default();
        for number in 0..20_000 {
            pauses.one(holder(number), at(u64::from(number) + 100), at(0));
            assert!(pauses.by_holder.len() <= MOST);
        }
        assert_eq!(pauses.until(Some(holder(19_999))), at(20_099));
        pauses.one(holder(30_000), at(40_000), at(30_000));
        assert_eq!(pauses.by_holder.len(), 1);
    }
}
