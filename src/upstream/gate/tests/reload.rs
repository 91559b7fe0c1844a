//! A gate whose limits change while it is in use.

use super::*;

fn limits(rate: &str, max_concurrent: u32, max_queue: u32) -> GateLimits {
    *gate(rate, max_concurrent, max_queue, &clock()).limits()
}

#[tokio::test]
async fn what_runs_counts_against_the_new_slots_and_who_waits_goes_on() {
    let clock = clock();
    let old = gate("1000/s", 4, 8, &clock);
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(enter(&old).await.unwrap());
    }
    let mut waiting = Box::pin(old.enter(of(2), soon()));
    assert!(poll!(&mut waiting).is_pending());
    let fewer = old.with_limits(limits("1000/s", 2, 0));
    assert!(poll!(&mut waiting).is_pending());
    assert!(matches!(
        enter(&fewer).await.err(),
        Some(GateRefusal::Queue(_))
    ));
    running.truncate(2);
    assert!(poll!(&mut waiting).is_pending(), "two run, of two");
    let more = fewer.with_limits(limits("1000/s", 3, 8));
    assert!(poll_immediate(more.enter(of(3), soon())).await.is_none());
    let Poll::Ready(Ok(permit)) = poll!(&mut waiting) else {
        panic!("the third slot is for the one that waits");
    };
    running.push(permit);
    let straggler = poll_immediate(old.enter(of(1), soon())).await;
    assert!(straggler.is_none(), "the newest limits hold for all");
    running.clear();
    assert!(enter(&more).await.is_ok());
    assert_eq!(more.inner.state().load(Duration::ZERO).running, 0);
}

#[tokio::test]
async fn what_was_used_of_the_rate_stays_used() {
    let clock = clock();
    let old = gate("10/s", 32, 0, &clock);
    for _ in 0..8 {
        enter(&old).await.unwrap().finish(Observed::Answered);
    }
    let smaller = old.with_limits(limits("9/min", 32, 0));
    enter(&smaller).await.unwrap().finish(Observed::Answered);
    assert!(enter(&smaller).await.is_err(), "nine were used of nine");
    let larger = smaller.with_limits(limits("12/s", 32, 0));
    for _ in 0..3 {
        enter(&larger).await.unwrap().finish(Observed::Answered);
    }
    assert!(enter(&larger).await.is_err());
    let tiny = larger.with_limits(limits("1/s", 32, 0));
    assert!(enter(&tiny).await.is_err());
    clock.advance(Duration::from_secs(1));
    assert!(enter(&tiny).await.is_ok(), "no longer than its burst takes");
}

#[tokio::test]
async fn pauses_and_the_breaker_stay() {
    let clock = clock();
    let old = gate("1000/s", 32, 8, &clock);
    let pause = |concerns, seconds| Signal {
        concerns,
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let late = enter(&old).await.unwrap();
    old.heed(pause(Concern::Upstream, 2), None);
    let new = old.with_limits(limits("500/s", 16, 8));
    let paused = |seconds| Some(GateRefusal::Paused(Duration::from_secs(seconds)));
    assert_eq!(enter(&new).await.err(), paused(2));
    old.heed(pause(Concern::Credential, 5), of(1).holder);
    assert_eq!(enter(&new).await.err(), paused(5));
    clock.advance(Duration::from_secs(5));
    for _ in 0..9 {
        enter(&new).await.unwrap().finish(Observed::Failed);
    }
    late.finish(Observed::Failed);
    let newest = new.with_limits(limits("400/s", 16, 8));
    let open = GateRefusal::CircuitOpen(Duration::from_secs(10));
    assert_eq!(enter(&newest).await.err(), Some(open), "ten failed in all");
}

#[tokio::test]
async fn limits_that_are_never_used_change_nothing() {
    let clock = clock();
    let old = gate("1000/s", 1, 0, &clock);
    // As a reload that is refused for something else.
    drop(old.with_limits(limits("1000/s", 9, 9)));
    let running = enter(&old).await.unwrap();
    assert!(enter(&old).await.is_err());
    drop(running);
}
