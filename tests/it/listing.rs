//! `tools/list` page by page, and its cursors.

use serde_json::{Value, json};

use crate::support::{client::Client, gateway::TestGateway, protocol};

const TOOLS: [&str; 6] = ["create", "del_item", "files", "get_any", "note", "search"];

async fn paged(size: u32) -> TestGateway {
    TestGateway::with(|setup| {
        setup.limits = format!("  session: 10000/min\n  page_size: {size}\n");
    })
    .await
}

async fn page(client: &Client, cursor: Option<&str>) -> Value {
    let params = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
    client.rpc("tools/list", params).await.json()
}

#[tokio::test]
async fn pages_hold_every_tool_once_and_in_order() {
    let gateway = paged(4).await;
    let (_, key) = gateway.issue("pro").await;
    for client in [
        Client::modern(gateway.address, &key),
        Client::legacy(gateway.address, &key),
    ] {
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let answer = page(&client, cursor.as_deref()).await;
            let result = &answer["result"];
            let tools = result["tools"].as_array().unwrap();
            names.extend(tools.iter().map(|t| t["name"].as_str().unwrap().to_owned()));
            match result["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(names, TOOLS);
        let (one, two) = (page(&client, None).await, page(&client, None).await);
        assert_eq!(one, two, "the same list every time");
    }
}

#[tokio::test]
async fn m_20_cursors_that_are_forged_foreign_or_old_are_refused() {
    let mut gateway = paged(2).await;
    let (_, key) = gateway.issue("pro").await;
    let (_, other) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let first = page(&client, None).await;
    let cursor = first["result"]["nextCursor"].as_str().unwrap().to_owned();
    let foreign = page(&Client::modern(gateway.address, &other), None).await;
    let foreign = foreign["result"]["nextCursor"].as_str().unwrap().to_owned();
    assert_ne!(cursor, foreign);

    let mut flipped = cursor.clone().into_bytes();
    flipped[3] = if flipped[3] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let large = "A".repeat(100_000);
    for wrong in [foreign.as_str(), &flipped, &cursor[1..], "", "2", &large] {
        let answer = page(&client, Some(wrong)).await;
        protocol::error("2026-07-28", -32602, &answer);
    }
    let second = page(&client, Some(&cursor)).await;
    assert_eq!(second["result"]["tools"][0]["name"], TOOLS[2]);

    // After a reload with another page size no page begins there any more.
    gateway.rewrite(|setup| setup.limits = "  session: 10000/min\n  page_size: 5\n".into());
    gateway.reload().unwrap();
    let old = page(&client, Some(&cursor)).await;
    protocol::error("2026-07-28", -32602, &old);
}
