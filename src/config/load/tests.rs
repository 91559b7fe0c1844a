//! Broken configurations: each names its file, its line and what is wrong, and repeats no value.

mod access;
mod credentials;
mod keys;
mod once;
mod providers;
mod scopes;
mod whole;

use std::{fs, path::PathBuf};

use super::*;

const GOOD: &str = r#"keys: [{ id: k1, file: k1.key }]
listen: { public: "127.0.0.1:8080", admin: "127.0.0.1:9090" }
plans:
  free: { tools: ["*"] }
upstreams:
  crm:
    rest:
      base_url: https://api.example.com/v1
      credential: { header: X-Key, value: { env: KEY } }
      limit: 10/s
      tools:
        - name: get
          description: Get one.
          read_only: true
          request:
            path: /things/{id}
            query: { view: $view }
          input:
            type: object
            additionalProperties: false
            required: [id]
            properties:
              id: { type: string, maxLength: 9 }
              view: { enum: [a, b] }
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("k1.key"), "a key\n").unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        let environment = Environment::from_map([("KEY", "CANARY-from-environment")]);
        load(&self.path("w.yaml"), &environment)
    }
}

fn problems(text: &str) -> Vec<Problem> {
    match Folder::new(&[("w.yaml", text)]).load() {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.problems,
    }
}

/// The one change to the good file, and what must be said about it and in which line.
#[track_caller]
fn one(from: &str, to: &str, line: u32, message: &str) {
    assert!(GOOD.contains(from), "{from}");
    let found = problems(&GOOD.replacen(from, to, 1));
    assert_eq!(found.len(), 1, "{to}: {found:#?}");
    assert_eq!(found[0].file.file_name().unwrap(), "w.yaml");
    assert_eq!(found[0].line, Some(line), "{to}: {found:#?}");
    assert!(found[0].message.contains(message), "{to}: {found:#?}");
    assert!(!found[0].fix.is_empty());
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(problems(GOOD), []);
}

#[test]
fn shapes_are_checked() {
    one("listen:", "listne:", 2, "unknown key `listne`");
    one(
        "read_only: true",
        "read_onyl: true",
        14,
        "unknown key `read_onyl`",
    );
    one(
        "read_only: true",
        "read_only: yes",
        14,
        "must be of type boolean",
    );
    one("limit: 10/s", "limit: fast", 10, "is not spelled right");
    one("limit: 10/s", "limit: 0/min", 10, "is not a valid rate");
    one("limit: 10/s", "limit: 10", 10, "must be of type string");
    one(
        "limit: 10/s",
        "limit: 10/s\n      timeout: 5 weeks",
        11,
        "is not",
    );
    one(
        "limit: 10/s",
        "limit: 10/s\n      limit: 9/s",
        11,
        "the same key stands twice",
    );
    one(
        "limit: 10/s",
        "limit: 10/s\n      retries: 99999999999",
        11,
        "must be at most 4294967295",
    );
    one(
        "limit: 10/s",
        "limit: 10/s\n      max_concurrent: 0",
        11,
        "must be at least 1",
    );
    one(
        "limit: 10/s",
        "limit: 10/s\n      allow_special_use: [10]",
        11,
        "must be of type string",
    );
    one(
        "limit: 10/s",
        "limit: 10/s\n      allow_special_use: [x]",
        11,
        "ip-network",
    );
    one("\"127.0.0.1:9090\"", "localhost", 2, "ip-address-and-port");
    one(
        "description: Get one.",
        "title: Get",
        12,
        "`description` is missing",
    );
    one(
        "    rest:",
        "    rest:\n      kind: x",
        8,
        "unknown key `kind`",
    );
    one("  crm:", "  CRM:", 6, "not a valid name");
    one("- name: get", "- name: a.b", 12, "is not spelled right");
    one(
        "path: /things/{id}",
        "path: /things/{id}\n            method: get",
        17,
        "must be one of",
    );
    one(
        "{ tools: [\"*\"] }",
        "{ tools: [\"a b\"] }",
        4,
        "is not spelled right",
    );
    one(
        "keys: [{ id: k1, file: k1.key }]",
        "store: { mysql: {} }\nkeys: [{ id: k1, file: k1.key }]",
        1,
        "exactly one of `sqlite`, `postgres`",
    );
    one("          input:", "      : input:", 18, "not valid YAML");
}

#[test]
fn secrets_are_references() {
    one(
        "{ header: X-Key, value: { env: KEY } }",
        "{ bearer: { token: CANARY } }",
        9,
        "takes no keys",
    );
    for inline in [
        "CANARY",
        "{ CANARY: x }",
        "{ env: CANARY, file: CANARY }",
        "[CANARY]",
        "12345678",
    ] {
        one(
            "value: { env: KEY }",
            &format!("value: {inline}"),
            9,
            "a secret is never written here",
        );
    }
    one(
        "value: { env: KEY }",
        "value: { env: NOT_SET }",
        9,
        "the environment variable NOT_SET is not set",
    );
    one(
        "value: { env: KEY }",
        "value: { file: nowhere }",
        9,
        "cannot be read (entity not found)",
    );
}

#[test]
fn the_gateway_is_checked() {
    one(
        "\"127.0.0.1:9090\"",
        "\"0.0.0.0:9090\"",
        2,
        "admin listener must be on a loopback",
    );
    one(
        "\"127.0.0.1:9090\"",
        "\"127.0.0.1:8080\"",
        2,
        "address of the public one",
    );
    one(
        "keys: [{ id: k1, file: k1.key }]",
        "keys: []",
        1,
        "no master key",
    );
    one(
        "file: k1.key }]",
        "env: KEY, file: x }]",
        1,
        "exactly one of `file`, `env`, `vault`",
    );
    one(
        "file: k1.key }]",
        "file: k1.key }, { id: k1, file: k1.key }]",
        1,
        "used twice",
    );
    one(
        "plans:",
        "public_url: http://mcp.example.com\nplans:",
        3,
        "in the clear",
    );
    one(
        "plans:",
        "public_url: https://mcp.example.com/mcp\nplans:",
        3,
        "scheme, host and port alone",
    );
    one(
        "plans:",
        "public_url: https://u:p@mcp.example.com\nplans:",
        3,
        "scheme, host and port alone",
    );
    one(
        "{ tools: [\"*\"] }",
        "{ tools: [\"ads.*\"] }",
        4,
        "matches no tool",
    );
    let open = |sentence: &str, plan: &str| {
        format!("auth: {{ open: {{ i_understand_that: {sentence}, plan: {plan} }} }}\nplans:")
    };
    let exact = crate::config::auth::OPEN_SENTENCE;
    one("plans:", &open("yes", "free"), 3, "not written out exactly");
    one("plans:", &open(exact, "gold"), 3, "no such plan");
    let public = GOOD
        .replace("127.0.0.1:8080", "0.0.0.0:8080")
        .replace("plans:", &open(exact, "free"))
        .replace("plans:", "public_url: https://mcp.example.com\nplans:");
    let messages: Vec<String> = problems(&public).into_iter().map(|p| p.message).collect();
    assert!(
        messages.iter().any(|m| m.contains("only for a loopback")),
        "{messages:?}"
    );
}

#[test]
fn upstreams_are_checked() {
    one(
        "https://api.example.com/v1",
        "http://api.example.com/v1",
        8,
        "not encrypted",
    );
    one(
        "https://api.example.com/v1",
        "http://169.254.169.254/",
        8,
        "private, loopback or reserved",
    );
    one(
        "https://api.example.com/v1",
        "https://{host}/v1",
        8,
        "a placeholder may not stand in",
    );
    one(
        "https://api.example.com/v1",
        "https://a@evil/",
        8,
        "has a user",
    );
    one(
        "header: X-Key,",
        "header: X-Key, bearer: {},",
        9,
        "exactly one kind",
    );
    one(
        "header: X-Key,",
        "header: Host,",
        9,
        "belongs to the connection",
    );
    one("      limit: 10/s\n", "", 7, "no `limit`");
    one(
        "limit: 10/s",
        "limit: 10/s\n      timeout: 2min",
        11,
        "longer than `limits.call_timeout`",
    );
}

#[test]
fn requests_and_schemas_are_checked() {
    one(
        "description: Get one.",
        "description: \"\"",
        13,
        "1 to 1024",
    );
    one(
        "description: Get one.",
        "description: \"a\\U000E0041\"",
        13,
        "U+E0041",
    );
    one(
        "view: $view",
        "view: $view, w: $w",
        17,
        "the placeholder `w` has no property",
    );
    one(
        "query: { view: $view }",
        "query: {}",
        15,
        "the property `view` is used nowhere",
    );
    one(
        "required: [id]",
        "required: []",
        16,
        "may be left out, and the path needs it",
    );
    one(
        "/things/{id}",
        "things/{id}",
        16,
        "must begin with one slash",
    );
    one("/things/{id}", "/a/../{id}", 16, "holds `.` or `..`");
    one("/things/{id}", "/a/{id}?x=1", 16, "holds `?`");
    one("/things/{id}", "/{id}/{", 16, "a brace is not closed");
    one(
        "query: {",
        "headers: { Cookie: a }\n            query: {",
        17,
        "carries credentials",
    );
    one(
        "query: {",
        "headers: { x-key: a }\n            query: {",
        17,
        "credential is sent in this header",
    );
    one(
        "query: {",
        "body: { a: 1 }\n            query: {",
        17,
        "GET has no body",
    );
    one(
        "type: string, maxLength: 9",
        "type: string",
        23,
        "a text of any length",
    );
    one(
        "additionalProperties: false",
        "maxProperties: 9",
        18,
        "unknown properties are allowed",
    );
    one(
        "type: string, maxLength: 9",
        "type: string, maxLength: 9, pattern: '(?=a)'",
        18,
        "linear time",
    );
    one(
        "type: string, maxLength: 9",
        "$ref: 'http://evil/s'",
        18,
        "must stay inside",
    );
    one(
        "input:\n            type: object",
        "input:\n            type: array",
        18,
        "the root must say `type: object`",
    );
    one(
        "query: {",
        "method: DELETE\n            query: {",
        14,
        "although the method writes",
    );
}

#[test]
fn a_tool_name_is_used_once_and_a_loose_schema_has_a_reason() {
    let twice = GOOD
        .replace("upstreams:\n", "upstreams:\n  copy:\n    rest: &r\n")
        .replace(
            "upstreams:\n  copy:\n    rest: &r\n  crm:\n    rest:\n",
            "upstreams:\n  copy:\n    rest: &r\n",
        )
        + "  crm: { rest: *r }\n";
    let found = problems(&twice);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .message
            .contains("the tool name `get` is used twice, first in line 12"),
        "{found:#?}"
    );
    let reason = "description: Get one.\n          loose_schema_because: the API has no limit";
    let loose = GOOD
        .replace("type: string, maxLength: 9", "type: string")
        .replace("description: Get one.", reason);
    assert_eq!(problems(&loose), []);
}
