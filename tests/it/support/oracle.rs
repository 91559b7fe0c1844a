//! What must hold after every hostile case, whatever the case was.
//!
//! The upstream saw what the case allows and nothing else; no key and no secret is in an answer or
//! in the log; each request that we answered has its line; and good calls go on as before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    client::{Client, post},
    gateway::{Setup, TestGateway},
    upstream::SECRET,
    wire::{Answer, Wire},
};

/// Shortest run of a key's bytes that counts as a leak.
const RUN: usize = 8;
/// The same for the upstream's secret, part of which is plain words.
const SECRET_RUN: usize = 13;

/// A gateway with two tenants, and a record of all that was said to it.
pub(crate) struct Ground {
    pub(crate) gateway: TestGateway,
    pub(crate) alpha: String,
    pub(crate) beta: String,
    /// Everything that came back, but for what tests read past this record.
    heard: String,
    /// Request ids of our answers, each with the number of lines it must have.
    ids: BTreeMap<String, usize>,
    /// Requests without an answer that have a line nevertheless.
    unanswered: usize,
    /// `METHOD target` of what the upstream may see.
    allowed: Vec<String>,
    presented: Vec<String>,
}

impl Ground {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let gateway = TestGateway::with(change).await;
        let (_, alpha) = gateway.issue("pro").await;
        let (_, beta) = gateway.issue("pro").await;
        Self {
            presented: vec![alpha.clone(), beta.clone()],
            gateway,
            alpha,
            beta,
            heard: String::new(),
            ids: BTreeMap::new(),
            unanswered: 0,
            allowed: Vec::new(),
        }
    }

    /// A client of 2026-07-28 with alpha's key.
    pub(crate) fn modern(&self) -> Client {
        Client::modern(self.gateway.address, &self.alpha)
    }

    /// A client of 2025-11-25 with alpha's key.
    pub(crate) fn legacy(&self) -> Client {
        Client::legacy(self.gateway.address, &self.alpha)
    }

    /// A good request as bytes.
    pub(crate) fn good(&self) -> String {
        let client = self.modern();
        let params = json!({ "name": "search", "arguments": { "q": "good" } });
        client.request(&client.message(&json!(1), "tools/call", params))
    }

    /// Sends bytes on a connection of their own; the first answer, when there is one.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<Answer> {
        let mut wire = Wire::connect(self.gateway.address).await;
        wire.send(bytes.as_ref()).await;
        let answer = wire.answer().await;
        if let Some(answer) = &answer {
            self.hear(answer);
        }
        answer
    }

    /// Sends bytes that are answered with this status.
    pub(crate) async fn answered(&mut self, bytes: impl AsRef<[u8]>, status: u16) -> Answer {
        let bytes = bytes.as_ref();
        let sent = || String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        let answer = self.send(bytes).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {}", sent()));
        assert_eq!(answer.status, status, "{}\n{}", sent(), answer.body);
        answer
    }

    /// Posts a body as alpha with no header but those that every client sends, and these.
    pub(crate) async fn posted(&mut self, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.alpha);
        let mut all = vec![("Authorization", bearer)];
        all.extend(
            headers
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let text = post(self.gateway.address, &all, body);
        self.send(text).await.expect("an answer")
    }

    /// Posts a body as alpha in the way of 2026-07-28.
    pub(crate) async fn modern_body(&mut self, method: &str, name: &str, body: &str) -> Answer {
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", method),
            ("Mcp-Name", name),
        ];
        self.posted(&headers, body).await
    }

    /// Calls a tool as this client and remembers what came back.
    pub(crate) async fn call(&mut self, client: &Client, tool: &str, arguments: Value) -> Answer {
        let answer = client.call(tool, arguments).await;
        self.hear(&answer);
        answer
    }

    /// Remembers an answer that was read elsewhere.
    pub(crate) fn hear(&mut self, answer: &Answer) {
        for (name, value) in &answer.headers {
            self.heard.extend([name, ": ", value, "\n"]);
        }
        self.heard.push_str(&answer.body);
        if let Some(id) = answer.header("x-request-id") {
            assert_eq!(self.ids.insert(id.to_owned(), 1), None, "{id} twice");
        }
    }

    /// Remembers bytes that were read elsewhere.
    pub(crate) fn hear_bytes(&mut self, bytes: &[u8]) {
        self.heard.push_str(&String::from_utf8_lossy(bytes));
    }

    /// The batch behind this answer has so many lines.
    pub(crate) fn lines_of(&mut self, answer: &Answer, lines: usize) {
        let id = answer.header("x-request-id").expect("an id");
        self.ids.insert(id.to_owned(), lines);
    }

    /// So many requests got no answer that was read, and have a line nevertheless.
    pub(crate) const fn unanswered(&mut self, requests: usize) {
        self.unanswered += requests;
    }

    /// The upstream may see this.
    pub(crate) fn allow(&mut self, seen: &str) {
        self.allowed.push(seen.to_owned());
    }

    /// The upstream may see [`Self::good`] so often.
    pub(crate) fn allow_good(&mut self, times: usize) {
        for _ in 0..times {
            self.allow("GET /v1/search?q=good");
        }
    }

    /// This text was presented as a credential and must appear nowhere.
    pub(crate) fn presented(&mut self, text: &str) {
        self.presented.push(text.to_owned());
    }

    /// The oracle. It ends the gateway; the lines it logged come back.
    pub(crate) async fn prove(mut self) -> Vec<Value> {
        for (key, q) in [(self.alpha.clone(), "alpha"), (self.beta.clone(), "beta")] {
            let client = Client::modern(self.gateway.address, &key);
            let answer = self.call(&client, "search", json!({ "q": q })).await;
            assert_eq!(answer.status, 200, "I6 {q}: {}", answer.body);
            assert_eq!(answer.json()["result"]["isError"], false, "I6 {q}");
            self.allow(&format!("GET /v1/search?q={q}"));
        }
        let seen: Vec<String> = self
            .gateway
            .upstream
            .seen()
            .iter()
            .map(|seen| format!("{} {}", seen.method, seen.target))
            .collect();
        assert_eq!(seen, self.allowed, "I1: what the upstream saw");

        let lines = self.gateway.stop().await;
        let log = self.gateway.log_text();
        let mut logged: BTreeMap<String, usize> = BTreeMap::new();
        for line in &lines {
            let id = line["request_id"].as_str().expect("an id").to_owned();
            *logged.entry(id).or_default() += 1;
        }
        for (id, lines) in &self.ids {
            assert_eq!(logged.get(id), Some(lines), "I4: lines of {id}\n{log}");
        }
        let expected = self.ids.values().sum::<usize>() + self.unanswered;
        assert_eq!(lines.len(), expected, "I4: lines in all\n{log}");
        let odd = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!log.contains(odd), "I4: control characters in the log");

        for (place, text) in [("an answer", &self.heard), ("the log", &log)] {
            assert_without(text, SECRET, SECRET_RUN, place);
            for key in &self.presented {
                assert_without(text, key, RUN, place);
            }
        }
        lines
    }
}

/// I2: no run of the secret's bytes of this length.
fn assert_without(text: &str, secret: &str, run: usize, place: &str) {
    let bytes = text.as_bytes();
    for piece in secret.as_bytes().windows(run) {
        assert!(
            memchr::memmem::find(bytes, piece).is_none(),
            "I2: {:?} is in {place}",
            String::from_utf8_lossy(piece)
        );
    }
}
