//! K-05: keys are rotated under load, and a rotation that was killed is finished by the next.

mod one_run;

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use wicketgate::{ids::LicenseId, secret::SecretString, store::Tenant};

use crate::support::{
    client::Client,
    database::{Fixture, on_both},
    key_site::{KeySite as Site, own},
    operator::Operator,
    upstream::SECRET,
    wire::Wire,
};

on_both! {
    k_05_keys_are_rotated_under_load_without_a_failed_call
}

fn state<'a>(status: &'a Value, word: &str) -> Option<&'a Value> {
    let all = status["data_keys"].as_array().unwrap();
    all.iter().find(|of| of["state"] == word)
}

/// Calls one tool until told to stop; how many calls were answered. Any other answer is a failure.
async fn calls(client: Client, tool: &'static str, stop: Arc<AtomicBool>) -> u64 {
    let arguments = match tool {
        "search" => json!({ "q": "x" }),
        _ => json!({}),
    };
    let params = json!({ "name": tool, "arguments": arguments });
    let request = client.request(&client.message(&json!(1), "tools/call", params));
    let mut wire = Wire::connect(client.address).await;
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        wire.send(request.as_bytes()).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{tool}: {}", answer.body);
        let said = answer.json();
        assert_eq!(said["result"]["isError"], false, "{tool}: {}", answer.body);
        answered += 1;
        sleep(Duration::from_millis(2)).await;
    }
    answered
}

async fn k_05_keys_are_rotated_under_load_without_a_failed_call(fixture: &Fixture) {
    let mut site = Site::on(fixture).await;
    let vault = site.vault(&[("test", "KEY")]).await;
    let mut licenses = Vec::new();
    for number in 0..4 {
        let (id, key) = site.issue(&format!("l{number}"));
        let secret = SecretString::new(SECRET.to_owned());
        let tenant = Tenant::License(id);
        vault.put(tenant, &own(), &secret, "test").await.unwrap();
        licenses.push(key);
    }
    site.new_master_key();
    let gateway = site.operator.serve().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for key in &licenses {
        for tool in ["search", "look"] {
            let client = Client::modern(gateway.public, key);
            callers.spawn(calls(client, tool, Arc::clone(&stop)));
        }
    }
    let old = site.status();
    for round in 0..2 {
        // Everything is read anew at each change: each command makes some.
        for line in [
            "key rotate --all --json",
            "key rewrap --json",
            "key verify --json",
        ] {
            let run = site.operator.run(line).done().json();
            println!("round {round}: {line}: {run}");
        }
        sleep(Duration::from_millis(1_200)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    while let Some(one) = callers.join_next().await {
        answered.push(one.expect("no failed call"));
    }
    println!(
        "K-05: {} calls were answered, none failed",
        answered.iter().sum::<u64>()
    );
    assert!(answered.iter().all(|count| *count > 20), "{answered:?}");

    let status = site.status();
    let keys = status["master_keys"].as_array().unwrap();
    assert_eq!(keys[0]["id"], "next");
    let under = |key: &Value| (key["root_secrets"].as_u64(), key["data_keys"].as_u64());
    assert_eq!(under(&keys[1]), (Some(0), Some(0)), "{status}");
    assert_eq!(state(&old, "active").unwrap()["keys"], 5);
    assert_eq!(state(&status, "active").unwrap()["keys"], 5);
    assert_eq!(state(&status, "retired").unwrap()["keys"], 10);
    assert_eq!(state(&status, "decrypt_only"), None);
    assert_eq!(status["outdated"]["credentials"], 0);
    let verified = site.verified();
    assert_eq!(verified["credentials"], 5, "{verified}");
    // The old master key is needed nowhere.
    let alone = site.vault(&[("next", "NEXT")]).await;
    let opened = alone.verify(&|_| ()).await.unwrap();
    assert!(
        opened.faults.is_empty() && opened.credentials == 5,
        "{opened:?}"
    );
    drop(gateway);
    site.store.close().await;
}

/// A command of the real program that is killed.
struct Doomed(Child);

impl Doomed {
    fn start(operator: &Operator, line: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .args(line.split(' '))
            .current_dir(operator.place.path("."))
            .env_clear()
            .envs(operator.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it has ended already");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Holds one row as a transaction of somebody else does, waits until the command has done a part of
/// its work and waits for that row, and kills it there.
async fn killed_at(
    site: &Site,
    url: &str,
    line: &str,
    hold: &'static str,
    done: &'static str,
) -> i64 {
    let mut holder = PgConnection::connect(url).await.unwrap();
    let mut looker = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("BEGIN; SET LOCAL wicketgate.tenant = '*'")
        .execute(&mut holder)
        .await
        .unwrap();
    sqlx::query(hold).execute(&mut holder).await.unwrap();
    sqlx::query("SELECT set_config('wicketgate.tenant', '*', false)")
        .execute(&mut looker)
        .await
        .unwrap();
    let command = Doomed::start(&site.operator, line);
    let since = Instant::now();
    let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND datname = current_database()";
    while count(&mut looker, waits).await == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "it never waited");
        sleep(Duration::from_millis(2)).await;
    }
    command.kill();
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut holder)
        .await
        .unwrap();
    // What it had sent is done by now, or undone.
    while count(&mut looker, waits).await > 0 {
        sleep(Duration::from_millis(2)).await;
    }
    count(&mut looker, done).await
}

async fn count(connection: &mut PgConnection, sql: &'static str) -> i64 {
    let row = sqlx::query(sql).fetch_one(connection).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn k_05_a_rotation_killed_in_the_middle_is_resumed() {
    const ROWS: i64 = 120;
    let fixture = Fixture::postgres().await;
    let url = fixture.url().unwrap();
    let mut site = Site::on(&fixture).await;
    let vault = site.vault(&[("test", "KEY")]).await;
    for number in 0..ROWS {
        let tenant = Tenant::License(LicenseId::from_bytes([u8::try_from(number).unwrap(); 16]));
        let secret = SecretString::new(format!("secret {number}"));
        vault.put(tenant, &own(), &secret, "test").await.unwrap();
    }
    let (_, key) = site.issue("caller");
    let gateway = site.operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let call = async || {
        let answer = client.call("search", json!({ "q": "x" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    };
    call().await;

    // The last row: two batches of fifty are done, the third waits.
    let moved = killed_at(
        &site,
        &url,
        "key rotate --all",
        "SELECT id FROM credentials ORDER BY id DESC LIMIT 1 FOR UPDATE",
        "SELECT COUNT(*) FROM credentials c JOIN data_keys k ON k.id = c.data_key \
         WHERE k.state = 'active'",
    )
    .await;
    assert!((100..ROWS + 1).contains(&moved), "{moved} of {ROWS} rows");
    println!("K-05: killed when {moved} of {} rows were moved", ROWS + 1);
    let between = site.status();
    assert_eq!(between["outdated"]["credentials"], ROWS + 1 - moved);
    assert_eq!(state(&between, "decrypt_only").unwrap()["keys"], ROWS + 1);
    site.verified();
    call().await;

    let run = site.operator.run("key rotate --all --json").done().json();
    assert_eq!(
        (&run["begun"], &run["resumed"]),
        (&json!(0), &json!(ROWS + 1)),
        "{run}"
    );
    assert_eq!(run["resealed"], ROWS + 1 - moved, "{run}");
    let status = site.status();
    assert_eq!(status["outdated"]["credentials"], 0);
    assert_eq!(state(&status, "retired").unwrap()["keys"], ROWS + 1);
    assert_eq!(state(&status, "decrypt_only"), None);
    assert_eq!(site.verified()["credentials"], ROWS + 1);
    call().await;
    drop(gateway);

    // The same with the master key: keys are wrapped anew fifty at a time.
    site.new_master_key();
    let rewrapped = killed_at(
        &site,
        &url,
        "key rewrap",
        "SELECT id FROM data_keys ORDER BY id DESC LIMIT 1 FOR UPDATE",
        "SELECT COUNT(*) FROM data_keys WHERE kek_id = 'next'",
    )
    .await;
    let keys = 2 * (ROWS + 1);
    assert!(
        (50..keys).contains(&rewrapped),
        "{rewrapped} of {keys} keys"
    );
    println!("K-05: killed when {rewrapped} of {keys} keys were wrapped anew");
    site.verified();
    let gateway = site.operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let answer = client.call("search", json!({ "q": "x" })).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    let run = site.operator.run("key rewrap --json").done().json();
    assert_eq!(run["data_keys"], keys - rewrapped, "{run}");
    let alone = site.vault(&[("next", "NEXT")]).await;
    let opened = alone.verify(&|_| ()).await.unwrap();
    assert!(opened.faults.is_empty(), "{opened:?}");
    assert_eq!(opened.credentials, u64::try_from(ROWS + 1).unwrap());
    assert!(site.upstream.count() >= 4);
    drop(gateway);
    site.store.close().await;
    fixture.remove().await;
}
