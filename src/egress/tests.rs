use std::{
    io,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::*;

/// Gives the n-th list of addresses at the n-th question, and counts the questions.
struct Scripted {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.iter().map(|list| list.to_vec()).collect(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Scripted {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst);
        let list = self.answers.get(at).cloned().unwrap_or_default();
        Box::pin(async move { Ok(list.iter().map(|ip| ip.parse().unwrap()).collect()) })
    }
}

fn profile(allow: &str) -> EgressProfile {
    EgressProfile {
        allow_special_use: vec![allow.parse().unwrap()],
        connect_timeout: Duration::from_millis(200),
        ..EgressProfile::new(Scheme::Http)
    }
}

fn get(url: &str) -> EgressRequest {
    EgressRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: None,
    }
}

/// Answers every connection once with `answer` and closes it; counts the connections.
async fn serve(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (port, count)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

#[tokio::test]
async fn s_08_one_private_answer_refuses_the_name() {
    let (port, count) = serve(OK).await;
    let lookup = Scripted::new(&[&["127.0.0.1", "10.0.0.1"]]);
    let client = EgressClient::with_lookup(&profile("127.0.0.1/32"), lookup).unwrap();
    let error = client
        .send(get(&format!("http://up.test:{port}/")))
        .await
        .unwrap_err();
    assert_eq!(error, EgressError::AddressRefused);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn s_09_the_checked_address_is_the_dialled_one() {
    let (port, count) = serve(OK).await;
    let lookup = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = EgressClient::with_lookup(&profile("127.0.0.1/32"), lookup.clone()).unwrap();
    let url = format!("http://up.test:{port}/");
    let response = client.send(get(&url)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 1);
    drop(response);
    // The name now points elsewhere: a new connection is judged anew.
    let again = client.send(get(&url)).await.unwrap_err();
    assert_eq!(again, EgressError::AddressRefused);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// F-16, without an answer.
#[tokio::test]
async fn s_10_a_name_without_address_is_a_connect_failure() {
    let client = EgressClient::with_lookup(&profile("127.0.0.1/32"), Scripted::new(&[])).unwrap();
    let error = client.send(get("http://up.test/")).await.unwrap_err();
    assert_eq!(error, EgressError::Connect);
}

/// Never answers.
struct Silent;

impl Lookup for Silent {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

/// F-16, slow.
#[tokio::test]
async fn s_10_a_resolver_that_hangs_holds_nobody() {
    let client = EgressClient::with_lookup(&profile("127.0.0.1/32"), Arc::new(Silent)).unwrap();
    let error = client.send(get("http://up.test/")).await.unwrap_err();
    assert_eq!(error, EgressError::ConnectTimeout);
}

#[tokio::test]
async fn r_01_redirects_are_answers() {
    let (evil, seen) = serve(OK).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{evil}/\r\ncontent-length: 0\r\n\r\n"
    );
    let (port, _) = serve(Box::leak(answer.into_boxed_str())).await;
    let client = EgressClient::for_upstream(&profile("127.0.0.1/32")).unwrap();
    let response = client
        .send(get(&format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn bodies_are_counted_and_complete_or_nothing() {
    let client = EgressClient::for_upstream(&profile("127.0.0.1/32")).unwrap();
    let read = async |answer: &'static str, cap: usize, idle: u64| {
        let (port, _) = serve(answer).await;
        let response = client
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        read_body(response, cap, Duration::from_millis(idle), deadline).await
    };
    assert_eq!(read(OK, 2, 1000).await.unwrap(), "ok");
    assert_eq!(read(OK, 1, 1000).await, Err(EgressError::TooLarge));
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nay\r\n0\r\n\r\n";
    assert_eq!(read(chunked, 4, 1000).await.unwrap(), "okay");
    assert_eq!(read(chunked, 3, 1000).await, Err(EgressError::TooLarge));
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nok";
    assert_eq!(read(short, 99, 1000).await, Err(EgressError::Broken));
}

#[tokio::test]
async fn d_06_errors_hold_no_url() {
    let client = EgressClient::for_upstream(&profile("127.0.0.1/32")).unwrap();
    let error = client
        .send(get("http://127.0.0.1:1/?api_key=CANARY"))
        .await
        .unwrap_err();
    assert_eq!(error, EgressError::Connect);
    assert!(!format!("{error:?} {error}").contains("CANARY"));
}

#[test]
fn https_clients_find_the_systems_roots() {
    assert!(EgressClient::for_upstream(&EgressProfile::new(Scheme::Https)).is_ok());
}

#[tokio::test]
async fn r_07_a_body_that_stops_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let start = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
            let _ = socket.write_all(start).await;
            held.push(socket);
        }
    });
    let client = EgressClient::for_upstream(&profile("127.0.0.1/32")).unwrap();
    let read = async |idle: u64, deadline: u64| {
        let request = get(&format!("http://127.0.0.1:{port}/"));
        let response = client.send(request).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(deadline);
        read_body(response, 99, Duration::from_millis(idle), deadline).await
    };
    assert_eq!(read(20, 5_000).await, Err(EgressError::BodyIdle));
    assert_eq!(read(5_000, 20).await, Err(EgressError::Deadline));
    holding.abort();
}

#[tokio::test]
async fn r_21_tls_is_never_traded_for_plain_text() {
    let (port, count) = serve(OK).await;
    let client = EgressClient::for_upstream(&EgressProfile {
        allow_special_use: vec!["127.0.0.1/32".parse().unwrap()],
        ..EgressProfile::new(Scheme::Https)
    })
    .unwrap();
    let secure = get(&format!("https://127.0.0.1:{port}/"));
    assert_eq!(client.send(secure).await.unwrap_err(), EgressError::Connect);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let plain = get(&format!("http://127.0.0.1:{port}/"));
    let refused = client.send(plain).await.unwrap_err();
    assert_eq!(refused, EgressError::AddressRefused);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
