//! `serve` as a process: it lives, answers, hears of a revocation, and ends when told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use wicketgate::clock::{Clock, SystemClock};

use super::Place;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// A running `wicketgate serve`; killed when dropped.
struct Server {
    child: Child,
    events: BufReader<ChildStderr>,
    public: String,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Server {
    fn start(place: &Place) -> Self {
        let public = format!("127.0.0.1:{}", free_port());
        place.edit("127.0.0.1:8080", &public);
        place.edit("127.0.0.1:9090", &format!("127.0.0.1:{}", free_port()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .arg("serve")
            .current_dir(place.path(""))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self {
            child,
            events,
            public,
        };
        server.wait_for("serving");
        server
    }

    /// Reads events until one has this message.
    fn wait_for(&mut self, message: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.events.read_line(&mut line).unwrap(),
                0,
                "no event `{message}`"
            );
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON event");
            if event["message"] == message {
                return;
            }
        }
    }

    /// The status of one request with this key.
    fn status(&self, key: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.public).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{PING}",
            self.public,
            PING.len(),
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status")
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_lives_answers_and_ends_at_sigterm_with_zero() {
    let place = Place::initialised();
    let issued = place
        .run("license issue --name Acme --plan pro --json")
        .done()
        .json();
    let key = issued["key"].as_str().unwrap();
    let mut server = Server::start(&place);
    place.run("health").done();
    place.run("health --ready").done();
    assert_eq!(server.status(key), 200);
    assert_eq!(server.status("wgl_wrong"), 401);
    let second = place.run("serve").refused(1);
    assert!(second.err.contains("cannot listen"), "{}", second.err);
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    place.run("health").refused(1);
}

#[test]
fn another_process_revokes_and_the_server_hears_of_it() {
    let place = Place::initialised();
    let issued = place
        .run("license issue --name Acme --plan pro --json")
        .done()
        .json();
    let key = issued["key"].as_str().unwrap();
    let server = Server::start(&place);
    assert_eq!(server.status(key), 200);
    place.run("license revoke Acme").done();
    let clock = SystemClock::new();
    while server.status(key) != 401 {
        assert!(
            clock.monotonic() < Duration::from_secs(5),
            "a revoked key still works after five seconds"
        );
    }
}

#[test]
fn a_configuration_with_errors_is_not_served() {
    let place = Place::initialised();
    place.edit("public: 127.0.0.1:8080", "pubilc: 127.0.0.1:8080");
    let ran = place.run("serve").refused(78);
    assert!(ran.err.contains("wicketgate.yaml:"), "{}", ran.err);
}

#[test]
fn a_demo_cleans_up_when_it_is_interrupted() {
    let place = Place::empty();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
        .args(["demo", "--json"])
        .current_dir(place.path(""))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !text.ends_with("\n}\n") {
        text.push_str(&lines.next().expect("the whole document").unwrap());
        text.push('\n');
    }
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    let home = std::path::PathBuf::from(shown["directory"].as_str().unwrap());
    assert!(home.is_dir());
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!home.exists());
}
