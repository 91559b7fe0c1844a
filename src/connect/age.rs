//! How much of an access token's life is left.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use crate::{clock::Timestamp, ids::ReplicaId, store::CredentialInfo};

/// A token is over so long before its end: clocks differ, and a request takes a while to arrive.
const MARGIN: Duration = Duration::from_secs(30);

/// How much of an access token's life is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Enough.
    Good,
    /// It works, and is to be renewed.
    Due,
    /// Nothing.
    Over,
}

/// The age of a grant's access token. It is due after 80 % of its life, a tenth of that more or
/// less: different for each grant and process, so that they do not come all at once.
pub(super) fn age(info: &CredentialInfo, replica: ReplicaId, now: Timestamp) -> Age {
    let Some(ends) = info.expires else {
        return Age::Good;
    };
    let life = ends.since(info.updated);
    let margin = MARGIN.min(life / 4);
    if now.plus(margin) >= ends {
        return Age::Over;
    }
    let mut hasher = DefaultHasher::new();
    (info.id, info.generation, replica).hash(&mut hasher);
    let thousandths = u32::try_from(720 + hasher.finish() % 161).unwrap_or(800);
    if now >= info.updated.plus(life * thousandths / 1000) {
        Age::Due
    } else {
        Age::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::CredentialId,
        names::Label,
        store::{CredentialKind, CredentialState, Tenant},
    };

    fn info(id: u8, life: Option<Duration>) -> CredentialInfo {
        let began = Timestamp::from_millis(1_000_000);
        CredentialInfo {
            id: CredentialId::from_bytes([id; 16]),
            upstream: "up".parse().unwrap(),
            tenant: Tenant::Operator,
            label: Label::default_label(),
            kind: CredentialKind::Grant,
            state: CredentialState::Active,
            generation: 1,
            hint: None,
            scopes: Vec::new(),
            shortfalls: 0,
            expires: life.map(|life| began.plus(life)),
            created: began,
            updated: began,
        }
    }

    fn after(id: u8, life: Option<u64>, seconds: u64) -> Age {
        let info = info(id, life.map(Duration::from_secs));
        let now = info.updated.plus(Duration::from_secs(seconds));
        age(&info, ReplicaId::from_bytes([9; 16]), now)
    }

    #[test]
    fn tokens_are_due_around_four_fifths_and_over_before_the_end() {
        let mut due = std::collections::BTreeSet::new();
        for id in 0..64 {
            assert_eq!(after(id, Some(1000), 719), Age::Good);
            assert_eq!(after(id, Some(1000), 881), Age::Due);
            assert_eq!(after(id, Some(1000), 969), Age::Due);
            assert_eq!(after(id, Some(1000), 970), Age::Over);
            assert_eq!(after(id, None, u64::MAX / 2), Age::Good);
            let first = (720..=880).find(|at| after(id, Some(1000), *at) == Age::Due);
            due.insert(first);
        }
        assert!(due.len() > 30, "they do not come all at once");
        assert_eq!(
            after(1, Some(8), 5),
            Age::Good,
            "a short life has a short margin"
        );
        assert_eq!(after(1, Some(8), 6), Age::Over);
    }
}
