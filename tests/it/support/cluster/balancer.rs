//! `HAProxy` with `deploy/haproxy.cfg`, and with `deploy/ready.cfg` beside the first gateway: the files
//! that operators get, unchanged.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    cli::Place,
    support::{
        gateway::known_address,
        wire::{Answer, Wire},
    },
};

/// How often it asks for readiness.
const CHECK_EVERY: &str = "150ms";
const HELP: &str = "These tests need HAProxy 2.6 or later (Debian: `apt-get install haproxy`; \
     macOS: `brew install haproxy`).";

pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    log: PathBuf,
    _processes: [Ended; 2],
}

/// A process that ends with the test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian keeps it where only administrators look.
#[expect(
    clippy::disallowed_methods,
    reason = "the program is found where the shell finds it"
)]
pub(crate) fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("haproxy"))
        .find(|file| file.is_file())
        .expect(HELP)
}

/// A file that ships.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

impl Balancer {
    /// In front of these gateways, each a public and an admin address.
    pub(crate) fn start(place: &Place, gateways: &[(SocketAddr, SocketAddr)]) -> Self {
        let (address, beside) = (known_address(), known_address());
        let log = place.path("haproxy.log");
        let mut main = Command::new(program());
        main.arg("-db").arg("-f").arg(shipped("haproxy.cfg"));
        main.env("LISTEN", address.to_string());
        main.env("CHECK_EVERY", CHECK_EVERY);
        main.env("MAXCONN", "2000");
        for (at, (public, admin)) in gateways.iter().enumerate() {
            // The first is asked by way of `ready.cfg`, as across machines.
            let ready = if at == 0 { beside } else { *admin };
            let number = at + 1;
            main.env(format!("GATEWAY_{number}"), public.to_string());
            assert_eq!(ready.ip(), public.ip(), "it asks where the server is");
            main.env(format!("READY_{number}"), ready.port().to_string());
        }
        let mut ready = Command::new(program());
        ready.arg("-db").arg("-f").arg(shipped("ready.cfg"));
        ready.env("READY", beside.to_string());
        ready.env("ADMIN", gateways[0].1.to_string());
        let processes = [(main, &log), (ready, &place.path("ready.log"))];
        Self {
            address,
            _processes: processes.map(|(command, log)| Ended(begin(command, log))),
            log,
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    /// One request that any gateway answers; none while it does not listen yet.
    pub(crate) async fn ask(&self) -> Option<Answer> {
        let mut wire = Wire::try_connect(self.address).await?;
        let path = "/.well-known/oauth-protected-resource/mcp";
        let text = format!("GET {path} HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        wire.send(text.as_bytes()).await;
        wire.answer().await
    }
}

fn begin(mut command: Command, log: &Path) -> Child {
    let log = File::create(log).expect("a log");
    command
        .stdin(Stdio::null())
        .stderr(log.try_clone().expect("the log twice"))
        .stdout(log)
        .spawn()
        .expect(HELP)
}
