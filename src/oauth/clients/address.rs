//! Which addresses may be client ids (Client ID Metadata Documents, section 3): such that everybody
//! who reads one reads the same.

use url::{Host, Url};

use super::ClientFault;
use crate::{
    config::auth::{AcceptDocuments, ClientDocumentsConfig},
    grant::ClientId,
    oauth::clients::Publisher,
};

/// The port of https.
pub(super) const HTTPS: u16 = 443;
const NO_ADDRESS: &str = "the client id is no plain https address";

/// The address that a client id is, where the policy lets it be read at all.
pub(super) fn admitted(
    id: &ClientId,
    policy: &ClientDocumentsConfig,
) -> Result<(Url, Publisher), ClientFault> {
    if policy.accept == AcceptDocuments::Off {
        return Err(ClientFault::Document(
            "clients that name themselves by an address are not accepted here",
        ));
    }
    let url = plain(id.as_str()).map_err(ClientFault::Document)?;
    let publisher = if is_listed(&policy.hosts, &url) {
        Publisher::Listed
    } else {
        Publisher::Unknown
    };
    if policy.accept == AcceptDocuments::Listed && publisher == Publisher::Unknown {
        return Err(ClientFault::Document(
            "the host of the client's address is not one that is accepted here",
        ));
    }
    Ok((url, publisher))
}

/// Is the host of this address listed, with its port unless that is the one of https?
pub(super) fn is_listed(hosts: &[String], url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default();
    hosts.iter().any(|one| {
        let (host, port) = match one.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (one.as_str(), Some(HTTPS)),
        };
        host.eq_ignore_ascii_case(name) && port == url.port_or_known_default()
    })
}

/// Reads the address; an error says what is odd about it.
fn plain(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| NO_ADDRESS)?;
    if url.scheme() != "https" || text.len() > 2_048 {
        return Err(NO_ADDRESS);
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err("the client's address must not name a user");
    }
    if url.fragment().is_some() {
        return Err("the client's address must not have a fragment");
    }
    if url.path() == "/" {
        return Err("the client's address needs a path");
    }
    // What the parser repaired, such as dot segments, upper-case hosts or odd spellings of an IPv4
    // address, is not what was written.
    if url.as_str() != text {
        return Err("the client's address is not in its plain form");
    }
    match (url.host(), url.port()) {
        (None, _) | (_, Some(0)) => Err(NO_ADDRESS),
        (Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)), _) => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o_24_odd_addresses_are_no_client_ids() {
        for good in [
            "https://claude.ai/oauth/claude-code-client-metadata",
            "https://chatgpt.com/oauth/codex/client.json",
            "https://a.test:8443/c?v=2",
        ] {
            assert!(plain(good).is_ok(), "{good}");
        }
        for bad in [
            "https://cimd.test/a/../b",
            "https://cimd.test/./b",
            "https://cimd.test/a/%2e%2e/b",
            "https://cimd.test/b#f",
            "https://cimd.test/b#",
            "https://u:p@cimd.test/b",
            "https://@cimd.test/b",
            "http://cimd.test/b",
            "https://cimd.test",
            "https://cimd.test/",
            "https://CIMD.test/b",
            "https://cimd.test:443/b",
            "https://cimd.test:0/b",
            "https://cimd.test:99999/b",
            "https:/cimd.test/b",
            "https://cimd.test\\b",
            "https:///b",
            "https://cimd.test/a b",
            "wgi_x",
        ] {
            assert!(plain(bad).is_err(), "{bad}");
        }
        assert!(plain(&format!("https://a.test/{}", "a".repeat(2_048))).is_err());
    }

    #[test]
    fn s_02_other_spellings_of_an_ipv4_address_are_not_read() {
        for bad in [
            "https://0x7f000001/c",
            "https://2130706433/c",
            "https://017700000001/c",
            "https://127.1/c",
            "https://0/c",
        ] {
            assert!(plain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn s_19_a_port_is_listed_with_its_host() {
        let of = |url: &str| {
            let hosts = ["a.test:8443".to_owned(), "b.test".to_owned()];
            is_listed(&hosts, &Url::parse(url).unwrap())
        };
        assert!(of("https://a.test:8443/c") && of("https://b.test/c"));
        for bad in [
            "https://a.test/c",
            "https://a.test:22/c",
            "https://b.test:8443/c",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }

    #[test]
    fn the_policy_says_whose_documents_are_read() {
        let id: ClientId = "https://claude.ai/c".parse().unwrap();
        let of = |accept, hosts: &[&str]| {
            let policy = ClientDocumentsConfig {
                accept,
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ..ClientDocumentsConfig::default()
            };
            admitted(&id, &policy).map(|(_, publisher)| publisher).ok()
        };
        assert_eq!(of(AcceptDocuments::Any, &[]), Some(Publisher::Unknown));
        let listed = Some(Publisher::Listed);
        assert_eq!(of(AcceptDocuments::Any, &["Claude.ai"]), listed);
        assert_eq!(of(AcceptDocuments::Listed, &["claude.ai"]), listed);
        assert_eq!(of(AcceptDocuments::Listed, &["a.claude.ai"]), None);
        assert_eq!(of(AcceptDocuments::Off, &["claude.ai"]), None);
        assert_eq!(of(AcceptDocuments::Listed, &["claude.ai:443"]), listed);
        assert_eq!(of(AcceptDocuments::Listed, &["claude.ai:8443"]), None);
    }
}
