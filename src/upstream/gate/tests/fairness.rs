//! Many licenses at one saturated gate, the clock moved by hand.

use std::{future::Future, pin::Pin};

use super::*;

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Permit, GateRefusal>> + 'a>>;

fn patient(rate: &str, max_concurrent: u32, max_queue: u32, clock: &Arc<ManualClock>) -> Gate {
    let limits = GateLimits {
        max_wait: Duration::from_secs(2),
        ..*gate(rate, max_concurrent, max_queue, clock).limits()
    };
    Gate::new(limits, clock.clone())
}

/// As a sleep that ends does: the one in front looks again.
fn ring(gate: &Gate) {
    if let Some(bell) = gate.inner.state().line.front() {
        bell.notify_one();
    }
}

/// Who of them got a permit or a refusal by now.
async fn settled<T>(waiting: &mut Vec<(T, Entering<'_>)>) -> Vec<(T, Result<Permit, GateRefusal>)> {
    let mut done = Vec::new();
    let mut changed = true;
    while changed {
        changed = false;
        let mut still = Vec::new();
        for (who, mut entering) in waiting.drain(..) {
            match poll!(&mut entering) {
                Poll::Ready(result) => {
                    changed = true;
                    done.push((who, result));
                }
                Poll::Pending => still.push((who, entering)),
            }
        }
        *waiting = still;
    }
    done
}

#[tokio::test]
async fn q_09_a_hundred_offered_at_ten_a_second_are_paced_and_the_rest_told_when() {
    let clock = clock();
    let gate = patient("10/s", 32, 64, &clock);
    let mut waiting: Vec<(u8, Entering<'_>)> = (0..100)
        .map(|number| {
            let entering = gate.enter(of(number), Instant::now() + Duration::from_mins(1));
            (number, Box::pin(entering) as Entering<'_>)
        })
        .collect();
    let mut refused = Vec::new();
    let mut starts = Vec::new();
    for tick in 0..=25 {
        for (_, result) in settled(&mut waiting).await {
            match result {
                Ok(permit) => {
                    starts.push(tick);
                    permit.finish(Observed::Answered);
                }
                Err(refusal) => refused.push((tick, refusal)),
            }
        }
        clock.advance(Duration::from_millis(100));
        ring(&gate);
    }
    let burst = starts.iter().filter(|tick| **tick == 0).count();
    println!(
        "100 offered at 10/s: {burst} at once, {} paced, {} refused",
        starts.len() - burst,
        refused.len()
    );
    assert_eq!(burst, 10);
    for tick in 1..=20 {
        let started = starts.iter().filter(|at| **at == tick).count();
        assert_eq!(started, 1, "one every 100 ms, {tick}");
    }
    assert_eq!(
        starts.len(),
        30,
        "whoever would wait for more than 2 s is refused"
    );
    assert_eq!(refused.len(), 70);
    for (tick, refusal) in refused {
        assert_eq!(tick, 0, "at once");
        // The twenty in the line need two seconds, the next turn is one interval later.
        assert_eq!(refusal, GateRefusal::Rate(Duration::from_millis(2_100)));
    }
}

#[tokio::test]
async fn a_deadline_that_comes_before_the_turn_is_told_at_once() {
    let clock = clock();
    let gate = patient("10/s", 1, 64, &clock);
    for _ in 0..10 {
        enter(&gate).await.unwrap().finish(Observed::Answered);
    }
    let short = Instant::now() + Duration::from_millis(50);
    let refusal = poll_immediate(gate.enter(of(1), short)).await.unwrap();
    assert_eq!(
        refusal.err(),
        Some(GateRefusal::Rate(Duration::from_millis(100)))
    );
    // By slots: each is held for a minute as all know by now.
    clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        let slow = enter(&gate).await.unwrap();
        clock.advance(Duration::from_mins(1));
        slow.finish(Observed::Answered);
    }
    let slow = enter(&gate).await.unwrap();
    let refusal = poll_immediate(gate.enter(of(1), soon())).await.unwrap();
    let Some(GateRefusal::Queue(wait)) = refusal.err() else {
        panic!("a refusal expected");
    };
    assert!((1..=60).contains(&wait.as_secs()), "{wait:?}");
    drop(slow);
    assert!(enter(&gate).await.is_ok());
}

#[tokio::test]
async fn one_busy_license_cannot_starve_another() {
    let clock = clock();
    let gate = patient("100000/s", 4, 64, &clock);
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut running = std::collections::VecDeque::new();
    let mut waiting: Vec<((u8, u32), Entering<'_>)> = Vec::new();
    let (mut longest, mut small, mut busy, mut refused) = (0, 0, 0, 0);
    for tick in 0..2_000_u32 {
        // The busy license offers 50 calls for each of the small one; one call ends in each tick.
        for number in 0..50 {
            let entering = Box::pin(gate.enter(of(1), deadline)) as Entering<'_>;
            waiting.push(((1, tick), entering));
            if number == 25 && tick % 4 == 0 {
                waiting.push(((2, tick), Box::pin(gate.enter(of(2), deadline))));
            }
        }
        for ((license, since), result) in settled(&mut waiting).await {
            match (license, result) {
                (2, Ok(permit)) => {
                    small += 1;
                    longest = longest.max(tick - since);
                    running.push_back(permit);
                }
                (_, Ok(permit)) => {
                    busy += 1;
                    running.push_back(permit);
                }
                (2, Err(refusal)) => panic!("the small license is refused: {refusal:?}"),
                (_, Err(_)) => refused += 1,
            }
        }
        assert!(running.len() <= 4);
        drop(running.pop_front());
        clock.advance(Duration::from_millis(1));
    }
    println!(
        "saturated gate: busy license {busy} let in and {refused} refused, small license {small} let \
         in and none refused, its longest wait {longest} turns"
    );
    assert_eq!(small, 500);
    assert!(longest <= 2, "{longest}");
    assert!(busy >= 1_400, "{busy}");
}

#[tokio::test]
async fn whoever_gives_up_in_front_lets_the_next_through() {
    let clock = clock();
    let gate = patient("1000/s", 1, 8, &clock);
    let running = enter(&gate).await.unwrap();
    let mut all: Vec<_> = (1..=3)
        .map(|number| Box::pin(gate.enter(of(number), soon())))
        .collect();
    for entering in &mut all {
        assert!(poll!(entering).is_pending());
    }
    running.finish(Observed::Answered);
    // The first was rung and goes away without having looked.
    drop(all.remove(0));
    assert!(matches!(poll!(&mut all[0]), Poll::Ready(Ok(_))));
}
