//! Everything of K-05 in one run, while callers go on as fast as they are answered: data keys and
//! the master key replaced, each by a command that is killed in the middle and run again.

use super::*;

/// Tenants who have a credential and do not call.
const QUIET: i64 = 120;

/// What callers saw.
#[derive(Default)]
struct Seen {
    answered: u64,
    slowest: Duration,
}

/// Calls one tool as fast as it is answered until told to stop. Any other answer is a failure.
async fn hurries(client: Client, tool: &'static str, stop: Arc<AtomicBool>) -> Seen {
    let arguments = match tool {
        "search" => json!({ "q": "x" }),
        _ => json!({}),
    };
    let params = json!({ "name": tool, "arguments": arguments });
    let request = client.request(&client.message(&json!(1), "tools/call", params));
    let mut wire = Wire::connect(client.address).await;
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        wire.send(request.as_bytes()).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{tool}: {}", answer.body);
        let said = answer.json();
        assert_eq!(said["result"]["isError"], false, "{tool}: {}", answer.body);
        seen.answered += 1;
        seen.slowest = seen.slowest.max(since.elapsed());
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn k_05_both_rotations_killed_and_resumed_under_load_in_one_run() {
    let fixture = Fixture::postgres().await;
    let url = fixture.url().unwrap();
    let mut site = Site::on(&fixture).await;
    let vault = site.vault(&[("test", "KEY")]).await;
    for number in 0..QUIET {
        let tenant = Tenant::License(LicenseId::from_bytes([u8::try_from(number).unwrap(); 16]));
        let secret = SecretString::new(format!("secret {number}"));
        vault.put(tenant, &own(), &secret, "test").await.unwrap();
    }
    let mut licenses = Vec::new();
    for number in 0..4 {
        let (id, key) = site.issue(&format!("l{number}"));
        let secret = SecretString::new(SECRET.to_owned());
        let tenant = Tenant::License(id);
        vault.put(tenant, &own(), &secret, "test").await.unwrap();
        licenses.push(key);
    }
    let tenants = QUIET + 5;
    site.new_master_key();
    let gateway = site.operator.serve().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for key in &licenses {
        for tool in ["search", "look"] {
            let client = Client::modern(gateway.public, key);
            callers.spawn(hurries(client, tool, Arc::clone(&stop)));
        }
    }
    let began = Instant::now();
    let moved = killed_at(
        &site,
        &url,
        "key rotate --all",
        "SELECT id FROM credentials ORDER BY id DESC LIMIT 1 FOR UPDATE",
        "SELECT COUNT(*) FROM credentials c JOIN data_keys k ON k.id = c.data_key \
         WHERE k.state = 'active'",
    )
    .await;
    assert!((100..tenants).contains(&moved), "{moved} of {tenants} rows");
    let run = site.operator.run("key rotate --all --json").done().json();
    assert_eq!(
        (&run["begun"], &run["resumed"]),
        (&json!(0), &json!(tenants)),
        "{run}"
    );
    assert_eq!(run["resealed"], tenants - moved, "{run}");

    let rewrapped = killed_at(
        &site,
        &url,
        "key rewrap",
        "SELECT id FROM data_keys WHERE kek_id = 'test' ORDER BY id DESC LIMIT 1 FOR UPDATE",
        "SELECT COUNT(*) FROM data_keys WHERE kek_id = 'next'",
    )
    .await;
    // The new data keys came under the new master key at once.
    assert!(
        (tenants + 50..2 * tenants).contains(&rewrapped),
        "{rewrapped} keys"
    );
    let run = site.operator.run("key rewrap --json").done().json();
    assert_eq!(run["data_keys"], 2 * tenants - rewrapped, "{run}");
    let verified = site.verified();
    assert_eq!(verified["credentials"], tenants, "{verified}");
    // A while longer than a gateway remembers a license.
    sleep(Duration::from_millis(2_500)).await;
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let mut all = Seen::default();
    while let Some(one) = callers.join_next().await {
        let one = one.expect("no failed call");
        assert!(one.answered > 20, "{}", one.answered);
        all.answered += one.answered;
        all.slowest = all.slowest.max(one.slowest);
    }
    let rate = all.answered * 1000 / u64::try_from(took.as_millis()).unwrap().max(1);
    println!(
        "acceptance 3: killed at {moved} of {tenants} rows and {rewrapped} of {} keys; {} calls in \
         {took:?} ({rate}/s), none failed, the slowest {:?}",
        2 * tenants,
        all.answered,
        all.slowest
    );

    let status = site.status();
    assert_eq!(status["outdated"]["credentials"], 0);
    assert_eq!(state(&status, "retired").unwrap()["keys"], tenants);
    assert_eq!(state(&status, "decrypt_only"), None);
    let keys = status["master_keys"].as_array().unwrap();
    let under = |key: &Value| (key["root_secrets"].as_u64(), key["data_keys"].as_u64());
    assert_eq!(
        (&keys[0]["id"], under(&keys[1])),
        (&json!("next"), (Some(0), Some(0)))
    );
    // The old master key is needed nowhere.
    let alone = site.vault(&[("next", "NEXT")]).await;
    let opened = alone.verify(&|_| ()).await.unwrap();
    assert!(opened.faults.is_empty(), "{opened:?}");
    assert_eq!(opened.credentials, u64::try_from(tenants).unwrap());
    drop(gateway);
    site.store.close().await;
    fixture.remove().await;
}
