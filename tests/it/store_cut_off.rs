//! A replica that is cut off from the store alone: what it sends there vanishes, and nothing is
//! refused. It stops trusting what it remembers, answers in time, and recovers by itself, though the
//! connections from before never say another word.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep},
};

use crate::support::{client::Client, operator::Operator, postgres::Private, upstream::Upstream};

/// A connection that was there while it swallowed stays mute for ever.
#[derive(Clone, Default)]
struct Swallowing(Arc<AtomicBool>);

async fn relay(to: SocketAddr, swallowing: Swallowing) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let mute = Arc::new(AtomicBool::new(false));
            tokio::spawn(pump(near_in, far_out, swallowing.clone(), mute.clone()));
            tokio::spawn(pump(far_in, near_out, swallowing.clone(), mute));
        }
    });
    address
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    swallowing: Swallowing,
    mute: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if swallowing.0.load(Ordering::SeqCst) {
            mute.store(true, Ordering::SeqCst);
        }
        if mute.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_13_a_replica_cut_off_from_the_store_stops_trusting_what_it_remembers() {
    let (upstream, database) = (Upstream::start().await, Private::start());
    let swallowing = Swallowing::default();
    let server = url::Url::parse(&database.url()).unwrap();
    let server = format!("127.0.0.1:{}", server.port().unwrap());
    let between = relay(server.parse().unwrap(), swallowing.clone()).await;
    let mut operator = Operator::of(&upstream, Some(&database.url()), |setup| {
        setup.limits = "  session: 100000/min\n".into();
    });
    let key = operator.issue("pro");
    let url = format!("postgres://postgres@{between}/postgres");
    operator.export("DATABASE", &url);
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let call = async || {
        let since = Instant::now();
        let answer = client.call("search", json!({ "q": "x" })).await;
        (answer, since.elapsed())
    };
    // Many connections, so that many are mute later.
    let crowd = futures_util::future::join_all((0..32).map(|_| call())).await;
    assert!(crowd.iter().all(|(answer, _)| answer.status == 200));

    swallowing.0.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let believed = loop {
        let (answer, took) = call().await;
        slowest = slowest.max(took);
        if answer.status == 503 {
            assert!(answer.header("retry-after").is_some());
            break began.elapsed().saturating_sub(took);
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "believed for ever"
        );
        sleep(Duration::from_millis(50)).await;
    };
    let seen = upstream.count();
    let crowd = futures_util::future::join_all((0..40).map(|_| call())).await;
    for (answer, took) in &crowd {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").is_some());
        slowest = slowest.max(*took);
    }
    assert_eq!(upstream.count(), seen, "a call went out for nobody");
    let since = Instant::now();
    let ready = gateway.ask("/readyz").await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(ready.json()["components"]["store"]["state"], "lost");
    let probed = since.elapsed();
    assert_eq!(gateway.ask("/livez").await.unwrap().status, 200);
    println!(
        "cut off: keys believed for {believed:?}, 40 of 40 answered 503, the slowest after \
         {slowest:?}, readiness in {probed:?}"
    );
    assert!(believed < Duration::from_millis(5_500), "{believed:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");

    swallowing.0.store(false, Ordering::SeqCst);
    let since = Instant::now();
    while call().await.0.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(6), "still cut off");
        sleep(Duration::from_millis(20)).await;
    }
    let back = since.elapsed();
    let crowd = futures_util::future::join_all((0..64).map(|_| call())).await;
    let good = crowd.iter().filter(|(it, _)| it.status == 200).count();
    println!("back after {back:?}; then {good} of 64 answered 200");
    assert_eq!(good, 64);
    assert_eq!(gateway.stop().await, Some(0));
}
