//! U-01 to U-24 through the real program: what a hostile argument becomes at the upstream, what
//! its caller is told, and that a refusal costs nothing. How each is built is tested in `upstream`.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::support::{
    client::{Client, post},
    gateway::Setup,
    operator::{Operator, Serving, away_from_midnight},
    upstream::Upstream,
    wire::once,
};

/// What a call must become.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// A tool error that names this argument; no request.
    Refused(&'static str),
    /// The same for a number that loses digits.
    Unreadable(&'static str),
    /// One request with exactly this target.
    Sent(&'static str),
    /// One request whose path has this beginning and no further slash; or a refusal of `id`.
    Inside(&'static str),
}
use Expect::{Inside, Refused, Sent, Unreadable};

fn counted(setup: &mut Setup) {
    setup.plans = "  counted: { per_day: 1000, tools: [\"*\"] }\n".into();
    setup.tools = r#"        - name: number
          description: Reads by number.
          read_only: true
          loose_schema_because: the hostile cases want to send anything
          request: { path: "/v1/numbers/{n}" }
          input:
            type: object
            additionalProperties: false
            required: [n]
            properties: { n: { type: number } }
"#
    .into();
}

struct Stage {
    upstream: Upstream,
    operator: Operator,
    gateway: Serving,
    client: Client,
}

impl Stage {
    async fn set() -> Self {
        away_from_midnight().await;
        let upstream = Upstream::start().await;
        let mut operator = Operator::of(&upstream, None, counted);
        operator.export("WICKETGATE_LOG", "trace");
        let key = operator.issue("counted");
        let gateway = operator.serve().await;
        let client = Client::modern(gateway.public, &key);
        Self {
            upstream,
            operator,
            gateway,
            client,
        }
    }

    /// Makes the call; how many requests it became.
    async fn check(&self, tool: &str, arguments: &Value, expect: Expect) -> usize {
        let before = self.upstream.count();
        let answer = self.client.call(tool, arguments.clone()).await;
        let what = format!("{tool} {arguments:.200}: {}", answer.body);
        assert_eq!(answer.status, 200, "{what}");
        let result = &answer.json()["result"];
        let seen = self.upstream.seen()[before..].to_vec();
        let refused = |argument: &str| {
            assert_eq!(result["isError"], true, "{what}");
            assert!(seen.is_empty(), "{what}: {seen:?}");
            let text = result["content"][0]["text"].as_str().unwrap();
            let named = format!("Arguments rejected for {tool}: /{argument}");
            assert!(text.starts_with(&named), "{what}");
            if let Some(value) = arguments[argument].as_str()
                && value.len() > 3
            {
                assert!(!text.contains(value), "the value is repeated: {what}");
            }
        };
        match expect {
            Refused(argument) => refused(argument),
            Unreadable(argument) => {
                refused(argument);
                assert!(answer.body.contains("would lose digits"), "{what}");
            }
            Inside(_) if result["isError"] == true => refused("id"),
            Sent(target) => {
                assert_eq!(seen.len(), 1, "{what}");
                assert_eq!(seen[0].target, target, "{what}");
            }
            Inside(prefix) => {
                assert_eq!(seen.len(), 1, "{what}");
                let rest = seen[0].target.strip_prefix(prefix).expect(&what);
                assert!(!rest.contains(['/', '?', '#', '\\']), "{what}: {rest}");
            }
        }
        seen.len()
    }

    /// What was charged must be what was sent, and nothing of it may be in a log.
    async fn end(mut self, sent: usize, hidden: &[&str]) {
        assert_eq!(self.gateway.stop().await, Some(0));
        let logs = self.gateway.stdout() + &self.gateway.stderr();
        for text in hidden {
            assert!(!logs.contains(text), "{text} is logged");
        }
        println!("{sent} requests sent, {} charged", self.operator.used());
        assert_eq!(self.upstream.count(), sent);
        assert_eq!(self.operator.used(), u64::try_from(sent).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u_01_to_u_11_and_u_23_a_path_keeps_its_place() {
    let stage = Stage::set().await;
    let evil = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let evil_at = evil.local_addr().unwrap();
    let id = |value: &str| json!({ "id": value });
    let mut sent = 0;
    for value in [
        "..",
        ".",
        "",
        "../../admin",
        "%2e%2e%2fadmin",
        "%252e%252e%252f",
        "a/b",
        "a\\b",
        "a%2fb",
        "a%5cb",
        "a\0.json",
        "a%00",
        "a\nb",
        "//evil.test",
        "https://evil.test",
        "@evil.test/",
    ] {
        for tool in ["get_any", "del_item"] {
            sent += stage.check(tool, &id(value), Refused("id")).await;
        }
    }
    assert_eq!(sent, 0);
    for value in [
        format!("@{evil_at}/"),
        format!("//{evil_at}"),
        format!("http://{evil_at}"),
        format!(":80@{evil_at}"),
        format!("{evil_at}"),
        "．．／admin".to_owned(),
        "..∕x".to_owned(),
        "‥".to_owned(),
    ] {
        sent += stage
            .check("del_item", &id(&value), Inside("/v1/items/"))
            .await;
    }
    for (value, target) in [
        ("a?admin=1", "/v1/items/a%3Fadmin%3D1"),
        ("a#frag", "/v1/items/a%23frag"),
        ("a;jsessionid=1", "/v1/items/a%3Bjsessionid%3D1"),
        ("100%", "/v1/items/100%25"),
        ("{id}", "/v1/items/%7Bid%7D"),
    ] {
        sent += stage.check("get_any", &id(value), Sent(target)).await;
    }
    for value in ["a/../../secret", "a//b", "/etc/passwd", "a/./b", "a/", ""] {
        sent += stage
            .check("files", &json!({ "path": value }), Refused("path"))
            .await;
    }
    sent += stage
        .check("files", &json!({ "path": "a/b.txt" }), Sent("/f/a/b.txt"))
        .await;
    for value in [json!(true), json!({}), json!(["a"]), json!(null), json!(7)] {
        sent += stage
            .check("get_any", &json!({ "id": value }), Refused("id"))
            .await;
    }
    let visitor = tokio::time::timeout(Duration::from_millis(50), evil.accept()).await;
    assert!(visitor.is_err(), "the other host was called");
    stage.end(sent, &["jsessionid", "evil.test"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u_22_a_number_in_a_path_has_one_spelling() {
    let stage = Stage::set().await;
    let mut sent = 0;
    for (number, target) in [
        ("-0", "/v1/numbers/0"),
        ("0.1", "/v1/numbers/0.1"),
        ("1e2", "/v1/numbers/100"),
    ] {
        let number: Value = serde_json::from_str(number).unwrap();
        sent += stage
            .check("number", &json!({ "n": number }), Sent(target))
            .await;
    }
    sent += stage
        .check("number", &json!({ "n": 1e21 }), Unreadable("n"))
        .await;
    // A number beyond every float is no JSON that can be read; it is never `inf` or `null`.
    let message = stage.client.message(
        &json!(1),
        "tools/call",
        json!({ "name": "number", "arguments": { "n": 0 } }),
    );
    let message = message.to_string().replace("\"n\":0", "\"n\":1e400");
    let headers = [
        ("Authorization", format!("Bearer {}", stage.client.key)),
        ("MCP-Protocol-Version", "2026-07-28".into()),
        ("Mcp-Method", "tools/call".into()),
        ("Mcp-Name", "number".into()),
    ];
    let answer = once(
        stage.client.address,
        &post(stage.client.address, &headers, &message),
    )
    .await
    .unwrap();
    let said = answer.json();
    assert!(
        said["result"]["isError"] == true || said["error"]["code"].is_i64(),
        "{}",
        answer.body
    );
    stage.end(sent, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u_12_to_u_18_and_u_24_queries_headers_and_bodies_stay_what_they_are() {
    let stage = Stage::set().await;
    let mut sent = 0;
    for (query, target) in [
        ("x&admin=true", "/v1/search?q=x%26admin%3Dtrue"),
        ("x#", "/v1/search?q=x%23"),
        ("x+y", "/v1/search?q=x%2By"),
        ("'; DROP TABLE--", "/v1/search?q=%27%3B%20DROP%20TABLE--"),
        ("{{7*7}}", "/v1/search?q=%7B%7B7%2A7%7D%7D"),
        (
            "${jndi:ldap://evil}",
            "/v1/search?q=%24%7Bjndi%3Aldap%3A%2F%2Fevil%7D",
        ),
    ] {
        sent += stage
            .check("search", &json!({ "q": query }), Sent(target))
            .await;
    }
    sent += stage
        .check("search", &json!({ "q": "x\r\ny" }), Refused("q"))
        .await;
    let tags = json!({ "q": "x", "tag": ["a", "b&c"] });
    let target = "/v1/search?q=x&tag=a&tag=b%26c";
    sent += stage.check("search", &tags, Sent(target)).await;
    let many = json!({ "q": "x", "tag": vec!["a"; 9_000] });
    sent += stage.check("search", &many, Refused("tag")).await;

    for note in [
        "a\r\nX-Admin: 1",
        "a\nb",
        "a\0b",
        "\u{7f}",
        "é",
        " a",
        "a ",
        "\ta",
    ] {
        sent += stage
            .check("note", &json!({ "note": note }), Refused("note"))
            .await;
    }
    sent += stage
        .check("note", &json!({ "note": "plain text" }), Sent("/v1/notes"))
        .await;
    let last = stage.upstream.seen().last().unwrap().clone();
    assert!(
        last.headers
            .contains(&("x-note".into(), "plain text".into()))
    );

    let name = r#"","admin":true,"x":""#;
    let arguments = json!({ "name": name, "qty": 1, "meta": { "qty": 999 } });
    sent += stage.check("create", &arguments, Sent("/v1/items")).await;
    let body: Value = serde_json::from_str(&stage.upstream.seen().last().unwrap().body).unwrap();
    assert_eq!(body, arguments);

    // U-16: what the client sends stays between it and us.
    let client = &stage.client;
    let params = json!({ "name": "search", "arguments": { "q": "x" } });
    let message = client.message(&json!(1), "tools/call", params);
    let request = client.request(&message);
    let smuggled = "X-Api-Key: smuggled\r\nCookie: smuggled=1\r\nX-Forwarded-Host: smuggled\r\n\
                    X-Note: smuggled\r\nForwarded: host=smuggled\r\nX-Admin: smuggled\r\n";
    let request = request.replacen("Accept:", &format!("{smuggled}Accept:"), 1);
    let answer = once(client.address, &request).await.unwrap();
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    sent += 1;
    let seen = stage.upstream.seen().last().unwrap().clone();
    let names: BTreeSet<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    let allowed = [
        "accept",
        "accept-encoding",
        "host",
        "user-agent",
        "x-api-key",
    ];
    assert!(
        names.is_subset(&allowed.into()) && names.len() == seen.headers.len(),
        "{names:?}"
    );
    assert!(!format!("{seen:?}").contains("smuggled"));
    let host = ("host".to_owned(), stage.upstream.address.to_string());
    assert!(seen.headers.contains(&host));
    stage
        .end(sent, &["DROP TABLE", "jndi", "7*7", "smuggled", "X-Admin"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u_19_to_u_21_a_configuration_that_lets_go_of_the_host_is_not_loaded() {
    let stage = Stage::set().await;
    let path = stage.operator.place.path("wicketgate.yaml");
    let good = fs::read_to_string(&path).unwrap();
    let base = format!("base_url: http://{}", stage.upstream.address);
    let item = r#"path: "/v1/items/{id}""#;
    let cases = [
        (base.as_str(), "base_url: \"http://{host}/\""),
        (&base, "base_url: \"{scheme}://up1\""),
        (&base, "base_url: \"http://up1:80@evil/\""),
        (&base, "base_url: \"https://up1\\\\@evil\""),
        (&base, "base_url: \"https://up1.test/#fragment\""),
        (&base, "base_url: \"https://up1.test/?query=1\""),
        (item, r#"path: "//evil.test/{id}""#),
        (item, r#"path: "/v1/../{id}""#),
        (item, r#"path: "/v1/items/{other}""#),
        (item, "path: /v1/items"),
    ];
    for (from, to) in cases {
        assert!(good.contains(from));
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let ran = stage.operator.run("check").refused(78);
        assert!(
            ran.err.contains("upstreams.up") || ran.err.contains("wicketgate.yaml:"),
            "{to}: {}",
            ran.err
        );
    }
    for (word, to) in [
        ("other", r#"path: "/v1/items/{other}""#),
        ("id", "path: /v1/items"),
    ] {
        fs::write(&path, good.replacen(item, to, 1)).unwrap();
        let ran = stage.operator.run("check").refused(78);
        assert!(
            ran.err.contains("rest.tools[0]") && ran.err.contains(&format!("`{word}`")),
            "U-21: {}",
            ran.err
        );
    }
    // The running gateway refuses it as well, and goes on with what it has.
    stage.gateway.signal("HUP");
    let since = Instant::now();
    while !stage.gateway.stderr().contains("reload.refused") {
        assert!(since.elapsed() < Duration::from_secs(10), "no reload");
        sleep(Duration::from_millis(10)).await;
    }
    let sent = stage
        .check("get_any", &json!({ "id": "1" }), Sent("/v1/items/1"))
        .await;
    fs::write(&path, good).unwrap();
    stage.end(sent, &[]).await;
}
