//! Counters and histograms in the OpenMetrics text format, with labels from closed sets.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::record::Fields;
use crate::names::{ToolName, UpstreamName};

/// Seconds: half a millisecond to a minute.
const BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    upstream: Name<UpstreamName>,
    tool: Name<ToolName>,
    outcome: &'static str,
}

/// A name of the configuration as a label's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name<T>(T);

impl<T: std::fmt::Display> EncodeLabelValue for Name<T> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        write!(encoder, "{}", self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    calls: Family<CallLabels, Counter>,
    upstream_duration: Histogram,
    refusals: Family<RefusalLabels, Counter>,
    /// Connections held now.
    pub connections: Gauge,
    /// `subscriptions/listen` streams open now.
    pub subscriptions: Gauge,
    /// Calls that wait now for their people to connect an account.
    pub calls_waiting: Gauge,
    /// Configuration reloads that took effect.
    pub reloads: Counter,
    /// Configuration reloads that were refused.
    pub reload_failures: Counter,
    /// Look-ups of a credential that asked the store.
    pub authentication_lookups: Counter,
    /// Grants whose providers were not told in a week that they ended.
    pub revocations_given_up: Counter,
    /// Renewed grants that the store did not take.
    pub grants_lost: Counter,
    /// Access log lines that were counted instead of written.
    pub log_dropped: Gauge,
    /// 1 while no credential can be opened.
    pub sealed: Gauge,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Arc<Self> {
        let histogram = || Histogram::new(BUCKETS);
        let mut metrics = Self {
            registry: Registry::with_prefix("wicketgate"),
            requests: Family::default(),
            duration: histogram(),
            calls: Family::default(),
            upstream_duration: histogram(),
            refusals: Family::default(),
            connections: Gauge::default(),
            subscriptions: Gauge::default(),
            calls_waiting: Gauge::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            authentication_lookups: Counter::default(),
            revocations_given_up: Counter::default(),
            grants_lost: Counter::default(),
            log_dropped: Gauge::default(),
            sealed: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "HTTP requests and batch entries",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time to the end of the answer",
            metrics.duration.clone(),
        );
        registry.register(
            "tool_calls",
            "Calls by tool and outcome",
            metrics.calls.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "Time spent on upstreams",
            metrics.upstream_duration.clone(),
        );
        registry.register("refusals", "Refusals by reason", metrics.refusals.clone());
        registry.register(
            "connections",
            "Connections held",
            metrics.connections.clone(),
        );
        registry.register(
            "subscriptions",
            "Open listen streams",
            metrics.subscriptions.clone(),
        );
        registry.register(
            "calls_waiting",
            "Calls that wait for people",
            metrics.calls_waiting.clone(),
        );
        registry.register(
            "reloads",
            "Reloads that took effect",
            metrics.reloads.clone(),
        );
        registry.register(
            "reload_failures",
            "Reloads refused",
            metrics.reload_failures.clone(),
        );
        registry.register(
            "authentication_lookups",
            "Credentials looked up in the store",
            metrics.authentication_lookups.clone(),
        );
        registry.register(
            "revocations_given_up",
            "Ended grants that providers were not told of",
            metrics.revocations_given_up.clone(),
        );
        registry.register(
            "grants_lost",
            "Renewed grants that were not stored",
            metrics.grants_lost.clone(),
        );
        registry.register(
            "log_dropped",
            "Access log lines lost",
            metrics.log_dropped.clone(),
        );
        registry.register(
            "sealed",
            "1 while the vault is not open, or sealed by the operator",
            metrics.sealed.clone(),
        );
        Arc::new(metrics)
    }

    /// Counts a finished request.
    pub(super) fn request(&self, fields: &Fields, took: Duration) {
        let labels = RequestLabels {
            route: fields.route,
            status: fields.status,
            outcome: fields.outcome.as_str(),
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
        if let (Some(upstream), Some(tool)) = (&fields.upstream, &fields.tool) {
            let labels = CallLabels {
                upstream: Name(upstream.clone()),
                tool: Name(tool.clone()),
                outcome: fields.outcome.as_str(),
            };
            self.calls.get_or_create(&labels).inc();
        }
        if let Some(micros) = fields.upstream_us {
            self.upstream_duration
                .observe(Duration::from_micros(micros).as_secs_f64());
        }
        if let Some(reason) = fields.error {
            self.refusals.get_or_create(&RefusalLabels { reason }).inc();
        }
    }

    /// The text that a scraper reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
