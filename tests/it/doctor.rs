//! `doctor` as an operator runs it: what it prints and where, its exit codes, that it ends what it
//! begins, and that no key and no token is ever printed.

use serde_json::Value;

use crate::{
    cli::{Place, Ran},
    support::breakable::{Break, Breakable, KEY},
};

/// Runs the command beside the gateway, which lives in this process.
async fn doctor(gateway: &Breakable, arguments: &[&str], input: &str) -> Ran {
    let mut line = vec!["doctor".to_owned(), gateway.url()];
    line.extend(arguments.iter().map(|&argument| argument.to_owned()));
    let input = input.to_owned();
    run(line, input).await
}

async fn run(line: Vec<String>, input: String) -> Ran {
    let running = tokio::task::spawn_blocking(move || {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        Place::empty().run_with(&words, &input)
    });
    running.await.unwrap()
}

/// Every client goes all the way at this connector with this key, and neither is printed but the
/// connector. Any gateway of the tests may be asked: the URL has to be the one it publishes.
pub(crate) async fn passes(url: &str, key: &str) {
    let line = ["doctor", url, "--license-key", "-", "--json"];
    let ran = run(line.map(str::to_owned).to_vec(), key.to_owned()).await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(!ran.shows(key));
    let report = ran.json();
    assert_eq!(report["passed"], true, "{}", ran.out);
    assert_eq!(report["signed_in"], true);
    let clients = report["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 13);
    for client in clients {
        assert_eq!(client["reached"], "everything", "{client}");
        assert_eq!(client["findings"], Value::Array(Vec::new()), "{client}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_passes_a_whole_gateway_and_leaves_nothing_behind() {
    let gateway = Breakable::start(None).await;
    passes(&gateway.url(), KEY).await;
    // One to live with and one to replay, for each.
    assert_eq!(gateway.begun(), 26);
    assert_eq!(gateway.alive(), 0);
    let tool = [
        "--license-key",
        "-",
        "--tool",
        "echo",
        "--client",
        "cursor,inspector",
    ];
    let ran = doctor(&gateway, &tool, KEY).await.done();
    assert!(!ran.shows("CANARY"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_it_goes_up_to_the_sign_in_page() {
    let gateway = Breakable::start(None).await;
    let ran = doctor(&gateway, &["--client", "claude,codex"], "")
        .await
        .done();
    assert_eq!(
        ran.out,
        "CLIENT        RESULT               FIX\n\
         Claude        pass, up to sign-in\n\
         Codex (rmcp)  pass, up to sign-in\n"
    );
    assert!(
        ran.err.contains("Claude: pass, up to sign-in"),
        "{}",
        ran.err
    );
    assert_eq!(gateway.begun(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_client_is_one_line_a_reason_and_exit_code_1() {
    let gateway = Breakable::start(Some(Break::NoNone)).await;
    let ran = doctor(&gateway, &["--client", "cursor"], "").await;
    assert_eq!(ran.code, 1);
    let place = format!(
        "http://{}/.well-known/oauth-authorization-server",
        gateway.address
    );
    assert_eq!(
        ran.out,
        format!(
            "CLIENT  RESULT                     FIX\n\
             Cursor  fails after the challenge  add `none` to `token_endpoint_auth_methods_supported` in {place}\n\
             \n\
             Cursor\n  \
               fails: none_not_advertised\n    \
                 seen: `token_endpoint_auth_methods_supported` lacks `none`\n    \
                 why: Cursor is a public client: it has no secret and authenticates with `none`\n    \
                 fix: add `none` to `token_endpoint_auth_methods_supported` in {place}\n"
        )
    );
    assert!(
        ran.err.contains("1 of 1 clients do not connect"),
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_typed_once_and_printed_never() {
    let gateway = Breakable::start(None).await;
    let ran = doctor(&gateway, &["--license-key", "CANARY-wrong"], "").await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("visible to other users"), "{}", ran.err);
    assert_eq!(
        ran.out.matches("fails: key_refused").count(),
        1,
        "{}",
        ran.out
    );
    assert_eq!(
        ran.out.matches("pass, up to sign-in").count(),
        12,
        "{}",
        ran.out
    );
    assert!(!ran.shows("CANARY"));
    assert_eq!(gateway.begun(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_is_read_and_its_key_shown_nowhere() {
    let gateway = Breakable::start(Some(Break::TokensAsForm)).await;
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), format!("{KEY}\n")).unwrap();
    let path = place.path().to_str().unwrap();
    let arguments = ["--license-key-file", path, "--client", "vscode", "--json"];
    let ran = doctor(&gateway, &arguments, "").await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.json()["clients"][0]["findings"][0]["check"],
        "token_broken"
    );
    assert!(!ran.shows("CANARY"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_played_is_a_usage_error() {
    for (line, why) in [
        ("doctor nonsense", "the connector URL is none"),
        (
            "doctor http://gw.example.com/mcp",
            "neither https nor http on loopback",
        ),
        (
            "doctor https://a:b@gw.example.com/mcp",
            "user name or password",
        ),
        (
            "doctor https://gw.example.com/mcp --tool x",
            "--tool needs a license key",
        ),
        (
            "doctor https://gw.example.com/mcp --client netscape",
            "netscape",
        ),
    ] {
        let words = line.split(' ').map(str::to_owned).collect();
        let ran = run(words, String::new()).await.refused(2);
        assert!(ran.err.contains(why), "{line}: {}", ran.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_a_finding_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    drop(listener);
    let line = ["doctor", &url, "--json", "--client", "inspector"];
    let ran = run(line.map(str::to_owned).to_vec(), String::new()).await;
    assert_eq!(ran.code, 1);
    let client = &ran.json()["clients"][0];
    assert_eq!(client["reached"], "start");
    assert_eq!(client["findings"][0]["check"], "unreachable");
}
