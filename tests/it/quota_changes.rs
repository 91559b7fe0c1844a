//! Limits of one license and the report of what it used, through gateways and the real program.

use serde_json::{Value, json};
use wicketgate::{
    license::{License, Override},
    store::LimitChange,
};

use crate::support::{
    client::Client,
    gateway::TestGateway,
    load::load,
    operator::{Operator, away_from_midnight},
    upstream::Upstream,
};

async fn calls(client: &Client, tool: &str, most: usize) -> (usize, Option<Value>) {
    for answered in 0..most {
        let answer = client.call(tool, json!({ "q": "a" })).await;
        match answer.status {
            200 => assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body),
            429 => {
                return (
                    answered,
                    Some(answer.json()["error"]["data"]["tier"].clone()),
                );
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    (most, None)
}

#[tokio::test]
async fn q_13_a_lower_limit_holds_at_the_next_call() {
    away_from_midnight().await;
    let mut gateway = TestGateway::with(|setup| {
        setup.plans = "  pro: { per_day: 100, tools: [\"*\"] }\n".into();
    })
    .await;
    let (license, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let own = async |per_day: &str| {
        let limit: Override = per_day.parse().unwrap();
        let change = |license: &mut License| license.overrides.per_day = limit;
        let stamp = gateway.stamp();
        let changed = gateway.store.change_limits(license, change, &stamp).await;
        assert!(
            matches!(changed, Ok(LimitChange::Changed(_))),
            "{changed:?}"
        );
        gateway.changed().await;
    };
    assert_eq!(calls(&client, "search", 5).await, (5, None));
    own("5").await;
    let day = Some(json!("license_day"));
    assert_eq!(calls(&client, "search", 1).await, (0, day.clone()));
    own("7").await;
    assert_eq!(calls(&client, "search", 9).await, (2, day.clone()));
    own("none").await;
    assert_eq!(calls(&client, "search", 20).await, (20, None));
    // The plan's again, which a reload lowers to one more than was counted.
    own("plan").await;
    gateway.rewrite(|setup| setup.plans = "  pro: { per_day: 8, tools: [\"*\"] }\n".into());
    gateway.reload().unwrap();
    assert_eq!(calls(&client, "search", 9).await, (1, day));
    println!("Q-13: 5 of 100, then 0 of 5, 2 of 7, 20 without a limit, 1 of the reloaded plan's 8");
    gateway.stop().await;
}

#[tokio::test]
async fn a_license_of_its_own_tools_sees_no_others_at_the_next_call() {
    let gateway = TestGateway::start().await;
    let (license, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    assert_eq!(calls(&client, "search", 1).await, (1, None));
    let narrow = |license: &mut License| license.tools = Some(vec!["up.get_any".parse().unwrap()]);
    let stamp = gateway.stamp();
    let changed = gateway.store.change_limits(license, narrow, &stamp).await;
    assert!(matches!(changed, Ok(LimitChange::Changed(_))));
    gateway.changed().await;
    let answer = client.call("search", json!({ "q": "a" })).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

const COSTLY: &str = "        - name: costly\n          description: Costs seven.\n          \
     cost: 7\n          read_only: true\n          request: { path: /n, query: { q: $q } }\n          \
     input: { type: object, additionalProperties: false, properties: { q: { type: string, \
     maxLength: 9 } } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_licenses_used_is_reported_for_the_invoice() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, |setup| {
        setup.tools = COSTLY.into();
        setup.plans = "  pro: { cost_per_day: 100, tools: [\"*\"] }\n  \
                       open: { tools: [\"*\"] }\n"
            .into();
    });
    let issue = [
        "license",
        "issue",
        "--name",
        "=cmd|' /C calc'!A0",
        "--plan",
        "pro",
        "--json",
    ];
    let issued = operator.run_with(&issue, "").done().json();
    let (id, key) = (
        issued["id"].as_str().unwrap(),
        issued["key"].as_str().unwrap(),
    );
    let open = operator.issue("open");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, key);
    let cost = Some(json!("license_cost"));
    assert_eq!(calls(&client, "costly", 20).await, (14, cost.clone()));
    assert_eq!(calls(&client, "search", 20).await, (2, cost));
    // A license without any limit has its report too.
    assert_eq!(load(&[gateway.public], &open, 1, 9).await.answered, 9);
    assert_eq!(gateway.stop().await, Some(0));

    let csv = operator.run("usage export").done().out;
    let lines: Vec<&str> = csv.lines().collect();
    println!("{csv}");
    assert_eq!(
        lines[0],
        "day,license,name,plan,tool,answered,failed,refused,cost"
    );
    assert_eq!(lines.len(), 4, "{csv}");
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with(",pro,costly,14,0,1,98")),
        "{csv}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with(",pro,search,2,0,1,2")),
        "{csv}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with(",open,search,9,0,0,9")),
        "{csv}"
    );
    assert!(csv.contains(",\"'=cmd|' /C calc'!A0\","), "{csv}");

    exported(&operator, id);
    limited(&operator, id);
}

fn exported(operator: &Operator, id: &str) {
    let line = format!("usage export --license {id} --format json");
    let rows = operator.run(&line).done().json();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    assert_eq!(
        (&rows[0]["tool"], &rows[0]["cost"]),
        (&json!("costly"), &json!(98))
    );
    let written = operator
        .run("usage export --out report.csv --format csv --json")
        .done()
        .json();
    assert_eq!(written["rows"], 3);
    let report = std::fs::read_to_string(operator.place.path("report.csv")).unwrap();
    assert_eq!(report.lines().count(), 4, "{report}");
    operator.run("usage export --out report.csv").refused(1);
    let none = operator.run("usage export --from 2001-01-01 --to 2001-01-31 --json");
    assert_eq!(none.done().json(), json!([]));
    operator.run("usage export --from 2026-02-30").refused(2);

    let used = operator
        .run(&format!("license usage {id} --days 1 --json"))
        .done()
        .json();
    assert_eq!(
        (&used[0]["used"], &used[0]["cost"]),
        (&json!(16), &json!(100))
    );
    assert_eq!(
        (&used[0]["cost_limit"], &used[0]["leased"]),
        (&json!(100), &json!(0))
    );
    assert_eq!(used[0]["tools"][0]["answered"], 14, "{used}");
}

fn limited(operator: &Operator, id: &str) {
    // Limits of its own, shown, in the trail, and the plan's again.
    let line =
        format!("license limit {id} --per-day 5_000 --cost-per-day none --session 9/s --json");
    let limited = operator.run(&line).done().json();
    assert_eq!(limited["limits"]["per_day"], 5_000);
    assert_eq!(limited["limits"]["cost_per_day"], Value::Null);
    assert_eq!(
        limited["overrides"],
        json!({ "per_day": 5000, "cost_per_day": null, "session": "9/s" })
    );
    let shown = operator
        .run(&format!("license show {id} --json"))
        .done()
        .json();
    assert_eq!(shown["limits"], limited["limits"]);
    let words = operator.run(&format!("license show {id}")).done().out;
    assert!(
        words.contains("per_day 5000*") && words.contains("cost_per_day none*"),
        "{words}"
    );
    let line =
        format!("license limit {id} --per-day plan --cost-per-day plan --session plan --json");
    let plans = operator.run(&line).done().json();
    assert_eq!(
        (&plans["overrides"], &plans["limits"]["cost_per_day"]),
        (&json!({}), &json!(100))
    );
    operator.run(&format!("license limit {id}")).refused(2);
    operator
        .run(&format!("license limit {id} --per-day 0"))
        .refused(2);
}
