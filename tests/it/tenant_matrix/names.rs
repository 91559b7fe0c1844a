//! who is named in a request, wherever, is not who asks.

use serde_json::json;

use super::{
    Counted,
    scene::{Scene, ask, send},
    tools::Tool,
};
use crate::support::{client::Speaks, database::Fixture};

const HEADERS: [&str; 6] = [
    "X-License-Id",
    "X-Tenant-Id",
    "X-Forwarded-User",
    "X-Original-Authorization",
    "Mcp-Session-Id",
    "Forwarded",
];

pub(super) async fn x_06_a_name_of_another_tenant_is_never_scope(fixture: &Fixture) {
    let scene = Scene::start(fixture, 1).await;
    let client = scene.client("alpha", 0, Speaks::Modern);
    let license = scene.beta.license.to_string();
    let names = [
        license.as_str(),
        "beta",
        scene.beta.key.as_str(),
        "operator",
    ];
    let mut counted = Counted::default();
    for tool in Tool::all() {
        let (kind, name) = (tool.kind, tool.name());
        let wanted = tool.owner("alpha", 1);
        for other in names {
            let before = scene.mark();
            // In metadata, and where other protocols have it.
            let meta = json!({ "_meta": { "tenant": other, "license": other, "user": other,
                "progressToken": other }, "license": other, "account": other });
            let answer = scene.call(&client, &name, "alpha", &meta).await;
            let sent = scene.arrived_since(before).len();
            assert_eq!(sent, usize::from(wanted.is_some()), "{name}");
            assert!(!answer.body.contains("beta-"), "{}", answer.body);
            // In a header, and in the address.
            let params = json!({ "name": name, "arguments": { "who": "alpha" } });
            let message = client.message(&json!(1), "tools/call", params);
            let good = client.request(&message);
            for header in HEADERS {
                let line = format!("{header}: {other}\r\nAccept:");
                send(client.address, &good.replacen("Accept:", &line, 1)).await;
            }
            for path in [
                format!("/mcp?license={other}"),
                format!("/mcp?tenant={other}"),
            ] {
                send(client.address, &good.replacen("/mcp", &path, 1)).await;
            }
            for path in [format!("/mcp/{other}"), format!("/{other}/mcp")] {
                let answer = send(client.address, &good.replacen("/mcp", &path, 1)).await;
                assert_eq!(answer.status, 404, "{path}");
            }
            // As an argument: of the tool's own, and one that it has not.
            let after = scene.mark();
            for name_of in ["license", "tenant", "account", "_meta", "credential"] {
                let mut arguments = json!({ "who": "alpha" });
                arguments[name_of] = json!(other);
                let params = json!({ "name": name, "arguments": arguments });
                let answer = ask(&client, "tools/call", params).await;
                assert!(!answer.body.contains("beta-"), "{}", answer.body);
            }
            let none = scene.arrived_since(after).is_empty();
            assert!(none, "{name}: no such argument");
            for (_, owner) in &scene.arrived_since(before) {
                assert_eq!(Some(owner), wanted.as_ref(), "{name} {other}");
            }
            counted.cell([
                format!("kind {kind:?}"),
                format!("holding {:?}", tool.holding),
                format!(
                    "name {}",
                    if other.len() > 20 { &other[..4] } else { other }
                ),
                "places 16".to_owned(),
            ]);
        }
        // What it may say, it may say: and the credential is still its own.
        let before = scene.mark();
        scene.call(&client, &name, "beta", &json!({})).await;
        let wanted: Vec<_> = wanted
            .map(|owner| ("/by/beta".to_owned(), owner))
            .into_iter()
            .collect();
        assert_eq!(scene.arrived_since(before), wanted);
    }
    counted.print("Names, in 16 places each");
    assert_eq!(counted.cells, Tool::all().len() * names.len());
    let arrived = scene.arrived_since([0, 0]);
    assert!(arrived.iter().all(|(_, owner)| !owner.starts_with("beta")));
    scene.stop().await;
}
