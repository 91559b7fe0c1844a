//! What the client makes of the documents: is this resource mine, is this server who it says, can I
//! become a client there? (RFC 9728 section 3.3, RFC 8414 section 3.3.)

use serde_json::Value;
use url::Url;

use super::{
    clients::{Document, IssuerRule, NoneRule, PkceRule, ResourceRule, ResourceSent},
    findings::Check,
    play::{Play, Stopped, at_origin, place_of},
};

/// Does the server promise `iss` in its authorization responses?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iss {
    /// Yes.
    Promised,
    /// It does not say so.
    NotPromised,
}

/// Does the server fetch client documents?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// Yes.
    Fetched,
    /// It does not say so.
    NotFetched,
}

/// An authorization server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub issuer: Option<String>,
    /// Where its metadata is, or would be.
    pub place: String,
    /// The authorization endpoint.
    pub authorize: Url,
    /// The token endpoint.
    pub token: Url,
    /// The registration endpoint.
    pub register: Option<Url>,
    /// The revocation endpoint.
    pub revoke: Option<Url>,
    /// Whether `none` is among the token endpoint's methods.
    pub takes_none: bool,
    /// Whether client documents are fetched.
    pub documents: Documents,
    /// Whether `iss` is promised.
    pub iss: Iss,
    /// Its scopes.
    pub scopes: Vec<String>,
}

/// How the client makes itself known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// By its document, at this address.
    Document(&'static str),
    /// By registration.
    Registration,
}

impl Server {
    /// The endpoints that revision 2025-03-26 assumes at the origin.
    pub fn guessed(place: &Url) -> Self {
        Self {
            issuer: None,
            place: place_of(place),
            authorize: at_origin(place, "/authorize"),
            token: at_origin(place, "/token"),
            register: Some(at_origin(place, "/register")),
            revoke: Some(at_origin(place, "/revoke")),
            takes_none: true,
            documents: Documents::NotFetched,
            iss: Iss::NotPromised,
            scopes: Vec::new(),
        }
    }

    /// Does it list `offline_access`?
    pub fn lists_offline(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "offline_access")
    }
}

impl Play<'_> {
    /// Compares the document's `resource` with what was pasted; what the client will send.
    pub fn resource(&mut self, published: &str) -> Result<String, Stopped> {
        let fits = Url::parse(published).is_ok_and(|url| self.fits(&url));
        if !fits {
            let seen = format!("`resource` is `{published}`");
            let pasted = self.pasted;
            return Err(self.stop(Check::ResourceMismatch, seen, pasted));
        }
        let spelled = Url::parse(published).is_ok_and(|url| url == *self.connector);
        if spelled && published != self.pasted {
            let seen = format!("`resource` is `{published}`");
            let pasted = self.pasted;
            self.warn(Check::ResourceSpelling, seen, pasted);
        }
        Ok(match self.profile.resource_sent {
            ResourceSent::Document => published.to_owned(),
            ResourceSent::Pasted => self.pasted.to_owned(),
        })
    }

    fn fits(&self, published: &Url) -> bool {
        let slashed = |path: &str| format!("{}/", path.trim_end_matches('/'));
        let (own, theirs) = (self.connector.path(), published.path());
        let no_longer = match self.profile.resource_rule {
            ResourceRule::Prefix => theirs.len() <= own.len(),
            ResourceRule::PrefixButSlash => true,
        };
        published.origin() == self.connector.origin()
            && published.fragment().is_none()
            && no_longer
            && slashed(own).starts_with(&slashed(theirs))
    }

    /// Reads the metadata that was found at `place` for `issuer`.
    pub fn server_from(
        &mut self,
        value: &Value,
        place: &Url,
        issuer: &str,
    ) -> Result<Server, Stopped> {
        let place = place_of(place);
        let url = |name: &str| {
            let text = value.get(name).and_then(Value::as_str)?;
            Url::parse(text).ok()
        };
        let words = |name: &str| -> Option<Vec<String>> {
            let list = value.get(name)?.as_array()?;
            let words = list.iter().filter_map(Value::as_str);
            Some(words.map(str::to_owned).collect())
        };
        let says = |name: &str| value.get(name).and_then(Value::as_bool) == Some(true);
        let has =
            |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|have| have == word);
        let (Some(authorize), Some(token)) = (url("authorization_endpoint"), url("token_endpoint"))
        else {
            let seen = "`authorization_endpoint` or `token_endpoint` is missing";
            return Err(self.stop(Check::ServerMetadataBroken, seen, place));
        };
        if !has(&words("response_types_supported"), "code") {
            let seen = "`response_types_supported` lacks `code`";
            return Err(self.stop(Check::ServerMetadataBroken, seen, place));
        }
        let said = value.get("issuer").and_then(Value::as_str);
        self.compare_issuer(said, issuer)?;
        let challenges = words("code_challenge_methods_supported");
        if !has(&challenges, "S256") {
            let seen = "`code_challenge_methods_supported` lacks `S256`";
            if challenges.is_some() || self.profile.pkce_rule == PkceRule::Advertised {
                return Err(self.stop(Check::S256NotAdvertised, seen, place));
            }
            self.warn(Check::S256NotAdvertised, seen, &place);
        }
        // RFC 8414 section 2: left out means `client_secret_basic`.
        let takes_none = has(&words("token_endpoint_auth_methods_supported"), "none");
        if !takes_none {
            let seen = "`token_endpoint_auth_methods_supported` lacks `none`";
            if self.profile.none_rule == NoneRule::Needed {
                return Err(self.stop(Check::NoneNotAdvertised, seen, place));
            }
            self.warn(Check::NoneNotAdvertised, seen, &place);
        }
        Ok(Server {
            issuer: said.map(str::to_owned),
            authorize,
            token,
            register: url("registration_endpoint"),
            revoke: url("revocation_endpoint"),
            takes_none,
            documents: if says("client_id_metadata_document_supported") {
                Documents::Fetched
            } else {
                Documents::NotFetched
            },
            iss: if says("authorization_response_iss_parameter_supported") {
                Iss::Promised
            } else {
                Iss::NotPromised
            },
            scopes: words("scopes_supported").unwrap_or_default(),
            place,
        })
    }

    fn compare_issuer(&mut self, said: Option<&str>, named: &str) -> Result<(), Stopped> {
        if said == Some(named) {
            return Ok(());
        }
        let seen = match said {
            Some(said) => format!("`issuer` is `{said}`"),
            None => "`issuer` is missing".to_owned(),
        };
        if said.is_some_and(|said| issuer_passes(self.profile.issuer_rule, said, named)) {
            self.warn(Check::IssuerDiffers, seen, named);
            return Ok(());
        }
        Err(self.stop(Check::IssuerDiffers, seen, named))
    }

    /// How the client becomes known at the server.
    pub fn means(&mut self, server: &Server) -> Result<Means, Stopped> {
        if let (Documents::Fetched, Document::At { id, needs_none }) =
            (server.documents, self.profile.document)
            && (server.takes_none || !needs_none)
        {
            return Ok(Means::Document(id));
        }
        if server.register.is_some() {
            return Ok(Means::Registration);
        }
        let seen = match server.documents {
            Documents::Fetched => "client documents only, and this client has none to be played",
            Documents::NotFetched => "neither `registration_endpoint` nor client documents",
        };
        Err(self.stop(Check::NoRegistration, seen, &server.place))
    }
}

/// Does the client take `said` for `named`, which it is not?
fn issuer_passes(rule: IssuerRule, said: &str, named: &str) -> bool {
    match rule {
        IssuerRule::Unchecked => true,
        IssuerRule::Exact => false,
        IssuerRule::ExactButOwnSlash => named.strip_suffix('/') == Some(said),
        IssuerRule::ExactButRootSlash => {
            let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
            let root = Url::parse(named).is_ok_and(|url| url.path() == "/");
            root && bare(said) == bare(named)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_compared_as_each_client_does() {
        let (bare, slash) = ("https://a.test", "https://a.test/");
        let passes = |rule| {
            [
                issuer_passes(rule, slash, bare),
                issuer_passes(rule, bare, slash),
            ]
        };
        assert_eq!(passes(IssuerRule::Unchecked), [true, true]);
        assert_eq!(passes(IssuerRule::Exact), [false, false]);
        assert_eq!(passes(IssuerRule::ExactButOwnSlash), [false, true]);
        assert_eq!(passes(IssuerRule::ExactButRootSlash), [true, true]);
        let below = issuer_passes(
            IssuerRule::ExactButRootSlash,
            "https://a.test/t/",
            "https://a.test/t",
        );
        assert!(!below);
    }
}
