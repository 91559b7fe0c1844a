//! What is known of each client: how it asks, where it looks, what it registers, what it checks.
//! Data and its words only; [`table`] holds one entry a client. Plays nothing.

pub mod table;

use clap::ValueEnum;
use serde::Serialize;

/// A client whose connection is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum ClientName {
    /// claude.ai, Claude Desktop and mobile: one hosted back end.
    Claude,
    /// The command line program.
    ClaudeCode,
    /// Connectors of chatgpt.com.
    Chatgpt,
    /// The editor.
    Cursor,
    /// The editor.
    Vscode,
    /// The command line program.
    GeminiCli,
    /// The npm bridge from stdio.
    McpRemote,
    /// MCP Inspector 2.
    Inspector,
    /// Programs on the TypeScript SDK 1.x.
    TypescriptSdk1,
    /// Programs on the TypeScript SDK 2.x.
    TypescriptSdk2,
    /// Programs on the Python SDK 1.x.
    PythonSdk1,
    /// Programs on the Python SDK 2.x, `FastMCP`.
    PythonSdk2,
    /// Codex and programs on the Rust SDK.
    Codex,
}

/// The request that is to be answered 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// POST `server/discover` at 2026-07-28.
    Discover,
    /// POST `initialize` asking for this revision, without a version header.
    Initialize(&'static str),
    /// A look with another method, then `initialize`.
    Look {
        /// `GET` or `HEAD`.
        method: &'static str,
        /// Its `MCP-Protocol-Version`.
        version: Option<&'static str>,
        /// What `initialize` asks for.
        then: &'static str,
    },
}

/// What the client does with a challenge that names no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// It looks at these places, in this order.
    Looks(&'static [Place]),
    /// It stops.
    Stops,
}

/// A well-known place, seen from the connector URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/.well-known/oauth-protected-resource/mcp`
    ResourceAtPath,
    /// `/mcp/.well-known/oauth-protected-resource`
    ResourceAppended,
    /// `/.well-known/oauth-protected-resource`
    ResourceAtRoot,
    /// `/.well-known/oauth-authorization-server`
    ServerAtRoot,
    /// `/.well-known/oauth-authorization-server/mcp`
    ServerAtPath,
    /// `/.well-known/openid-configuration`
    OpenIdAtRoot,
    /// `/.well-known/openid-configuration/mcp`
    OpenIdAtPath,
    /// `/mcp/.well-known/openid-configuration`
    OpenIdAppended,
}

/// What a server error at a well-known place does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerError {
    /// The connection is given up.
    Stops,
    /// Only 502 counts as absent.
    StopsBut502,
    /// It counts as absent.
    CountsAsAbsent,
}

/// What it does when no authorization server metadata is anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMetadata {
    /// `/authorize`, `/token` and `/register` at the origin, as revision 2025-03-26 had it.
    Guesses,
    /// It stops.
    Stops,
}

/// How the document's `resource` is compared with the pasted URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceRule {
    /// Same origin, and a path that the pasted one begins with; a slash at the end counts.
    Prefix,
    /// The same, but a slash at the end does not count.
    PrefixButSlash,
}

/// How `issuer` is compared with what the resource document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerRule {
    /// Not at all.
    Unchecked,
    /// Byte for byte (RFC 8414 section 3.3).
    Exact,
    /// Byte for byte, but the document may have a slash at the end that `issuer` lacks.
    ExactButOwnSlash,
    /// Byte for byte, but for the slash of an origin.
    ExactButRootSlash,
}

/// What it does with `iss` in the authorization response (RFC 9207).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssRule {
    /// Nothing.
    Unchecked,
    /// Compares it, and wants it when the metadata promises it.
    WhenPromised,
    /// Refuses an answer without it.
    Always,
}

/// How it comes by PKCE (RFC 7636).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkceRule {
    /// `S256` has to be in the metadata.
    Advertised,
    /// A list without `S256` stops it; no list does not.
    NotDenied,
}

/// What a server that does not list `none` for its token endpoint means to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoneRule {
    /// No place for a client without a secret.
    Needed,
    /// Nothing: it sends no secret and sees.
    Unchecked,
}

/// The document the client calls itself by (Client ID Metadata Document).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// It has none, or only by configuration.
    None,
    /// This address.
    At {
        /// The address, which is the client id.
        id: &'static str,
        /// Used only when `none` is among the token endpoint's methods.
        needs_none: bool,
    },
    /// One a connector, which cannot be known here.
    PerConnector,
}

/// What it does with a secret it was issued and did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// Sends it.
    Sends,
    /// Sends it when the answer names the method.
    WhenNamed,
    /// Never sends it.
    Never,
}

/// Which `resource` goes into the requests (RFC 8707).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceSent {
    /// The document's, as it is spelled there.
    Document,
    /// The pasted URL.
    Pasted,
}

/// How many refresh at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One process: two refreshes at once are rare.
    One,
    /// Several machines or windows share the tokens: they are usual.
    Several,
}

/// Does it renew its token?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renews {
    /// Yes.
    Yes,
    /// It was repeatedly reported not to.
    Unreliably,
}

/// Which era it speaks after sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// `initialize` with this revision.
    Legacy(&'static str),
    /// The same, and never a version header.
    LegacySilent(&'static str),
    /// `server/discover`; `initialize` when that looks like an older server.
    Auto,
}

/// From where requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Not a page.
    No,
    /// A page of this origin may call the gateway itself.
    Page(&'static str),
}

/// One client.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Which.
    pub name: ClientName,
    /// As people call it.
    pub title: &'static str,
    /// What it asks first.
    pub first: First,
    /// Where it looks when the challenge names nothing.
    pub unnamed: Unnamed,
    /// What a 5xx at a well-known place does.
    pub server_error: ServerError,
    /// What it does without metadata.
    pub no_metadata: NoMetadata,
    /// The comparison of `resource`.
    pub resource_rule: ResourceRule,
    /// What it sends as `resource`.
    pub resource_sent: ResourceSent,
    /// The comparison of `issuer`.
    pub issuer_rule: IssuerRule,
    /// The check of `iss`.
    pub iss_rule: IssRule,
    /// The check of S256.
    pub pkce_rule: PkceRule,
    /// The check of `none`.
    pub none_rule: NoneRule,
    /// The document it may call itself by.
    pub document: Document,
    /// What it registers as name.
    pub client_name: &'static str,
    /// What it registers; `{port}` and `{random}` are filled in. The first is the one it uses.
    pub redirect_uris: &'static [&'static str],
    /// `application_type` of its registration.
    pub application_type: Option<&'static str>,
    /// `token_endpoint_auth_method` of its registration.
    pub auth_method: Option<&'static str>,
    /// What it does with a secret.
    pub secret_use: SecretUse,
    /// Does it add `offline_access` (and `prompt=consent`) when the metadata lists it?
    pub asks_offline: bool,
    /// How many of it share tokens.
    pub workers: Workers,
    /// Whether it renews.
    pub renews: Renews,
    /// What it speaks afterwards.
    pub speaks: Speaks,
    /// Whether it is a page.
    pub browser: Browser,
}
