use std::{
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
};

use futures_util::{future::poll_immediate, poll};

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    ids::CredentialId,
    upstream::UpstreamError,
};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(0)))
}

fn gate(rate: &str, max_concurrent: u32, max_queue: u32, clock: &Arc<ManualClock>) -> Gate {
    let limits = GateLimits {
        rate: rate.parse().unwrap(),
        max_concurrent: NonZeroU32::new(max_concurrent).unwrap(),
        max_queue,
        max_wait: Duration::from_millis(200),
    };
    Gate::new(limits, clock.clone())
}

/// A caller of this license, whose credential is its own.
fn of(number: u8) -> Comer {
    Comer {
        license: LicenseId::from_bytes([number; 16]),
        holder: Some(Holder::Stored(CredentialId::from_bytes([number; 16]))),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// Enters without waiting, or says why not.
async fn enter(gate: &Gate) -> Result<Permit, GateRefusal> {
    enter_as(gate, of(1)).await
}

async fn enter_as(gate: &Gate, comer: Comer) -> Result<Permit, GateRefusal> {
    poll_immediate(gate.enter(comer, soon()))
        .await
        .expect("an answer at once")
}

mod fairness;
mod reload;

#[tokio::test]
async fn a_burst_passes_and_then_the_rate_holds() {
    let clock = clock();
    let gate = gate("10/s", 32, 0, &clock);
    for _ in 0..10 {
        enter(&gate).await.unwrap().finish(Observed::Answered);
    }
    let refusal = enter(&gate).await.err();
    assert_eq!(refusal, Some(GateRefusal::Queue(SLOT_SOON)));
    clock.advance(Duration::from_millis(99));
    assert!(enter(&gate).await.is_err());
    clock.advance(Duration::from_millis(1));
    enter(&gate).await.unwrap().finish(Observed::Answered);
    assert!(enter(&gate).await.is_err());
}

#[tokio::test]
async fn a_wait_longer_than_allowed_is_refused_at_once_and_truthfully() {
    let clock = clock();
    let gate = gate("1/min", 32, 8, &clock);
    enter(&gate).await.unwrap().finish(Observed::Answered);
    let refusal = enter(&gate).await.err().unwrap();
    assert_eq!(refusal, GateRefusal::Rate(Duration::from_mins(1)));
    assert_eq!(refusal.exhausted().retry_after_seconds(), 60);
    assert_eq!(refusal.exhausted().tier, Tier::Upstream);
}

#[tokio::test]
async fn waiters_come_in_turn_and_the_queue_is_bounded() {
    let clock = clock();
    let gate = gate("1000/s", 1, 2, &clock);
    let running = enter(&gate).await.unwrap();
    let mut first = Box::pin(gate.enter(of(1), soon()));
    let mut second = Box::pin(gate.enter(of(2), soon()));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    let refusal = enter(&gate).await.err();
    assert_eq!(refusal, Some(GateRefusal::Queue(SLOT_SOON)));
    running.finish(Observed::Answered);
    assert!(poll!(&mut second).is_pending());
    let Poll::Ready(Ok(permit)) = poll!(&mut first) else {
        panic!("the first in the queue is next");
    };
    assert!(poll!(&mut second).is_pending());
    drop(permit);
    assert!(matches!(poll!(&mut second), Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn a_waiter_that_gives_up_leaves_the_queue() {
    let clock = clock();
    let gate = gate("1000/s", 1, 1, &clock);
    let running = enter(&gate).await.unwrap();
    let mut waiter = Box::pin(gate.enter(of(1), soon()));
    assert!(poll!(&mut waiter).is_pending());
    drop(waiter);
    let late = gate
        .enter(of(1), Instant::now() + Duration::from_millis(20))
        .await;
    assert_eq!(late.err(), Some(GateRefusal::Queue(SLOT_SOON)));
    drop(running);
    assert!(enter(&gate).await.is_ok());
}

#[tokio::test]
async fn waiters_for_the_rate_are_spaced() {
    let clock = clock();
    let gate = gate("100/s", 32, 32, &clock);
    for _ in 0..100 {
        enter(&gate).await.unwrap().finish(Observed::Answered);
    }
    let mut waiters: Vec<_> = (0..3)
        .map(|_| Box::pin(gate.enter(of(1), soon())))
        .collect();
    for waiter in &mut waiters {
        assert!(poll!(waiter).is_pending());
    }
    for mut waiter in waiters {
        assert!(poll!(&mut waiter).is_pending());
        clock.advance(Duration::from_millis(10));
        waiter.await.unwrap().finish(Observed::Answered);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_17_the_bulkhead_holds_under_load() {
    let gate = gate("1000000/s", 4, 1_000, &clock());
    let (running, peak) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let calls = (0..400).map(|_| {
        let (gate, running, peak) = (gate.clone(), Arc::clone(&running), Arc::clone(&peak));
        tokio::spawn(async move {
            let permit = gate.enter(of(1), soon()).await.unwrap();
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            permit.finish(Observed::Answered);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert!((1..=4).contains(&peak.load(Ordering::SeqCst)));
    let state = gate.inner.state();
    assert!(state.line.is_empty());
    assert_eq!(state.wait_for_slot(3), Duration::ZERO, "all slots are free");
}

#[tokio::test]
async fn r_16_the_upstreams_own_limit_pauses_the_gate() {
    let clock = clock();
    let gate = gate("1000/s", 32, 8, &clock);
    let pause = async |span: Option<u64>| {
        enter(&gate).await.unwrap().finish(Observed::Limited);
        let signal = Signal {
            concerns: Concern::Upstream,
            retry_after: span.map(Duration::from_secs),
        };
        gate.heed(signal, of(1).holder);
        let Some(GateRefusal::Paused(left)) = enter_as(&gate, of(2)).await.err() else {
            panic!("a pause expected");
        };
        assert!(!gate.spend_again(None, left.saturating_sub(Duration::from_millis(1))));
        assert!(gate.spend_again(None, left));
        clock.advance(left);
        left.as_secs()
    };
    assert_eq!(pause(Some(7)).await, 7);
    assert_eq!(pause(None).await, 1);
    assert_eq!(pause(Some(999_999)).await, 3_600);
    assert!(enter(&gate).await.is_ok());
}

#[tokio::test]
async fn a_pause_of_one_credential_slows_nobody_else() {
    let clock = clock();
    let gate = gate("1000/s", 32, 8, &clock);
    let signal = Signal {
        concerns: Concern::Credential,
        retry_after: Some(Duration::from_secs(9)),
    };
    gate.heed(signal, of(1).holder);
    let told = enter_as(&gate, of(1)).await.err();
    assert_eq!(told, Some(GateRefusal::Paused(Duration::from_secs(9))));
    assert!(enter_as(&gate, of(2)).await.is_ok());
    gate.heed(signal, None);
    assert!(
        enter_as(&gate, of(2)).await.is_err(),
        "without one, it concerns all"
    );
}

#[tokio::test]
async fn r_18_failures_open_the_circuit_and_one_probe_closes_it() {
    let clock = clock();
    let gate = gate("1000/s", 32, 8, &clock);
    for _ in 0..10 {
        enter(&gate).await.unwrap().finish(Observed::Failed);
    }
    let refusal = enter(&gate).await.err();
    let open = GateRefusal::CircuitOpen(Duration::from_secs(10));
    assert_eq!(refusal, Some(open));
    clock.advance(Duration::from_secs(10));
    let probe = enter(&gate).await.unwrap();
    assert!(enter(&gate).await.is_err());
    drop(probe);
    let probe = enter(&gate).await.unwrap();
    probe.finish(Observed::Answered);
    assert!(enter(&gate).await.is_ok());
}

#[test]
fn results_say_what_the_upstream_did() {
    let of = |error| Observed::of(&Err(error));
    assert_eq!(of(UpstreamError::Status(500)), Observed::Failed);
    assert_eq!(of(UpstreamError::Status(404)), Observed::Answered);
    assert_eq!(of(UpstreamError::AddressRefused), Observed::Cancelled);
}
