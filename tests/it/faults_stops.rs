//! Group F, the end of a process: orderly with many streams open, and at once when told twice.

use std::sync::Arc;

use tokio::{sync::Notify, task::JoinSet};

use crate::{
    daily_quota::sound,
    support::{
        client::Client,
        gateway::Setup,
        load::load,
        operator::{Operator, away_from_midnight},
        upstream::{Behaviour, Upstream},
    },
};

fn roomy(setup: &mut Setup) {
    setup.limits = "  session: 100000/min\n  subscriptions_per_license: 5000\n".into();
    setup.listen = "  max_connections_per_address: 5000\n".into();
    setup.plans = "  free: { tools: [\"*\"] }\n  day3: { per_day: 3, tools: [\"*\"] }\n".into();
}

#[tokio::test(flavor = "multi_thread")]
async fn f_19_two_thousand_streams_each_get_their_end() {
    const STREAMS: usize = 2_000;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, roomy);
    let key = operator.issue("free");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let mut opening = JoinSet::new();
    let mut streams = Vec::new();
    for n in 0..STREAMS {
        let client = client.clone();
        opening.spawn(async move { client.listen().await });
        if n % 50 == 49 {
            streams.append(&mut std::mem::take(&mut opening).join_all().await);
        }
    }
    assert_eq!(streams.len(), STREAMS);
    let shown = gateway.ask("/metrics").await.unwrap().body;
    assert!(shown.contains(&format!("wicketgate_subscriptions {STREAMS}\n")));
    gateway.signal("TERM");
    let mut ends = JoinSet::new();
    for mut stream in streams {
        ends.spawn(async move {
            let end = stream.event().await.expect("an end");
            assert_eq!(end["id"], "sub-1", "{end}");
            assert_eq!(end["result"]["resultType"], "complete");
            assert_eq!(stream.event().await, None, "nothing after it");
        });
    }
    let ended = ends.join_all().await.len();
    let code = gateway.ended().await;
    println!("{ended} of {STREAMS} streams got their completion; exit {code:?}");
    assert_eq!((ended, code), (STREAMS, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn f_20_a_second_signal_ends_at_once_and_reservations_stay() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, roomy);
    let key = operator.issue("day3");
    let mut gateway = operator.serve().await;
    upstream.behave(Behaviour::Held(Arc::new(Notify::new())));
    let (address, owned) = (gateway.public, key.clone());
    let caller = tokio::spawn(async move { load(&[address], &owned, 1, 1).await });
    upstream.arrival().await;
    gateway.signal("TERM");
    while gateway.ask("/readyz").await.is_none_or(|a| a.status == 200) {}
    assert!(gateway.alive(), "it waits for the call");
    gateway.signal("TERM");
    let code = gateway.ended().await;
    assert!(!matches!(code, Some(0) | None), "{code:?}");
    assert_eq!(caller.await.unwrap().broken, 1);
    let counted = sound(&operator, None).await;
    println!("ended by the second signal with {code:?}; {counted} of 3 calls counted");
    assert_eq!(counted, 1, "the call that was under way is charged, once");

    upstream.behave(Behaviour::Json(r#"{"ok":true}"#.into()));
    let mut gateway = operator.serve().await;
    let rest = load(&[gateway.public], &key, 1, 10).await;
    assert_eq!((rest.answered, rest.refused), (2, 1));
    assert_eq!(gateway.stop().await, Some(0));
}
