//! The real program as an operator runs it: a directory, commands, and `serve` as a process.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};
use wicketgate::clock::{Clock, SystemClock};

use super::{
    gateway::{Setup, yaml},
    upstream::{SECRET, Upstream},
    wire,
};
use crate::cli::{Place, Ran};

/// A start or an end that takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(15);
/// A day's count is exact within a day: a test that would meet midnight waits for it.
const BEFORE_MIDNIGHT: Duration = Duration::from_mins(1);

/// A directory with a configuration and a master key, and the environment commands run in.
pub(crate) struct Operator {
    pub(crate) place: Place,
    environment: Vec<(String, String)>,
}

impl Operator {
    /// Writes the configuration and makes a master key, in the environment as `KEY`.
    pub(crate) fn new(configuration: &str) -> Self {
        let place = Place::empty();
        let key = place.run("key generate").done().out;
        fs::write(place.path("wicketgate.yaml"), configuration).unwrap();
        let mut operator = Self {
            place,
            environment: Vec::new(),
        };
        operator.export("KEY", key.trim());
        operator
    }

    /// For this upstream, its credential stored, its tables made.
    pub(crate) fn of(upstream: &Upstream, database: Option<&str>, change: fn(&mut Setup)) -> Self {
        let mut setup = Setup {
            rest: "      limit: 10000/s\n      max_concurrent: 512\n".into(),
            ..Setup::default()
        };
        change(&mut setup);
        if database.is_some() {
            setup.more += "store: { postgres: { url: { env: DATABASE } } }\n";
        }
        let mut operator = Self::new(&yaml(&setup, upstream.address));
        if let Some(url) = database {
            operator.export("DATABASE", url);
        }
        operator.run("migrate").done();
        operator
            .run_with(&["credential", "set", "up"], SECRET)
            .done();
        operator
    }

    /// Sets a variable of the environment.
    pub(crate) fn export(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A variable of the environment, which is set.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(known, _)| known == name);
        &found.expect("a variable of this name").1
    }

    /// All of them.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.environment.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Runs a command line; words are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(&line.split(' ').collect::<Vec<_>>(), "")
    }

    /// Runs with these arguments and this standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        self.place.run_as(arguments, &self.environment, input)
    }

    /// Issues a license of this plan; its key.
    pub(crate) fn issue(&self, plan: &str) -> String {
        let line = format!("license issue --name {plan} --plan {plan} --json");
        let issued = self.run(&line).done().json();
        issued["key"].as_str().unwrap().to_owned()
    }

    /// What `license usage` says of today, over all licenses.
    pub(crate) fn used(&self) -> u64 {
        let rows = self.run("license usage --json").done().json();
        let rows = rows.as_array().unwrap();
        // Of licenses whose days are counted; what others did is there too.
        let counted = rows.iter().filter(|row| !row["limit"].is_null());
        counted.map(|row| row["used"].as_u64().unwrap()).sum()
    }

    /// Starts `serve` and waits until it is ready.
    pub(crate) async fn serve(&self) -> Serving {
        Self::ready(self.start()).await
    }

    /// The same with another configuration in its directory.
    pub(crate) async fn serve_with(&self, file: &str) -> Serving {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(["serve", "--config", file]);
        Self::ready(self.spawn(command)).await
    }

    /// The same where core files of any size are allowed.
    pub(crate) async fn serve_with_cores(&self) -> Serving {
        self.serve_after("ulimit -c unlimited 2>&-").await
    }

    /// The same after this line of a shell, whose limits it inherits.
    pub(crate) async fn serve_after(&self, line: &str) -> Serving {
        let mut command = Command::new("/bin/sh");
        let line = format!("{line}; exec \"$0\" serve");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_wicketgate")]);
        Self::ready(self.spawn(command)).await
    }

    async fn ready(mut serving: Serving) -> Serving {
        let started = Instant::now();
        while serving.addresses().is_none() {
            assert!(
                serving.child.try_wait().unwrap().is_none() && started.elapsed() < PATIENCE,
                "it does not serve: {}",
                serving.stderr()
            );
            sleep(Duration::from_millis(5)).await;
        }
        (serving.public, serving.admin) = serving.addresses().unwrap();
        while serving.ask("/readyz").await.is_none_or(|a| a.status != 200) {
            assert!(started.elapsed() < PATIENCE, "{}", serving.stderr());
            sleep(Duration::from_millis(5)).await;
        }
        serving.ready_after = started.elapsed();
        serving
    }

    /// Starts `serve`, which cannot open its vault, and waits until it listens.
    pub(crate) async fn serve_sealed(&self) -> Serving {
        let (started, mut serving) = (Instant::now(), self.start());
        loop {
            if let Some(found) = serving.addresses_in("serving.sealed") {
                (serving.public, serving.admin) = found;
                return serving;
            }
            assert!(
                serving.alive() && started.elapsed() < PATIENCE,
                "it does not start sealed: {}",
                serving.stderr()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts `serve` and waits for nothing.
    pub(crate) fn start(&self) -> Serving {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.arg("serve");
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> Serving {
        let number = fs::read_dir(self.place.path("."))
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|e| e.path().extension() == Some("stderr".as_ref()))
            })
            .count();
        let (out, err) = (
            self.place.path(&format!("{number}.stdout")),
            self.place.path(&format!("{number}.stderr")),
        );
        let child = command
            .current_dir(self.place.path("."))
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Serving {
            child,
            public: nowhere,
            admin: nowhere,
            ready_after: Duration::ZERO,
            out,
            err,
        }
    }
}

/// A `serve` process. Dropped, it is killed.
pub(crate) struct Serving {
    child: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// From the start of the process to the first `/readyz` with 200.
    pub(crate) ready_after: Duration,
    out: PathBuf,
    err: PathBuf,
}

impl Serving {
    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Its access log so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.addresses_in("serving")
    }

    fn addresses_in(&self, message: &str) -> Option<(SocketAddr, SocketAddr)> {
        let said = self.stderr();
        let line = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["message"] == message)?;
        let address = |name: &str| line[name].as_str()?.parse().ok();
        Some((address("public")?, address("admin")?))
    }

    /// A path of the admin listener.
    pub(crate) async fn ask(&self, path: &str) -> Option<wire::Answer> {
        let text = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.admin);
        let mut wire = wire::Wire::try_connect(self.admin).await?;
        wire.send(text.as_bytes()).await;
        wire.answer().await
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: no destructor runs, nothing is given back.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// SIGTERM, and waits; the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for the end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                since.elapsed() < PATIENCE,
                "it does not end: {}",
                self.stderr()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Is the process still there?
    pub(crate) fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Leaves the test at least a minute of one UTC day.
pub(crate) async fn away_from_midnight() {
    let left = SystemClock::new().now().until_next_day();
    if left < BEFORE_MIDNIGHT {
        sleep(left + Duration::from_secs(1)).await;
    }
}
