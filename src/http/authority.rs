//! Which host the request is for: computed once, refused unless it is ours (DNS rebinding).

use std::{collections::HashSet, sync::Arc};

use axum::extract::Request;
use http::{header::HOST, uri::Authority};

use super::{check::Check, refusal::EdgeRefusal};
use crate::config::Config;

/// The authorities that are served.
#[derive(Clone)]
pub struct Authorities(Arc<Known>);

struct Known {
    /// `host` or `host:port`, lower case.
    names: HashSet<String>,
    loopback: Loopback,
}

/// Are loopback names served, on any port?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loopback {
    /// The listener is on loopback, so only this machine reaches it.
    Served,
    /// It is not.
    Refused,
}

/// Is this one of the names of the machine itself?
pub(super) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl Authorities {
    /// The host of the public URL, those the operator added, and loopback on a loopback listener.
    pub fn of(config: &Config) -> Self {
        let mut names: HashSet<String> = config
            .listen
            .allowed_hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        if let Some(url) = &config.public_url
            && let Some(host) = url.host_str()
        {
            names.insert(host.to_ascii_lowercase());
            let port = url.port_or_known_default().unwrap_or(443);
            names.insert(format!("{host}:{port}").to_ascii_lowercase());
        }
        if config.listen.public.ip().is_loopback() {
            // Known by the look-up below; other ports, as behind a forwarder, are parsed.
            names.insert(config.listen.public.to_string());
            names.insert(format!("localhost:{}", config.listen.public.port()));
        }
        let loopback = if config.listen.public.ip().is_loopback() {
            Loopback::Served
        } else {
            Loopback::Refused
        };
        Self(Arc::new(Known { names, loopback }))
    }

    /// Loopback names only, on any port.
    pub fn loopback() -> Self {
        Self(Arc::new(Known {
            names: HashSet::new(),
            loopback: Loopback::Served,
        }))
    }

    fn knows(&self, authority: &Authority) -> bool {
        let host = authority.host();
        if self.0.loopback == Loopback::Served && is_loopback(host) {
            return true;
        }
        let text = authority.as_str();
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.0.names.contains(text.to_ascii_lowercase().as_str());
        }
        self.0.names.contains(text)
    }
}

/// The one authority of a request: the target's and the `Host` field's must agree.
fn authority(request: &Request) -> Option<Authority> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return None;
    }
    let field: Option<Authority> = match field {
        Some(value) => Some(Authority::try_from(value.as_bytes()).ok()?),
        None => None,
    };
    let authority = match (request.uri().authority(), field) {
        (Some(target), Some(field)) if *target == field => field,
        (Some(target), None) => target.clone(),
        (None, Some(field)) => field,
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let text = authority.as_str();
    // No user information, and at most one port.
    let well_formed = !text.contains('@')
        && !text.contains('%')
        && (authority.port().is_some() || text == authority.host());
    well_formed.then_some(authority)
}

impl Authorities {
    /// The usual request: an origin-form target, one `Host`, spelled as we know it.
    fn is_plainly_ours(&self, request: &Request) -> bool {
        let mut fields = request.headers().get_all(HOST).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return false;
        };
        request.uri().authority().is_none()
            && field.to_str().is_ok_and(|host| self.0.names.contains(host))
    }
}

impl Check for Authorities {
    fn check(&self, request: &Request) -> Result<(), EdgeRefusal> {
        if self.is_plainly_ours(request) {
            return Ok(());
        }
        let authority = authority(request).ok_or(EdgeRefusal::AuthorityMalformed)?;
        if self.knows(&authority) {
            Ok(())
        } else {
            Err(EdgeRefusal::AuthorityUnknown)
        }
    }
}

#[cfg(test)]
mod tests;
