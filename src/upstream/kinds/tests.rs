use serde_json::json;

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    entropy::SeededEntropy,
    ids::LicenseId,
    upstream::Comer,
};

fn parts(previous: Option<Arc<Site>>) -> KindParts<'static> {
    KindParts {
        configured: None,
        client_secret: None,
        provider_header: None,
        clock: Arc::new(ManualClock::new(Timestamp::from_millis(0))),
        entropy: Arc::new(SeededEntropy::new(1)),
        previous,
        limiter: None,
        compile_output: &|_| Err("no schema here".into()),
    }
}

fn rest(base_url: &str, more: &Value) -> UpstreamConfig {
    let mut rest = json!({
        "base_url": base_url,
        "tools": [{
            "name": "get_any", "description": "d", "input": { "type": "object" },
            "request": { "path": "/a" },
        }],
    });
    for (key, value) in more.as_object().unwrap() {
        rest[key] = value.clone();
    }
    serde_json::from_value(json!({ "rest": rest })).unwrap()
}

fn bound(
    config: &UpstreamConfig,
    previous: Option<Arc<Site>>,
) -> Result<Vec<BoundTool>, BindFault> {
    bind(&"up1".parse().unwrap(), config, &parts(previous))
}

fn fault(base_url: &str, more: &Value) -> BindFault {
    bound(&rest(base_url, more), None).err().unwrap()
}

#[test]
fn s_01_special_use_and_plain_http_must_be_listed() {
    for url in [
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "https://localhost/",
        "https://2130706433/",
        "http://8.8.8.8/",
        "http://up1.test/",
    ] {
        assert_eq!(fault(url, &json!({})), BindFault::AddressRefused, "{url}");
    }
    let listed = json!({ "allow_special_use": ["169.254.169.254/32"] });
    assert!(bound(&rest("http://169.254.169.254/", &listed), None).is_ok());
}

#[test]
fn a_tool_may_not_set_what_the_credential_sets() {
    let tools = |request: Value| {
        json!({
            "credential": { "query": "key" },
            "tools": [{
                "name": "t", "description": "d", "input": {}, "request": request,
            }],
        })
    };
    let request = json!({ "path": "/", "query": { "key": "mine" } });
    let BindFault::Tool { fault, .. } = fault("https://a.test/", &tools(request)) else {
        panic!("a tool's fault expected");
    };
    assert_eq!(fault, ToolFault::SetsCredential);
}

#[test]
fn an_output_schema_that_is_wrong_is_a_fault() {
    let tools = json!({ "tools": [{
        "name": "t", "description": "d", "input": {}, "output": {}, "request": { "path": "/" },
    }] });
    let text = fault("https://a.test/", &tools).to_string();
    assert_eq!(text, "tool `t`: output: no schema here");
}

#[tokio::test]
async fn a_reload_keeps_the_gate_and_what_its_limits_change_counts_on() {
    let once = json!({ "limit": "1/h" });
    let first = bound(&rest("https://a.test/", &once), None).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let comer = Comer {
        license: LicenseId::from_bytes([1; 16]),
        holder: None,
    };
    drop(first[0].site.gate.enter(comer, deadline).await.unwrap());

    let same = bound(&rest("https://b.test/", &once), Some(first[0].site.clone())).unwrap();
    assert!(same[0].site.gate.enter(comer, deadline).await.is_err());

    let other = rest("https://a.test/", &json!({ "limit": "2/h" }));
    let other = bound(&other, Some(first[0].site.clone())).unwrap();
    assert!(other[0].site.gate.enter(comer, deadline).await.is_ok());
    let refusal = other[0].site.gate.enter(comer, deadline).await;
    assert!(refusal.is_err(), "one of the two was used before");
}
