//! An upstream's rate and concurrency over several processes: gates on one real Redis, on its clock.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};
use wicketgate::{
    clock::{SharedClock, SystemClock},
    config::WhenAway,
    crypto::LimitKey,
    entropy::OsEntropy,
    ids::LicenseId,
    limit::{
        RedisLimiter, Replicas, Shares,
        redis::{Line, LineParts, RedisLimiterParts},
        shares::Ask,
    },
    quota::Rate,
    secret::SecretString,
    telemetry::{health::State, metrics::Metrics},
    upstream::{Comer, Gate, Observed, gate::GateLimits},
};

use crate::support::redis::Redis;

mod away;

/// One process: its limiter, and what it counts.
struct Process {
    limiter: Arc<RedisLimiter>,
    clock: SharedClock,
    replicas: Replicas,
    metrics: Arc<Metrics>,
}

impl Process {
    async fn on(redis: &Redis) -> Self {
        let metrics = Metrics::new();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let url = SecretString::new(redis.url());
        let line = Line::new(LineParts {
            url: &url,
            ca_file: None,
            timeout: Duration::from_secs(1),
            without: State::Degraded,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        });
        let line = line.unwrap();
        let line = Arc::new(line);
        line.connect().await.unwrap();
        let replicas = Replicas::default();
        let parts = RedisLimiterParts {
            line,
            key: LimitKey::new(&[7; 32]),
            clock: Arc::clone(&clock),
            when_away: WhenAway::Local,
            replicas: replicas.clone(),
            metrics: Arc::clone(&metrics),
        };
        Self {
            limiter: Arc::new(RedisLimiter::new(parts, &OsEntropy)),
            clock,
            replicas,
            metrics,
        }
    }

    fn shares(&self) -> Shares {
        self.limiter.shares_of(&"api".parse().unwrap())
    }

    fn gate(&self, rate: &str, max_concurrent: u32) -> Gate {
        let limits = GateLimits {
            rate: rate.parse().unwrap(),
            max_concurrent: NonZeroU32::new(max_concurrent).unwrap(),
            max_queue: 1_000,
            max_wait: Duration::from_secs(10),
        };
        Gate::new(limits, Arc::clone(&self.clock)).shared(self.shares())
    }
}

fn comer(number: u8) -> Comer {
    Comer {
        license: LicenseId::from_bytes([number; 16]),
        holder: None,
    }
}

fn late() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn ask(most: u32, slots: u32) -> Ask {
    Ask {
        rate: "1000/s".parse().unwrap(),
        calls: 0,
        unspent: 0,
        most,
        slots,
        running: 0,
        hungry: false,
        pause: Duration::ZERO,
        open: false,
    }
}

/// What all processes together do to the upstream.
#[derive(Default)]
struct Upstream {
    running: AtomicU32,
    peak: AtomicU32,
    starts: Mutex<Vec<Instant>>,
    over: AtomicBool,
}

impl Upstream {
    /// Many callers at this gate until it is over. Says how many were let in.
    async fn load(self: &Arc<Self>, gate: &Gate, callers: u8) -> u32 {
        let calls = (0..callers).map(|number| {
            let (upstream, gate) = (Arc::clone(self), gate.clone());
            tokio::spawn(async move {
                let mut let_in = 0;
                while !upstream.over.load(Ordering::SeqCst) {
                    let Ok(permit) = gate.enter(comer(number), late()).await else {
                        continue;
                    };
                    upstream.starts.lock().unwrap().push(Instant::now());
                    let running = upstream.running.fetch_add(1, Ordering::SeqCst) + 1;
                    upstream.peak.fetch_max(running, Ordering::SeqCst);
                    sleep(Duration::from_millis(20)).await;
                    upstream.running.fetch_sub(1, Ordering::SeqCst);
                    permit.finish(Observed::Answered);
                    let_in += 1;
                }
                let_in
            })
        });
        let mut all = 0;
        for call in calls.collect::<Vec<_>>() {
            all += call.await.unwrap();
        }
        all
    }

    /// Most starts in any so long time.
    fn most_in(&self, span: Duration) -> usize {
        let starts = self.starts.lock().unwrap();
        let in_span = |from: &Instant| {
            starts
                .iter()
                .filter(|at| **at >= *from && **at < *from + span)
                .count()
        };
        starts.iter().map(in_span).max().unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_09_two_processes_together_hold_the_rate_and_the_concurrency() {
    let redis = Redis::start();
    let (one, other) = (Process::on(&redis).await, Process::on(&redis).await);
    let (first, second) = (one.gate("40/s", 3), other.gate("40/s", 3));
    let upstream = Arc::<Upstream>::default();
    let begun = Instant::now();
    let ending = async {
        sleep(Duration::from_secs(4)).await;
        upstream.over.store(true, Ordering::SeqCst);
    };
    let (a, b, ()) = tokio::join!(
        upstream.load(&first, 20),
        upstream.load(&second, 20),
        ending
    );
    let took = begun.elapsed();
    let peak = upstream.peak.load(Ordering::SeqCst);
    let in_a_second = upstream.most_in(Duration::from_secs(1));
    println!(
        "two processes, 40/s and 3 at once: {a} + {b} calls in {took:?}, most at once {peak}, most in a \
         second {in_a_second}"
    );
    assert!(peak <= 3, "{peak}");
    // The burst, a second at the rate, and what was lent at its beginning.
    assert!(in_a_second <= 40 + 40 + 8 + 1, "{in_a_second}");
    let all = f64::from(a + b);
    assert!(all <= 40.0 + 40.0 * took.as_secs_f64() + 1.0, "{all}");
    assert!(all >= 40.0 + 40.0 * 4.0 * 0.7, "the rate is used: {all}");
    assert!(a.min(b) * 5 >= a + b, "both have their part: {a} {b}");
}

#[tokio::test]
async fn slots_of_a_process_that_crashed_are_free_within_three_seconds() {
    let redis = Redis::start();
    let (dead, living) = (Process::on(&redis).await, Process::on(&redis).await);
    let crashed = dead.shares();
    let held = crashed.ask(&ask(4, 4)).await.unwrap();
    assert_eq!(held.slots, 4);
    let died = Instant::now();
    let gate = living.gate("1000/s", 4);
    let permit = timeout(Duration::from_secs(6), gate.enter(comer(1), late())).await;
    let took = died.elapsed();
    println!("slots of a crashed process were free after {took:?}");
    assert!(permit.unwrap().is_ok());
    assert!(
        took >= Duration::from_millis(2_500),
        "they were lent: {took:?}"
    );
    assert!(took <= Duration::from_millis(3_500), "{took:?}");
}

#[tokio::test]
async fn whoever_waits_gets_what_another_does_not_use() {
    let redis = Redis::start();
    let (one, other) = (Process::on(&redis).await, Process::on(&redis).await);
    let (first, second) = (one.gate("1000/s", 4), other.gate("1000/s", 4));
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(first.enter(comer(1), late()).await.unwrap());
    }
    let mut waiting = Box::pin(second.enter(comer(2), late()));
    let early = timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "all four are in use");
    let freed = Instant::now();
    running.pop().unwrap().finish(Observed::Answered);
    let got = waiting.await;
    println!(
        "a slot went to the other process after {:?}",
        freed.elapsed()
    );
    assert!(got.is_ok());
    assert!(freed.elapsed() <= Duration::from_secs(1));
    // A gate that is gone gives its slots back at once.
    drop(running);
    drop(first);
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(second.enter(comer(2), late()).await.unwrap());
    }
    assert!(freed.elapsed() <= Duration::from_secs(4));
}

#[tokio::test]
async fn while_redis_is_away_each_process_has_its_part() {
    let mut redis = Redis::start();
    let process = Process::on(&redis).await;
    process.replicas.set(2);
    let gate = process.gate("1000/s", 4);
    drop(gate.enter(comer(1), late()).await.unwrap());
    redis.kill();
    // What was lent may be used until it ends; then it is half of four.
    sleep(Duration::from_secs(3)).await;
    let mut running = Vec::new();
    for _ in 0..2 {
        running.push(gate.enter(comer(1), late()).await.unwrap());
    }
    let short = Instant::now() + Duration::from_millis(300);
    assert!(gate.enter(comer(1), short).await.is_err());
    running.clear();
    assert!(gate.enter(comer(1), late()).await.is_ok());
}

#[tokio::test]
async fn the_steady_call_asks_nothing() {
    let redis = Redis::start();
    let process = Process::on(&redis).await;
    let gate = process.gate("100000/s", 64);
    drop(gate.enter(comer(1), late()).await.unwrap());
    let before = process.metrics.redis_questions.get();
    for _ in 0..2_000 {
        let permit = gate.enter(comer(1), late()).await.unwrap();
        tokio::task::yield_now().await;
        permit.finish(Observed::Answered);
    }
    let asked = process.metrics.redis_questions.get() - before;
    println!("2000 calls asked Redis {asked} times");
    assert!(asked <= 40, "{asked}");
}

#[tokio::test]
async fn a_pause_and_an_open_circuit_are_told_to_the_others() {
    let redis = Redis::start();
    let (one, other) = (Process::on(&redis).await, Process::on(&redis).await);
    let (first, second) = (one.shares(), other.shares());
    let told = Ask {
        pause: Duration::from_secs(7),
        open: true,
        ..ask(4, 1)
    };
    first.ask(&told).await.unwrap();
    let heard = second.ask(&ask(4, 1)).await.unwrap();
    assert!(heard.pause > Duration::from_secs(6) && heard.pause <= Duration::from_secs(7));
    assert_eq!((heard.sharing, heard.open, heard.hungry), (2, 1, 0));
    let hostile = Ask {
        pause: Duration::from_secs(1_000_000),
        ..ask(4, 1)
    };
    first.ask(&hostile).await.unwrap();
    let heard = second.ask(&ask(4, 1)).await.unwrap();
    assert!(heard.pause <= Duration::from_hours(1));
}

#[tokio::test]
async fn no_schedule_lends_more_than_there_is() {
    const MOST: u32 = 9;
    let redis = Redis::start();
    let process = Process::on(&redis).await;
    let rate: Rate = "500/s".parse().unwrap();
    let mut random = StdRng::seed_from_u64(9);
    // Of each asker what it was lent and what it uses of that.
    let mut askers: Vec<(Shares, u32, u32)> = (0..6).map(|_| (process.shares(), 0, 0)).collect();
    let (mut given, mut returned, mut asked) = (0_u64, 0_u64, 0_u64);
    let begun = Instant::now();
    for _ in 0..10_000 {
        let which = random.random_range(0..askers.len());
        let (shares, lent, running) = &mut askers[which];
        *running = random.random_range(0..=*lent);
        let unspent = u32::from(given > returned && random.random_bool(0.2));
        let question = Ask {
            rate,
            calls: random.random_range(0..4),
            unspent,
            slots: random.random_range(*running..=MOST + 3),
            running: *running,
            hungry: random.random_bool(0.3),
            ..ask(MOST, 0)
        };
        let grant = shares.ask(&question).await.unwrap();
        assert!(grant.calls <= question.calls && grant.slots <= question.slots);
        *lent = grant.slots;
        given += u64::from(grant.calls);
        returned += u64::from(unspent);
        asked += 1;
        let sum: u32 = askers.iter().map(|(_, lent, _)| lent).sum();
        assert!(sum <= MOST, "{sum} slots lent of {MOST}");
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap();
        assert!(given - returned <= 500 + micros / 2_000 + 1);
    }
    println!("{asked} questions: {given} calls lent, {returned} of them given back");
    assert!(given > 500);
}
