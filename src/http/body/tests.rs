//! Caps, budgets and slow bodies, by the ids of the threat table.

use futures_util::stream;

use super::*;

fn chunks(sizes: &[usize]) -> Body {
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        sizes.iter().map(|size| Ok(vec![b'x'; *size])).collect();
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn h_21_the_cap_holds_with_and_without_a_length() {
    let budget = Budget::new(1_000);
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
    let budget = Budget::new(15);
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
    let budget = Budget::new(100);
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
    let budget = Budget::new(100);
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
