//! F-08: the wall clock jumps. Nothing that was revoked, used or over comes back, and no limit gives
//! more than the days that were seen.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use wicketgate::{
    clock::{ManualClock, Timestamp},
    license::LicenseStatus,
};

use crate::support::{
    client::Client,
    database::{Fixture, NOON, on_both},
    gateway::TestGateway,
    oauth::{App, Given, refused},
};

on_both! {
    f_08_a_clock_that_jumps_brings_nothing_back
}

const A_DAY: u32 = 5;

async fn call(gateway: &TestGateway, token: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    client.call("search", json!({ "q": "a" })).await.status
}

/// How many calls of the day are left.
async fn left(gateway: &TestGateway, key: &str) -> u32 {
    let mut answered = 0;
    while call(gateway, key).await == 200 {
        answered += 1;
        assert!(answered <= A_DAY, "no limit at all");
    }
    answered
}

fn jumps() -> [(&'static str, Timestamp, u32); 6] {
    let hour = Duration::from_hours(1);
    let back = Timestamp::from_millis(NOON.as_millis() - 3_600_000);
    let decade = Duration::from_hours(10 * 366 * 24);
    [
        ("+1 h", NOON.plus(hour), 0),
        ("-1 h", back, 0),
        ("as before", NOON, 0),
        // Another day, with a window of its own.
        ("+10 y", NOON.plus(decade), A_DAY),
        ("+10 y +1 h", NOON.plus(decade + hour), 0),
        ("as before", NOON, 0),
    ]
}

async fn f_08_a_clock_that_jumps_brings_nothing_back(fixture: &Fixture) {
    let clock = Arc::new(ManualClock::new(NOON));
    let mut gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
        setup.plans = format!(
            "  pro: {{ tools: [\"*\"] }}\n  small: {{ per_day: {A_DAY}, tools: [\"*\"] }}\n"
        );
    })
    .await;
    let (_, spent) = gateway.issue("small").await;
    assert_eq!(left(&gateway, &spent).await, A_DAY);

    let (revoked, revoked_key) = gateway.issue("pro").await;
    gateway
        .store
        .set_license_status(revoked, LicenseStatus::Revoked, "a test", &gateway.stamp())
        .await
        .unwrap();
    let hour = Duration::from_hours(1);
    let (_, over) = gateway.issue_until("pro", Some(NOON.plus(hour / 2))).await;
    let (license, good) = gateway.issue("pro").await;
    let app = App::registered(&gateway).await;
    let code = app.code(&gateway, license).await;
    let given = Given::of(&app.redeem(&code).await);
    let next = Given::of(&app.refresh(&given.refresh).await);
    gateway.changed().await;
    assert_eq!(call(&gateway, &next.access).await, 200);
    assert_eq!(call(&gateway, &over).await, 200);
    // The license whose time was over stays so only while it is: a clock that was wrong ends nothing
    // for ever, except what was used or revoked.
    let mut gained = 0;
    for (name, at, most) in jumps() {
        clock.set_wall(at);
        gateway.changed().await;
        assert_eq!(call(&gateway, &revoked_key).await, 401, "{name}: revoked");
        refused(
            &app.redeem_with(&[("code", &code), ("code_verifier", "")])
                .await,
            400,
            "invalid_grant",
        );
        let late = at.as_millis() >= NOON.plus(hour / 2).as_millis();
        assert_eq!(
            call(&gateway, &over).await,
            if late { 401 } else { 200 },
            "{name}: over"
        );
        assert_eq!(
            call(&gateway, &good).await,
            200,
            "{name}: a good key goes on"
        );
        let more = left(&gateway, &spent).await;
        assert!(more <= most, "{name}: {more} calls more");
        gained += more;
    }
    // Used before all of it, and still used.
    refused(&app.redeem(&code).await, 400, "invalid_grant");
    gateway.changed().await;
    assert_eq!(
        call(&gateway, &next.access).await,
        401,
        "a replay ends what came of it"
    );
    refused(&app.refresh(&given.refresh).await, 400, "invalid_grant");
    println!("F-08: {A_DAY} a day: {gained} more over six jumps, one of them to another day");
    assert!(gained <= A_DAY, "at most one window more");
    gateway.stop().await;
}
