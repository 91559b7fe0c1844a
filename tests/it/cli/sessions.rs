//! What is connected, as its operator sees and ends it.

use serde_json::Value;
use wicketgate::{
    clock::{Clock, SystemClock},
    entropy::OsEntropy,
    grant::{Binding, ClientId, Scope, SessionKind},
    ids::{LicenseId, SessionId},
    store::{SessionRecord, Stamp, Store, StoreTarget},
};

use super::Place;

fn issue(place: &Place, name: &str) -> LicenseId {
    let line = format!("license issue --name {name} --plan pro --json");
    let issued = place.run(&line).done().json();
    issued["id"].as_str().unwrap().parse().unwrap()
}

/// A session as a gateway begins it.
async fn begin(place: &Place, license: LicenseId, name: &str) -> SessionId {
    let path = place.run("config show --json").done().json()["store"]["sqlite"]["path"].clone();
    let target = StoreTarget::Sqlite(place.path(path.as_str().unwrap()));
    let store = Store::open(&target).await.unwrap();
    let now = SystemClock::new().now();
    let session = SessionRecord {
        id: SessionId::generate(now, &OsEntropy),
        license,
        kind: SessionKind::Grant,
        client: "https://a.test/client".parse::<ClientId>().unwrap(),
        client_name: name.into(),
        client_auth: wicketgate::grant::ClientAuth::None,
        resource: "http://127.0.0.1:8080/mcp".into(),
        scope: Scope::Tools,
        binding: Binding::None,
        bound_to: None,
        generation: 0,
        seed: [0; 16],
        calls: 7,
        created: now,
        seen: None,
        expires: now.plus(std::time::Duration::from_hours(1)),
        ended: None,
    };
    let stamp = Stamp::new("test", &SystemClock::new(), &OsEntropy);
    store.begin_session(&session, &[], &stamp).await.unwrap();
    store.close().await;
    session.id
}

fn list(place: &Place, line: &str) -> Vec<Value> {
    let listed = place.run(line).done().json();
    listed.as_array().unwrap().clone()
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let place = Place::initialised();
    let (acme, bolt) = (issue(&place, "Acme"), issue(&place, "Bolt"));
    let empty = place.run("session list").done();
    assert!(empty.err.contains("no live sessions"), "{}", empty.err);
    let first = begin(&place, acme, "Claude\u{202e}").await;
    let second = begin(&place, bolt, "Cursor").await;

    let table = place.run("session list").done().out;
    for word in [&first.to_string(), &acme.to_string(), "live", "never", "7"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(!table.contains('\u{202e}'));
    let listed = list(&place, "session list --json");
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["id"], first.to_string());
    assert_eq!(listed[0]["status"], "live");
    assert_eq!(listed[0]["scope"], "mcp:tools");
    assert_eq!(listed[0]["calls"], 7);
    let of_bolt = list(&place, "session list --license Bolt --json");
    assert_eq!(of_bolt.len(), 1);
    assert_eq!(of_bolt[0]["id"], second.to_string());

    let line = format!("session revoke {first}");
    assert!(place.run(&line).done().out.contains("is ended"));
    assert!(place.run(&line).done().out.contains("had ended already"));
    assert_eq!(list(&place, "session list --json").len(), 1);
    let all = list(&place, "session list --all --json");
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["status"], "operator");
    assert_eq!(all[0]["ended_by"], "operator");
    assert!(all[0]["ended"].is_string());

    let third = begin(&place, acme, "Claude").await;
    let ended = place.run("session revoke-all --license Acme --json").done();
    assert_eq!(ended.json()["ended"], 1);
    let left = list(&place, "session list --json");
    assert_eq!(left.len(), 1);
    assert_ne!(left[0]["id"], third.to_string());
    let ended = place.run("session revoke-all --everyone --json").done();
    assert_eq!(ended.json()["ended"], 1);
    assert!(list(&place, "session list --json").is_empty());
}

#[test]
fn what_is_meant_must_be_said() {
    let place = Place::initialised();
    place.run("session revoke-all").refused(2);
    place
        .run("session revoke-all --everyone --license Acme")
        .refused(2);
    place.run("session revoke lic_nonsense").refused(2);
    let unknown = SessionId::from_bytes([7; 16]);
    let ran = place.run(&format!("session revoke {unknown}")).refused(1);
    assert!(ran.err.contains("session list"), "{}", ran.err);
    place.run("session list --license Nobody").refused(1);
}

#[tokio::test]
async fn a_leaked_key_takes_its_sessions_along() {
    let place = Place::initialised();
    let (acme, bolt) = (issue(&place, "Acme"), issue(&place, "Bolt"));
    for license in [acme, acme, bolt] {
        begin(&place, license, "Claude").await;
    }
    let planned = place.run("license rotate Acme").done().out;
    let advice = format!("wicketgate session revoke-all --license {acme}");
    assert!(planned.contains(&advice), "{planned}");
    assert_eq!(list(&place, "session list --json").len(), 3);
    let leaked = place
        .run("license rotate Acme --overlap 0s --json")
        .done()
        .json();
    assert_eq!(leaked["sessions_ended"], 2);
    let left = list(&place, "session list --json");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["license"], bolt.to_string());
    let again = place.run("license rotate Acme --overlap 0s").done().out;
    assert!(again.contains("0 ended"), "{again}");
}
