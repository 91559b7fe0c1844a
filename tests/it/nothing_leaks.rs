//! The canary sweep: a distinct text in every place where a secret can be, many good and failing
//! requests at the most talkative log level, and then a search through everything that was written.

mod api;
mod busy;
mod connections;
mod panics;

use std::{fmt::Write as _, fs, time::Duration};

use data_encoding::BASE64;
use serde_json::json;
use tokio::time::{Instant, sleep};

use self::api::Api;
use crate::{
    cli::Place,
    support::{
        client::{Client, post},
        operator::{Operator, Serving},
        wire::{Answer, once},
    },
};

/// What no output of any kind may hold, whoever reads it.
const HIDDEN: &[&str] = &[
    "CANARY-credential-header-01",
    "CANARY-credential-query-02",
    "CANARY-credential-basic-03",
    "CANARY-credential-bearer-04",
    "CANARY-credential-unreachable-05",
    "CANARY-argument-06",
    "CANARY-error-body-07",
    "CANARY-error-header-08",
    "CANARY-location-09",
    "CANARY-cookie-10",
    "CANARY-api-key-11",
    "CANARY-malformed-12",
    "CANARY-url-13",
    "CANARY-agent-14",
    "CANARY-client-name-15",
    "CANARY-environment-16",
    "CANARY-pasted-17",
    "CANARY-tool-name-18",
    "CANARY-realm-19",
    "CANARY-refused-argument-20",
    "CANARY-set-cookie-21",
    "CANARY-log-line-22",
];
/// What only the answer that it is for may hold.
const RESULT: &str = "CANARY-result-23";

/// The ways in which the API fails. One more makes the gateway pause, so it comes last.
const FAILURES: &[&str] = &[
    "error", "moved", "login", "echo", "html", "broken", "teapot",
];

const PLANS: &str = "{ pro: { per_day: 1000, tools: [\"*\"] } }";

fn configuration(api: &Api) -> String {
    let mut text = format!(
        "keys: [{{ id: k1, file: master.key }}]\n\
         listen: {{ public: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }}\n\
         limits: {{ session: 10000/min, unauthenticated: 1000/min }}\nplans: {PLANS}\nupstreams:\n"
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (name, address, credential) in [
        ("header", api.address, "{ header: X-Secret }"),
        ("query", api.address, "{ query: api_key }"),
        (
            "basic",
            api.address,
            "{ basic: { username: gate }, value: { env: BASIC } }",
        ),
        (
            "bearer",
            api.address,
            "{ bearer: {}, value: { file: bearer.secret } }",
        ),
        ("gone", closed, "{ query: api_key }"),
    ] {
        write!(
            text,
            "  {name}:\n    rest:\n      base_url: http://{address}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 1000/s\n      retries: 0\n      \
             credential: {credential}\n      tools:\n        \
             - name: {name}\n          description: Calls it.\n          \
             loose_schema_because: it is a test\n          \
             request: {{ method: POST, path: \"/{{what}}\", body: {{ q: $q }} }}\n          \
             input: {{ type: object, additionalProperties: false, required: [what, q], \
             properties: {{ what: {{ type: string, maxLength: 32 }}, \
             q: {{ type: string, maxLength: 40 }} }} }}\n"
        )
        .unwrap();
    }
    text
}

/// Every answer, and who sent what.
#[derive(Default)]
struct Heard(String);

impl Heard {
    fn note(&mut self, answer: Option<Answer>) -> u16 {
        let Some(answer) = answer else { return 0 };
        writeln!(self.0, "{:?}\n{}", answer.headers, answer.body).unwrap();
        answer.status
    }
}

fn operator(api: &Api) -> Operator {
    let mut operator = Operator::new(&configuration(api));
    operator.run("key generate --out master.key").done();
    fs::write(
        operator.place.path("bearer.secret"),
        "CANARY-credential-bearer-04",
    )
    .unwrap();
    operator.export("BASIC", "CANARY-credential-basic-03");
    operator.export("PGPASSWORD", "CANARY-environment-16");
    operator.export("HTTP_PROXY", "http://CANARY-environment-16:80");
    operator.export("WICKETGATE_LOG", "trace");
    for (upstream, secret) in [
        ("header", "CANARY-credential-header-01"),
        ("query", "CANARY-credential-query-02"),
        ("gone", "CANARY-credential-unreachable-05"),
    ] {
        operator
            .run_with(&["credential", "set", upstream], secret)
            .done();
    }
    operator
}

/// Good and failing calls of every kind.
async fn call_everything(client: &Client, heard: &mut Heard) {
    let arguments = |what: &str| json!({ "what": what, "q": "CANARY-argument-06" });
    for tool in ["header", "query", "basic", "bearer"] {
        let good = client.call(tool, arguments("good")).await;
        assert!(good.body.contains(RESULT), "the control: {}", good.body);
        assert!(good.body.contains("\"isError\":false"), "{}", good.body);
        for what in FAILURES.iter().chain(&["limited"]) {
            let answer = client.call(tool, arguments(what)).await;
            assert!(
                answer.json()["result"]["isError"] == true,
                "{}",
                answer.body
            );
            heard.note(Some(answer));
        }
    }
    heard.note(Some(client.call("gone", arguments("good")).await));
    let refused = json!({ "what": "../CANARY-refused-argument-20", "q": 5 });
    heard.note(Some(client.call("header", refused).await));
    let refused = json!({ "what": "x", "q": "CANARY-refused-argument-20".repeat(3), "n": 1 });
    heard.note(Some(client.call("header", refused).await));
    heard.note(Some(client.call("CANARY-tool-name-18", json!({})).await));
    let legacy = Client::legacy(client.address, &client.key);
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "CANARY-client-name-15\n{\"level\":\"INFO\"", "version": "1" } });
    heard.note(Some(legacy.rpc("initialize", hello).await));
    heard.note(Some(legacy.rpc("CANARY-tool-name-18", json!({})).await));
    heard.note(Some(client.rpc("tools/list", json!({})).await));
}

/// Requests that never become a call.
async fn knock(client: &Client, heard: &mut Heard) {
    let good = client.request(&client.message(&json!(1), "tools/list", json!({})));
    let extra = "Cookie: s=CANARY-cookie-10\r\nX-Api-Key: CANARY-api-key-11\r\n\
                 User-Agent: CANARY-agent-14 {\"level\":\"INFO\",\"message\":\"CANARY-log-line-22\"}\r\n";
    let with = good.replacen("Accept:", &format!("{extra}Accept:"), 1);
    assert_eq!(heard.note(once(client.address, &with).await), 200);
    for (from, to) in [
        ("POST /mcp", "POST /mcp?token=CANARY-url-13"),
        ("POST /mcp", "POST /mcp?api_key=CANARY-url-13"),
        ("POST /mcp", "POST /CANARY-url-13"),
        ("POST /mcp", "GET /mcp?key=CANARY-url-13"),
        ("Host: ", "Host: CANARY-url-13."),
        ("Accept:", "Origin: https://CANARY-url-13.test\r\nAccept:"),
        ("Mcp-Method: tools/list", "Mcp-Method: CANARY-tool-name-18"),
        (
            "MCP-Protocol-Version: 2026-07-28",
            "MCP-Protocol-Version: CANARY-tool-name-18",
        ),
    ] {
        let request = with.replacen(from, to, 1);
        assert_ne!(request, with);
        heard.note(once(client.address, &request).await);
    }
    for authorization in [
        "Bearer CANARY-malformed-12",
        "CANARY-malformed-12",
        "Basic CANARY-malformed-12",
        "Bearer wgl_CANARY-malformed-12",
        "Bearer \x07CANARY-malformed-12",
    ] {
        let body = r#"{"CANARY-argument-06":"#;
        let headers = [("Authorization", authorization.to_owned())];
        let status = heard.note(once(client.address, &post(client.address, &headers, body)).await);
        assert!([400, 401].contains(&status), "{authorization}: {status}");
    }
    for body in [
        "{\"CANARY-argument-06\":",
        "[\"CANARY-argument-06\"]",
        "CANARY-argument-06",
    ] {
        let headers = [("Authorization", format!("Bearer {}", client.key))];
        heard.note(once(client.address, &post(client.address, &headers, body)).await);
    }
}

/// A reload of a configuration into which a secret was pasted.
async fn paste(operator: &Operator, gateway: &Serving) -> String {
    let path = operator.place.path("wicketgate.yaml");
    let good = fs::read_to_string(&path).unwrap();
    let mut said = String::new();
    for (from, to) in [
        (
            "{ header: X-Secret }",
            "{ header: X-Secret, value: CANARY-pasted-17 }",
        ),
        (
            "{ header: X-Secret }",
            "{ header: CANARY-pasted-17 secret }",
        ),
        ("{ env: BASIC }", "CANARY-pasted-17"),
        ("file: master.key", "key: CANARY-pasted-17"),
        (
            "limits:",
            "store: { postgres: { url: \"postgres://u:CANARY-pasted-17@h/d\" } }\nlimits:",
        ),
        ("base_url: http://", "base_url: http://u:CANARY-pasted-17@"),
        ("limits:", "limits: [CANARY-pasted-17\nlimits:"),
    ] {
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        for line in [
            "check",
            "check --json",
            "config show",
            "serve",
            "license list",
        ] {
            let ran = operator.run(line).refused(78);
            said += &ran.err;
        }
    }
    gateway.signal("HUP");
    let since = Instant::now();
    while !gateway.stderr().contains("reload.refused") {
        assert!(since.elapsed() < Duration::from_secs(10), "no reload");
        sleep(Duration::from_millis(10)).await;
    }
    fs::write(&path, good).unwrap();
    said
}

fn commands(operator: &Operator) -> String {
    let mut said = String::new();
    for line in [
        "check",
        "check --json",
        "config show",
        "config show --json",
        "license list",
        "license list --json",
        "license show pro --json",
        "license usage",
        "credential list",
        "credential list --json",
        "tool list",
        "tool show basic --json",
    ] {
        let ran = operator.run(line).done();
        said += &(ran.out + &ran.err);
    }
    let arguments = r#"{"what":"good","q":"x"}"#;
    for tool in ["header", "query", "basic", "bearer"] {
        for last in ["--dry-run", "--json"] {
            let line = ["tool", "call", tool, "--args", arguments, last];
            let ran = operator.run_with(&line, "").done();
            said += &(ran.out + &ran.err);
        }
        let line = [
            "tool",
            "call",
            tool,
            "--args",
            r#"{"what":"error","q":"x"}"#,
        ];
        let ran = operator.run_with(&line, "");
        assert_eq!(ran.code, 1, "{}", ran.err);
        said += &(ran.out + &ran.err);
    }
    said.replace(RESULT, "")
}

fn bytes_of(place: &Place, names: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(place.path("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(names) {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    assert!(!bytes.is_empty(), "{names}");
    bytes
}

/// Does the text hold it, as it is or in base64?
fn holds(bytes: &[u8], canary: &str) -> bool {
    let basic = BASE64.encode(format!("gate:{canary}").as_bytes());
    let find = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    find(canary.as_bytes()) || find(basic.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn l_01_l_05_l_06_no_secret_is_anywhere_but_where_it_belongs() {
    let api = Api::start().await;
    let operator = operator(&api);
    let key = operator.issue("pro");
    let master = fs::read_to_string(operator.place.path("master.key")).unwrap();
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let mut heard = Heard::default();
    call_everything(&client, &mut heard).await;
    knock(&client, &mut heard).await;
    let pasted = paste(&operator, &gateway).await;
    let said = commands(&operator);
    let mut health = Heard::default();
    for path in ["/metrics", "/readyz", "/livez", "/CANARY-url-13"] {
        health.note(gateway.ask(path).await);
    }
    // While it runs, so that the log that SQLite writes first is there too.
    let wal = bytes_of(&operator.place, "wicketgate.db-wal");
    let database = bytes_of(&operator.place, "wicketgate.db");
    assert_eq!(gateway.stop().await, Some(0));
    let (out, err) = (gateway.stdout(), gateway.stderr());

    let places: [(&str, &[u8]); 9] = [
        ("answers", heard.0.as_bytes()),
        ("access log", out.as_bytes()),
        ("standard error", err.as_bytes()),
        ("health and metrics", health.0.as_bytes()),
        ("commands", said.as_bytes()),
        ("findings", pasted.as_bytes()),
        ("database", &database),
        ("write-ahead log", &wal),
        (
            "database after the end",
            &bytes_of(&operator.place, "wicketgate.db"),
        ),
    ];
    let mut found = Vec::new();
    for (place, bytes) in &places {
        for canary in HIDDEN
            .iter()
            .chain([&RESULT, &key.as_str(), &master.trim()])
        {
            if holds(bytes, canary) {
                found.push(format!("{place} holds {canary}"));
            }
        }
    }
    assert_eq!(found, [""; 0]);
    let sizes: Vec<_> = places.iter().map(|(place, b)| (place, b.len())).collect();
    println!("{} texts in none of {sizes:?}", HIDDEN.len() + 3);

    // The control: the search finds what is there, and the secrets did go where they belong.
    let received = api.received();
    for canary in &HIDDEN[..4] {
        assert!(holds(received.as_bytes(), canary), "{canary}");
    }
    assert!(holds(received.as_bytes(), "CANARY-argument-06"));
    for what in FAILURES.iter().chain(&["limited", "good"]) {
        let times = received.matches(&format!("POST /{what}")).count();
        assert!(times >= 4, "{what} was tried {times} times");
    }
    assert!(holds(
        &fs::read(operator.place.path("bearer.secret")).unwrap(),
        HIDDEN[3]
    ));
    assert!(!holds(
        received.as_bytes(),
        "CANARY-credential-unreachable-05"
    ));
    for canary in [
        "CANARY-cookie-10",
        "CANARY-api-key-11",
        "CANARY-agent-14",
        key.as_str(),
    ] {
        assert!(
            !holds(received.as_bytes(), canary),
            "the API received {canary}"
        );
    }
    // L-06: one request, one line, and every line is JSON.
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["event"], "request");
    }
    for line in err.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    assert!(out.lines().count() > 50, "{}", out.lines().count());
}
