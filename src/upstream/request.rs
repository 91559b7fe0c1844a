//! Arguments become a request: a template from the configuration, filled with values.
//!
//! Arguments can reach path segments, query values, header values and the JSON body. Scheme, host,
//! port, the literal beginning of the path and every name are out of their reach; what cannot be
//! put in safely is refused, never repaired.

mod base;
mod body;
mod header;
mod path;
mod query;
mod slot;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};
use serde_json::{Map, Value};
use url::Url;

pub use self::base::{BaseUrl, BaseUrlFault};
use self::{body::BodyTemplate, header::HeaderTemplate, path::PathTemplate, query::QueryTemplate};
pub(super) use self::{header::is_reserved, slot::RESERVED};
use super::RequestFault;
use crate::config::rest::{MethodConfig, RequestConfig};
pub use crate::egress::EgressRequest as FilledRequest;

/// Longest URL that is sent.
const MAX_URL: usize = 16 * 1024;

/// Why a request template cannot be used. Names only what the configuration holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// A placeholder names no property of the input schema.
    #[error("placeholder `{argument}` ({place}) is no property of the input schema")]
    UnknownArgument {
        /// The name in the placeholder.
        argument: String,
        /// Where it is.
        place: &'static str,
    },
    /// A property of the input schema goes nowhere.
    #[error("property `{0}` of the input schema is used nowhere in the request")]
    UnusedProperty(String),
    /// The path is not what a path may be.
    #[error("path: {0}")]
    Path(&'static str),
    /// A path placeholder's property is neither required nor has it a default.
    #[error("path placeholder `{0}` must be a required property or have a default")]
    OptionalInPath(String),
    /// A property's type does not fit its place.
    #[error("property `{argument}` cannot go into the {place}: {rule}")]
    WrongType {
        /// The property.
        argument: String,
        /// Where it is.
        place: &'static str,
        /// What fits there.
        rule: &'static str,
    },
    /// A header that cannot be set, or a literal that is no header value.
    #[error("header `{name}`: {rule}")]
    Header {
        /// The header's name as written.
        name: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A literal in the query that holds control characters.
    #[error("query parameter `{0}` holds control characters")]
    Query(String),
    /// `GET` has no body.
    #[error("a GET request has no body")]
    BodyOfGet,
}

/// A request with holes.
#[derive(Debug, Clone)]
pub struct Template {
    method: Method,
    base: BaseUrl,
    path: PathTemplate,
    query: QueryTemplate,
    headers: HeaderTemplate,
    body: Option<BodyTemplate>,
}

impl Template {
    /// Checks a template against the tool's input schema.
    pub fn compile(
        request: &RequestConfig,
        base: &BaseUrl,
        input: &Value,
    ) -> Result<Self, TemplateFault> {
        let mut scope = slot::Scope::new(input);
        let method = match request.method {
            MethodConfig::Get => Method::GET,
            MethodConfig::Post => Method::POST,
            MethodConfig::Put => Method::PUT,
            MethodConfig::Patch => Method::PATCH,
            MethodConfig::Delete => Method::DELETE,
        };
        if request.body.is_some() && method == Method::GET {
            return Err(TemplateFault::BodyOfGet);
        }
        let path = PathTemplate::compile(&request.path, base, &mut scope)?;
        let query = QueryTemplate::compile(&request.query, &mut scope)?;
        let body = request
            .body
            .as_ref()
            .map(|body| BodyTemplate::compile(body, &mut scope))
            .transpose()?;
        let kind = match body {
            Some(_) => header::Content::Json,
            None => header::Content::None,
        };
        let headers = HeaderTemplate::compile(&request.headers, kind, &mut scope)?;
        scope.all_used()?;
        Ok(Self {
            method,
            base: base.clone(),
            path,
            query,
            headers,
            body,
        })
    }

    /// Sets `Accept`, unless the configuration did.
    #[must_use]
    pub fn accepting(mut self, media_type: HeaderValue) -> Self {
        self.headers.fixed.entry(ACCEPT).or_insert(media_type);
        self
    }

    /// The header fields that are the same in every request.
    pub const fn fixed_headers(&self) -> &HeaderMap {
        &self.headers.fixed
    }

    /// Does the configuration set this header?
    pub fn sets_header(&self, name: &http::HeaderName) -> bool {
        self.headers.sets(name)
    }

    /// Does the configuration set this query parameter?
    pub fn sets_query(&self, name: &str) -> bool {
        self.query.sets(name)
    }

    /// Puts the arguments, an object, in. An argument that is absent takes its schema's `default`;
    /// without one its query parameter, header or body member is left out.
    pub fn fill(&self, arguments: &Value) -> Result<FilledRequest, RequestFault> {
        let none = Map::new();
        let arguments = arguments.as_object().unwrap_or(&none);
        let mut text = String::with_capacity(self.base.as_str().len() + 128);
        text.push_str(self.base.as_str());
        self.path.write(&mut text, arguments)?;
        self.query.write(&mut text, arguments)?;
        let headers = self.headers.fill(arguments)?;
        let body = match &self.body {
            Some(body) => body.fill(arguments).map(Bytes::from),
            None => None,
        };
        Ok(FilledRequest {
            method: self.method.clone(),
            url: self.checked(&text)?,
            headers,
            body,
        })
    }

    /// What was built must be read back exactly as it was written, on the same origin and below
    /// the same path. Nothing that passed the parts' own checks should fail here.
    fn checked(&self, text: &str) -> Result<Url, RequestFault> {
        let fault = |rule| RequestFault {
            argument: "(url)".into(),
            rule,
        };
        if text.len() > MAX_URL {
            return Err(fault("the URL would be too long"));
        }
        let url = Url::parse(text).map_err(|_| fault("no URL comes of it"))?;
        if url.as_str() != text || !self.base.is_origin_of(&url) {
            return Err(fault("it would change the address"));
        }
        if !url.path().starts_with(self.path.prefix()) {
            return Err(fault("it would leave the path"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests;
