//! What a session is tied to, so that a copied token is refused elsewhere.
//!
//! Only digests are kept: neither an address nor a `User-Agent` is stored or logged.

use std::net::IpAddr;

use crate::{
    crypto::{Pepper, TokenDigest},
    grant::Binding,
};

/// What a request says of who sends it, beside its credential.
#[derive(Clone, Copy)]
pub struct Circumstances<'r> {
    /// Where it comes from. Asked only where a session is tied to it: behind a proxy that takes
    /// reading a header field, which no other call needs.
    pub address: &'r (dyn Fn() -> IpAddr + Sync),
    /// The program, as it names itself.
    pub user_agent: Option<&'r str>,
}

/// Who may use a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// Whoever has the token.
    Loose,
    /// Nobody yet: it was never used.
    Open(Binding),
    /// Whoever is the same in this respect.
    To(Binding, TokenDigest),
}

impl Tie {
    pub(super) fn of(binding: Binding, bound_to: Option<TokenDigest>) -> Self {
        match (binding, bound_to) {
            (Binding::None, _) => Self::Loose,
            (binding, None) => Self::Open(binding),
            (binding, Some(digest)) => Self::To(binding, digest),
        }
    }

    /// May somebody in these circumstances use it?
    pub(super) fn fits(&self, pepper: &Pepper, circumstances: &Circumstances<'_>) -> bool {
        match self {
            Self::Loose => true,
            Self::Open(_) => false,
            Self::To(binding, known) => {
                circumstances.digest(*binding, pepper).as_ref() == Some(known)
            }
        }
    }
}

impl Circumstances<'_> {
    /// What a session of this binding is tied to here; none when it is tied to nothing.
    pub(super) fn digest(&self, binding: Binding, pepper: &Pepper) -> Option<TokenDigest> {
        let text = match binding {
            Binding::None => return None,
            Binding::Client => format!("client\0{}", program(self.user_agent.unwrap_or_default())),
            Binding::Network => format!("network\0{}", network((self.address)())),
        };
        Some(pepper.digest_text(&text))
    }
}

/// The products a `User-Agent` names, without versions and comments (RFC 9110 section 10.1.5): an
/// update of the program or of its system is no other program.
fn program(user_agent: &str) -> String {
    let mut depth = 0_u32;
    let plain: String = user_agent
        .chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect();
    let products = plain
        .split_ascii_whitespace()
        .map(|product| product.split('/').next().unwrap_or_default());
    products.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

/// An IPv4 /24 or IPv6 /48.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, user_agent: Option<&'static str>) -> Circumstances<'static> {
        let address: IpAddr = address.parse().unwrap();
        Circumstances {
            address: Box::leak(Box::new(move || address)),
            user_agent,
        }
    }

    #[test]
    fn a_network_is_a_network_and_a_program_a_program() {
        let pepper = Pepper::new(&[1; 32]);
        let tie = |binding: Binding, first: Circumstances<'_>| {
            Tie::of(binding, first.digest(binding, &pepper))
        };
        let same = |binding, first, then| tie(binding, first).fits(&pepper, &then);
        let network = |a, b| same(Binding::Network, at(a, None), at(b, Some("x")));
        assert!(network("192.0.2.1", "192.0.2.200"));
        assert!(network("192.0.2.1", "::ffff:192.0.2.7"));
        assert!(!network("192.0.2.1", "192.0.3.1"));
        assert!(network("2001:db8:1:2::1", "2001:db8:1:9::1"));
        assert!(!network("2001:db8:1::1", "2001:db8:2::1"));
        let client = |a, b| same(Binding::Client, at("::1", a), at("192.0.2.1", b));
        assert!(client(
            Some("claude-code/2.0.1 (cli)"),
            Some("Claude-Code/2.3 (vscode)")
        ));
        assert!(client(None, Some("")));
        assert!(!client(Some("claude-code/2.0"), Some("curl/8.1")));
        assert!(!client(Some("curl/8.1"), None));
        assert!(same(
            Binding::None,
            at("::1", None),
            at("192.0.2.1", Some("x"))
        ));
        assert!(!Tie::of(Binding::Network, None).fits(&pepper, &at("::1", None)));
    }
}
