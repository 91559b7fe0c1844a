//! The person at the browser: opens the authorization address, types the license key, allows, and
//! is sent back with a code (RFC 6749 section 4.1, RFC 7636, RFC 9207). The key is typed only on
//! the connector's own origin.

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    clients::IssRule,
    discovery::Found,
    findings::Check,
    forms::{Form, forms},
    jar::Jar,
    play::{Play, Reached, Stopped, origin_of, place_of},
    probe::{Ask, Reply},
    registration::Registered,
    server::{Iss, Means, Server},
};
use crate::secret::SecretString;

/// Most pages and redirects of one sign-in.
const MOST_STEPS: usize = 12;

/// What the browser is sent back with.
#[derive(Debug)]
pub struct Granted {
    /// The authorization code.
    pub code: SecretString,
    /// The PKCE verifier.
    pub verifier: SecretString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    NotTyped,
    Typed,
}

impl Play<'_> {
    /// Signs in. None: the page is there, and nobody types a key.
    pub async fn sign_in(
        &mut self,
        found: &Found,
        client: &Registered,
        jar: &mut Jar,
    ) -> Result<Option<Granted>, Stopped> {
        let (state, verifier) = (self.random(), self.random());
        let start = self.authorization(found, client, &state, &verifier);
        let mut ask = Ask::bare(Method::GET, &start);
        let mut at = start.clone();
        let mut key = Key::NotTyped;
        for _ in 0..MOST_STEPS {
            let home = at.origin() == start.origin();
            ask = ask.with(http::header::ACCEPT, "text/html");
            if home && !jar.is_empty() {
                ask = ask.with(http::header::COOKIE, &jar.text());
            }
            let reply = self.ask(ask).await?;
            if home {
                jar.keep(&reply.headers);
            }
            if reply.status.is_redirection() {
                let Some(next) = reply.header("location").and_then(|to| at.join(to).ok()) else {
                    let seen = format!("HTTP {} to nowhere", reply.status.as_u16());
                    return Err(self.stop(Check::AuthorizeNoPage, seen, place_of(&at)));
                };
                if is_callback(&next, &client.redirect_uri) {
                    let code = self.called_back(&next, &state, &found.server)?;
                    let verifier = SecretString::new(verifier);
                    return Ok(Some(Granted { code, verifier }));
                }
                if next.origin() != start.origin() {
                    return Ok(self.elsewhere(&next));
                }
                ask = Ask::bare(Method::GET, &next);
                at = next;
                continue;
            }
            self.page(&reply, &at, client, key)?;
            let Some(typed) = self.key else {
                return Ok(None);
            };
            if at.origin() != self.connector.origin() {
                return Ok(self.elsewhere(&at));
            }
            let page = forms(&reply.text());
            let asks = page.iter().find(|form| form.asks.is_some());
            let Some(form) = asks.or_else(|| page.iter().find(|form| form.allows().is_some()))
            else {
                return Err(self.stop(Check::SignInNotUnderstood, "no such form", place_of(&at)));
            };
            if form.asks.is_some() && key == Key::Typed {
                return Err(self.stop(Check::KeyRefused, "the page asked again", ""));
            }
            let to = at.join(&form.action).unwrap_or_else(|_| at.clone());
            if to.origin() != self.connector.origin() {
                return Ok(self.elsewhere(&to));
            }
            ask = filled(form, &to, typed);
            // What browsers send with a form of the page itself.
            ask = ask.with(http::header::ORIGIN, &origin_of(&at)).with(
                http::HeaderName::from_static("sec-fetch-site"),
                "same-origin",
            );
            if form.asks.is_some() {
                key = Key::Typed;
            }
            at = to;
        }
        let seen = format!("more than {MOST_STEPS} pages");
        Err(self.stop(Check::SignInNotUnderstood, seen, place_of(&start)))
    }

    fn elsewhere(&mut self, at: &Url) -> Option<Granted> {
        self.reached = self.reached.max(Reached::SignInPage);
        if self.key.is_some() {
            let own = origin_of(self.connector);
            self.warn(Check::SignInElsewhere, origin_of(at), own);
        }
        None
    }

    fn page(
        &mut self,
        reply: &Reply,
        at: &Url,
        client: &Registered,
        key: Key,
    ) -> Result<(), Stopped> {
        let seen = format!("HTTP {}", reply.status.as_u16());
        let is_page = reply.header_has("content-type", "html");
        if reply.status.as_u16() != 200 || !is_page {
            if key == Key::Typed {
                return Err(self.stop(Check::KeyRefused, seen, ""));
            }
            return Err(match client.means {
                Means::Document(id) if reply.status.as_u16() != 200 => {
                    self.stop(Check::ClientDocumentRefused, seen, id)
                }
                Means::Document(_) | Means::Registration => {
                    self.stop(Check::AuthorizeNoPage, seen, place_of(at))
                }
            });
        }
        self.reached = self.reached.max(Reached::SignInPage);
        let framed = !reply.header_has("content-security-policy", "frame-ancestors")
            && !reply.headers.contains_key("x-frame-options");
        if framed {
            let seen = "neither `frame-ancestors` nor `X-Frame-Options`";
            self.warn(Check::PageFramable, seen, "");
        }
        if !reply.header_has("cache-control", "no-store") {
            self.warn(Check::PageCacheable, "no `Cache-Control: no-store`", "");
        }
        Ok(())
    }

    /// What the authorization response holds.
    fn called_back(
        &mut self,
        url: &Url,
        state: &str,
        server: &Server,
    ) -> Result<SecretString, Stopped> {
        let of = |name: &str| {
            let mut pairs = url.query_pairs();
            let found = pairs.find(|(have, _)| have == name);
            found.map(|(_, value)| value.into_owned())
        };
        if of("state").as_deref() != Some(state) {
            return Err(self.stop(Check::StateLost, "another `state`, or none", ""));
        }
        self.compare_iss(of("iss").as_deref(), server)?;
        if let Some(error) = of("error") {
            let seen = format!("error `{error}`");
            return Err(self.stop(Check::AuthorizeError, seen, format!("`{error}`")));
        }
        match of("code").filter(|code| !code.is_empty()) {
            Some(code) => Ok(SecretString::new(code)),
            None => Err(self.stop(Check::AuthorizeError, "no `code`", "no `code`")),
        }
    }

    fn compare_iss(&mut self, iss: Option<&str>, server: &Server) -> Result<(), Stopped> {
        let Some(issuer) = &server.issuer else {
            return Ok(());
        };
        let rule = self.profile.iss_rule;
        match iss {
            Some(iss) if iss == issuer => Ok(()),
            Some(iss) => {
                let seen = format!("`iss` is `{iss}`");
                if rule == IssRule::Unchecked {
                    self.warn(Check::IssDiffers, seen, issuer);
                    return Ok(());
                }
                Err(self.stop(Check::IssDiffers, seen, issuer))
            }
            None => {
                let promised = server.iss == Iss::Promised;
                let seen = if promised {
                    "no `iss`, though the metadata promises it"
                } else {
                    "no `iss`"
                };
                if rule == IssRule::Always || (rule == IssRule::WhenPromised && promised) {
                    return Err(self.stop(Check::IssMissing, seen, issuer));
                }
                if promised {
                    self.warn(Check::IssMissing, seen, issuer);
                }
                Ok(())
            }
        }
    }

    fn authorization(
        &self,
        found: &Found,
        client: &Registered,
        state: &str,
        verifier: &str,
    ) -> Url {
        let mut url = found.server.authorize.clone();
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        let mut scope = found.scope.clone();
        let offline = self.profile.asks_offline && found.server.lists_offline();
        if let (true, Some(scope)) = (offline, &mut scope)
            && !scope.split(' ').any(|word| word == "offline_access")
        {
            scope.push_str(" offline_access");
        }
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &client.id)
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256")
                .append_pair("redirect_uri", &client.redirect_uri)
                .append_pair("state", state);
            if let Some(scope) = &scope {
                query.append_pair("scope", scope);
                if scope.split(' ').any(|word| word == "offline_access") {
                    query.append_pair("prompt", "consent");
                }
            }
            if let Some(resource) = &found.resource {
                query.append_pair("resource", resource);
            }
        }
        url
    }
}

fn is_callback(url: &Url, redirect_uri: &str) -> bool {
    let bare = |url: &Url| {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    Url::parse(redirect_uri).is_ok_and(|own| bare(&own) == bare(url))
}

/// The form as the browser sends it, the key in the field that asks.
fn filled(form: &Form, to: &Url, key: &SecretString) -> Ask {
    let mut fields: Vec<(&str, &str)> = form
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if let Some(name) = &form.asks {
        fields.push((name, key.expose()));
    }
    let button = form.allows().or_else(|| form.buttons.first());
    if let Some((name, value)) = button.and_then(|button| button.field.as_ref()) {
        fields.push((name, value));
    }
    Ask::form(to, fields)
}
