//! One client's connection while it is played: what it is played with, and what was found so far.

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use url::Url;

use super::{
    clients::Profile,
    findings::{Check, Finding, Severity},
    probe::{Ask, NoReply, Reply, Web},
};
use crate::{entropy::Entropy, secret::SecretString};

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// Nothing yet.
    Start,
    /// The challenge was read.
    Challenge,
    /// The authorization server is known.
    Metadata,
    /// The client is known there.
    Registration,
    /// The sign-in page was shown.
    SignInPage,
    /// Tokens were issued.
    Tokens,
    /// A call was answered.
    Call,
    /// Renewal and revocation were played too.
    Everything,
}

/// A call that the operator wants made.
#[derive(Debug)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments, an object.
    pub arguments: serde_json::Value,
}

/// The client stops here; why is among the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// One connection.
pub struct Play<'a> {
    /// The client.
    pub profile: &'static Profile,
    /// The way out.
    pub web: &'a Web,
    /// What the user pasted, as it was pasted.
    pub pasted: &'a str,
    /// The same, read.
    pub connector: &'a Url,
    /// The license key, when there is one.
    pub key: Option<&'a SecretString>,
    /// A call to make.
    pub call: Option<&'a ToolCall>,
    /// For verifiers and states.
    pub entropy: &'a dyn Entropy,
    /// How far it came.
    pub reached: Reached,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Play<'_> {
    /// The client stops here.
    pub fn stop(
        &mut self,
        check: Check,
        seen: impl AsRef<str>,
        wanted: impl AsRef<str>,
    ) -> Stopped {
        self.note(check, Severity::Fault, seen.as_ref(), wanted.as_ref());
        Stopped
    }

    /// The client loses its connection later; what follows can still be played.
    pub fn fault(&mut self, check: Check, seen: impl AsRef<str>, wanted: impl AsRef<str>) {
        self.note(check, Severity::Fault, seen.as_ref(), wanted.as_ref());
    }

    /// The client goes on; the operator should know.
    pub fn warn(&mut self, check: Check, seen: impl AsRef<str>, wanted: impl AsRef<str>) {
        self.note(check, Severity::Warning, seen.as_ref(), wanted.as_ref());
    }

    fn note(&mut self, check: Check, severity: Severity, seen: &str, wanted: &str) {
        let title = self.profile.title;
        let finding = Finding::new(check, severity, title, seen, wanted);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Asks; no answer at all stops the client.
    pub async fn ask(&mut self, ask: Ask) -> Result<Reply, Stopped> {
        let url = place_of(ask.url());
        let answer: Result<Reply, NoReply> = self.web.ask(ask).await;
        answer.map_err(|error| self.stop(Check::Unreachable, error.to_string(), url))
    }

    /// 256 bits as 43 characters, such as a PKCE verifier (RFC 7636 section 4.1).
    pub fn random(&self) -> String {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// A place below the connector's origin.
    pub fn at_origin(&self, path: &str) -> Url {
        at_origin(self.connector, path)
    }

    /// The challenge that would be right here.
    pub fn right_challenge(&self) -> String {
        format!(
            "Bearer resource_metadata=\"{}\"",
            self.right_document().as_str()
        )
    }

    /// Where the protected-resource document belongs (RFC 9728 section 3.1).
    pub fn right_document(&self) -> Url {
        let path = self.connector.path().trim_end_matches('/');
        self.at_origin(&format!("/.well-known/oauth-protected-resource{path}"))
    }
}

/// A place below the origin of `url`.
pub fn at_origin(url: &Url, path: &str) -> Url {
    let mut place = url.clone();
    place.set_path(path);
    place.set_query(None);
    place.set_fragment(None);
    place
}

/// The origin as text, without a slash at the end.
pub fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// An address without what may be secret in it.
pub fn place_of(url: &Url) -> String {
    format!("{}{}", origin_of(url), url.path())
}
