//! From a configuration to what is served: catalogue, policies, upstreams.

use std::{collections::HashMap, sync::Arc};

use crate::{
    call::{OnceCalls, StackParts, stack},
    catalog::{Catalog, CatalogError},
    clock::SharedClock,
    config::{Config, secrets::ConfiguredSecrets},
    connect::{Connections, SiteFault},
    entropy::SharedEntropy,
    http::pages::LogoFault,
    ledger::{Ledger, UsageLog},
    limit::{Limiter, redis::LineFault},
    names::UpstreamName,
    quota::Rate,
    schema::OutputSchema,
    server::{Answers, Serving},
    upstream::{
        OpenedCredential, Site,
        answer::OutputCheck,
        kinds::{BindFault, KindParts, bind},
    },
};

/// How many times more often a session may list than call.
const LISTS_PER_CALL: u32 = 10;

/// Why a gateway cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An upstream is wrong.
    #[error("upstream `{upstream}`: {fault}")]
    Upstream {
        /// Its name.
        upstream: UpstreamName,
        /// What is wrong.
        fault: BindFault,
    },
    /// The accounts of an upstream cannot be connected.
    #[error(transparent)]
    Accounts(#[from] SiteFault),
    /// A tool is wrong.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The pages' logo is wrong.
    #[error(transparent)]
    Logo(#[from] LogoFault),
    /// No way out to clients' documents.
    #[error(transparent)]
    Web(#[from] crate::oauth::WebError),
    /// No identity provider can be asked.
    #[error(transparent)]
    Issuers(#[from] crate::egress::EgressSetupError),
    /// There can be no connection to Redis.
    #[error(transparent)]
    Redis(#[from] LineFault),
    /// No thread for the access log.
    #[error("access log: {0}")]
    AccessLog(#[source] std::io::Error),
}

/// What a reload does not touch.
pub(super) struct Shared<'a> {
    pub(super) limiter: &'a Arc<Limiter>,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) usage: &'a Arc<UsageLog>,
    pub(super) once: &'a Arc<OnceCalls>,
    pub(super) connections: &'a Arc<Connections>,
    pub(super) clock: &'a SharedClock,
    pub(super) entropy: &'a SharedEntropy,
}

/// Everything that a reload can change. An upstream whose limits stay keeps the state of its gate.
pub(super) fn serving(
    config: &Config,
    configured: &ConfiguredSecrets,
    shared: &Shared<'_>,
    previous: Option<&Serving>,
) -> Result<Serving, BuildError> {
    let sites: HashMap<&UpstreamName, &Arc<Site>> = previous
        .iter()
        .flat_map(|serving| serving.catalog.tools())
        .map(|tool| (&tool.bound.site.name, &tool.bound.site))
        .collect();
    let mut bound = Vec::new();
    for (name, upstream) in &config.upstreams {
        let secret = configured
            .get(name)
            .and_then(|secrets| secrets.value.as_ref());
        let client_secret = configured
            .get(name)
            .and_then(|secrets| secrets.client.as_ref());
        let provider_header = config.provider_header(upstream);
        let parts = KindParts {
            client_secret,
            provider_header: provider_header.as_ref().map(http::HeaderName::as_str),
            configured: secret.map(OpenedCredential::configured),
            clock: Arc::clone(shared.clock),
            entropy: Arc::clone(shared.entropy),
            previous: sites.get(name).map(|site| Arc::clone(site)),
            limiter: Some(shared.limiter),
            compile_output: &compile_output,
        };
        let tools = bind(name, upstream, &parts).map_err(|fault| BuildError::Upstream {
            upstream: name.clone(),
            fault,
        })?;
        bound.extend(tools);
    }
    let plans = config
        .plans
        .iter()
        .map(|(name, plan)| (name.clone(), plan.tools.clone()))
        .collect();
    let page_size = usize::try_from(config.limits.page_size.get()).unwrap_or(usize::MAX);
    let catalog = Arc::new(Catalog::build(bound, &plans, page_size)?);
    let limits = &config.limits;
    let calls = stack(StackParts {
        limiter: Arc::clone(shared.limiter),
        ledger: Arc::clone(shared.ledger),
        connections: Arc::clone(shared.connections),
        catalog: Arc::clone(&catalog),
        clock: Arc::clone(shared.clock),
        usage: Arc::clone(shared.usage),
        once: Arc::clone(shared.once),
        plans: Arc::new(config.allowances()),
        call_timeout: limits.call_timeout.duration(),
    });
    let listing = limits.session.count.saturating_mul(
        std::num::NonZeroU32::new(LISTS_PER_CALL).unwrap_or(std::num::NonZeroU32::MIN),
    );
    Ok(Serving {
        catalog,
        calls,
        call_timeout: limits.call_timeout.duration(),
        answers: Answers {
            modern: limits.modern_answer,
            legacy: limits.legacy_answer,
        },
        lists: Rate {
            count: listing,
            per: limits.session.per,
        },
        subscriptions_per_license: limits.subscriptions_per_license.get(),
        max_streams: limits.max_streams.get(),
        max_request_bytes: limits.max_request_bytes.as_len(),
    })
}

fn compile_output(schema: &serde_json::Value) -> Result<OutputCheck, String> {
    let compiled = OutputSchema::compile(schema).map_err(|fault| fault.to_string())?;
    Ok(Arc::new(move |answer| compiled.check(answer).is_ok()))
}
