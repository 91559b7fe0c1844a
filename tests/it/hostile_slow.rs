//! Group H, time and space: clients that take both and give nothing.

use std::{net::IpAddr, sync::Arc, time::Duration};

use wicketgate::{clock::ManualClock, serve};

use crate::support::{database::NOON, gateway::Setup, oracle::Ground, wire::Wire};

/// For what happens at once, on a machine that is busy.
const SOON: Duration = Duration::from_secs(10);

/// Connections are aged by a clock that the test moves, and looked at all the time.
fn aged(clock: &Arc<ManualClock>) -> impl FnOnce(&mut Setup) {
    let shared = Arc::clone(clock);
    move |setup| {
        setup.clock = shared;
        setup.waits.connection.look = Duration::from_millis(5);
    }
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOON))
}

async fn is_open(wire: &mut Wire) -> bool {
    wire.until_closed(Duration::from_millis(100))
        .await
        .is_none()
}

#[tokio::test]
async fn h_01_a_head_that_trickles_is_ended_after_ten_seconds() {
    let clock = manual();
    let mut ground = Ground::with(aged(&clock)).await;
    let mut wire = Wire::connect(ground.gateway.address).await;
    assert!(is_open(&mut wire).await, "and so it is accepted");
    for byte in b"POST /mcp" {
        wire.send(&[*byte]).await;
        clock.advance(Duration::from_secs(1));
    }
    assert!(is_open(&mut wire).await, "after nine seconds");
    clock.advance(Duration::from_secs(1));
    let heard = wire.until_closed(SOON).await.expect("ended");
    assert_eq!(heard, b"");
    ground.hear_bytes(&heard);
    ground.prove().await;
}

#[tokio::test]
async fn h_02_a_silent_body_is_refused_and_nothing_called() {
    let mut ground = Ground::with(|setup| {
        setup.waits.body.idle = Duration::from_millis(50);
    })
    .await;
    let good = ground.good();
    let request = &good[..good.len() - 10];
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(request.as_bytes()).await;
    let answer = wire.answer().await.expect("an answer");
    assert_eq!(answer.status, 408, "{}", answer.body);
    ground.hear(&answer);
    assert!(wire.until_closed(SOON).await.is_some(), "the place is free");
    let lines = ground.prove().await;
    assert_eq!(lines[0]["error"], "body_timeout");
}

#[tokio::test]
async fn h_02_a_body_that_trickles_is_refused_as_a_whole() {
    let mut ground = Ground::with(|setup| {
        setup.waits.body.whole = Duration::from_millis(100);
    })
    .await;
    let good = ground.good();
    let (front, body) = good.split_once("\r\n\r\n").unwrap();
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(format!("{front}\r\n\r\n").as_bytes()).await;
    let mut answer = None;
    for byte in body.bytes() {
        wire.send(&[byte]).await;
        // Between two bytes the client listens for a moment.
        let listened = tokio::time::timeout(Duration::from_millis(20), wire.answer()).await;
        if let Ok(came) = listened {
            answer = came;
            break;
        }
    }
    let answer = answer.expect("an answer before the body is whole");
    assert_eq!(answer.status, 408, "{}", answer.body);
    ground.hear(&answer);
    ground.prove().await;
}

#[tokio::test]
async fn h_03_a_connection_that_says_nothing_is_ended() {
    let clock = manual();
    let ground = Ground::with(aged(&clock)).await;
    let mut silent = Wire::connect(ground.gateway.address).await;
    assert!(is_open(&mut silent).await);
    clock.advance(Duration::from_secs(10));
    assert_eq!(silent.until_closed(SOON).await.expect("ended"), b"");

    // Between requests a client may think for longer.
    let mut kept = Wire::connect(ground.gateway.address).await;
    let mut ground = ground;
    kept.send(ground.good().as_bytes()).await;
    let answer = kept.answer().await.unwrap();
    ground.hear(&answer);
    ground.allow_good(1);
    clock.advance(Duration::from_secs(74));
    assert!(is_open(&mut kept).await);
    clock.advance(Duration::from_secs(1));
    assert_eq!(kept.until_closed(SOON).await.expect("ended"), b"");
    ground.prove().await;
}

#[tokio::test]
async fn h_04_one_address_cannot_hold_every_connection() {
    let clock = manual();
    let aging = aged(&clock);
    let mut ground = Ground::with(|setup| {
        aging(setup);
        setup.listen = "  max_connections_per_address: 8\n".into();
    })
    .await;
    let (evil, address): (IpAddr, _) = ("127.0.0.2".parse().unwrap(), ground.gateway.address);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire::connect_from(evil, address).await;
        wire.send(b"POST").await;
        held.push(wire);
    }
    for _ in 0..40 {
        let mut wire = Wire::connect_from(evil, address).await;
        wire.send(b"POST").await;
        assert_eq!(wire.until_closed(SOON).await.expect("refused"), b"");
    }
    assert!(is_open(&mut held[0]).await);
    let good = ground.good();
    ground.answered(&good, 200).await;
    clock.advance(Duration::from_secs(10));
    for wire in &mut held {
        assert_eq!(wire.until_closed(SOON).await.expect("ended"), b"");
    }
    // The places are free again. The gateway may notice a moment after we do.
    let mut answer = None;
    for _ in 0..100 {
        let mut wire = Wire::connect_from(evil, address).await;
        wire.send(good.as_bytes()).await;
        answer = wire.answer().await;
        if answer.is_some() {
            break;
        }
    }
    ground.hear(&answer.expect("an answer"));
    ground.allow_good(2);
    ground.prove().await;
}

#[tokio::test]
async fn h_22_bodies_in_flight_have_a_budget() {
    let mut ground = Ground::with(|setup| {
        setup.limits += "  max_in_flight_bytes: 1MiB\n  max_request_bytes: 256KiB\n";
    })
    .await;
    let good = ground.good();
    let (head, _) = good.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find(|line| line.starts_with("Content-Length"));
    let size = 256 << 10;
    let head = head.replacen(length.unwrap(), &format!("Content-Length: {size}"), 1);
    // What arrives is held, not what is announced: all but the last KiB of each.
    let stalled = format!("{head}\r\n\r\n{}", " ".repeat(size - 1024));
    let mut holding = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::connect(ground.gateway.address).await;
        wire.send(stalled.as_bytes()).await;
        holding.push(wire);
    }
    // Small ones still fit, and give the gateway the time to read the four.
    for _ in 0..50 {
        let answer = ground.send(&good).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        ground.allow_good(1);
    }
    // A larger one finds no room.
    let (head, body) = good.split_once("\r\n\r\n").unwrap();
    let padded = format!("{}{body}", " ".repeat(8 << 10));
    let head = head.replacen(
        length.unwrap(),
        &format!("Content-Length: {}", padded.len()),
        1,
    );
    let large = format!("{head}\r\n\r\n{padded}");
    let mut overloaded = None;
    for _ in 0..200 {
        let answer = ground.send(&large).await.expect("an answer");
        if answer.status == 503 {
            overloaded = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        ground.allow_good(1);
    }
    let overloaded = overloaded.expect("a refusal while the budget is held");
    let wait: u64 = overloaded.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    ground.unanswered(holding.len());
    drop(holding);
    // Whoever went away gives back what it held.
    for attempt in 0.. {
        let answer = ground.send(&large).await.expect("an answer");
        if answer.status == 200 {
            break;
        }
        assert!(attempt < 200, "the budget is given back");
        assert_eq!(answer.status, 503, "{}", answer.body);
    }
    ground.allow_good(1);
    let lines = ground.prove().await;
    let cancelled = lines.iter().filter(|line| line["outcome"] == "cancelled");
    assert_eq!(cancelled.count(), 4);
}

#[test]
fn waits_are_those_that_are_documented() {
    let waits = serve::Waits::default();
    assert_eq!(waits.connection.head, Duration::from_secs(10));
    assert_eq!(waits.connection.idle, Duration::from_secs(75));
    assert_eq!(waits.connection.stalled, Duration::from_secs(30));
    assert!(waits.connection.look <= Duration::from_secs(10));
    assert_eq!(waits.body.idle, Duration::from_secs(15));
    assert_eq!(waits.body.whole, Duration::from_mins(1));
}
