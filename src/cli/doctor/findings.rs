//! What can be found: a closed list of checks, and one finding of a check. Holds no secret: what
//! was seen is a status, a word of the protocol or an address, never a token or a body.

mod advice;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::schema::text::shown;

/// Most characters of what was seen.
const SEEN: usize = 240;

/// Everything that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// No HTTP answer at all.
    Unreachable,
    /// The first request was not answered 401.
    FirstAnswerNot401,
    /// GET or HEAD before the first POST was not answered 401.
    LookNot401,
    /// 401 without `WWW-Authenticate`.
    ChallengeMissing,
    /// The challenge stands in another header.
    ChallengeRenamed,
    /// The first scheme is not `Bearer`.
    ChallengeNotBearerFirst,
    /// More than one challenge.
    ChallengeTwice,
    /// The challenge has no `resource_metadata`.
    ResourceMetadataUnnamed,
    /// The protected-resource document is not to be had.
    ResourceDocumentMissing,
    /// Its place answers a server error.
    ResourceDocumentFault,
    /// It is not what RFC 9728 describes.
    ResourceDocumentBroken,
    /// `resource` is not the pasted URL.
    ResourceMismatch,
    /// `resource` is the pasted URL, spelled otherwise.
    ResourceSpelling,
    /// It names no authorization server.
    AuthorizationServersMissing,
    /// No authorization server metadata where the client looks.
    ServerMetadataMissing,
    /// Its place answers a server error.
    ServerMetadataFault,
    /// It is not what RFC 8414 describes.
    ServerMetadataBroken,
    /// `issuer` is not what the resource document names.
    IssuerDiffers,
    /// S256 is not advertised.
    S256NotAdvertised,
    /// `none` is no method of the token endpoint.
    NoneNotAdvertised,
    /// Neither registration nor client documents.
    NoRegistration,
    /// Registration was refused.
    RegistrationRefused,
    /// Registration succeeded without the redirect URI.
    RedirectDropped,
    /// A secret nobody asked for.
    SecretIssued,
    /// The authorization endpoint gave no page.
    AuthorizeNoPage,
    /// The same, where the client is known by its document.
    ClientDocumentRefused,
    /// It sent the browser back with an error.
    AuthorizeError,
    /// The page can be framed.
    PageFramable,
    /// The page can be cached.
    PageCacheable,
    /// The page is at another origin: no key is typed there.
    SignInElsewhere,
    /// No form to fill in.
    SignInNotUnderstood,
    /// The key was not taken.
    KeyRefused,
    /// `state` did not come back.
    StateLost,
    /// `iss` did not come back.
    IssMissing,
    /// `iss` is not `issuer`.
    IssDiffers,
    /// The code was not redeemed.
    TokenRefused,
    /// The token answer is not what RFC 6749 describes.
    TokenBroken,
    /// The token answer can be cached.
    TokenCacheable,
    /// The access token ends soon.
    ExpiresSoon,
    /// No refresh token.
    RefreshMissing,
    /// The refresh token was not taken.
    RefreshRefused,
    /// Two refreshes at once do not both end well.
    RefreshRace,
    /// A refresh token long used was taken again.
    ReplayAccepted,
    /// A call with the token was refused.
    CallRefused,
    /// A call with the token gave no result.
    CallBroken,
    /// `initialize` was not answered as its revision wants.
    InitializeRefused,
    /// `server/discover` was answered neither way.
    DiscoverUnclear,
    /// The session id stands in another header.
    SessionHeaderRenamed,
    /// GET with a token was answered neither with a stream nor 405.
    StreamAnswer,
    /// There is no revocation endpoint.
    RevocationMissing,
    /// The revoked token still works.
    RevocationIneffective,
    /// A page may not read the headers it needs.
    CorsHeaders,
    /// A page may not send what it needs.
    CorsPreflight,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The client does not connect, or does not stay connected.
    Fault,
    /// It connects; something is amiss nevertheless.
    Warning,
}

/// One finding about one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How much it matters.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    client: &'static str,
    wanted: String,
}

impl Finding {
    /// A finding about this client; `wanted` is the exact value that would be right.
    pub fn new(
        check: Check,
        severity: Severity,
        client: &'static str,
        seen: &str,
        wanted: &str,
    ) -> Self {
        Self {
            check,
            severity,
            seen: shown(seen, SEEN),
            client,
            wanted: shown(wanted, SEEN),
        }
    }

    /// Why this client minds.
    pub fn why(&self) -> String {
        self.why_of(self.client)
    }

    /// The same about others who mind it too.
    pub fn why_of(&self, client: &str) -> String {
        self.filled(advice::of(self.check).0, client)
    }

    /// What to change, in one sentence.
    pub fn fix(&self) -> String {
        self.filled(advice::of(self.check).1, self.client)
    }

    /// The word of the check in JSON.
    pub fn code(&self) -> String {
        let word = serde_json::to_value(self.check).ok();
        word.as_ref()
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    fn filled(&self, text: &str, client: &str) -> String {
        text.replace("{client}", client)
            .replace("{wanted}", &self.wanted)
    }
}

impl Serialize for Finding {
    /// `{ "check", "severity", "seen", "why", "fix" }`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("check", &self.check)?;
        map.serialize_entry("severity", &self.severity)?;
        map.serialize_entry("seen", &self.seen)?;
        map.serialize_entry("why", &self.why())?;
        map.serialize_entry("fix", &self.fix())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sent_is_shown_short_and_harmless() {
        let long = format!("a\u{1b}[2J\u{202e}{}", "x".repeat(1_000));
        let finding = Finding::new(
            Check::IssuerDiffers,
            Severity::Fault,
            "Claude",
            &long,
            "https://a.test",
        );
        assert!(finding.seen.starts_with("a\u{fffd}[2J\u{fffd}xx"));
        assert_eq!(finding.seen.chars().count(), SEEN + 1);
        assert!(finding.why().starts_with("Claude "), "{}", finding.why());
        assert!(finding.fix().contains("https://a.test"));
        assert_eq!(finding.code(), "issuer_differs");
    }
}
