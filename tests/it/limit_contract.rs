//! One contract for limits in this process and in Redis.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use wicketgate::{
    clock::{ManualClock, SharedClock},
    config::WhenAway,
    crypto::LimitKey,
    entropy::{Entropy as _, OsEntropy},
    limit::{
        AtOnce, Bucket, Claim, LimitError, Limiter, LocalLimiter, RedisLimiter, Replicas, Standing,
        redis::{Line, LineParts, RedisLimiterParts},
    },
    quota::{Exhausted, Rate, Tier},
    secret::SecretString,
    telemetry::{health::State, metrics::Metrics},
};

use crate::support::{database::NOON, redis::Redis};

/// One kind of limiter, and time that a test can move.
pub(crate) struct Bench {
    pub(crate) limiter: Limiter,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) redis: Option<Redis>,
    pub(crate) replicas: Replicas,
    pub(crate) metrics: Arc<Metrics>,
}

impl Bench {
    fn local() -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let shared: SharedClock = clock.clone();
        Self {
            limiter: Limiter::Local(LocalLimiter::new(shared)),
            clock,
            redis: None,
            replicas: Replicas::default(),
            metrics: Metrics::new(),
        }
    }

    pub(crate) async fn shared() -> Self {
        Self::over(Redis::start(), WhenAway::Local).await
    }

    pub(crate) async fn over(redis: Redis, when_away: WhenAway) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let (replicas, metrics) = (Replicas::default(), Metrics::new());
        let limiter = limiter(&redis, &clock, when_away, &replicas, &metrics, random()).await;
        Self {
            limiter,
            clock,
            redis: Some(redis),
            replicas,
            metrics,
        }
    }

    pub(crate) async fn take(&self, claim: Claim) -> Result<Standing, LimitError> {
        self.limiter.take(claim).decided().await
    }

    async fn one(&self, rate: &str, key: u8) -> Result<Standing, LimitError> {
        self.take(Claim::one(Tier::Session, parsed(rate), [key; 16]))
            .await
    }

    /// As if so much time had passed: in Redis, whose clock nobody can move, every window is so much
    /// older than it was.
    async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.age(micros).await;
    }

    /// The server's clock, and no other, is set by so many microseconds.
    async fn age(&self, micros: i64) {
        const AGE: &str = "local keys = redis.call('KEYS', 'wg:*') \
             for _, key in ipairs(keys) do \
               local kind = redis.call('TYPE', key).ok \
               if kind == 'string' then \
                 local at = tonumber(redis.call('GET', key)) - ARGV[1] \
                 redis.call('SET', key, string.format('%.0f', at), 'KEEPTTL') \
               end \
               if kind == 'zset' then \
                 for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do \
                   redis.call('ZINCRBY', key, -ARGV[1], name) \
                 end \
               end \
             end";
        if let Some(redis) = &self.redis {
            let mut connection = redis.connection().await;
            let script = redis::Script::new(AGE);
            let aged = script.arg(micros).invoke_async(&mut connection).await;
            let () = aged.unwrap();
        }
    }
}

fn random() -> LimitKey {
    let mut key = [0; 32];
    OsEntropy.fill(&mut key);
    LimitKey::new(&key)
}

pub(crate) async fn limiter(
    redis: &Redis,
    clock: &Arc<ManualClock>,
    when_away: WhenAway,
    replicas: &Replicas,
    metrics: &Arc<Metrics>,
    key: LimitKey,
) -> Limiter {
    let url = SecretString::new(redis.url());
    let line = Line::new(LineParts {
        url: &url,
        ca_file: None,
        timeout: Duration::from_millis(500),
        without: State::Degraded,
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
    });
    let line = line.unwrap();
    let line = Arc::new(line);
    line.connect().await.unwrap();
    let parts = RedisLimiterParts {
        line,
        key,
        clock: clock.clone(),
        when_away,
        replicas: replicas.clone(),
        metrics: Arc::clone(metrics),
    };
    Limiter::Redis(Arc::new(RedisLimiter::new(parts, &OsEntropy)))
}

fn parsed(rate: &str) -> Rate {
    rate.parse().unwrap()
}

#[track_caller]
pub(crate) fn exhausted(result: Result<Standing, LimitError>) -> Exhausted {
    match result {
        Err(LimitError::Exhausted(exhausted)) => exhausted,
        other => panic!("{other:?}"),
    }
}

macro_rules! on_both_limiters {
    ($($name:ident)*) => {
        mod local {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Bench::local()).await;
            })*
        }
        mod shared {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Bench::shared().await).await;
            })*
        }
    };
}

on_both_limiters! {
    the_burst_is_exact_and_windows_tell_how_they_stand
    q_12_the_wait_is_true
    q_03_no_clock_gives_more_than_one_window_more
    the_second_bucket_is_asked_after_the_first
    a_caller_who_does_not_wait_is_told_the_same_again
    places_are_as_many_as_there_are
    q_01_many_at_once_get_no_more_than_there_is
}

async fn the_burst_is_exact_and_windows_tell_how_they_stand(bench: Bench) {
    for left in (0..60).rev() {
        let standing = bench.one("60/h", 1).await.unwrap();
        let window = standing.windows[0].unwrap();
        assert_eq!((window.tier, window.remaining), (Tier::Session, left));
        // The server's clock runs on meanwhile.
        let full = Duration::from_mins(60 - u64::from(left));
        assert!(
            full.saturating_sub(window.reset) < Duration::from_secs(30),
            "{:?}",
            window.reset
        );
    }
    let refused = exhausted(bench.one("60/h", 1).await);
    assert_eq!(refused.tier, Tier::Session);
    assert!(
        bench.one("60/h", 2).await.is_ok(),
        "another key has its own"
    );
    assert!(
        bench.one("61/h", 1).await.is_ok(),
        "another rate has its own"
    );
}

async fn q_12_the_wait_is_true(bench: Bench) {
    for _ in 0..3 {
        bench.one("3/min", 1).await.unwrap();
    }
    let wait = exhausted(bench.one("3/min", 1).await).retry_after;
    assert!(
        wait > Duration::from_secs(15) && wait <= Duration::from_secs(20),
        "{wait:?}"
    );
    // The clock of the tests knows whole milliseconds.
    let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap() + 1);
    bench
        .pass(wait.saturating_sub(Duration::from_secs(5)))
        .await;
    exhausted(bench.one("3/min", 1).await);
    bench.pass(Duration::from_secs(5)).await;
    assert!(bench.one("3/min", 1).await.is_ok());
    exhausted(bench.one("3/min", 1).await);
    bench.pass(Duration::from_mins(5)).await;
    for _ in 0..3 {
        bench.one("3/min", 1).await.unwrap();
    }
    exhausted(bench.one("3/min", 1).await);
}

/// The wall clock of this process counts for nothing; that of a Redis server may be set.
async fn q_03_no_clock_gives_more_than_one_window_more(bench: Bench) {
    const HOUR: i64 = 3_600_000_000;
    let mut given = 0_u32;
    let mut jumps = 0_u32;
    for hours in [1, -1, 1_000, -1_000, 87_600, -87_600] {
        while bench.one("5/min", 1).await.is_ok() {
            given += 1;
            assert!(given <= 100, "never ends");
        }
        bench
            .clock
            .set_wall(NOON.plus(Duration::from_hours(u64::try_from(hours.max(0)).unwrap())));
        bench.age(hours * HOUR).await;
        jumps += 1;
    }
    // A clock set back leaves a bucket empty, never below: after one window it is full.
    bench.pass(Duration::from_mins(1)).await;
    for _ in 0..5 {
        bench.one("5/min", 1).await.unwrap();
    }
    exhausted(bench.one("5/min", 1).await);
    println!("given {given} over {jumps} jumps of the clock");
    assert!(given <= 5 * (1 + jumps), "{given} over {jumps} jumps");
}

async fn the_second_bucket_is_asked_after_the_first(bench: Bench) {
    let claim = |session: u8| Claim {
        owner: [9; 16],
        first: Bucket {
            tier: Tier::Session,
            rate: parsed("3/h"),
            key: [session; 16],
        },
        second: Some(Bucket {
            tier: Tier::LicenseMinute,
            rate: parsed("4/h"),
            key: [9; 16],
        }),
        at_once: None,
    };
    for left in [2, 1, 0] {
        let standing = bench.take(claim(1)).await.unwrap();
        let remaining = standing.windows.map(|window| window.unwrap().remaining);
        assert_eq!(remaining, [left, left + 1]);
    }
    // The first refuses: the second is not asked, so a call is left for another session.
    assert_eq!(exhausted(bench.take(claim(1)).await).tier, Tier::Session);
    assert!(bench.take(claim(2)).await.is_ok());
    // The second refuses; the first has given.
    let refused = exhausted(bench.take(claim(3)).await);
    assert_eq!(refused.tier, Tier::LicenseMinute);
    assert_eq!(
        exhausted(bench.take(claim(3)).await).tier,
        Tier::LicenseMinute
    );
    assert_eq!(
        exhausted(bench.take(claim(3)).await).tier,
        Tier::LicenseMinute
    );
    assert_eq!(exhausted(bench.take(claim(3)).await).tier, Tier::Session);
}

async fn a_caller_who_does_not_wait_is_told_the_same_again(bench: Bench) {
    bench.one("1/h", 1).await.unwrap();
    let first = exhausted(bench.one("1/h", 1).await).retry_after;
    bench.pass(Duration::from_mins(10)).await;
    let later = exhausted(bench.one("1/h", 1).await).retry_after;
    let between = first.saturating_sub(later);
    assert!(between >= Duration::from_mins(10) && between < Duration::from_mins(11));
    bench.pass(Duration::from_mins(50)).await;
    assert!(bench.one("1/h", 1).await.is_ok());
}

async fn places_are_as_many_as_there_are(bench: Bench) {
    let mut claim = Claim::one(Tier::Session, parsed("1000/h"), [1; 16]);
    claim.at_once = Some(AtOnce {
        most: NonZeroU32::new(2).unwrap(),
        lifetime: Duration::from_mins(1),
    });
    let first = bench.take(claim).await.unwrap();
    let second = bench.take(claim).await.unwrap();
    let refused = exhausted(bench.take(claim).await);
    assert_eq!(refused.tier, Tier::LicenseAtOnce);
    assert!(refused.retry_after_seconds() >= 1);
    let mut other = claim;
    other.owner = [2; 16];
    let others = bench.take(other).await.unwrap();
    drop(first);
    // Giving back is told, not asked: it arrives in its own time.
    let mut again = bench.take(claim).await;
    for _ in 0..200 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        again = bench.take(claim).await;
    }
    let third = again.unwrap();
    exhausted(bench.take(claim).await);
    drop((second, third, others));
}

async fn q_01_many_at_once_get_no_more_than_there_is(bench: Bench) {
    let bench = Arc::new(bench);
    let callers = (0..300).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.one("100/day", 1).await.is_ok() })
    });
    let mut given = 0;
    for caller in callers.collect::<Vec<_>>() {
        given += u32::from(caller.await.unwrap());
    }
    println!("300 callers, 100 a day: {given} given");
    assert_eq!(given, 100);
}
