//! A PostgreSQL server for the tests: the one `WICKETGATE_TEST_POSTGRES_URL` names, else a private
//! cluster on loopback from the programs on this machine.
//!
//! A shell holds the private cluster and reads a pipe from us. However we end, the pipe closes, and
//! the shell stops the server and removes its directory.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{Connection, PgConnection};
use url::Url;

const HELP: &str = "These tests need PostgreSQL. Install the server (Debian: `apt-get install \
     postgresql`; macOS: `brew install postgresql`), or set WICKETGATE_TEST_POSTGRES_URL to \
     postgres://user:password@host:port/postgres of a server where databases may be created.";

const SCRIPT: &str = r#"
set -e
if [ -n "$AS" ]; then chown "$AS" "$DIR"; as="runuser -u $AS --"; else as=""; fi
cd "$DIR"
stop() {
    $as "$BIN/pg_ctl" -D "$DIR/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$DIR"
}
$as "$BIN/initdb" -D "$DIR/data" -U postgres -A trust -N -E UTF8 --no-locale >"$DIR/log" 2>&1 \
    && $as "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/data/log" -w -t 60 start >>"$DIR/log" 2>&1 -o "$OPTIONS" \
    || { cat "$DIR/log" "$DIR/data/log" 2>/dev/null | tr '\n' '|'; echo; stop; exit 1; }
everyone() { main=$(head -n 1 "$DIR/data/postmaster.pid"); echo "$main"; ps -o pid= --ppid "$main"; }
echo ready
while read -r order; do
    case "$order" in
        stop) $as "$BIN/pg_ctl" -D "$DIR/data" -m immediate -w stop >/dev/null 2>&1 ;;
        start) $as "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/data/log" -w -t 60 start >/dev/null 2>&1 -o \
            "$OPTIONS" ;;
        freeze) kill -STOP $(everyone) ;;
        thaw) kill -CONT $(everyone) ;;
    esac
    echo "$order $?"
done
kill -CONT $(everyone) 2>/dev/null || true
stop
"#;

const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
     -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB";

struct Server {
    /// Without the database: `postgres://user:password@host:port`.
    base: String,
    /// The database that administrative connections use.
    admin: String,
    _own: Option<Private>,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(0);

#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told which server to use"
)]
fn server() -> &'static Server {
    SERVER.get_or_init(|| {
        if let Ok(url) = std::env::var("WICKETGATE_TEST_POSTGRES_URL") {
            let (base, admin) = url.rsplit_once('/').expect("a URL that names a database");
            return Server {
                base: base.to_owned(),
                admin: admin.to_owned(),
                _own: None,
            };
        }
        let own = Private::start();
        Server {
            base: own.base.clone(),
            admin: "postgres".to_owned(),
            _own: Some(own),
        }
    })
}

/// A cluster of a test's own, which can be stopped under whoever uses it.
pub(crate) struct Private {
    /// Without the database: `postgres://user@host:port`.
    pub(crate) base: String,
    /// The closing of its standard input ends the cluster.
    shell: Child,
    said: BufReader<ChildStdout>,
}

impl Private {
    pub(crate) fn start() -> Self {
        start()
    }

    /// `stop`, `start`, `freeze` (SIGSTOP to every process of it) or `thaw`.
    pub(crate) fn order(&mut self, order: &str) {
        let input = self.shell.stdin.as_mut().expect("the shell's input");
        writeln!(input, "{order}").expect("the shell reads");
        let mut said = String::new();
        self.said.read_line(&mut said).expect("the shell answers");
        assert_eq!(said.trim(), format!("{order} 0"));
    }

    /// The URL of the database that is there from the start.
    pub(crate) fn url(&self) -> String {
        format!("{}/postgres", self.base)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The shell ends the server when its input closes.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn start() -> Private {
    let programs = programs().expect(HELP);
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let dir = tempfile::Builder::new()
        .prefix("wicketgate-postgres-")
        .tempdir()
        .expect("a directory for the cluster")
        .keep();
    // PostgreSQL refuses to run as root.
    let as_user = match std::fs::metadata(&dir) {
        Ok(metadata) if metadata.uid() == 0 => "postgres",
        _ => "",
    };
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .env("DIR", &dir)
        .env("BIN", programs)
        .env("AS", as_user)
        .env("OPTIONS", format!("-p {port} {OPTIONS}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // An interrupt at the terminal is for us; the shell acts when we are gone.
        .process_group(0)
        .spawn()
        .expect("a shell");
    let mut said = String::new();
    let output = shell.stdout.take().expect("the shell's output");
    let mut output = BufReader::new(output);
    output
        .read_line(&mut said)
        .expect("the shell says something");
    assert_eq!(said.trim(), "ready", "PostgreSQL did not start. {HELP}");
    Private {
        base: format!("postgres://postgres@127.0.0.1:{port}"),
        shell,
        said: output,
    }
}

/// The directory with `initdb` and `pg_ctl`: where PATH leads, else the newest Debian version.
#[expect(
    clippy::disallowed_methods,
    reason = "the programs are found where the shell finds them"
)]
fn programs() -> Option<PathBuf> {
    let complete = |dir: &Path| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| dir.join(program).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(dir) = std::env::split_paths(&path).find(|dir| complete(dir)) {
        return Some(dir);
    }
    let version = |dir: &PathBuf| dir.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(version);
    let newest = versions.into_iter().rev().map(|dir| dir.join("bin"));
    newest.into_iter().find(|dir| complete(dir))
}

/// A database of one test.
pub(crate) struct Database {
    name: String,
    /// The role it belongs to and is used as, where that is not who administers the server.
    owner: Option<String>,
}

impl Database {
    /// Makes an empty one.
    pub(crate) async fn create() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wicketgate_test_{}_{number}", std::process::id());
        administer(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Self { name, owner: None }
    }

    /// Makes an empty one that belongs to a role of its own, as `docs/operations.md` advises: no
    /// superuser, and nobody who passes row-level security by.
    pub(crate) async fn owned() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wicketgate_test_{}_{number}", std::process::id());
        administer(format!(
            "CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'test'"
        ))
        .await;
        administer(format!(
            "CREATE DATABASE {name} OWNER {name} TEMPLATE template0"
        ))
        .await;
        Self {
            owner: Some(name.clone()),
            name,
        }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        let mut url = Url::parse(&format!("{}/{}", server().base, self.name)).expect("a URL");
        if let Some(owner) = &self.owner {
            url.set_username(owner).expect("a URL with a host");
            url.set_password(Some("test")).expect("a URL with a host");
        }
        url.into()
    }

    /// Removes it. A test that fails leaves its database for a look.
    pub(crate) async fn remove(self) {
        administer(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        if let Some(owner) = self.owner {
            administer(format!("DROP ROLE {owner}")).await;
        }
    }
}

/// A database's name cannot be bound; it is made here.
async fn administer(sql: String) {
    let server = server();
    let url = format!("{}/{}", server.base, server.admin);
    let mut connection = PgConnection::connect(&url)
        .await
        .expect("the test server answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .expect("databases may be created and dropped");
    connection.close().await.expect("a clean end");
}
