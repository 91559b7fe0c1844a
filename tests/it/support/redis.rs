//! A Redis of a test's own: it can be stalled, killed and started again on the same port.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// A running `redis-server` without persistence.
pub(crate) struct Redis {
    pub(crate) port: u16,
    home: TempDir,
    more: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further words on its command line.
    pub(crate) fn with(more: &[&str]) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut redis = Self {
            port,
            home: tempfile::tempdir().unwrap(),
            more: more.iter().map(|word| (*word).to_owned()).collect(),
            child: None,
        };
        redis.begin();
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it again where it was.
    pub(crate) fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let (port, tls) = (
            self.port.to_string(),
            self.more.iter().any(|w| w == "--tls-port"),
        );
        let plain = if tls { "0" } else { port.as_str() };
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                plain,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.home.path())
            .args(self.more.iter().map(|word| word.replace("@PORT@", &port)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        self.child = Some(child.expect("redis-server, which `./test` installs"));
        let begun = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        });
        assert!(begun, "no Redis on port {}", self.port);
    }

    /// Ends it at once; what it knew is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It stays connected and answers nothing.
    pub(crate) fn stall(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// A connection for the test itself.
    pub(crate) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
