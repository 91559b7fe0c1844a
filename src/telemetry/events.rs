//! Operational events through `tracing`, to standard error.
//!
//! Only our own events can be turned up: libraries below print headers and URLs at their lower
//! levels, so their events stay off below `warn` whatever the filter says.

use std::{io::IsTerminal, panic::PanicHookInfo};

use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Layer as _,
    layer::{Context, Filter, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Ours up to a level, everybody else's from `warn`.
#[derive(Debug, Clone, Copy)]
struct OursFirst(Level);

impl OursFirst {
    fn lets_through(self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("wicketgate");
        *metadata.level() <= if ours { self.0 } else { Level::WARN }
    }
}

impl<S> Filter<S> for OursFirst {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.lets_through(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.0))
    }
}

/// Installs the subscriber and the panic hook. `level` is `error`, `warn`, `info`, `debug` or
/// `trace`; anything else reads as `info`.
pub fn install(level: Option<&str>) {
    let level = level
        .and_then(|word| word.parse().ok())
        .unwrap_or(Level::INFO);
    let filter = OursFirst(level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    let installed = if std::io::stderr().is_terminal() {
        registry
            .with(lines.with_target(false).compact().with_filter(filter))
            .try_init()
    } else {
        registry
            .with(lines.json().flatten_event(true).with_filter(filter))
            .try_init()
    };
    if installed.is_ok() {
        std::panic::set_hook(Box::new(report_panic));
    }
}

/// Says where, never what: a panic's message can hold the value that caused it.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic
        .location()
        .map_or(("unknown", 0), |at| (at.file(), at.line()));
    tracing::error!(file, line, "panic");
}
