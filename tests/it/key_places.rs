//! X-05 and what belongs to it: a sealed secret that was moved in the database does not open, and
//! nobody is given somebody else's.

use serde_json::{Value, json};
use wicketgate::{ids::LicenseId, secret::SecretString, store::Tenant};

use crate::support::{
    client::Client,
    database::{Fixture, on_both},
    key_site::{KeySite, Thief, own},
    upstream::SECRET,
};

on_both! {
    x_05_swapped_rows_open_for_nobody_and_stop_that_tool_only
    each_moved_row_is_named_by_verify
}

/// Two licenses with a credential each.
async fn two(site: &KeySite) -> [(String, String); 2] {
    let vault = site.vault(&[("test", "KEY")]).await;
    let mut both = Vec::new();
    for name in ["alpha", "beta"] {
        let (id, key): (LicenseId, String) = site.issue(name);
        let secret = SecretString::new(SECRET.to_owned());
        let put = vault
            .put(Tenant::License(id), &own(), &secret, "test")
            .await;
        both.push((put.unwrap().id.to_string(), key));
    }
    both.try_into().unwrap()
}

async fn x_05_swapped_rows_open_for_nobody_and_stop_that_tool_only(fixture: &Fixture) {
    let site = KeySite::on(fixture).await;
    let [(alpha, alphas), (beta, betas)] = two(&site).await;
    let mut thief = Thief::at(&site, fixture).await;
    thief
        .run(format!(
            "CREATE TEMP TABLE kept AS SELECT id, sealed, data_key FROM credentials;
             UPDATE credentials SET sealed = (SELECT sealed FROM kept WHERE kept.id = '{beta}'),
                 data_key = (SELECT data_key FROM kept WHERE kept.id = '{beta}')
                 WHERE id = '{alpha}';
             UPDATE credentials SET sealed = (SELECT sealed FROM kept WHERE kept.id = '{alpha}'),
                 data_key = (SELECT data_key FROM kept WHERE kept.id = '{alpha}')
                 WHERE id = '{beta}';"
        ))
        .await;
    let gateway = site.operator.serve().await;
    for key in [&alphas, &betas] {
        let client = Client::modern(gateway.public, key);
        let refused = client.call("look", json!({})).await;
        assert_eq!(refused.status, 503, "{}", refused.body);
        let said = refused.json();
        assert!(!refused.body.contains("data key"), "{said}");
        // Another tool, another credential: as ever.
        let answer = client.call("search", json!({ "q": "x" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    }
    let asked: Vec<_> = site
        .upstream
        .seen()
        .iter()
        .map(|s| s.target.clone())
        .collect();
    assert!(
        asked.iter().all(|target| !target.contains("/own")),
        "{asked:?}"
    );
    let alarms = gateway
        .stderr()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "credential.unavailable" && line["level"] == "WARN")
        .count();
    assert!(alarms >= 2, "{}", gateway.stderr());
    // Put back, everything is as it was: nothing was lost by looking.
    thief
        .run(
            "UPDATE credentials SET sealed = (SELECT sealed FROM kept WHERE kept.id = credentials.id),
                 data_key = (SELECT data_key FROM kept WHERE kept.id = credentials.id);"
                .to_owned(),
        )
        .await;
    for key in [&alphas, &betas] {
        let answer = Client::modern(gateway.public, key)
            .call("look", json!({}))
            .await;
        assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    }
    drop(gateway);
    site.store.close().await;
}

async fn each_moved_row_is_named_by_verify(fixture: &Fixture) {
    let site = KeySite::on(fixture).await;
    let [(alpha, _), (beta, _)] = two(&site).await;
    let mut thief = Thief::at(&site, fixture).await;
    assert_eq!(site.verified()["credentials"], 3);
    let another = beta.replace("crd_0", "crd_7");
    for (dimension, change, back) in [
        (
            "row",
            format!("id = '{another}'"),
            format!("id = '{alpha}'"),
        ),
        ("license", "tenant = 'operator'".to_owned(), String::new()),
        (
            "upstream",
            "upstream = 'bank'".to_owned(),
            "upstream = 'own'".to_owned(),
        ),
        (
            "generation",
            "generation = 2".to_owned(),
            "generation = 1".to_owned(),
        ),
        (
            "purpose",
            "kind = 'grant'".to_owned(),
            "kind = 'static'".to_owned(),
        ),
        (
            "a word of nobody's",
            "state = 'odd'".to_owned(),
            "state = 'active'".to_owned(),
        ),
    ] {
        thief
            .run(format!(
                "CREATE TEMP TABLE kept AS SELECT id, tenant FROM credentials WHERE id = '{alpha}';
                 UPDATE credentials SET {change} WHERE id = '{alpha}';"
            ))
            .await;
        let ran = site.operator.run("key verify --json");
        assert_eq!(ran.code, 1, "{dimension}: {}", ran.out);
        let found = ran.json();
        let id = if dimension == "row" { &another } else { &alpha };
        assert_eq!(found["faults"]["count"], 1, "{dimension}: {found}");
        let fault = &found["faults"]["first"][0];
        assert_eq!(
            (&fault["table"], &fault["id"]),
            (&json!("credentials"), &json!(id))
        );
        let back = if back.is_empty() {
            "tenant = (SELECT tenant FROM kept)".to_owned()
        } else {
            back
        };
        thief
            .run(format!(
                "UPDATE credentials SET {back} WHERE id = '{id}'; DROP TABLE kept;"
            ))
            .await;
        assert_eq!(site.verified()["credentials"], 3, "{dimension}");
    }
    // A data key of another license, and a root secret, are bound to their rows as well.
    thief
        .run(
            "CREATE TEMP TABLE keys AS SELECT id, wrapped FROM data_keys WHERE tenant <> 'operator';
             UPDATE data_keys SET wrapped = (SELECT k.wrapped FROM keys k
                 WHERE k.id <> data_keys.id) WHERE tenant <> 'operator';"
                .to_owned(),
        )
        .await;
    let ran = site.operator.run("key verify --json");
    assert_eq!(ran.code, 1, "{}", ran.out);
    let faults = &ran.json()["faults"];
    // Both keys, and what is under them.
    assert_eq!(faults["count"], 4, "{faults}");
    site.store.close().await;
}
