//! The memory of a running gateway: neither its user's other processes nor a core file get at it.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::Instant;
use wicketgate::{crypto::generate_master_key_text, entropy::OsEntropy};

const PATIENCE: Duration = Duration::from_secs(30);
/// Who runs it when we are root, from whom nothing can be kept.
const NOBODY: u32 = 65_534;

const CONFIGURATION: &str = "keys: [{ id: k1, env: KEY }]
listen: { public: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }
limits: { drain_delay: 0s }
plans: { pro: { tools: [\"*\"] } }
upstreams:
  up:
    rest:
      base_url: https://api.example.com
      limit: 1/s
      credential: { header: X-Key, value: { env: PLANTED } }
      tools:
        - name: get
          description: Gets it.
          request: { path: /it }
          input: { type: object, additionalProperties: false }
";

struct Ground {
    dir: tempfile::TempDir,
    program: PathBuf,
    secrets: [String; 2],
    /// Our own user, unless we are root.
    user: Option<u32>,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("gateway");
        fs::copy(env!("CARGO_BIN_EXE_wicketgate"), &program).unwrap();
        fs::write(dir.path().join("wicketgate.yaml"), CONFIGURATION).unwrap();
        fs::create_dir(dir.path().join("cores")).unwrap();
        let is_root = dir.path().metadata().unwrap().uid() == 0;
        if is_root {
            for name in [".", "gateway", "wicketgate.yaml", "cores"] {
                chown(dir.path().join(name), Some(NOBODY), None).unwrap();
            }
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            program,
            secrets: [
                generate_master_key_text(&OsEntropy).expose().clone(),
                "CANARY-planted-2f6c1d".to_owned(),
            ],
            user: is_root.then_some(NOBODY),
            dir,
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env_clear();
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Starts `serve` where core files of any size are allowed, and waits until it serves.
    fn serve(&self, name: &str) -> Child {
        let err = self.dir.path().join(name);
        let mut child = self
            .command("/bin/sh")
            .args(["-c", "ulimit -c unlimited 2>&-; exec \"$0\" serve"])
            .arg(&self.program)
            .env("KEY", &self.secrets[0])
            .env("PLANTED", &self.secrets[1])
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.dir.path().join("stdout")).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while !fs::read_to_string(&err).unwrap().contains("\"serving\"") {
            let said = fs::read_to_string(&err).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "{said}");
            assert!(since.elapsed() < PATIENCE, "{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    }

    /// Can another process of the same user read this?
    fn readable(&self, path: &str) -> bool {
        let read = self
            .command("/bin/cat")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        read.unwrap().success()
    }

    /// Every file that the ended gateways left, but for the program, the configuration and the
    /// database.
    fn left(&self) -> Vec<String> {
        let known = ["gateway", "wicketgate.yaml", "cores", "data"];
        let mut names = Vec::new();
        for dir in [self.dir.path().to_owned(), self.dir.path().join("cores")] {
            let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
            names.extend(entries.map(|entry| entry.file_name().into_string().unwrap()));
        }
        names.retain(|name| !known.contains(&name.as_str()));
        names.sort();
        names
    }
}

/// Sends a signal until the process ends of it: Rust's own handler swallows a first SIGSEGV.
fn end(mut child: Child, signal: &str) -> ExitStatus {
    let since = Instant::now();
    loop {
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &pid]).status();
        std::thread::sleep(Duration::from_millis(20));
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(since.elapsed() < PATIENCE, "{signal} does not end it");
    }
}

#[test]
fn others_of_the_same_user_cannot_read_a_gateway() {
    let ground = Ground::new();
    // The control: what is not closed can be read.
    let mut open = ground.command("/bin/sleep").arg("60").spawn().unwrap();
    let since = Instant::now();
    while !ground.readable(&format!("/proc/{}/environ", open.id())) {
        assert!(since.elapsed() < PATIENCE, "the control cannot be read");
        std::thread::sleep(Duration::from_millis(10));
    }
    let gateway = ground.serve("open.stderr");
    for file in ["environ", "maps", "auxv"] {
        let path = |id: u32| format!("/proc/{id}/{file}");
        assert!(ground.readable(&path(open.id())), "{file}");
        assert!(!ground.readable(&path(gateway.id())), "{file}");
    }
    // Belongs to root now, as everything of a process that may not be dumped.
    let owner = Path::new("/proc").join(gateway.id().to_string());
    assert_eq!(fs::metadata(owner.join("environ")).unwrap().uid(), 0);
    let status = fs::read_to_string(owner.join("limits")).unwrap();
    let cores = status
        .lines()
        .find(|line| line.starts_with("Max core file"));
    let words: Vec<_> = cores.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{cores:?}");
    open.kill().unwrap();
    open.wait().unwrap();
    assert_eq!(end(gateway, "TERM").code(), Some(0));
}

#[test]
fn a_crash_leaves_no_core_and_says_no_secret() {
    let ground = Ground::new();
    for (signal, number) in [("ABRT", 6), ("SEGV", 11), ("ILL", 4)] {
        let gateway = ground.serve(&format!("{signal}.stderr"));
        let status = end(gateway, signal);
        assert_eq!(status.signal(), Some(number), "{status:?}");
        assert!(!status.core_dumped(), "{signal} dumped core");
        for name in ["stdout".to_owned(), format!("{signal}.stderr")] {
            let said = fs::read_to_string(ground.dir.path().join(name)).unwrap();
            for secret in &ground.secrets {
                assert!(!said.contains(secret), "{signal}: {said}");
            }
        }
    }
    assert_eq!(
        ground.left(),
        ["ABRT.stderr", "ILL.stderr", "SEGV.stderr", "stdout"]
    );
}
