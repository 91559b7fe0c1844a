"""Runs a gateway the way an operator would: `init`, a configuration, a credential, a license, `serve`.

Used by the client tests and by the Datasette test. Standard library only.
"""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

START_SECONDS = 30
# `auth.oauth` of a gateway whose clients register themselves. Documents are not advertised: a program
# that names itself by an address of its maker's would have that read from the internet.
REGISTERING = "{ client_documents: { accept: off }, registration: { limit: 600/min } }"
# The same of one whose clients all name themselves by a document on loopback.
DOCUMENTED = ("{ client_documents: { accept: any, ca_file: documents-ca.pem, allow_special_use: [127.0.0.0/8] }, "
              "registration: { enabled: false } }")


class Failed(Exception):
    """Something that had to work did not; the text says what."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary():
    """The gateway: WICKETGATE_BIN, or what cargo built in the target folder."""
    given = os.environ.get("WICKETGATE_BIN")
    top = pathlib.Path(__file__).resolve().parents[2]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or top / "target")
    found = pathlib.Path(given) if given else target / "debug" / "wicketgate"
    if not found.exists():
        raise Failed(f"no gateway at {found}: build it first (cargo build), or set WICKETGATE_BIN")
    return str(found)


def status_of(port, path, method="GET", headers=None, body=None, timeout=10):
    """One plain request to loopback: status, headers, body text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def waits(seconds, true):
    """Does `true()` become true within that time?"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return True
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    return False


def wait_for(what, ready, process, log):
    """Waits until `ready()` is true; fails when the process ends first, or after START_SECONDS."""
    if waits(START_SECONDS, lambda: process.poll() is not None or ready()) and process.poll() is None:
        return
    state = "ended" if process.poll() is not None else f"was not ready after {START_SECONDS} s"
    raise Failed(f"{what} {state}:\n{pathlib.Path(log).read_text(errors='replace')[-4000:]}")


class Gateway:
    """A gateway process in a folder of its own. Use it as a context manager."""

    def __init__(self, folder, template, **fields):
        """`template` is a configuration in which `@NAME@` stands for a field; PUBLIC and ADMIN are
        the two listen addresses and are always given."""
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "wicketgate.yaml"
        self.port, self.admin = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.log = self.folder / "serve.log"
        self.process = None
        # `init` makes the master key; its example configuration gives way to ours.
        self.run("init")
        text = template
        fields = {"PUBLIC": f"127.0.0.1:{self.port}", "ADMIN": f"127.0.0.1:{self.admin}", **fields}
        for name, value in fields.items():
            text = text.replace(f"@{name}@", str(value))
        self.config.write_text(text)

    def run(self, *words, stdin=""):
        """A subcommand; its standard output. Anything but exit status 0 is a failure."""
        done = subprocess.run([binary(), "-c", str(self.config), *words], input=stdin, text=True,
                              capture_output=True, timeout=60, cwd=self.folder, env=self.environment())
        if done.returncode != 0:
            raise Failed(f"`wicketgate {' '.join(words)}` ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    @staticmethod
    def environment():
        """Nothing of ours but the path: a proxy or a stray setting must not change the test."""
        return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}

    def license(self, name, plan):
        """Issues a license: `{"id": …, "key": …}` and more."""
        said = self.run("license", "issue", "--name", name, "--plan", plan, "--json")
        try:
            issued = json.loads(said)
            return {**issued, "id": issued["id"], "key": issued["key"]}
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"`license issue --json` gave no id and key: {type(error).__name__}") from None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([binary(), "-c", str(self.config), "serve"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder, env=self.environment())
        try:
            wait_for("wicketgate serve", lambda: status_of(self.admin, "/readyz")[0] == 200, self.process, self.log)
        except Failed:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stop(self.process)


def stop(process):
    """SIGTERM, and SIGKILL when that is not heard within ten seconds."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Tally:
    """Counts verdicts, prints a line each, and the closing line."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, holds, note=""):
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        print(f"{'ok' if holds else 'not ok'} {name}{' - ' if note else ''}{note}", flush=True)
        return holds

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
