//! A new configuration while the gateway serves: whole, or not at all.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use wicketgate::clock::ManualClock;

use crate::{
    cli::Place,
    support::{
        client::Client, database::NOON, gateway::TestGateway, upstream::Behaviour, wire::Wire,
    },
};

const EXTRA: &str = "        - name: extra\n          description: One more.\n          \
     request: { path: /x }\n          input: { type: object, additionalProperties: false }\n";

async fn tools(client: &Client) -> Vec<String> {
    let list = client.rpc("tools/list", json!({})).await.json();
    let tools = list["result"]["tools"].as_array().unwrap().clone();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_ends_on_the_configuration_it_began_with() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let gate = Arc::new(Notify::new());
    gateway.upstream.behave(Behaviour::Held(Arc::clone(&gate)));
    let message = client.message(
        &json!(1),
        "tools/call",
        json!({ "name": "search", "arguments": { "q": "a" } }),
    );
    let mut wire = Wire::connect(gateway.address).await;
    wire.send(client.request(&message).as_bytes()).await;
    gateway.upstream.arrival().await;

    // The plan loses the tool that is being called, and the catalogue gains one.
    gateway.rewrite(|setup| {
        setup.tools = EXTRA.into();
        setup.plans = "  pro: { tools: [\"up.extra\"] }\n".into();
    });
    gateway.reload().unwrap();
    assert_eq!(tools(&client).await, ["extra"]);
    let refused = client.call("search", json!({ "q": "a" })).await;
    assert_eq!(refused.json()["error"]["code"], -32602);

    gate.notify_one();
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.json()["result"]["isError"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_see_the_old_catalogue_or_the_new_one_and_never_a_mixture() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let before = tools(&client).await;
    gateway.rewrite(|setup| setup.tools = EXTRA.into());
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.push(tools(&client).await);
        }
        seen
    });
    gateway.reload().unwrap();
    let seen = reader.await.unwrap();
    let (old, new): (Vec<_>, Vec<_>) = seen.iter().partition(|tools| **tools == before);
    assert!(new.iter().all(|tools| tools.len() == before.len() + 1));
    // Once new, always new.
    assert!(seen[old.len()..].iter().all(|tools| *tools != before));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_asked_for_a_pause_keeps_it_through_a_reload() {
    let clock = Arc::new(ManualClock::new(NOON));
    let mut gateway = TestGateway::with(|setup| setup.clock = clock.clone()).await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let call = async || {
        let answer = client.call("note", json!({ "note": "a" })).await;
        answer.json()["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let failing = |setup: &mut crate::support::gateway::Setup| setup.tools = EXTRA.into();
    gateway.upstream.behave(Behaviour::Status(429, "{}".into()));
    assert!(call().await.contains("is limiting calls"));
    gateway.rewrite(failing);
    gateway.reload().unwrap();
    assert!(call().await.contains("asked for a pause"), "kept");
    assert_eq!(gateway.upstream.count(), 1);
    // What the upstream asked for holds whatever our own limits are.
    gateway.rewrite(|setup| setup.rest = "      limit: 9999/s\n".into());
    gateway.reload().unwrap();
    assert!(call().await.contains("asked for a pause"), "kept");
    assert_eq!(gateway.upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_leaves_the_old_one_serving() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let before = tools(&client).await;
    let extra = EXTRA.replace("additionalProperties: false", "additionalProperties: maybe");
    gateway.rewrite(|setup| setup.tools = extra);
    let said = gateway.reload().unwrap_err();
    assert!(said.contains("fix:"), "{said}");
    assert_eq!(tools(&client).await, before);
    let answer = client.call("search", json!({ "q": "a" })).await;
    assert_eq!(answer.json()["result"]["isError"], false);
}

/// The real program, and what it says on standard error.
struct Serving {
    child: Child,
    events: mpsc::Receiver<Value>,
}

impl Serving {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .args([
                "-c",
                place.path("wicketgate.yaml").to_str().unwrap(),
                "serve",
            ])
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if told.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    /// The next event with this name; what came before is passed over.
    fn event(&self, name: &str) -> Value {
        loop {
            let event = self
                .events
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            if event["message"] == name {
                return event;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_reloads_at_sighup_and_when_its_file_changes() {
    const CANARY: &str = "CANARY-in-a-bad-file-5f1c";
    let place = Place::initialised();
    place.edit("127.0.0.1:8080", "127.0.0.1:0");
    place.edit("127.0.0.1:9090", "127.0.0.1:0");
    let mut serving = Serving::start(&place);
    let address = serving.event("serving")["public"].clone();
    // At once: the signal is listened for before the event is written.
    serving.signal("-HUP");
    assert_eq!(serving.event("reload.done")["tools"], 1);

    place.edit("per_day: 1000", "per_day: 1001");
    assert_eq!(serving.event("reload.done")["tools"], 1);

    // Secrets belong in no plain value; a file that holds one is refused without repeating it.
    place.edit("per_day: 1001", &format!("per_day: {CANARY}"));
    let event = serving.event("reload.refused");
    let problem = event["problem"].as_str().unwrap();
    assert_eq!(event["level"], "ERROR");
    assert!(problem.contains("wicketgate.yaml:45"), "{problem}");
    assert!(problem.contains("plans.starter.per_day"), "{problem}");
    assert!(problem.contains("fix:"), "{problem}");
    assert!(!event.to_string().contains(CANARY), "{event}");

    place.edit(CANARY, "1002");
    place.edit("session: 60/min ", "session: 61/min ");
    serving.event("reload.done");
    place.edit("127.0.0.1:0        # the", "127.0.0.1:1        # the");
    assert_eq!(serving.event("reload.needs_restart")["section"], "listen");
    place.edit("# branding:\n#   name:", "branding:\n  name:");
    assert_eq!(serving.event("reload.needs_restart")["section"], "branding");
    let address = address.as_str().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok(), "serves on");
    serving.signal("-TERM");
    assert!(serving.child.wait().unwrap().success());
}
