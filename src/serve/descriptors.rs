//! How many connections the system lets this process hold, and how many of them clients may take:
//! never so many that nothing is left for upstreams, the store and the admin listener.

use std::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections of the admin listener: a few probes and scrapers.
pub(super) const ADMIN: u32 = 64;
/// What the process holds for itself: the store, logs, listeners, timers, name lookups.
const OWN: u64 = 64 + ADMIN as u64;
/// With fewer descriptors than this an installation of more than one person is cramped.
const LOW: u64 = 4_096;

/// Raises the soft limit to the hard one, as every process may, and says how many there are; none:
/// without bound.
fn available() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// How many connections clients get, of `wanted`.
pub(super) fn connections(wanted: u32, in_flight: NonZeroU32) -> u32 {
    let available = available();
    let most = share(available, wanted, in_flight);
    if let Some(descriptors) = available {
        if most < wanted {
            tracing::warn!(
                descriptors,
                wanted,
                connections = most,
                "descriptors.few: clients get fewer connections than `listen.max_connections`"
            );
        } else if descriptors < LOW {
            tracing::warn!(descriptors, "descriptors.few");
        }
    }
    most
}

/// Each request in flight may hold a connection to an upstream; of few descriptors clients get half.
fn share(available: Option<u64>, wanted: u32, in_flight: NonZeroU32) -> u32 {
    let Some(available) = available else {
        return wanted.max(1);
    };
    let kept = (u64::from(in_flight.get()) + OWN).min(available.div_ceil(2));
    let left = u32::try_from(available - kept).unwrap_or(u32::MAX);
    wanted.min(left).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_everything_else() {
        let of = |available, wanted| share(available, wanted, NonZeroU32::new(2_048).unwrap());
        assert_eq!(of(Some(256), 10_000), 128);
        assert_eq!(of(Some(1_024), 10_000), 512);
        assert_eq!(of(Some(20_000), 10_000), 10_000);
        assert_eq!(of(Some(20_000), 100_000), 20_000 - 2_048 - 128);
        assert_eq!(of(None, 100_000), 100_000);
        assert_eq!(of(Some(1), 10), 1);
        assert_eq!(of(Some(0), 10), 1);
    }
}
