//! Caps, budgets and slow bodies, by the ids of the threat table.

use futures_util::{StreamExt as _, stream};

use super::*;

fn chunks(sizes: &[usize]) -> Body {
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        sizes.iter().map(|size| Ok(vec![b'x'; *size])).collect();
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn h_21_the_cap_holds_with_and_without_a_length() {
    let budget = Budget::new(1_000, Pressure::default());
    let read = |body| async {
        read(body, 10, &budget, Waits::default())
            .await
            .map(|(bytes, _)| bytes.len())
    };
    assert_eq!(read(Body::from(vec![0; 10])).await, Ok(10));
    assert_eq!(
        read(Body::from(vec![0; 11])).await,
        Err(EdgeRefusal::BodyTooLarge)
    );
    assert_eq!(read(chunks(&[5, 5])).await, Ok(10));
    assert_eq!(read(chunks(&[5, 6])).await, Err(EdgeRefusal::BodyTooLarge));
    assert_eq!(read(chunks(&[11])).await, Err(EdgeRefusal::BodyTooLarge));
    assert_eq!(read(Body::empty()).await, Ok(0));
    assert_eq!(budget.held.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn h_22_what_is_held_is_bounded() {
    let budget = Budget::new(15, Pressure::default());
    let first = read(Body::from(vec![0; 10]), 10, &budget, Waits::default())
        .await
        .unwrap();
    let second = read(Body::from(vec![0; 10]), 10, &budget, Waits::default()).await;
    assert_eq!(second.unwrap_err(), EdgeRefusal::Overloaded);
    drop(first);
    assert!(
        read(Body::from(vec![0; 10]), 10, &budget, Waits::default())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn h_02_a_silent_body_is_given_up() {
    let budget = Budget::new(100, Pressure::default());
    let silent = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let waits = Waits {
        idle: Duration::ZERO,
        ..Waits::default()
    };
    let read = read(silent, 10, &budget, waits).await;
    assert_eq!(read.unwrap_err(), EdgeRefusal::BodyTimeout);
}

#[tokio::test]
async fn h_02_a_body_that_trickles_for_ever_is_given_up() {
    let budget = Budget::new(100, Pressure::default());
    let dripping = stream::unfold((), async |()| {
        tokio::task::yield_now().await;
        Some((Ok::<_, std::io::Error>(Vec::new()), ()))
    });
    let waits = Waits {
        whole: Duration::from_millis(5),
        ..Waits::default()
    };
    let read = read(Body::from_stream(dripping), 10, &budget, waits).await;
    assert_eq!(read.unwrap_err(), EdgeRefusal::BodyTimeout);
}

#[tokio::test]
async fn f_10_no_body_grows_while_memory_is_short() {
    let pressure = Pressure::default();
    let budget = Budget::new(1_000, pressure.clone());
    let read = |body| read(body, 100, &budget, Waits::default());
    pressure.set(Level::Short);
    assert!(read(Body::from(vec![0; 10])).await.is_ok(), "it is here");
    let refused = read(chunks(&[5, 5])).await.unwrap_err();
    assert_eq!(refused, EdgeRefusal::MemoryShort);
    assert_eq!(budget.held.load(Ordering::SeqCst), 0, "nothing is kept");
    pressure.set(Level::Calm);
    assert!(read(chunks(&[5, 5])).await.is_ok());
}

#[tokio::test]
async fn f_10_while_memory_is_short_none_is_waited_for() {
    let pressure = Pressure::default();
    let budget = Budget::new(1_000, pressure.clone());
    let first = stream::once(async { Ok::<_, std::io::Error>(vec![0; 10]) });
    let stalled = Body::from_stream(first.chain(stream::pending()));
    let waits = Waits {
        idle: Duration::from_hours(1),
        whole: Duration::from_hours(1),
        short: Duration::from_millis(1),
    };
    let shortage = async { pressure.set(Level::Short) };
    let (read, ()) = tokio::join!(read(stalled, 100, &budget, waits), shortage);
    assert_eq!(read.unwrap_err(), EdgeRefusal::MemoryShort);
    assert_eq!(budget.held.load(Ordering::SeqCst), 0);
}
