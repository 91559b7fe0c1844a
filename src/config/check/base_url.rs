//! `base_url`: nothing in it may be taken for another host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

use super::super::{
    findings::{Findings, Spot},
    rest::RestConfig,
    special_use::is_special_use,
};

/// What is wrong and how to mend it.
pub(super) type Fault = (&'static str, &'static str);

pub(super) fn check(rest: &RestConfig, at: &Spot<'_>, findings: &mut Findings) {
    for (i, network) in rest.allow_special_use.iter().enumerate() {
        if network.prefix_len() == 0 {
            findings.error(
                &at.key("allow_special_use").index(i),
                "every address would be allowed",
                "name the network of this API",
            );
        }
    }
    if let Err((message, fix)) = judge(&rest.base_url, &rest.allow_special_use) {
        findings.error(&at.key("base_url"), message, fix);
    }
}

/// Is this an address that may be called, and nothing that could be taken for another?
pub(super) fn judge(text: &str, allowed: &[IpNet]) -> Result<(), Fault> {
    const PLAIN: &str = "write scheme, host, port and path alone: `https://api.example.com/v1`";
    if text.contains(['{', '}', '$']) {
        return Err((
            "a placeholder may not stand in `base_url`",
            "arguments go into `request.path`, `query`, `headers` and `body`",
        ));
    }
    let odd = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    if text.contains(odd) {
        return Err(("holds a backslash, a space or a control character", PLAIN));
    }
    if text.contains(['?', '#']) {
        return Err(("has a query or a fragment", PLAIN));
    }
    let url = Url::parse(text).map_err(|_| ("not a URL", PLAIN))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("neither `https:` nor `http:`", PLAIN));
    }
    if text.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err((
            "has a user or an `@`",
            "put the credential under `credential`",
        ));
    }
    let lower = text.to_ascii_lowercase();
    let tail = lower.splitn(4, '/').nth(3).unwrap_or_default();
    let climbs = tail
        .split('/')
        .any(|part| matches!(part.replace("%2e", ".").as_str(), "." | ".."));
    if climbs || tail.contains("//") {
        return Err(("the path holds `.`, `..` or `//`", PLAIN));
    }
    address(&url, allowed)
}

fn address(url: &Url, allowed: &[IpNet]) -> Result<(), Fault> {
    let covers = |address: IpAddr| allowed.iter().any(|network| network.contains(&address));
    let name_it = "name its network in `allow_special_use`, if this is really meant";
    let is_http = url.scheme() == "http";
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => address
            .to_ipv4_mapped()
            .map_or(IpAddr::V6(address), IpAddr::V4),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                let v4 = covers(Ipv4Addr::LOCALHOST.into());
                return if v4 || covers(Ipv6Addr::LOCALHOST.into()) {
                    Ok(())
                } else {
                    Err(("the host is this machine", name_it))
                };
            }
            return if is_http && allowed.is_empty() {
                Err(("`http:` is not encrypted", "write `https:`"))
            } else {
                Ok(())
            };
        }
        None => return Err(("has no host", "write `https://api.example.com`")),
    };
    if is_special_use(literal) && !covers(literal) {
        return Err(("the address is private, loopback or reserved", name_it));
    }
    if is_http && !covers(literal) {
        return Err(("`http:` is not encrypted", "write `https:`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, allowed: &[&str]) -> Option<&'static str> {
        let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        judge(text, &allowed).err().map(|(message, _)| message)
    }

    #[test]
    fn u_20_and_s_01_hosts_are_what_they_look_like() {
        for bad in [
            "http://up1:80@evil/",
            "https://up1\\@evil",
            "https://up1/\\evil",
            "https://up1/?a=b",
            "https://up1/#a",
            "https://user@up1/",
            "https://user:p@up1/",
            "https://@up1/",
            "ftp://up1/",
            "file:///etc/passwd",
            "//up1/v1",
            "up1",
            "",
            "https://",
            "https://{host}/v1",
            "{scheme}://up1/",
            "https://up1/$tenant",
            "https://up1/a/../b",
            "https://up1/a/%2E%2e/b",
            "https://up 1/",
            "https://up1/\n",
            "http://api.example.com/",
            "http://1.1.1.1/",
            "http://169.254.169.254/",
            "https://169.254.169.254/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "http://a.localhost./",
        ] {
            assert!(refused(bad, &[]).is_some(), "{bad}");
        }
        for fine in [
            "https://api.example.com",
            "https://api.example.com:8443/v1/",
            "https://1.1.1.1/",
            "https://api.example.com/v1.0/a..b",
        ] {
            assert_eq!(refused(fine, &[]), None, "{fine}");
        }
        assert_eq!(refused("http://127.0.0.1:9/", &["127.0.0.0/8"]), None);
        assert_eq!(refused("http://localhost:9/", &["127.0.0.0/8"]), None);
        assert_eq!(refused("http://crm.internal/", &["10.0.0.0/8"]), None);
        assert!(refused("http://127.0.0.1:9/", &["10.0.0.0/8"]).is_some());
        assert!(refused("http://1.1.1.1/", &["10.0.0.0/8"]).is_some());
    }
}
