//! `rest:` — an HTTP API, described tool by tool.

use std::{collections::BTreeMap, num::NonZeroU32};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ByteSize, CredentialConfig, Span};
use crate::{
    names::{ScopeName, ToolName},
    quota::Rate,
};

/// An HTTP API, described tool by tool.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// Scheme, host, port and path prefix of every request: `https://api.example.com/v1`.
    /// No argument can change them.
    pub base_url: String,

    /// The credential of ours that the API wants. Left out: none is sent.
    #[serde(default)]
    pub credential: Option<CredentialConfig>,

    /// How many calls the API takes. Left out: 50/s, which is logged at start.
    #[serde(default)]
    pub limit: Option<Rate>,

    /// How long a call may wait for its turn.
    #[serde(default = "default_wait")]
    pub max_wait: Span,

    /// Most calls at once.
    #[serde(default = "default_concurrent")]
    pub max_concurrent: NonZeroU32,

    /// Most calls waiting for their turn. Left out: twice `max_concurrent`.
    #[serde(default)]
    pub max_queue: Option<NonZeroU32>,

    /// Longest time to connect.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,

    /// Longest time to the first byte of the answer.
    #[serde(default = "default_timeout")]
    pub timeout: Span,

    /// Largest answer.
    #[serde(default = "default_response")]
    pub max_response_bytes: ByteSize,

    /// How often a read-only or idempotent call is tried again.
    #[serde(default = "default_retries")]
    pub retries: u32,

    /// Private, loopback or link-local networks this API may live in. `http:` is only allowed
    /// to these.
    #[serde(default)]
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,

    /// What clients can call.
    pub tools: Vec<ToolConfig>,
}

/// One tool.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// What clients call; unique in the whole configuration.
    pub name: ToolName,

    /// A name for people.
    #[serde(default)]
    pub title: Option<String>,

    /// What the model is told: what it does, what it returns, when to use it.
    pub description: String,

    /// It changes nothing upstream. Read-only calls may be tried again.
    #[serde(default)]
    pub read_only: ReadOnly,

    /// What calling it twice does.
    #[serde(default)]
    pub repeat: Repeat,

    /// Clients may send a key of their own along, `idempotency_key`: a call that comes again with
    /// the same key is not sent again, and is given the same answer. Kept for a day.
    #[serde(default)]
    pub once: Option<OnceConfig>,

    /// Cost units that a call takes from the license's `cost_per_day`; 0: it is free. Left out: 1. A
    /// tool of more than 1 is refused while the shared limits are away.
    #[serde(default = "default_cost")]
    pub cost: u32,

    /// What the call needs to be allowed to do at the account's provider. A first connection asks
    /// for what all tools that the license may call need, no more.
    #[serde(default)]
    pub scopes: Vec<ScopeName>,

    /// The request that a call becomes.
    pub request: RequestConfig,

    /// What of the answer is passed on.
    #[serde(default)]
    pub response: ResponseConfig,

    /// JSON Schema (2020-12) of the arguments.
    pub input: Value,

    /// JSON Schema (2020-12) of the answer. An answer that does not fit is refused.
    #[serde(default)]
    pub output: Option<Value>,

    /// Why this tool's schema may stay loose. Without a reason, `check` refuses open objects and
    /// unbounded strings, arrays and numbers.
    #[serde(default)]
    pub loose_schema_because: Option<String>,

    /// Longest time from the accepted call to its answer; at most `limits.call_timeout`.
    #[serde(default)]
    pub timeout: Option<Span>,
}

/// The argument in which a client names a call that must not run twice.
pub const ONCE_ARGUMENT: &str = "idempotency_key";

/// How a call that must not run twice is marked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnceConfig {
    /// The header in which the API takes a key of its own: `Idempotency-Key`. What is sent is made
    /// from license, tool and the client's key, and is the same each time. Left out: none is sent.
    pub header: Option<String>,
}

/// Does a tool change anything upstream?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadOnly {
    /// `read_only: true`
    Yes,
    /// `read_only: false`
    #[default]
    No,
}

impl<'de> Deserialize<'de> for ReadOnly {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer).map(|yes| if yes { Self::Yes } else { Self::No })
    }
}

impl Serialize for ReadOnly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self == Self::Yes)
    }
}

impl JsonSchema for ReadOnly {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReadOnly".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "boolean" })
    }
}

/// What calling a tool twice with the same arguments does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Something happens twice. Never tried again.
    #[default]
    Unsafe,
    /// The same as once. May be tried again.
    Idempotent,
}

/// The request that a call becomes.
///
/// `$name` stands for the argument `name`; text that begins with a dollar is written `$$…`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestConfig {
    /// The method.
    #[serde(default)]
    pub method: MethodConfig,

    /// Appended to `base_url`. `{name}` takes one path segment, `{name*}` several.
    pub path: String,

    /// Query parameters: `$name`, a literal, or `{ argument: name, style: comma }` for lists.
    #[serde(default)]
    pub query: BTreeMap<String, QueryConfig>,

    /// Headers: `$name` or a literal.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,

    /// JSON body: any shape, with `$name` where an argument goes; or `$name` alone.
    #[serde(default)]
    pub body: Option<Value>,
}

/// HTTP methods a tool may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MethodConfig {
    /// Read.
    #[default]
    Get,
    /// Create or run.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

/// A query parameter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum QueryConfig {
    /// `$name`, or a literal.
    Plain(String),
    /// A list argument with a style.
    List(QueryListConfig),
}

/// A list argument in the query.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryListConfig {
    /// The argument, without a dollar.
    pub argument: String,
    /// `repeat`: `tag=a&tag=b`. `comma`: `tag=a,b`.
    #[serde(default)]
    pub style: ListStyle,
}

/// How a list is written in the query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListStyle {
    /// `tag=a&tag=b`
    #[default]
    Repeat,
    /// `tag=a,b`
    Comma,
}

/// What of the answer is passed on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseConfig {
    /// JSON Pointer (RFC 6901) of the part that is the answer: `/data`. Left out: the whole.
    pub select: Option<String>,

    /// JSON Pointers of what to keep of it, such as `/rows` or `/metadata/currencyCode`.
    /// Left out: everything.
    pub keep: Option<Vec<String>>,

    /// What the API answers with.
    pub format: ResponseFormat,
}

/// What an API answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// JSON: becomes structured content and text. Anything else is refused.
    #[default]
    Json,
    /// UTF-8 text: becomes text.
    Text,
}

const fn default_wait() -> Span {
    Span::seconds(2)
}

const fn default_connect_timeout() -> Span {
    Span::seconds(5)
}

const fn default_timeout() -> Span {
    Span::seconds(30)
}

const fn default_response() -> ByteSize {
    ByteSize::kib(1024)
}

const fn default_retries() -> u32 {
    1
}

const fn default_cost() -> u32 {
    1
}

const fn default_concurrent() -> NonZeroU32 {
    match NonZeroU32::new(32) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}
