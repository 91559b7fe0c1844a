//! A license key goes in, the upstream's answer comes out, the secret stays.

use serde_json::{Value, json};

use crate::support::{
    client::{Client, Speaks},
    gateway::TestGateway,
    upstream::SECRET,
};

#[tokio::test]
async fn a_call_of_every_revision_reaches_the_upstream_with_the_servers_credential() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let speaks = [
        Speaks::Modern,
        Speaks::Legacy("2025-11-25"),
        Speaks::Legacy("2025-06-18"),
        Speaks::Legacy("2025-03-26"),
    ];
    for speaks in speaks {
        let client = Client {
            speaks,
            ..Client::modern(gateway.address, &key)
        };
        let answer = client.call("search", json!({ "q": "a b&c" })).await;
        assert_eq!(answer.status, 200, "{speaks:?}: {}", answer.body);
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], false, "{}", answer.body);
        assert_eq!(result["content"][0]["text"], r#"{"ok":true}"#);
        let structured = match speaks {
            Speaks::Legacy("2025-03-26") => Value::Null,
            Speaks::Modern | Speaks::Legacy(_) => json!({ "ok": true }),
        };
        assert_eq!(result["structuredContent"], structured);
    }
    let seen = gateway.upstream.seen().clone();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert_eq!(request.method, "GET");
        assert_eq!(request.target, "/v1/search?q=a%20b%26c");
        assert!(
            request
                .headers
                .contains(&("x-api-key".into(), SECRET.into()))
        );
        assert!(
            !request
                .headers
                .iter()
                .any(|(name, _)| name == "authorization")
        );
    }
    let lines = gateway.stop().await;
    assert_eq!(lines.len(), 4);
    assert!(
        lines
            .iter()
            .all(|line| line["outcome"] == "ok" && line["tool"] == "search")
    );
    assert!(!gateway.log_text().contains(SECRET));
    assert!(!gateway.log_text().contains(&key));
}

#[tokio::test]
async fn a_list_shows_what_the_plan_entitles_to_and_nothing_else() {
    let gateway = TestGateway::start().await;
    let (_, pro) = gateway.issue("pro").await;
    let (_, small) = gateway.issue("small").await;
    let names = async |key: &str| {
        let list = Client::modern(gateway.address, key)
            .rpc("tools/list", json!({}))
            .await
            .json();
        assert_eq!(list["result"]["cacheScope"], "private");
        let tools = list["result"]["tools"].as_array().unwrap().clone();
        tools
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&pro).await,
        ["create", "del_item", "files", "get_any", "note", "search"]
    );
    assert_eq!(names(&small).await, ["get_any", "search"]);

    let client = Client::modern(gateway.address, &small);
    let forbidden = client.call("del_item", json!({ "id": "a" })).await;
    let unknown = client.call("no_such", json!({ "id": "a" })).await;
    assert_eq!(forbidden.status, 400);
    assert_eq!(forbidden.body, unknown.body);
    assert_eq!(forbidden.json()["error"]["code"], -32602);
    assert_eq!(gateway.upstream.count(), 0);
}
