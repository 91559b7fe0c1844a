//! Places for readings of strangers' addresses: few at once, fewer to one host, and some kept free
//! for those who signed in before. Refuses to let a flood of new addresses wait for ever.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use url::Url;

use super::web::ReadFault;
use crate::{
    crypto::Pepper,
    limit::{BucketKey, Claim, Limiter},
    quota::{Rate, Tier},
};

/// Most addresses read at once that anybody named.
const OPEN: usize = 6;
/// More of them for listed hosts and for what was read before.
const RESERVED: usize = 2;
/// Most readings from one host at once.
const PER_HOST: usize = 2;
/// Of these, most for addresses that were never read: the known ones of the host keep a place.
const NEW_PER_HOST: usize = 1;
/// Longest time to wait for a place.
const WAIT: Duration = Duration::from_secs(2);
/// Most readings that wait or run at once, by standing.
const STRANGERS: usize = 32;
const TRUSTED: usize = 64;
/// Most hosts remembered as read.
const MET: usize = 1_000;
/// Dead entries are swept out when there are as many hosts.
const CROWDED: usize = 256;
/// New addresses in a minute: of all hosts that were never read together, and of one that was.
const NEW: Rate = Rate::per_minute(match NonZeroU32::new(60) {
    Some(count) => count,
    None => NonZeroU32::MIN,
});
/// The bucket of all hosts that were never read.
const STRANGE: BucketKey = [1; 16];

/// Was the address read before?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Read,
    Never,
}

/// All places, for documents and for keys.
pub(super) struct Slots {
    open: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    trusted: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Host>>>,
    /// Hosts that were read successfully.
    met: Cache<String, ()>,
    /// Hosts that the operator lists.
    listed: Vec<String>,
    limiter: Arc<Limiter>,
    pepper: Pepper,
    wait: Duration,
}

/// The places of one host.
struct Host {
    all: Arc<Semaphore>,
    new: Arc<Semaphore>,
}

/// Who may read at once, when a place is free.
pub(super) struct Turn {
    slots: Arc<Slots>,
    name: String,
    host: Arc<Host>,
    before: Before,
    standing: Standing,
    queue: OwnedSemaphorePermit,
}

/// A place; free again when it is dropped.
pub(super) struct Place {
    slots: Arc<Slots>,
    name: String,
    _host: Arc<Host>,
    _permits: [Option<OwnedSemaphorePermit>; 3],
    _queue: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// May use the reserved places.
    Trusted,
    Stranger,
}

impl Slots {
    /// `listed` are the hosts of the configuration, with or without a port.
    pub(super) fn new(listed: &[String], limiter: Arc<Limiter>, pepper: Pepper) -> Self {
        let name = |host: &String| {
            let name = host.split(':').next().unwrap_or_default();
            name.to_ascii_lowercase()
        };
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            open: places(OPEN),
            reserved: places(RESERVED),
            strangers: places(STRANGERS),
            trusted: places(TRUSTED),
            hosts: Mutex::default(),
            met: Cache::new(MET),
            listed: listed.iter().map(name).collect(),
            limiter,
            pepper,
            wait: WAIT,
        }
    }

    /// Lets a reading of `address` wait, unless there are too many of its sort.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: &str,
        before: Before,
    ) -> Result<Turn, ReadFault> {
        let url = Url::parse(address).ok();
        let name = url.as_ref().and_then(Url::host_str).unwrap_or(address);
        let is_listed = self.listed.iter().any(|one| one == name);
        let standing = if before == Before::Read || is_listed {
            Standing::Trusted
        } else {
            Standing::Stranger
        };
        if before == Before::Never {
            let is_met = is_listed || self.met.get(name).is_some();
            let key = if is_met { self.key(name) } else { STRANGE };
            let taken = self
                .limiter
                .here()
                .take(&Claim::one(Tier::Registration, NEW, key));
            taken.map_err(|_| ReadFault::Silent)?;
        }
        let queue = match standing {
            Standing::Trusted => &self.trusted,
            Standing::Stranger => &self.strangers,
        };
        let queue = Arc::clone(queue).try_acquire_owned();
        Ok(Turn {
            slots: Arc::clone(self),
            name: name.to_owned(),
            host: self.host(name),
            before,
            standing,
            queue: queue.map_err(|_| ReadFault::Silent)?,
        })
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name).and_then(Weak::upgrade) {
            return host;
        }
        if hosts.len() >= CROWDED {
            hosts.retain(|_, host| host.strong_count() > 0);
        }
        let host = Arc::new(Host {
            all: Arc::new(Semaphore::new(PER_HOST)),
            new: Arc::new(Semaphore::new(NEW_PER_HOST)),
        });
        hosts.insert(name.to_owned(), Arc::downgrade(&host));
        host
    }

    fn key(&self, name: &str) -> BucketKey {
        let digest = self.pepper.digest_text(&format!("client host\n{name}"));
        let mut key = BucketKey::default();
        for (to, from) in key.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        key
    }
}

impl Turn {
    /// A place, as soon as one is free.
    pub(super) async fn place(self) -> Result<Place, ReadFault> {
        let permits = timeout(self.slots.wait, self.permits()).await;
        let permits = permits.map_err(|_| ReadFault::Silent)?;
        Ok(Place {
            _permits: permits.map_err(|_| ReadFault::Silent)?,
            slots: self.slots,
            name: self.name,
            _host: self.host,
            _queue: self.queue,
        })
    }

    async fn permits(&self) -> Result<[Option<OwnedSemaphorePermit>; 3], AcquireError> {
        let of = |places: &Arc<Semaphore>| Arc::clone(places).acquire_owned();
        let new = match self.before {
            Before::Never => Some(of(&self.host.new).await?),
            Before::Read => None,
        };
        let host = of(&self.host.all).await?;
        let slot = match self.standing {
            Standing::Stranger => of(&self.slots.open).await?,
            Standing::Trusted => tokio::select! {
                biased;
                slot = of(&self.slots.open) => slot?,
                slot = of(&self.slots.reserved) => slot?,
            },
        };
        Ok([new, Some(host), Some(slot)])
    }
}

impl Place {
    /// The host told something that is accepted: it is a stranger no more.
    pub(super) fn read_well(&self) {
        self.slots.met.insert(self.name.clone(), ());
    }
}
