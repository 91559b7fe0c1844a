//! Says on standard error how far long work is, at most once a second.

use std::{sync::Mutex, time::Duration};

use crate::{
    cli::open::Desk,
    vault::{Progress, Step},
};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Says it.
pub struct Speaker<'a> {
    desk: &'a Desk,
    last: Mutex<Duration>,
}

impl<'a> Speaker<'a> {
    /// Silent for the first second: most work is done by then.
    pub fn new(desk: &'a Desk) -> Self {
        Self {
            desk,
            last: Mutex::new(desk.clock.monotonic()),
        }
    }

    /// Hears of it.
    pub fn hear(&self, progress: Progress) {
        let now = self.desk.clock.monotonic();
        // Whoever panicked while saying something has not spoiled the time.
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if now.saturating_sub(*last) < INTERVAL {
            return;
        }
        *last = now;
        drop(last);
        let what = match progress.step {
            Step::NewKeys => "tenants have a new data key",
            Step::Reseal => "rows are sealed under new data keys",
            Step::Rewrap => "keys are wrapped under the active master key",
            Step::Verify => "rows were opened to verify them",
        };
        self.desk
            .output
            .note(format_args!("… {} {what}", progress.done));
    }
}
