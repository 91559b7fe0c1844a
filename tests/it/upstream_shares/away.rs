//! One of two processes loses Redis under load, or comes back to an upstream it left alone.

use super::*;

/// What an upstream has whose configuration says nothing of limits.
fn usual(process: &Process) -> Gate {
    let limits = GateLimits {
        rate: "50/s".parse().unwrap(),
        max_concurrent: NonZeroU32::new(32).unwrap(),
        max_queue: 64,
        max_wait: Duration::from_secs(2),
    };
    Gate::new(limits, Arc::clone(&process.clock)).shared(process.shares())
}

/// One call of a tenth of a second: how long it waited, or that it was refused.
async fn call(gate: Gate, license: u8) -> Option<Duration> {
    let came = Instant::now();
    let permit = gate.enter(comer(license), late()).await.ok()?;
    let waited = came.elapsed();
    sleep(Duration::from_millis(100)).await;
    permit.finish(Observed::Answered);
    Some(waited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_redis_refuses_nothing_that_the_own_part_carries() {
    let mut redis = Redis::start();
    let process = Process::on(&redis).await;
    process.replicas.set(2);
    let gate = usual(&process);
    let mut calls = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    // Twenty in a second, of the 25 that half the rate is.
    for number in 0..120_u8 {
        ticks.tick().await;
        if number == 30 {
            redis.kill();
        }
        calls.push(tokio::spawn(call(gate.clone(), number % 4)));
    }
    let (mut refused, mut longest) = (0, Duration::ZERO);
    for call in calls {
        match call.await.unwrap() {
            Some(waited) => longest = longest.max(waited),
            None => refused += 1,
        }
    }
    let alone = process.metrics.upstream_shares_alone.get();
    println!(
        "Redis killed under 20/s: {refused} of 120 calls refused, {alone} decided alone, the longest wait \
         {longest:?}"
    );
    // All but those of the block that was lent last.
    assert!((80..=92).contains(&alone), "{alone}");
    assert_eq!(refused, 0);
    assert!(longest <= Duration::from_millis(500), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_after_idleness_is_refused_no_more_than_without_redis() {
    let redis = Redis::start();
    let process = Process::on(&redis).await;
    let limits = GateLimits {
        rate: "1000/s".parse().unwrap(),
        ..*usual(&process).limits()
    };
    let gate = Gate::new(limits, Arc::clone(&process.clock)).shared(process.shares());
    // Once in use, then idle until nothing is lent any more.
    call(gate.clone(), 1).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    let burst = async |gate: &Gate| {
        let calls = (0..60).map(|_| tokio::spawn(call(gate.clone(), 1)));
        let mut refused = 0;
        for call in calls.collect::<Vec<_>>() {
            refused += u32::from(call.await.unwrap().is_none());
        }
        refused
    };
    let shared = burst(&gate).await;
    println!("60 calls at once after idleness: {shared} refused");
    assert_eq!(shared, 0);
    let fresh = Gate::new(limits, Arc::clone(&process.clock));
    assert_eq!(burst(&fresh).await, 0, "as without Redis");
}
