//! Group F, upstreams that misbehave: the call ends as a tool error within its deadline, and
//! another upstream goes on answering.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::support::{
    client::Client,
    gateway::{Setup, TestGateway},
    operator::{Operator, Serving},
    upstream::Upstream,
    wire::Wire,
};

/// How long a call may take here.
const DEADLINE: Duration = Duration::from_secs(2);
/// With what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuse,
    HangBeforeHead,
    HangInBody,
    OneByteASecond,
    ResetMidBody,
    Garbage,
    WrongLength,
    HundredMegabytes,
    EndlessEvents,
    RedirectLoop,
    InterimFlood,
    TwoHeads,
}

const FAULTS: [Fault; 12] = [
    Fault::Refuse,
    Fault::HangBeforeHead,
    Fault::HangInBody,
    Fault::OneByteASecond,
    Fault::ResetMidBody,
    Fault::Garbage,
    Fault::WrongLength,
    Fault::HundredMegabytes,
    Fault::EndlessEvents,
    Fault::RedirectLoop,
    Fault::InterimFlood,
    Fault::TwoHeads,
];

/// An API with a switch.
struct Faulty {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
}

impl Faulty {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(Mutex::new(Fault::Refuse));
        let shared = Arc::clone(&fault);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let fault = *shared.lock().unwrap();
                tokio::spawn(async move {
                    // The gateway hangs up on most of these.
                    let _ = misbehave(socket, fault).await;
                });
            }
        });
        Self { address, fault }
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

async fn misbehave(mut socket: TcpStream, fault: Fault) -> std::io::Result<()> {
    const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    if fault == Fault::Refuse {
        return Ok(());
    }
    let mut request = vec![0; 16 << 10];
    let read = socket.read(&mut request).await?;
    assert!(read > 0, "a request");
    match fault {
        Fault::Refuse => {}
        Fault::HangBeforeHead => sleep(DEADLINE * 10).await,
        Fault::HangInBody => {
            let part = format!("{JSON}Content-Length: 100\r\n\r\n{{\"a\":");
            socket.write_all(part.as_bytes()).await?;
            sleep(DEADLINE * 10).await;
        }
        Fault::OneByteASecond => {
            let head = format!("{JSON}Content-Length: 100\r\n\r\n{{");
            socket.write_all(head.as_bytes()).await?;
            loop {
                sleep(Duration::from_secs(1)).await;
                socket.write_all(b" ").await?;
            }
        }
        Fault::ResetMidBody => {
            let part = format!("{JSON}Content-Length: 100\r\n\r\n{{\"a\":");
            socket.write_all(part.as_bytes()).await?;
            socket.set_zero_linger()?;
        }
        Fault::Garbage => {
            socket
                .write_all(&[0xff, 0x00, 0x16, 0x03].repeat(500))
                .await?;
        }
        Fault::WrongLength => {
            let all = format!("{JSON}Content-Length: 400\r\n\r\n{{\"ok\":true}}");
            socket.write_all(all.as_bytes()).await?;
        }
        Fault::HundredMegabytes => {
            let head = format!("{JSON}Transfer-Encoding: chunked\r\n\r\n");
            socket.write_all(head.as_bytes()).await?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            for _ in 0..1_600 {
                socket.write_all(chunk.as_bytes()).await?;
            }
        }
        Fault::EndlessEvents => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            socket.write_all(head.as_bytes()).await?;
            loop {
                socket.write_all(b"9\r\ndata: a\n\n\r\n").await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
        Fault::RedirectLoop => {
            let again = "HTTP/1.1 302 Found\r\nLocation: /v1\r\nContent-Length: 0\r\n\r\n";
            socket.write_all(again.as_bytes()).await?;
        }
        Fault::InterimFlood => loop {
            socket
                .write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                .await?;
            tokio::task::yield_now().await;
        },
        Fault::TwoHeads => {
            let all = format!("{JSON}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}");
            socket.write_all(all.as_bytes()).await?;
        }
    }
    Ok(())
}

fn second(address: SocketAddr) -> String {
    format!(
        "  bad:\n    rest:\n      base_url: http://{address}\n      \
         allow_special_use: [127.0.0.0/8]\n      limit: 10000/s\n      timeout: 1s\n      tools:\n        \
         - name: bad_read\n          description: Reads.\n          read_only: true\n          \
         request: {{ path: /v1 }}\n          \
         input: {{ type: object, additionalProperties: false }}\n"
    )
}

fn impatient(setup: &mut Setup, address: SocketAddr) {
    setup.limits = format!(
        "  session: 10000/min\n  call_timeout: {}s\n",
        DEADLINE.as_secs()
    );
    setup.rest += "      timeout: 1s\n";
    setup.upstreams = second(address);
}

async fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f_06_every_fault_of_an_upstream_is_a_tool_error_in_time() {
    let faulty = Faulty::start().await;
    for fault in FAULTS {
        faulty.set(fault);
        let address = if fault == Fault::Refuse {
            closed().await
        } else {
            faulty.address
        };
        // Each with its own breaker, closed.
        let mut gateway = TestGateway::with(|setup| impatient(setup, address)).await;
        let (_, key) = gateway.issue("pro").await;
        let client = Client::modern(gateway.address, &key);
        let good = async {
            let mut answered = 0;
            for _ in 0..20 {
                let answer = client.call("search", json!({ "q": "a" })).await;
                assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
                answered += 1;
            }
            answered
        };
        let bad = async {
            let since = Instant::now();
            let answer = client.call("bad_read", json!({})).await;
            (answer, since.elapsed())
        };
        let (answered, (answer, took)) = tokio::join!(good, bad);
        println!("{fault:?}: a tool error after {took:?}, {answered} good calls beside it");
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.body);
        assert_eq!(answer.json()["result"]["isError"], true, "{fault:?}");
        assert!(took < DEADLINE + PATIENCE, "{fault:?}: {took:?}");
        let address = address.to_string();
        assert!(
            !answer.body.contains(&address),
            "{fault:?}: {}",
            answer.body
        );
        assert_eq!(answered, 20);
        gateway.stop().await;
    }
}

async fn held(gateway: &Serving, text: &str, count: usize) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(text.as_bytes()).await;
        wires.push(wire);
    }
    wires
}

/// H-01, H-22 and R-08 together.
#[tokio::test(flavor = "multi_thread")]
async fn f_18_slow_heads_stalled_bodies_and_a_dripping_upstream_beside_good_calls() {
    const GOOD: usize = 300;
    let (upstream, faulty) = (Upstream::start().await, Faulty::start().await);
    faulty.set(Fault::OneByteASecond);
    let operator = Operator::of(&upstream, None, |setup| {
        setup.limits = "  session: 100000/min\n  max_in_flight_bytes: 4MiB\n".into();
        setup.upstreams = "  # bad\n".into();
    });
    operator.place.edit("  # bad\n", &second(faulty.address));
    let key = operator.issue("pro");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let body = client.message(&json!(1), "tools/call", json!({}));
    let request = client.request(&body);
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find(|line| line.starts_with("Content-Length"));
    let size = 256 << 10;
    let head = head.replacen(length.unwrap(), &format!("Content-Length: {size}"), 1);
    let stalled = format!("{head}\r\n\r\n{}", " ".repeat(size * 9 / 10));

    let trickling = held(&gateway, "POST /mcp HTT", 200).await;
    // Sixty-four of a quarter of the cap each: more than the budget has room for.
    let stalled = held(&gateway, &stalled, 64).await;
    let arguments = json!({ "name": "bad_read", "arguments": {} });
    let drip = client.request(&client.message(&json!(1), "tools/call", arguments));
    let dripping = held(&gateway, &drip, 8).await;
    let (mut answered, mut told, mut slowest) = (0, 0, Duration::ZERO);
    for n in 0..GOOD {
        let since = Instant::now();
        let answer = client.call("search", json!({ "q": "a" })).await;
        slowest = slowest.max(since.elapsed());
        match answer.status {
            200 => answered += 1,
            // The budget for bodies is full: the caller is told so.
            503 => told += usize::from(answer.header("retry-after").is_some()),
            other => panic!("{other}: {}", answer.body),
        }
        if n % 50 == 0 {
            assert_eq!(gateway.ask("/readyz").await.unwrap().status, 200);
        }
    }
    let mut refused = 0;
    for mut wire in stalled {
        let answer = tokio::time::timeout(Duration::from_millis(5), wire.answer()).await;
        refused += usize::from(matches!(answer, Ok(Some(answer)) if answer.status == 503));
    }
    println!(
        "{answered} of {GOOD} good calls answered, {told} told to come back, slowest {slowest:?}; \
         {refused} of 64 stalled bodies refused"
    );
    assert_eq!(answered + told, GOOD);
    assert!(answered > 0 && refused > 0);
    drop((trickling, dripping));
    let since = Instant::now();
    while client.call("search", json!({ "q": "a" })).await.status != 200 {
        assert!(since.elapsed() < PATIENCE, "the room comes back");
    }
    assert!(gateway.alive());
    gateway.kill();
}
