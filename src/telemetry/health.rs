//! What is lost, as the process knows it: a state for each thing outside that it needs. Decides
//! nothing; `/readyz` and the metrics show it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use serde::Serialize;

use crate::clock::Timestamp;

/// Something outside that a gateway needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// The database answers.
    Store,
    /// The database takes changes.
    StoreWrites,
    /// The store's clock and ours agree.
    Clock,
    /// Redis answers, where one is configured.
    Redis,
    /// The key service answers, where one is configured.
    KeyService,
}

/// Every component, in the order in which they are shown.
const ALL: [Component; 5] = [
    Component::Store,
    Component::StoreWrites,
    Component::Clock,
    Component::Redis,
    Component::KeyService,
];

impl Component {
    /// The word in metrics, logs and `/readyz`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::StoreWrites => "store_writes",
            Self::Clock => "clock",
            Self::Redis => "redis",
            Self::KeyService => "key_service",
        }
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Away or impaired, and the gateway serves without it as the documents say.
    Degraded,
    /// Away, and the gateway does not serve without it.
    Lost,
}

impl State {
    const fn number(self) -> i64 {
        match self {
            Self::Ok => 0,
            Self::Degraded => 1,
            Self::Lost => 2,
        }
    }
}

/// A component's state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub component: Component,
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    component: &'static str,
}

/// The state of everything outside.
#[derive(Default)]
pub struct Health {
    /// Those that were told of; few, in the order of [`ALL`].
    told: Mutex<[Option<(State, Timestamp)>; ALL.len()]>,
    /// 0, 1, 2 for `ok`, `degraded`, `lost`.
    pub(super) gauges: Family<Labels, Gauge>,
}

impl Health {
    /// `component` is in this state now. Cheap, and an event only when that is news.
    pub fn tell(&self, component: Component, state: State, now: Timestamp) {
        let before = {
            let mut told = self.told();
            let Some(place) = ALL
                .iter()
                .position(|known| *known == component)
                .and_then(|at| told.get_mut(at))
            else {
                return;
            };
            match place {
                Some((known, _)) if *known == state => return,
                _ => place.replace((state, now)),
            }
        };
        let word = component.word();
        self.gauges
            .get_or_create(&Labels { component: word })
            .set(state.number());
        match (before, state) {
            (None, State::Ok) => {}
            (_, State::Ok) => tracing::info!(component = word, "health.ok"),
            (_, State::Degraded) => tracing::warn!(component = word, "health.degraded"),
            (_, State::Lost) => tracing::warn!(component = word, "health.lost"),
        }
    }

    /// All that was told of.
    pub fn standings(&self) -> Vec<Standing> {
        let told = *self.told();
        ALL.iter()
            .zip(told)
            .filter_map(|(component, told)| {
                told.map(|(state, since)| Standing {
                    component: *component,
                    state,
                    since,
                })
            })
            .collect()
    }

    /// The state of one; none when nobody told of it.
    pub fn of(&self, component: Component) -> Option<State> {
        let at = ALL.iter().position(|known| *known == component)?;
        self.told().get(at)?.map(|(state, _)| state)
    }

    fn told(&self) -> MutexGuard<'_, [Option<(State, Timestamp)>; ALL.len()]> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_moves_the_time() {
        let health = Health::default();
        let at = Timestamp::from_millis;
        assert_eq!(health.standings(), []);
        health.tell(Component::Redis, State::Ok, at(1));
        health.tell(Component::Store, State::Lost, at(2));
        health.tell(Component::Redis, State::Ok, at(3));
        health.tell(Component::Store, State::Lost, at(4));
        let standing = |component, state, since| Standing {
            component,
            state,
            since,
        };
        assert_eq!(
            health.standings(),
            [
                standing(Component::Store, State::Lost, at(2)),
                standing(Component::Redis, State::Ok, at(1)),
            ]
        );
        health.tell(Component::Store, State::Ok, at(5));
        assert_eq!(health.of(Component::Store), Some(State::Ok));
        assert_eq!(health.of(Component::KeyService), None);
    }
}
