//! Group F, what the system refuses: descriptors, memory, room on the disk. The gateway says so to
//! those it concerns, goes on for all others, and needs no restart afterwards.

use std::{fs, path::PathBuf, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{
    client::Client,
    gateway::Setup,
    operator::{Operator, Serving, away_from_midnight},
    upstream::Upstream,
    wire::Wire,
};

/// How soon it must have recovered, with what a busy machine needs.
const RECOVERY: Duration = Duration::from_secs(10);

async fn search(client: &Client) -> u16 {
    client.call("search", json!({ "q": "a" })).await.status
}

async fn recovers(client: &Client) -> Duration {
    let since = Instant::now();
    loop {
        let answer = client.call("search", json!({ "q": "a" })).await;
        if answer.status == 200 {
            break;
        }
        assert!(since.elapsed() < RECOVERY, "down: {}", answer.body);
        sleep(Duration::from_millis(20)).await;
    }
    since.elapsed()
}

/// Processor time it has used, in ticks of ten milliseconds.
fn ticks(gateway: &Serving) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f_09_without_descriptors_it_waits_and_health_answers() {
    const CLIENTS: usize = 400;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, |_| {});
    let key = operator.issue("pro");
    let mut gateway = operator.serve_after("ulimit -n 256").await;
    let client = Client::modern(gateway.public, &key);
    assert_eq!(search(&client).await, 200);
    assert!(
        gateway.stderr().contains("descriptors.few"),
        "{}",
        gateway.stderr()
    );
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(b"POST /mcp HTTP/1.1\r\n").await;
        held.push(wire);
    }
    let (before, since) = (ticks(&gateway), Instant::now());
    let mut asked = 0;
    while since.elapsed() < Duration::from_secs(2) {
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(gateway.ask(path).await.expect(path).status, 200, "{path}");
            asked += 1;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let used = Duration::from_millis((ticks(&gateway) - before) * 10);
    let share = used.as_secs_f64() / since.elapsed().as_secs_f64();
    let shown = gateway.ask("/metrics").await.unwrap().body;
    let connections = shown
        .lines()
        .find(|l| l.starts_with("wicketgate_connections "));
    println!(
        "{CLIENTS} clients, 256 descriptors: {asked} of {asked} probes answered, {:.1} % of a \
         processor, {connections:?}",
        share * 100.0
    );
    assert!(share < 0.2, "{share}");
    assert!(!gateway.stderr().contains("accept.failed"), "some are kept");
    drop(held);
    let back = recovers(&client).await;
    println!("calls answered {back:?} after the clients left");
    assert!(gateway.alive());
    assert_eq!(gateway.stop().await, Some(0));
}

/// A cgroup of this test's own; removed with it.
struct Cgroup(PathBuf);

impl Cgroup {
    /// With this limit; none where the system does not let us.
    fn with_limit(bytes: u64) -> Option<Self> {
        let root = PathBuf::from("/sys/fs/cgroup");
        for (parent, limit) in [("memory", "memory.limit_in_bytes"), (".", "memory.max")] {
            let path = root
                .join(parent)
                .join(format!("wicketgate-{}", std::process::id()));
            if !root.join(parent).join("cgroup.procs").exists() || fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self(path);
            if fs::write(group.0.join(limit), bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    fn peak(&self) -> Option<u64> {
        ["memory.max_usage_in_bytes", "memory.peak"]
            .iter()
            .find_map(|name| {
                fs::read_to_string(self.0.join(name))
                    .ok()?
                    .trim()
                    .parse()
                    .ok()
            })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whatever is in it has been killed by now, perhaps a moment ago.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn hungry(setup: &mut Setup) {
    setup.limits = "  session: 100000/min\n  max_request_bytes: 1MiB\n  \
                    max_in_flight_bytes: 1GiB\n  # bound\n"
        .into();
}

/// Bodies that stop before their end are held until there is no memory for more of them.
async fn sheds(operator: &Operator, line: &str, most: u64) -> Serving {
    const BODY: usize = 512 << 10;
    const ROUNDS: usize = 300;
    let key = operator.issue("pro");
    let mut gateway = operator.serve_after(line).await;
    let client = Client::modern(gateway.public, &key);
    assert_eq!(search(&client).await, 200);
    let whole = client.request(&client.message(&json!(1), "tools/call", json!({})));
    let (head, _) = whole.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find(|line| line.starts_with("Content-Length"));
    let head = head.replacen(length.unwrap(), &format!("Content-Length: {}", 1 << 20), 1);
    let stalled = format!("{head}\r\n\r\n{}", " ".repeat(BODY));
    let mut open = Vec::new();
    let ready = async || gateway.ask("/readyz").await.unwrap().status;
    let answer = loop {
        let answer = client.call("search", json!({ "q": "a" })).await;
        if answer.status != 200 {
            break answer;
        }
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(stalled.as_bytes()).await;
        open.push(wire);
        assert!(open.len() < 2_000, "it never sheds");
    };
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
    let (shed_at, since) = (open.len(), Instant::now());
    // Those that are held want more at once, twice what is left; and ever more come.
    for wire in &mut open {
        wire.send(&stalled.as_bytes()[stalled.len() - BODY / 2..])
            .await;
    }
    let (mut refused, mut calm, mut peak) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(stalled.as_bytes()).await;
        open.push(wire);
        let before = Memory::of(&gateway).await;
        let status = search(&client).await;
        let after = Memory::of(&gateway).await;
        peak = peak.max(before.used).max(after.used);
        assert_eq!(gateway.ask("/livez").await.unwrap().status, 200);
        if before.pressed && after.pressed && before.ends == after.ends {
            assert_eq!(status, 503, "{before:?} {after:?} {:?}", since.elapsed());
            refused += 1;
        } else {
            calm += 1;
        }
    }
    println!(
        "of {most} bytes: shed after {shed_at} bodies of {BODY} bytes; in {:?} {refused} of \
         {refused} calls under pressure refused, {calm} fell into a pause of it, {} pauses; at \
         most {peak} in use",
        since.elapsed(),
        Memory::of(&gateway).await.ends
    );
    assert!(refused > 0);
    assert!(peak < most, "{peak}");
    // A body that stands still is given up within a second of the shortage, long before it would be
    // for its silence: so the shortage ends, though nobody left.
    let back = recovers(&client).await;
    drop(open);
    println!(
        "calls answered {back:?} after the last body, {:?} after the clients left",
        recovers(&client).await
    );
    assert_eq!(ready().await, 200);
    assert!(gateway.alive());
    gateway
}

/// What the gateway says of its memory.
#[derive(Debug)]
struct Memory {
    used: u64,
    pressed: bool,
    /// How often a shortage ended.
    ends: usize,
}

impl Memory {
    async fn of(gateway: &Serving) -> Self {
        let shown = gateway.ask("/metrics").await.unwrap().body;
        let of = |name: &str| {
            let value = shown.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().trim().parse::<u64>().unwrap()
        };
        Self {
            used: of("wicketgate_memory_used_bytes "),
            pressed: of("wicketgate_memory_pressure ") > 0,
            ends: gateway.stderr().matches("memory.calm").count(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_10_short_of_configured_memory_it_sheds() {
    const MOST: u64 = 256 << 20;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, hungry);
    operator.place.edit("# bound", "max_memory: 256MiB");
    let mut gateway = sheds(&operator, ":", MOST).await;
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f_10_in_a_cgroup_of_256_mebibytes_it_sheds_and_is_not_killed() {
    const MOST: u64 = 256 << 20;
    let Some(group) = Cgroup::with_limit(MOST) else {
        println!("no cgroup can be made here: the configured bound stands for it");
        return;
    };
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, hungry);
    let procs = group.0.join("cgroup.procs");
    let line = format!("echo $$ > {}", procs.display());
    let mut gateway = sheds(&operator, &line, MOST).await;
    println!("the cgroup's peak was {:?} bytes", group.peak());
    assert_eq!(gateway.stop().await, Some(0));
}

/// From now on the process can write so far into any file; none: as far as it likes. What lies
/// beyond is refused, as on a disk without room.
fn room(gateway: &Serving, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap());
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f_07_without_room_on_the_disk_what_needs_no_count_goes_on() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, |setup| {
        setup.limits = "  session: 100000/min\n".into();
        setup.plans =
            "  tight: { per_day: 9, tools: [\"*\"] }\n  free: { tools: [\"*\"] }\n".into();
    });
    let (tight, free) = (operator.issue("tight"), operator.issue("free"));
    let unknown = operator.issue("free");
    // A write beyond the limit is an error and no signal.
    let mut gateway = operator.serve_after("trap '' XFSZ").await;
    let [tight, free, unknown] =
        [tight, free, unknown].map(|key| Client::modern(gateway.public, &key));
    assert_eq!(search(&tight).await, 200);
    assert_eq!(search(&free).await, 200);

    room(&gateway, Some(0));
    let seen = upstream.count();
    let mut refused = 0;
    for _ in 0..5 {
        let answer = tight.call("search", json!({ "q": "a" })).await;
        // A call that was reserved before may still go out; it is counted.
        if answer.status == 200 {
            continue;
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        refused += 1;
    }
    let counted = upstream.count() - seen;
    for client in [&free, &unknown, &free] {
        assert_eq!(
            search(client).await,
            200,
            "reading and authentication go on"
        );
    }
    assert_eq!(gateway.ask("/livez").await.unwrap().status, 200);
    println!("no room: {refused} of 5 counted calls told to come back, 3 of 3 others answered");
    assert_eq!(refused + counted, 5);
    assert!(refused >= 1);

    room(&gateway, None);
    let back = recovers(&tight).await;
    println!("with room again: counted calls answered after {back:?}, without a restart");
    assert!(gateway.alive());
    assert_eq!(gateway.stop().await, Some(0));
    let spent = u64::try_from(1 + counted + 1).unwrap();
    assert_eq!(operator.used(), spent, "refused calls cost nothing");
}
