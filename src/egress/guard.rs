//! Which addresses may be called: one rule for literals and for what names resolve to.
//!
//! Public unicast addresses may; those of the IANA special-purpose registries only when a network
//! that holds them is listed. Addresses that carry an IPv4 address are judged by that as well.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use super::{Reach, Scheme};

/// Longest time for a name.
const LOOKUP: Duration = Duration::from_secs(3);

/// Most names of one client looked up at once; each holds a thread.
const LOOKUPS: usize = 8;

/// The address is one we must not call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("address refused")]
pub struct AddressRefused;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The IANA IPv4 special-purpose registry (RFC 6890), what is not globally reachable, and
/// multicast.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// What IANA hands out as global unicast; all else is special.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Special inside of [`GLOBAL_V6`]: protocol assignments with Teredo, documentation.
const SPECIAL_V6: [Ipv6Net; 3] = [
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
];

const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
const NAT64_LOCAL: Ipv6Net = v6(0x64, 0xff9b, 1, 48);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);
const TEREDO: Ipv6Net = v6(0x2001, 0, 0, 32);

/// May this address be called, given the special-use networks that are allowed?
pub fn is_allowed(ip: IpAddr, allow: &[IpNet]) -> bool {
    let ip = plain(ip);
    let fits = |ip: IpAddr| !is_special(ip) || is_listed(ip, allow);
    match ip {
        IpAddr::V4(_) => fits(ip),
        IpAddr::V6(six) => {
            fits(ip)
                && carried(six)
                    .into_iter()
                    .flatten()
                    .all(|four| fits(IpAddr::V4(four)))
        }
    }
}

fn is_listed(ip: IpAddr, allow: &[IpNet]) -> bool {
    allow.iter().any(|net| net.contains(&ip))
}

fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => {
            // The well-known NAT64 prefix is another spelling of an IPv4 address, judged as such.
            !NAT64.contains(&ip)
                && (!GLOBAL_V6.contains(&ip) || SPECIAL_V6.iter().any(|net| net.contains(&ip)))
        }
    }
}

/// IPv4-mapped and IPv4-compatible addresses (RFC 4291 section 2.5.5) are IPv4 addresses.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(six) => match six.segments() {
            [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => IpAddr::V4(joined(high, low)),
            _ => ip,
        },
    }
}

const fn joined(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// The IPv4 addresses that packets to `ip` may end at (RFC 3056, 4380, 5214, 6052, 8215).
fn carried(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let part = ip.segments();
    let last = joined(part[6], part[7]);
    if SIX_TO_FOUR.contains(&ip) {
        return [Some(joined(part[1], part[2])), isatap(part)];
    }
    if TEREDO.contains(&ip) {
        return [
            Some(joined(part[2], part[3])),
            Some(joined(!part[6], !part[7])),
        ];
    }
    if NAT64.contains(&ip) {
        return [Some(last), None];
    }
    if NAT64_LOCAL.contains(&ip) {
        // Either as RFC 6052 places it behind a /48, or behind a /96 inside of it.
        let octet = ip.octets();
        let split = Ipv4Addr::new(octet[6], octet[7], octet[9], octet[10]);
        return [Some(split), Some(last)];
    }
    [isatap(part), None]
}

const fn isatap(part: [u16; 8]) -> Option<Ipv4Addr> {
    match part {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(joined(high, low)),
        _ => None,
    }
}

/// From a name to its addresses.
pub(super) trait Lookup: Send + Sync {
    /// Every address the name has.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Asks the operating system.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            })
            .await
            .map_err(io::Error::other)?
        })
    }
}

/// The rule of one client.
pub(super) struct Guard {
    scheme: Scheme,
    reach: Reach,
    allow: Vec<IpNet>,
    lookup: Arc<dyn Lookup>,
    slots: Arc<Semaphore>,
}

impl Guard {
    pub(super) fn new(
        scheme: Scheme,
        reach: Reach,
        allow: Vec<IpNet>,
        lookup: Arc<dyn Lookup>,
    ) -> Self {
        Self {
            scheme,
            reach: match scheme {
                Scheme::Https => reach,
                Scheme::Http => Reach::Listed,
            },
            allow,
            lookup,
            slots: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    fn permits(&self, ip: IpAddr) -> bool {
        is_allowed(ip, &self.allow)
            && (self.reach == Reach::Public || is_listed(plain(ip), &self.allow))
    }

    /// Scheme and, where the host is a literal, address. Names are judged when they are resolved.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), AddressRefused> {
        let fits = url.scheme() == self.scheme.as_str()
            && match url.host() {
                Some(Host::Ipv4(ip)) => self.permits(IpAddr::V4(ip)),
                Some(Host::Ipv6(ip)) => self.permits(IpAddr::V6(ip)),
                Some(Host::Domain(name)) if is_localhost(name) => !self.loopback().is_empty(),
                Some(Host::Domain(_)) => self.reach == Reach::Public || !self.allow.is_empty(),
                None => false,
            };
        if fits { Ok(()) } else { Err(AddressRefused) }
    }

    /// `localhost` and names below it are never looked up (RFC 6761 section 6.3).
    fn loopback(&self) -> Vec<IpAddr> {
        let both = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        both.into_iter().filter(|ip| self.permits(*ip)).collect()
    }

    /// The addresses to dial, all of them checked; one that must not be called refuses the name.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        if is_localhost(name) {
            return match self.loopback() {
                none if none.is_empty() => Err(LookupError::Refused(AddressRefused)),
                some => Ok(some),
            };
        }
        let found = timeout(LOOKUP, async {
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            let slot = slot.map_err(|_| LookupError::Failed)?;
            let asked = self.lookup.lookup(name.to_owned());
            // A look-up that nobody waits for any more keeps its place until the system answers.
            let found = tokio::spawn(async move {
                let _slot = slot;
                asked.await
            });
            let found = found.await.map_err(|_| LookupError::Failed)?;
            found.map_err(|_| LookupError::Failed)
        })
        .await
        .map_err(|_| LookupError::Failed)??;
        if found.is_empty() {
            return Err(LookupError::Failed);
        }
        if found.iter().all(|ip| self.permits(*ip)) {
            Ok(found)
        } else {
            Err(LookupError::Refused(AddressRefused))
        }
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

/// Why a name has no addresses to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookupError {
    /// One of them must not be called.
    #[error(transparent)]
    Refused(#[from] AddressRefused),
    /// It has none, or the answer took too long.
    #[error("name not found")]
    Failed,
}

#[cfg(test)]
mod tests;
