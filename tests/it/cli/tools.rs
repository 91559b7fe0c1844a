//! Tools as the operator sees and tries them.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::Place;

const SECRET: &str = "CANARY-c0ffee-operator-key";

/// Answers one request on loopback; gives what it received.
fn upstream(place: &Place, answer: &'static str) -> JoinHandle<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    place.edit(
        "base_url: https://api.example.com/v1",
        &format!("base_url: {base}\n      allow_special_use: [127.0.0.0/8]"),
    );
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    })
}

#[test]
fn tools_are_listed_and_shown() {
    let place = Place::initialised();
    let list = place.run("tool list --json").done().json();
    assert_eq!(list[0]["name"], "get_order");
    assert_eq!(list[0]["read_only"], true);
    let shown = place.run("tool show get_order --json").done().json();
    assert_eq!(
        shown["request"]["url"],
        "https://api.example.com/v1/orders/{order_id}"
    );
    assert_eq!(shown["input"]["required"][0], "order_id");
    let ran = place.run("tool show get_ordre").refused(1);
    assert!(ran.err.contains("tool list"), "{}", ran.err);
}

#[test]
fn a_license_sees_what_its_plan_and_its_own_list_allow() {
    let place = Place::initialised();
    place.run("license issue --name all --plan starter").done();
    place
        .run("license issue --name few --plan pro --tools other.*")
        .done();
    let count = |name: &str| {
        let list = place
            .run(&format!("tool list --license {name} --json"))
            .done()
            .json();
        list.as_array().unwrap().len()
    };
    assert_eq!((count("all"), count("few")), (1, 0));
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let place = Place::initialised();
    let line = [
        "tool",
        "call",
        "get_order",
        "--dry-run",
        "--args",
        r#"{"order_id":"42"}"#,
    ];
    let ran = place.run_with(&line, "").done();
    assert!(
        ran.out
            .starts_with("GET https://api.example.com/v1/orders/42\n"),
        "{}",
        ran.out
    );
    assert!(!place.path("data/wicketgate.db").exists());

    fs::write(place.path("args.json"), r#"{"order_id":"43"}"#).unwrap();
    let line = "tool call get_order --dry-run --json --args @args.json";
    let request = place.run(line).done().json();
    assert_eq!(request["url"], "https://api.example.com/v1/orders/43");
    assert_eq!(request["method"], "GET");
    let headers = request["headers"].to_string().to_lowercase();
    assert!(headers.contains("x-api-key"), "{headers}");
}

#[test]
fn arguments_are_checked_before_anything_else() {
    let place = Place::initialised();
    for (arguments, code) in [
        ("{}", 1),
        (r#"{"order_id":"CANARY-x"}"#, 1),
        (r#"{"order_id":"1","more":1}"#, 1),
        ("[]", 2),
        ("{", 2),
        ("@missing.json", 1),
    ] {
        let line = [
            "tool",
            "call",
            "get_order",
            "--dry-run",
            "--args",
            arguments,
        ];
        let ran = place.run_with(&line, "").refused(code);
        assert!(!ran.shows("CANARY"), "{}", ran.err);
    }
}

#[test]
fn a_call_carries_the_stored_credential_and_never_shows_it() {
    let place = Place::initialised();
    let received = upstream(
        &place,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\
         connection: close\r\n\r\n{\"state\":\"ok\"}",
    );
    place
        .run_with(&["credential", "set", "example"], SECRET)
        .done();
    let line = [
        "tool",
        "call",
        "get_order",
        "--json",
        "--args",
        r#"{"order_id":"42"}"#,
    ];
    let ran = place.run_with(&line, "").done();
    assert_eq!(ran.json()["content"]["state"], "ok");
    assert!(!ran.shows(SECRET));
    let received = received.join().unwrap();
    assert!(
        received.starts_with("GET /v1/orders/42 HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(
        received
            .to_lowercase()
            .contains(&format!("x-api-key: {}", SECRET.to_lowercase()))
    );
}

#[test]
fn a_refused_credential_is_said_so() {
    let place = Place::initialised();
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let received = upstream(&place, answer);
    place
        .run_with(&["credential", "set", "example"], SECRET)
        .done();
    let line = [
        "tool",
        "call",
        "get_order",
        "--args",
        r#"{"order_id":"42"}"#,
    ];
    let ran = place.run_with(&line, "").refused(1);
    received.join().unwrap();
    assert!(ran.err.contains("credential set example"), "{}", ran.err);
    assert!(!ran.shows(SECRET));
}

#[test]
fn a_call_without_its_credential_is_not_sent() {
    let place = Place::initialised();
    let line = [
        "tool",
        "call",
        "get_order",
        "--args",
        r#"{"order_id":"42"}"#,
    ];
    let ran = place.run_with(&line, "").refused(1);
    assert!(ran.err.contains("no credential is stored"), "{}", ran.err);
}
