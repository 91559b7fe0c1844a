//! Measures the process's memory by a timer, against what it may have. It frees nothing: whoever
//! begins work asks [`Pressure`](crate::telemetry::pressure::Pressure) first.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    config::ByteSize,
    telemetry::{
        metrics::Metrics,
        pressure::{Level, Pressure},
    },
};

/// How often. A few small files of the kernel's own are read each time.
const PERIOD: Duration = Duration::from_millis(200);
/// How often where it may soon matter: what comes between two looks must fit into what is left.
const NEAR_PERIOD: Duration = Duration::from_millis(20);
/// From this share of the bound on, in thousandths.
const NEAR: u128 = 700;
/// A limit of so much is how version 1 of cgroups writes that there is none.
const UNLIMITED: u64 = 1 << 60;

/// What is in use, and the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) used: u64,
    pub(super) most: u64,
}

/// One bound and what is compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meter {
    /// What is resident of this process, against the configuration.
    Resident { status: PathBuf, most: u64 },
    /// A cgroup's working set against its limit: what the kernel can drop by itself, pages of files
    /// that nobody read lately, is no shortage.
    Cgroup {
        used: PathBuf,
        most: PathBuf,
        stat: PathBuf,
        droppable: &'static str,
    },
}

/// Every bound of this process.
pub(super) struct Meters(Vec<Meter>);

impl Meters {
    /// The configured bound, and those of the cgroups that the process is in.
    pub(super) fn of(configured: Option<ByteSize>) -> Self {
        Self::find(
            configured,
            Path::new("/proc/self"),
            Path::new("/sys/fs/cgroup"),
        )
    }

    fn find(configured: Option<ByteSize>, process: &Path, mounted: &Path) -> Self {
        let mut meters = Vec::new();
        if let Some(most) = configured {
            meters.push(Meter::Resident {
                status: process.join("status"),
                most: most.bytes().max(1),
            });
        }
        let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
                continue;
            };
            let (root, names) = if controllers.is_empty() {
                let names = ["memory.current", "memory.max", "inactive_file "];
                (mounted.to_owned(), names)
            } else if controllers.split(',').any(|name| name == "memory") {
                let names = [
                    "memory.usage_in_bytes",
                    "memory.limit_in_bytes",
                    "total_inactive_file ",
                ];
                (mounted.join("memory"), names)
            } else {
                continue;
            };
            // A limit of a group holds for those within it. In a container the root of what is
            // mounted may be the group itself, whatever its path is outside.
            for group in Path::new(path.trim_start_matches('/')).ancestors() {
                let group = root.join(group);
                let [used, most, droppable] = names;
                let meter = Meter::Cgroup {
                    used: group.join(used),
                    most: group.join(most),
                    stat: group.join("memory.stat"),
                    droppable,
                };
                if meter.read().is_some() {
                    meters.push(meter);
                }
            }
        }
        Self(meters)
    }

    /// The bound that is nearest; none when nothing bounds the process.
    pub(super) fn read(&self) -> Option<Reading> {
        let share =
            |reading: &Reading| u128::from(reading.used) * 1_000_000 / u128::from(reading.most);
        self.0.iter().filter_map(Meter::read).max_by_key(share)
    }
}

impl Meter {
    fn read(&self) -> Option<Reading> {
        match self {
            Self::Resident { status, most } => {
                let text = fs::read_to_string(status).ok()?;
                let kib = field(&text, "VmRSS:")?;
                Some(Reading {
                    used: kib.saturating_mul(1_024),
                    most: *most,
                })
            }
            Self::Cgroup {
                used,
                most,
                stat,
                droppable,
            } => {
                let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse().ok();
                // `max` is no number.
                let most = number(most).filter(|most| (1..UNLIMITED).contains(most))?;
                let used: u64 = number(used)?;
                let stat = fs::read_to_string(stat).unwrap_or_default();
                let droppable = field(&stat, droppable).unwrap_or(0);
                Some(Reading {
                    used: used.saturating_sub(droppable),
                    most,
                })
            }
        }
    }
}

/// The number after this name at a line's begin.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Reading {
    /// How soon to look again.
    const fn period(self) -> Duration {
        if self.used as u128 * 1_000 >= NEAR * self.most as u128 {
            NEAR_PERIOD
        } else {
            PERIOD
        }
    }
}

/// Notes a reading, and says so when the level changes. When to look again.
fn note(reading: Option<Reading>, metrics: &Metrics) -> Duration {
    let pressure: &Pressure = &metrics.pressure;
    let before = pressure.level();
    // What cannot be read any more holds nobody up.
    let Reading { used, most } = reading.unwrap_or(Reading { used: 0, most: 0 });
    let level = before.after(used, most);
    let shown = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    metrics.memory_used.set(shown(used));
    metrics.memory_most.set(shown(most));
    pressure.set(level);
    if level != before {
        match level {
            Level::Calm => tracing::info!(used, most, "memory.calm"),
            Level::Short => tracing::warn!(used, most, "memory.short"),
            Level::Critical => tracing::warn!(used, most, "memory.critical"),
        }
    }
    reading.map_or(PERIOD, Reading::period)
}

/// Measures until told to stop; without a bound not at all.
pub(super) async fn watch(
    configured: Option<ByteSize>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let Ok(meters) = tokio::task::spawn_blocking(move || Meters::of(configured)).await else {
        return;
    };
    if meters.0.is_empty() {
        return;
    }
    let meters = Arc::new(meters);
    let mut wait = Duration::ZERO;
    while stop
        .run_until_cancelled(tokio::time::sleep(wait))
        .await
        .is_some()
    {
        let (meters, metrics) = (Arc::clone(&meters), Arc::clone(&metrics));
        let measured = tokio::task::spawn_blocking(move || note(meters.read(), &metrics));
        wait = measured.await.unwrap_or_else(|error| {
            tracing::error!(%error, "memory.not_measured");
            PERIOD
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn read(configured: Option<ByteSize>, files: &[(&str, &str)]) -> Option<(u64, u64)> {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), files);
        let meters = Meters::find(configured, &root.path().join("p"), &root.path().join("c"));
        meters.read().map(|reading| (reading.used, reading.most))
    }

    #[test]
    fn version_2_counts_what_cannot_be_dropped_against_the_nearest_bound() {
        let files = [
            ("p/cgroup", "0::/a.slice/b.service\n"),
            ("c/a.slice/memory.max", "2000\n"),
            ("c/a.slice/memory.current", "1900\n"),
            ("c/a.slice/memory.stat", "anon 5\ninactive_file 400\n"),
            ("c/a.slice/b.service/memory.max", "max\n"),
            ("c/a.slice/b.service/memory.current", "700\n"),
        ];
        assert_eq!(read(None, &files), Some((1_500, 2_000)));
    }

    #[test]
    fn in_a_container_the_mounted_root_is_the_group() {
        let two = [
            ("p/cgroup", "0::/\n"),
            ("c/memory.max", "1000\n"),
            ("c/memory.current", "300\n"),
        ];
        assert_eq!(read(None, &two), Some((300, 1_000)));
        let one = [
            ("p/cgroup", "5:cpu:/x\n4:memory:/docker/f00\n"),
            ("c/memory/memory.limit_in_bytes", "1000\n"),
            ("c/memory/memory.usage_in_bytes", "800\n"),
            (
                "c/memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 500\n",
            ),
        ];
        assert_eq!(read(None, &one), Some((300, 1_000)));
    }

    #[test]
    fn without_a_bound_nothing_is_measured_and_a_configured_one_is_one() {
        let files = [
            ("p/cgroup", "4:memory:/\n"),
            ("p/status", "VmPeak:\t9 kB\nVmRSS:\t     2 kB\n"),
            ("c/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("c/memory/memory.usage_in_bytes", "800\n"),
        ];
        assert_eq!(read(None, &files), None);
        let most = "3KiB".parse().unwrap();
        assert_eq!(read(Some(most), &files), Some((2_048, 3_072)));
        assert_eq!(read(None, &[]), None);
    }

    #[test]
    fn this_process_has_a_size() {
        let meters = Meters::of(Some("1GiB".parse().unwrap()));
        let reading = meters.read().unwrap();
        assert!(reading.used > 1 << 20, "{reading:?}");
    }

    #[test]
    fn a_reading_is_shown_and_decides() {
        let metrics = Metrics::new();
        let reading = |used| Some(Reading { used, most: 100 });
        assert_eq!(note(reading(69), &metrics), PERIOD);
        assert_eq!(metrics.pressure.level(), Level::Calm);
        assert_eq!(note(reading(91), &metrics), NEAR_PERIOD);
        assert_eq!(metrics.pressure.level(), Level::Short);
        assert_eq!(
            (metrics.memory_used.get(), metrics.memory_most.get()),
            (91, 100)
        );
        note(None, &metrics);
        assert_eq!(metrics.pressure.level(), Level::Calm);
    }
}
