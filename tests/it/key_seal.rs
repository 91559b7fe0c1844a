//! K-08: the operator's stop reaches every replica, and everything that needs a credential.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{client::Client, database::Fixture, key_site::KeySite, upstream::SECRET};

/// As long as all replicas may take, by the promise of `wicketgate seal`.
const SOON: Duration = Duration::from_secs(5);

/// An upstream whose secret stands in the configuration.
const FIXED: &str = "  fixed:
    rest:
      base_url: http://ADDRESS
      allow_special_use: [127.0.0.0/8]
      credential: { header: X-Api-Key, value: { env: FIXED } }
      limit: 10000/s
      tools:
        - name: peek
          description: Peeks.
          request: { method: GET, path: /v1/fixed }
          input: { type: object, additionalProperties: false, properties: {} }
";

async fn until(client: &Client, tool: &str, wanted: u16) -> Duration {
    let arguments = match tool {
        "search" => json!({ "q": "x" }),
        _ => json!({}),
    };
    let since = Instant::now();
    loop {
        let answer = client.call(tool, arguments.clone()).await;
        if answer.status == wanted {
            return since.elapsed();
        }
        assert!(
            since.elapsed() < SOON,
            "{tool}: {} {}",
            answer.status,
            answer.body
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k_08_a_seal_stops_all_replicas_and_configured_secrets_too() {
    let fixture = Fixture::postgres().await;
    let mut site = KeySite::on(&fixture).await;
    let path = site.operator.place.path("wicketgate.yaml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += &FIXED.replace("ADDRESS", &site.upstream.address.to_string());
    std::fs::write(&path, text).unwrap();
    site.operator.export("FIXED", SECRET);
    let (_, key) = site.issue("caller");
    let replicas = [site.operator.serve().await, site.operator.serve().await];
    let clients = replicas.each_ref().map(|r| Client::modern(r.public, &key));
    for client in &clients {
        for tool in ["search", "peek"] {
            until(client, tool, 200).await;
        }
    }

    let sealed = site.operator.run("seal --json").done().json();
    assert_eq!(
        (&sealed["sealed"], &sealed["changed"]),
        (&json!(true), &json!(true))
    );
    let since = Instant::now();
    for client in &clients {
        for tool in ["search", "peek"] {
            until(client, tool, 503).await;
        }
    }
    println!("K-08: both replicas stopped after {:?}", since.elapsed());
    assert!(since.elapsed() < SOON);
    let before = site.upstream.count();
    for client in &clients {
        for tool in ["search", "peek"] {
            assert_eq!(until(client, tool, 503).await.as_secs(), 0);
        }
    }
    assert_eq!(site.upstream.count(), before, "nothing goes out");
    let again = site.operator.run("seal --json").done().json();
    assert_eq!(again["changed"], false);
    assert!(site.status()["sealed_since"].is_string());
    // The tests' own server is used as its superuser.
    assert_eq!(site.status()["row_security"], "bypassed");
    let people = site.operator.run("key status").done();
    assert!(people.out.contains("sealed since"), "{}", people.out);

    let unsealed = site.operator.run("unseal --json").done().json();
    assert_eq!(
        (&unsealed["sealed"], &unsealed["changed"]),
        (&json!(false), &json!(true))
    );
    for client in &clients {
        for tool in ["search", "peek"] {
            until(client, tool, 200).await;
        }
    }
    assert_eq!(site.status()["sealed_since"], Value::Null);
    let entries = site.store.audit_tail(10).await.unwrap();
    let of_vault = entries.iter().filter(|entry| entry.subject == "vault");
    let actions: Vec<_> = of_vault.map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["vault.unseal", "vault.seal"]);
    drop(replicas);
    site.store.close().await;
    fixture.remove().await;
}

/// What seals needs no key: it is for the day on which one is lost or stolen.
#[tokio::test(flavor = "multi_thread")]
async fn a_seal_needs_no_master_key() {
    let fixture = Fixture::sqlite().await;
    let mut site = KeySite::on(&fixture).await;
    let good = site.operator.variable("KEY").to_owned();
    let other = site.operator.run("key generate").done().out;
    site.operator.export("KEY", other.trim());
    site.operator.run("credential list").refused(78);
    site.operator.run("seal").done();
    // And the status says which key is wrong.
    let status = site.operator.run("key status --json");
    assert_eq!(status.code, 1, "{}", status.err);
    assert_eq!(status.json()["master_keys"][0]["canary"], "wrong");
    site.operator.export("KEY", &good);
    assert_eq!(site.status()["master_keys"][0]["canary"], "ok");
    site.operator.run("unseal").done();
    site.store.close().await;
    fixture.remove().await;
}
