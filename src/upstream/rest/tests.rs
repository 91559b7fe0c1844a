//! The R cases: hostile upstreams on loopback, through the whole kind.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    entropy::SeededEntropy,
    secret::Secret,
    upstream::{
        AnswerContent, BoundTool, Holder,
        answer::JsonKind,
        kinds::{KindParts, bind},
    },
};

mod limits;

const SECRET: &str = "CANARY-credential/1";

/// What the double does with a request.
#[derive(Clone)]
enum Step {
    /// Writes this.
    Say(String),
    /// Writes this and closes.
    SayAndClose(String),
    /// Waits for ever.
    Hang,
}

fn json_answer(body: &str) -> Step {
    answer("200 OK", &[("content-type", "application/json")], body)
}

fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Step {
    let mut fields = String::new();
    for &(name, value) in headers {
        fields.extend([name, ": ", value, "\r\n"]);
    }
    let length = body.len();
    Step::Say(format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{body}"
    ))
}

/// An upstream that takes the steps in turn, the last one again and again.
struct Double {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Double {
    async fn start(steps: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, steps) = (Arc::clone(&requests), steps.to_vec());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, steps.clone(), Arc::clone(&seen)));
            }
        });
        Self { port, requests }
    }

    fn seen(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn bind(&self, more: &Value) -> BoundTool {
        bound(self.port, more)
    }

    async fn call(&self, more: &Value) -> Result<Answer, UpstreamError> {
        call(&self.bind(more)).await
    }
}

async fn serve(mut socket: TcpStream, steps: Vec<Step>, seen: Arc<Mutex<Vec<String>>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(text);
            seen.len()
        };
        match &steps[number.min(steps.len()) - 1] {
            Step::Say(text) => {
                let _ = socket.write_all(text.as_bytes()).await;
            }
            Step::SayAndClose(text) => {
                let _ = socket.write_all(text.as_bytes()).await;
                return;
            }
            Step::Hang => std::future::pending::<()>().await,
        }
    }
}

fn bound(port: u16, more: &Value) -> BoundTool {
    let mut tool = json!({
        "name": "get_any", "description": "d", "read_only": true,
        "input": { "type": "object", "properties": { "q": { "type": "string" } } },
        "request": { "path": "/items", "query": { "q": "$q" } },
    });
    for (key, value) in more.as_object().unwrap() {
        tool[key] = value.clone();
    }
    let config = json!({ "rest": {
        "base_url": format!("http://127.0.0.1:{port}/v1"),
        "allow_special_use": ["127.0.0.0/8"],
        "credential": { "header": "X-Api-Key" },
        "timeout": "150ms", "connect_timeout": "150ms",
        "limit": "1000/s", "max_response_bytes": "1KiB",
        "tools": [tool],
    } });
    let parts = KindParts {
        configured: None,
        client_secret: None,
        provider_header: None,
        clock: Arc::new(ManualClock::new(Timestamp::from_millis(0))),
        entropy: Arc::new(SeededEntropy::new(1)),
        previous: None,
        limiter: None,
        compile_output: &|_| Ok(Arc::new(|value| value["ok"] == true)),
    };
    let config = serde_json::from_value(config).unwrap();
    let name = "up1".parse().unwrap();
    bind(&name, &config, &parts).unwrap().remove(0)
}

async fn call(tool: &BoundTool) -> Result<Answer, UpstreamError> {
    let opened = OpenedCredential {
        secret: Secret::new(SECRET.as_bytes().to_vec()),
        generation: 0,
        holder: Holder::Configured,
    };
    let prepared = tool.target.prepare(&json!({ "q": "a&b" })).unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    prepared.send(Some(Arc::new(opened)), deadline).await
}

/// The error of a call that no retry follows.
async fn error_of(step: Step) -> UpstreamError {
    let double = Double::start(&[step]).await;
    let error = double.call(&json!({})).await.unwrap_err();
    assert_eq!(double.seen().len(), 1);
    error
}

#[tokio::test]
async fn a_call_arrives_as_configured_and_its_answer_comes_back() {
    let double = Double::start(&[json_answer(r#"{"id":1}"#)]).await;
    let answer = double.call(&json!({})).await.unwrap();
    let text = r#"{"id":1}"#.to_owned();
    let kind = JsonKind::Object;
    assert_eq!(answer.content, AnswerContent::Json { text, kind });
    assert_eq!((answer.status, answer.attempts), (200, 1));
    let mut seen = double.seen().remove(0);
    seen.make_ascii_lowercase();
    assert!(
        seen.starts_with("get /v1/items?q=a%26b http/1.1\r\n"),
        "{seen}"
    );
    for field in [
        "x-api-key: canary-credential/1",
        "accept: application/json",
        "accept-encoding: identity",
        "user-agent: wicketgate/",
    ] {
        assert!(seen.contains(&format!("\r\n{field}")), "{field} in {seen}");
    }
    assert!(!seen.contains("referer") && !seen.contains("cookie"));
}

#[tokio::test]
async fn r_01_and_r_02_redirects_are_failures() {
    let evil = Double::start(&[json_answer("{}")]).await;
    let location = format!("http://127.0.0.1:{}/", evil.port);
    for (status, code) in [("302 Found", 302), ("307 T", 307), ("308 P", 308)] {
        for target in [location.as_str(), "/v1/other"] {
            let error = error_of(answer(status, &[("location", target)], "")).await;
            assert_eq!(error, UpstreamError::Redirect(code));
        }
    }
    assert!(evil.seen().is_empty());
}

#[tokio::test]
async fn r_03_and_r_04_failures_keep_no_byte() {
    let realm = [("www-authenticate", "Basic realm=\"db-internal-01\"")];
    let refused = error_of(answer("401 Unauthorized", &realm, "CANARY")).await;
    assert_eq!(refused, UpstreamError::CredentialRefused(401));
    let broken = error_of(answer("500 Oops", &[], "SELECT CANARY FROM t")).await;
    assert_eq!(broken, UpstreamError::Status(500));
    assert!(!format!("{refused} {refused:?} {broken} {broken:?}").contains("CANARY"));
}

#[tokio::test]
async fn r_05_an_echoed_credential_is_no_answer() {
    let echoed = error_of(json_answer(&format!("{{\"k\":\"{SECRET}\"}}"))).await;
    assert_eq!(echoed, UpstreamError::CredentialEchoed);
    let escaped = SECRET.replace('/', "\\/");
    let echoed = error_of(json_answer(&format!("{{\"k\":\"{escaped}\"}}"))).await;
    assert_eq!(echoed, UpstreamError::CredentialEchoed);
}

#[tokio::test]
async fn r_06_silence_ends_at_the_first_byte_timeout() {
    let error = error_of(Step::Hang).await;
    assert_eq!(error, UpstreamError::TimedOut(Phase::FirstByte));
}

#[tokio::test]
async fn r_08_the_deadline_of_the_call_holds() {
    let double = Double::start(&[Step::Hang]).await;
    let tool = double.bind(&json!({}));
    let opened = OpenedCredential {
        secret: Secret::new(b"secret".to_vec()),
        generation: 0,
        holder: Holder::Configured,
    };
    let prepared = tool.target.prepare(&json!({})).unwrap();
    let deadline = Instant::now() + Duration::from_millis(40);
    let error = prepared.send(Some(Arc::new(opened)), deadline).await;
    assert_eq!(error, Err(UpstreamError::TimedOut(Phase::Deadline)));
}

#[tokio::test]
async fn r_09_half_an_answer_is_no_answer() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for rest in [
        "content-length: 99\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let error = error_of(Step::SayAndClose(format!("{head}{rest}"))).await;
        assert_eq!(error, UpstreamError::Broken, "{rest}");
    }
}

#[tokio::test]
async fn r_10_large_answers_are_refused() {
    let large = format!("\"{}\"", "x".repeat(1024));
    assert_eq!(error_of(json_answer(&large)).await, UpstreamError::TooLarge);
    let chunk = format!("258\r\n{}\r\n", "x".repeat(0x258));
    let endless = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(3),
    );
    assert_eq!(error_of(Step::Say(endless)).await, UpstreamError::TooLarge);
}

#[tokio::test]
async fn r_11_to_r_13_unpromised_answers_are_refused() {
    let unusable = |error| matches!(error, UpstreamError::Unusable(_));
    let json = ("content-type", "application/json");
    for step in [
        answer("200 OK", &[json, ("content-encoding", "gzip")], "\x1f"),
        json_answer("{\"a\":"),
        json_answer(&"[".repeat(1_000)),
        answer("200 OK", &[("content-type", "text/html")], "<html>"),
    ] {
        assert!(unusable(error_of(step).await));
    }
}

#[tokio::test]
async fn r_14_interim_answers_and_huge_heads_end() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000);
    let error = error_of(Step::Say(interim)).await;
    assert_eq!(error, UpstreamError::TimedOut(Phase::FirstByte));
    let field = format!("x: {}\r\n", "y".repeat(1024 * 1024));
    let double = Double::start(&[Step::Say(format!("HTTP/1.1 200 OK\r\n{field}\r\n"))]).await;
    let unsafe_call = json!({ "read_only": false });
    let error = double.call(&unsafe_call).await.unwrap_err();
    assert_eq!(error, UpstreamError::Broken);
}

#[tokio::test]
async fn r_15_no_cookie_is_kept() {
    let cookie = [
        ("content-type", "application/json"),
        ("set-cookie", "a=CANARY; Path=/"),
    ];
    let double = Double::start(&[answer("200 OK", &cookie, "{}")]).await;
    let tool = double.bind(&json!({}));
    call(&tool).await.unwrap();
    call(&tool).await.unwrap();
    assert!(!double.seen()[1].contains("a=CANARY"));
}

#[tokio::test]
async fn harmless_calls_are_tried_again_and_others_are_not() {
    let steps = [answer("502 Bad", &[], "x"), json_answer("{}")];
    let double = Double::start(&steps).await;
    assert_eq!(double.call(&json!({})).await.unwrap().attempts, 2);
    let double = Double::start(&steps).await;
    let idempotent = json!({ "read_only": false, "repeat": "idempotent" });
    assert_eq!(double.call(&idempotent).await.unwrap().attempts, 2);
    let double = Double::start(&steps).await;
    let unsafe_call = double.call(&json!({ "read_only": false })).await;
    assert_eq!(unsafe_call, Err(UpstreamError::Status(502)));
    assert_eq!(double.seen().len(), 1);
    let closed = [Step::SayAndClose(String::new()), json_answer("{}")];
    let double = Double::start(&closed).await;
    assert_eq!(double.call(&json!({})).await.unwrap().attempts, 2);
}

#[tokio::test]
async fn r_16_a_long_retry_after_is_passed_on() {
    let error = error_of(answer("503 Busy", &[("retry-after", "99999999")], "")).await;
    let retry_after = Some(Duration::from_hours(1));
    let status = 503;
    assert_eq!(
        error,
        UpstreamError::Limited {
            status,
            retry_after
        }
    );
    let error = error_of(answer("429 Slow", &[], "")).await;
    let (status, retry_after) = (429, None);
    assert_eq!(
        error,
        UpstreamError::Limited {
            status,
            retry_after
        }
    );
}

#[tokio::test]
async fn nobody_there_is_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = call(&bound(port, &json!({}))).await.unwrap_err();
    assert_eq!(error, UpstreamError::Connect);
}

#[tokio::test]
async fn without_its_credential_nothing_is_sent() {
    let double = Double::start(&[json_answer("{}")]).await;
    let prepared = double.bind(&json!({})).target.prepare(&json!({})).unwrap();
    let preview = prepared.preview();
    let mask = ("x-api-key".to_owned(), "***".to_owned());
    assert!(preview.headers.contains(&mask));
    let deadline = Instant::now() + Duration::from_secs(1);
    let sent = prepared.send(None, deadline).await;
    assert_eq!(sent, Err(UpstreamError::CredentialUnusable));
    assert!(double.seen().is_empty());
}

#[tokio::test]
async fn the_output_schema_is_checked() {
    let schema = json!({ "output": { "type": "object" } });
    let double = Double::start(&[json_answer(r#"{"ok":true}"#)]).await;
    assert!(double.call(&schema).await.is_ok());
    let double = Double::start(&[json_answer(r#"{"ok":1}"#)]).await;
    let mismatch = double.call(&schema).await;
    assert_eq!(mismatch, Err(UpstreamError::OutputMismatch));
}
