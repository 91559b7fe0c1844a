//! Counters and histograms in the OpenMetrics text format, with labels from closed sets.

use std::{
    fmt::Write as _,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{health::Health, pressure::Pressure, record::Fields};
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
    /// Requests to the connector that are being answered now.
    pub calls_in_flight: Gauge,
    /// Requests to everything else that are being answered now.
    pub others_in_flight: Gauge,
    /// Bytes of memory in use, where there is a bound to compare them with.
    pub memory_used: Gauge,
    /// That bound; 0: none.
    pub memory_most: Gauge,
    /// How short of memory the process is.
    pub pressure: Pressure,
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
    /// 1 while the Redis of the configuration does not answer.
    pub redis_away: Gauge,
    /// Questions that Redis was asked.
    pub redis_questions: Counter,
    /// Limits that this process decided by itself because Redis was away.
    pub limits_decided_alone: Counter,
    /// Calls of upstreams that this process started by its own part because Redis was away.
    pub upstream_shares_alone: Counter,
    /// Replicas that live, as this one last counted them.
    pub replicas: Gauge,
    /// The store's clock less ours.
    pub clock_skew: Gauge<f64, AtomicU64>,
    /// What is lost.
    pub health: Health,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Arc<Self> {
        let histogram = || Histogram::new(BUCKETS);
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            duration: histogram(),
            calls: Family::default(),
            upstream_duration: histogram(),
            refusals: Family::default(),
            connections: Gauge::default(),
            calls_in_flight: Gauge::default(),
            others_in_flight: Gauge::default(),
            memory_used: Gauge::default(),
            memory_most: Gauge::default(),
            pressure: Pressure::default(),
            subscriptions: Gauge::default(),
            calls_waiting: Gauge::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            authentication_lookups: Counter::default(),
            revocations_given_up: Counter::default(),
            grants_lost: Counter::default(),
            log_dropped: Gauge::default(),
            sealed: Gauge::default(),
            redis_away: Gauge::default(),
            redis_questions: Counter::default(),
            limits_decided_alone: Counter::default(),
            upstream_shares_alone: Counter::default(),
            replicas: Gauge::default(),
            clock_skew: Gauge::default(),
            health: Health::default(),
        };
        metrics.registry = metrics.named();
        metrics.register_outside();
        Arc::new(metrics)
    }

    /// All of them under their names.
    fn named(&self) -> Registry {
        let mut registry = Registry::with_prefix("wicketgate");
        registry.register(
            "requests",
            "HTTP requests and batch entries",
            self.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time to the end of the answer",
            self.duration.clone(),
        );
        registry.register(
            "tool_calls",
            "Calls by tool and outcome",
            self.calls.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "Time spent on upstreams",
            self.upstream_duration.clone(),
        );
        registry.register("refusals", "Refusals by reason", self.refusals.clone());
        for (name, help, gauge) in [
            ("connections", "Connections held", &self.connections),
            (
                "calls_in_flight",
                "Requests to the connector being answered",
                &self.calls_in_flight,
            ),
            (
                "others_in_flight",
                "Other requests being answered",
                &self.others_in_flight,
            ),
            (
                "memory_used_bytes",
                "Memory in use, where it has a bound",
                &self.memory_used,
            ),
            ("memory_limit_bytes", "That bound, or 0", &self.memory_most),
            (
                "memory_pressure",
                "1: new calls are refused; 2: new connections wait",
                &self.pressure.gauge(),
            ),
            ("subscriptions", "Open listen streams", &self.subscriptions),
            (
                "calls_waiting",
                "Calls that wait for people",
                &self.calls_waiting,
            ),
            ("log_dropped", "Access log lines lost", &self.log_dropped),
            (
                "sealed",
                "1 while the vault is not open, or sealed by the operator",
                &self.sealed,
            ),
            (
                "redis_away",
                "1 while Redis does not answer",
                &self.redis_away,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        self.count_under_names(&mut registry);
        registry
    }

    fn count_under_names(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("reloads", "Reloads that took effect", &self.reloads),
            ("reload_failures", "Reloads refused", &self.reload_failures),
            (
                "authentication_lookups",
                "Credentials looked up in the store",
                &self.authentication_lookups,
            ),
            (
                "revocations_given_up",
                "Ended grants that providers were not told of",
                &self.revocations_given_up,
            ),
            (
                "grants_lost",
                "Renewed grants that were not stored",
                &self.grants_lost,
            ),
            (
                "redis_questions",
                "Questions asked of Redis",
                &self.redis_questions,
            ),
            (
                "limits_decided_alone",
                "Limits decided without Redis while it was away",
                &self.limits_decided_alone,
            ),
            (
                "upstream_shares_alone",
                "Calls started by this process's part of an upstream's limits",
                &self.upstream_shares_alone,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }

    /// What is outside this process.
    fn register_outside(&mut self) {
        let registry = &mut self.registry;
        registry.register("replicas", "Replicas that live", self.replicas.clone());
        registry.register(
            "store_clock_skew_seconds",
            "The store's clock less this process's",
            self.clock_skew.clone(),
        );
        registry.register(
            "component_state",
            "0 ok, 1 degraded, 2 lost",
            self.health.gauges.clone(),
        );
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
