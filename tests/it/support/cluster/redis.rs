//! A Redis of a test's own, because it gets killed, stalled and emptied. Gateways are let in as the user
//! of `deploy/secrets/make`, with its rights and no others.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use super::balancer::{Ended, shipped};
use crate::support::gateway::known_address;

const PASSWORD: &str = "canary-redis-password";
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether it is there, 5 ms apart.
const LOOKS: u32 = 2_000;
const HELP: &str = "These tests need Redis (Debian: `apt-get install redis-server`; \
     macOS: `brew install redis`).";

pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    process: Option<Ended>,
}

impl Redis {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let mut redis = Self {
            address: known_address(),
            process: None,
        };
        redis.restart();
        redis
    }

    /// What a gateway is told.
    pub(crate) fn url(&self) -> String {
        format!("redis://wicketgate:{PASSWORD}@{}", self.address)
    }

    /// Starts it where it was, empty.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let port = self.address.port().to_string();
        let made = std::fs::read_to_string(shipped("secrets/make")).expect("a file");
        let user = made
            .lines()
            .find(|line| line.starts_with("user wicketgate "));
        let user = format!("--{}", user.expect("a user").replace("$redis", PASSWORD));
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--requirepass", PASSWORD])
            .args(user.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(HELP);
        self.process = Some(Ended(child));
        for _ in 0..LOOKS {
            if self.says("PING").as_deref() == Some("+PONG") {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("Redis does not start");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs");
    }

    /// SIGSTOP: it accepts and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Forgets everything.
    pub(crate) fn flush_all(&self) {
        assert_eq!(self.says("FLUSHALL").as_deref(), Some("+OK"));
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().expect("it runs").0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// The first line of its answer.
    fn says(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let text = format!("AUTH {PASSWORD}\r\n{command}\r\n");
        stream.write_all(text.as_bytes()).ok()?;
        let (mut bytes, mut said) = ([0; 1], String::new());
        while said.matches('\n').count() < 2 {
            if stream.read(&mut bytes).ok()? == 0 {
                return None;
            }
            said.push(char::from(bytes[0]));
        }
        Some(said.lines().nth(1)?.to_owned())
    }
}
