//! The list of kinds: from an upstream's configuration to its tools.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{
    BoundTool, Gate, Once, OpenedCredential, Site, Source, ToolDefinition,
    answer::{AnswerFault, AnswerRule, OutputCheck},
    credential::{CredentialFault, Given, Kind, mint::Mint},
    gate::GateLimits,
    request::{BaseUrl, BaseUrlFault, Template, TemplateFault, is_reserved},
    rest::{Api, RestTarget, Tool},
    retry::{RetryBudget, most_retries},
};
use crate::{
    clock::SharedClock,
    config::{
        RestConfig, ToolConfig, UpstreamConfig,
        rest::{ONCE_ARGUMENT, ResponseFormat},
    },
    egress::{EgressClient, EgressProfile, EgressSetupError, Scheme},
    entropy::SharedEntropy,
    limit::Limiter,
    names::{ToolName, UpstreamName},
    quota::Rate,
    secret::SecretString,
};

/// Calls of an upstream without `limit:`, in a second.
const DEFAULT_CALLS: u32 = 50;

/// Makes a check from an `output` schema; an error says what is wrong with the schema.
pub type OutputCompiler<'a> = &'a (dyn Fn(&Value) -> Result<OutputCheck, String> + 'a);

/// What every kind needs.
pub struct KindParts<'a> {
    /// For limits and dates.
    pub clock: SharedClock,
    /// For jitter.
    pub entropy: SharedEntropy,
    /// The same upstream before a reload: its gate is kept, with the new limits from the first call on.
    pub previous: Option<Arc<Site>>,
    /// The secret that stands in the configuration.
    pub configured: Option<Arc<OpenedCredential>>,
    /// The client's secret at a token endpoint. None where nothing will be sent.
    pub client_secret: Option<&'a SecretString>,
    /// The header that the provider of connected accounts has its tokens sent in.
    pub provider_header: Option<&'a str>,
    /// Where limits of processes that share an upstream are; none where nothing will be sent.
    pub limiter: Option<&'a Limiter>,
    /// Makes checks of `output` schemas.
    pub compile_output: OutputCompiler<'a>,
}

/// Why an upstream cannot be used. Names only what the configuration holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindFault {
    /// None of the kinds is there.
    #[error("an upstream needs a kind: `rest:`")]
    NoKind,
    /// `base_url` is wrong.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlFault),
    /// `base_url` is an address that is not called unless listed.
    #[error(
        "base_url: plain http and special-use addresses need their network in `allow_special_use`"
    )]
    AddressRefused,
    /// `token_url` is an address that is not called unless listed.
    #[error(
        "token_url: plain http and special-use addresses need their network in `allow_special_use`"
    )]
    TokenUrlRefused,
    /// `credential:` is wrong.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] EgressSetupError),
    /// A tool is wrong.
    #[error("tool `{tool}`: {fault}")]
    Tool {
        /// Its name.
        tool: ToolName,
        /// What is wrong.
        fault: ToolFault,
    },
}

/// Why a tool cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFault {
    /// `request:` does not fit `input:`.
    #[error(transparent)]
    Request(#[from] TemplateFault),
    /// `response:` is wrong.
    #[error(transparent)]
    Response(#[from] AnswerFault),
    /// `output:` is wrong.
    #[error("output: {0}")]
    Output(String),
    /// `once.header` is no header that can be set here.
    #[error("once.header: {0}")]
    Once(&'static str),
    /// The tool sets what the credential sets.
    #[error("the request sets the header or query parameter of the credential")]
    SetsCredential,
}

/// Makes the tools of one upstream. Sends nothing.
pub fn bind(
    name: &UpstreamName,
    config: &UpstreamConfig,
    parts: &KindParts<'_>,
) -> Result<Vec<BoundTool>, BindFault> {
    match &config.rest {
        Some(rest) => {
            let title = config.title.as_deref().unwrap_or(name.as_str());
            bind_rest(name, title, rest, parts)
        }
        None => Err(BindFault::NoKind),
    }
}

fn bind_rest(
    name: &UpstreamName,
    title: &str,
    config: &RestConfig,
    parts: &KindParts<'_>,
) -> Result<Vec<BoundTool>, BindFault> {
    let base = BaseUrl::parse(&config.base_url)?;
    let read = |config| {
        Kind::from_config(&Given {
            config,
            client_secret: parts.client_secret,
            provider_header: parts.provider_header,
        })
    };
    let kind = config.credential.as_ref().map(read).transpose()?;
    let mint = kind.as_ref().and_then(Kind::mint);
    let mint = mint.map(|mint| Ok::<_, BindFault>((Arc::clone(mint), seller(&**mint, config)?)));
    let client = EgressClient::for_upstream(&EgressProfile {
        allow_special_use: config.allow_special_use.clone(),
        connect_timeout: config.connect_timeout.duration(),
        ..EgressProfile::new(base.scheme())
    })?;
    client
        .check(base.url())
        .map_err(|_| BindFault::AddressRefused)?;
    let site = Arc::new(Site {
        name: name.clone(),
        gate: gate_for(name, config, parts),
        title: title.to_owned(),
        credential: kind.as_ref().map(Kind::usage),
        source: Source::of(
            config.credential.as_ref(),
            parts.configured.clone(),
            mint.transpose()?,
        ),
    });
    let api = Arc::new(Api {
        site: Arc::clone(&site),
        base,
        client,
        timeout: config.timeout.duration(),
        cap: config.max_response_bytes.as_len(),
        budget: RetryBudget::default(),
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
    });
    let bound = config.tools.iter().map(|tool| {
        let target = target_of(tool, config, &api, parts).map_err(|fault| BindFault::Tool {
            tool: tool.name.clone(),
            fault,
        })?;
        Ok(BoundTool {
            definition: definition_of(tool, &site.source),
            site: Arc::clone(&site),
            scopes: tool.scopes.clone().into(),
            target: Arc::new(target),
        })
    });
    bound.collect()
}

/// The way to a token endpoint: a client of its own, so that neither the API's connections nor its
/// scheme lead there.
fn seller(mint: &dyn Mint, config: &RestConfig) -> Result<EgressClient, BindFault> {
    let url = mint.endpoint();
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    let client = EgressClient::for_upstream(&EgressProfile {
        allow_special_use: config.allow_special_use.clone(),
        idle_per_host: 2,
        ..EgressProfile::new(scheme)
    })?;
    client.check(url).map_err(|_| BindFault::TokenUrlRefused)?;
    Ok(client)
}

fn gate_for(name: &UpstreamName, config: &RestConfig, parts: &KindParts<'_>) -> Gate {
    let max_queue = config.max_queue.map_or(
        config.max_concurrent.get().saturating_mul(2),
        NonZeroU32::get,
    );
    let limits = GateLimits {
        rate: config.limit.unwrap_or(Rate {
            count: NonZeroU32::new(DEFAULT_CALLS).unwrap_or(NonZeroU32::MIN),
            per: Duration::from_secs(1),
        }),
        max_concurrent: config.max_concurrent,
        max_queue,
        max_wait: config.max_wait.duration(),
    };
    if let Some(site) = &parts.previous {
        return site.gate.with_limits(limits);
    }
    let gate = Gate::new(limits, parts.clock.clone());
    match parts.limiter.and_then(|limiter| limiter.shares_of(name)) {
        Some(shares) => gate.shared(shares),
        None => gate,
    }
}

fn target_of(
    tool: &ToolConfig,
    config: &RestConfig,
    api: &Arc<Api>,
    parts: &KindParts<'_>,
) -> Result<RestTarget, ToolFault> {
    let media_type = match tool.response.format {
        ResponseFormat::Json => "application/json",
        ResponseFormat::Text => "text/plain, text/*;q=0.9, */*;q=0.1",
    };
    let template = Template::compile(&tool.request, &api.base, &tool.input)?
        .accepting(HeaderValue::from_static(media_type));
    if let Some(usage) = &api.site.credential {
        let mut headers = usage.headers().iter();
        let query = usage.query().is_some_and(|name| template.sets_query(name));
        if query || headers.any(|name| template.sets_header(name)) {
            return Err(ToolFault::SetsCredential);
        }
    }
    let once_header = once_header(tool, &template, api)?;
    let output = tool.output.as_ref().map(parts.compile_output);
    let output = output.transpose().map_err(ToolFault::Output)?;
    Ok(RestTarget(Arc::new(Tool {
        api: Arc::clone(api),
        template,
        rule: AnswerRule::compile(&tool.response, output)?,
        most_retries: most_retries(tool.read_only, tool.repeat, config.retries),
        once_header,
    })))
}

fn once_header(
    tool: &ToolConfig,
    template: &Template,
    api: &Api,
) -> Result<Option<HeaderName>, ToolFault> {
    let Some(written) = tool.once.as_ref().and_then(|once| once.header.as_ref()) else {
        return Ok(None);
    };
    let name: HeaderName = written
        .parse()
        .map_err(|_| ToolFault::Once("not a header name"))?;
    let credential = api.site.credential.as_ref();
    if is_reserved(&name) || template.sets_header(&name) {
        return Err(ToolFault::Once("this header is set already"));
    }
    if credential.is_some_and(|usage| usage.headers().contains(&name)) {
        return Err(ToolFault::SetsCredential);
    }
    Ok(Some(name))
}

fn definition_of(tool: &ToolConfig, source: &Source) -> ToolDefinition {
    let mut input = tool.input.clone();
    if let Some(argument) = source.chosen_by() {
        add_choice(&mut input, argument);
    }
    let once = match tool.once {
        Some(_) => Once::Offered,
        None => Once::NotOffered,
    };
    if once == Once::Offered {
        add_once(&mut input);
    }
    ToolDefinition {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        input,
        output: tool.output.clone(),
        read_only: tool.read_only,
        repeat: tool.repeat,
        once,
        cost: tool.cost,
        timeout: tool.timeout.map(crate::config::Span::duration),
    }
}

/// Adds the argument that names an account. It never reaches the upstream.
fn add_choice(input: &mut Value, argument: &str) {
    let choice = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$",
        "maxLength": 32, "description": "Which connected account, by its label." });
    add(input, argument, choice);
}

/// Adds the argument that names a call which must not run twice. It never reaches the upstream.
fn add_once(input: &mut Value) {
    let key = json!({ "type": "string", "pattern": "^[!-~]{1,128}$", "maxLength": 128,
        "description": "A text of your own that names what is to be done once, new for each. \
            A call that comes again with the same text and the same arguments within a day is \
            not made again: it gets the first one's answer." });
    add(input, ONCE_ARGUMENT, key);
}

fn add(input: &mut Value, argument: &str, schema: Value) {
    let properties = input
        .as_object_mut()
        .map(|root| root.entry("properties").or_insert_with(|| json!({})));
    if let Some(properties) = properties.and_then(Value::as_object_mut) {
        properties.entry(argument).or_insert(schema);
    }
}

#[cfg(test)]
mod tests;
