//! The first request, without a token: it has to be answered 401 with one challenge that names the
//! protected-resource document (RFC 9728 section 5.1, RFC 6750 section 3).

use http::Method;
use serde_json::json;

use super::{
    challenge::{Challenge, challenge, elsewhere},
    clients::{Browser, First, Unnamed},
    findings::Check,
    message::{self, Wire, outline},
    play::{Play, Stopped},
    probe::{Ask, Reply},
};
use crate::mcp::headers::PROTOCOL_VERSION;

impl Play<'_> {
    /// Asks first as the client does; the challenge of the 401.
    pub async fn first(&mut self) -> Result<Challenge, Stopped> {
        let (url, title) = (self.connector.clone(), self.profile.client_name);
        let mut looked = None;
        let ask = match self.profile.first {
            First::Discover => {
                message::request(&url, title, &Wire::Modern, "server/discover", json!({}))
            }
            First::Initialize(version) => message::initialize(&url, title, version),
            First::Look {
                method,
                version,
                then,
            } => {
                looked = self.look(method, version).await?;
                message::initialize(&url, title, then)
            }
        };
        // A page's own requests say where the page is from.
        let ask = match self.profile.browser {
            Browser::Page(origin) => ask.with(http::header::ORIGIN, origin),
            Browser::No => ask,
        };
        let reply = self.ask(ask).await?;
        if reply.status.as_u16() != 401 {
            let seen = format!("the first POST answered {}", outline(&reply));
            let right = format!("`WWW-Authenticate: {}`", self.right_challenge());
            return Err(self.stop(Check::FirstAnswerNot401, seen, right));
        }
        let posted = self.challenge_of(&reply)?;
        self.may_be_read(&reply).await?;
        Ok(looked.unwrap_or(posted))
    }

    /// GET or HEAD before the first POST.
    async fn look(
        &mut self,
        method: &'static str,
        version: Option<&str>,
    ) -> Result<Option<Challenge>, Stopped> {
        let verb = if method == "HEAD" {
            Method::HEAD
        } else {
            Method::GET
        };
        let mut ask = Ask::bare(verb, self.connector)
            .with(http::header::ACCEPT, "text/event-stream, application/json")
            .head_only();
        if let Some(version) = version {
            ask = ask.with(PROTOCOL_VERSION, version);
        }
        let reply = self.ask(ask).await?;
        if reply.status.as_u16() == 401 {
            return self.challenge_of(&reply).map(Some);
        }
        let seen = format!("{method} answered HTTP {}", reply.status.as_u16());
        self.warn(Check::LookNot401, seen, "");
        Ok(None)
    }

    fn challenge_of(&mut self, reply: &Reply) -> Result<Challenge, Stopped> {
        let right = self.right_challenge();
        let Some(found) = challenge(&reply.headers) else {
            return Err(match elsewhere(&reply.headers) {
                Some(name) => {
                    let seen = format!("the challenge stands in `{name}`");
                    self.stop(Check::ChallengeRenamed, seen, name)
                }
                None => self.stop(Check::ChallengeMissing, "401 without a challenge", right),
            });
        };
        if found.scheme != "bearer" {
            return Err(self.stop(Check::ChallengeNotBearerFirst, &found.text, right));
        }
        if found.count > 1 {
            self.warn(Check::ChallengeTwice, &found.text, &right);
        }
        if found.resource_metadata.is_none() {
            let seen = format!("WWW-Authenticate: {}", found.text);
            if self.profile.unnamed == Unnamed::Stops {
                return Err(self.stop(Check::ResourceMetadataUnnamed, seen, right));
            }
            self.warn(Check::ResourceMetadataUnnamed, seen, right);
        }
        Ok(found)
    }

    /// What a browser lets the page read and send.
    async fn may_be_read(&mut self, reply: &Reply) -> Result<(), Stopped> {
        let Browser::Page(origin) = self.profile.browser else {
            return Ok(());
        };
        if !reply.header_has("access-control-expose-headers", "www-authenticate") {
            let seen = "the 401 exposes no WWW-Authenticate to pages";
            self.warn(Check::CorsHeaders, seen, origin);
        }
        let wanted = "authorization,content-type,mcp-method,mcp-protocol-version";
        let ask = Ask::bare(Method::OPTIONS, self.connector)
            .with(http::header::ORIGIN, origin)
            .with(http::header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .with(http::header::ACCESS_CONTROL_REQUEST_HEADERS, wanted);
        let reply = self.ask(ask).await?;
        let allowed = wanted.split(',').all(|name| {
            reply.header_has("access-control-allow-headers", name)
                || (name != "authorization"
                    && reply.header_has("access-control-allow-headers", "*"))
        });
        if !reply.status.is_success() || !allowed {
            let seen = format!("OPTIONS answered HTTP {}", reply.status.as_u16());
            self.warn(Check::CorsPreflight, seen, origin);
        }
        Ok(())
    }
}
