//! Tools that must not run twice — what `check` says about them.

use super::*;

#[track_caller]
fn found(tool: &str) -> Vec<String> {
    let text = GOOD.replace("read_only: true", tool);
    let found = problems(&text).into_iter();
    let found = found.map(|problem| {
        assert!(!problem.fix.is_empty());
        let path = problem
            .path
            .trim_start_matches("upstreams.crm.rest.tools[0].");
        format!("{path}: {}", problem.message)
    });
    found.collect()
}

#[test]
fn a_tool_may_offer_it() {
    assert_eq!(found("once: {}"), [""; 0]);
    assert_eq!(found("once: { header: Idempotency-Key }"), [""; 0]);
}

#[test]
fn it_is_for_tools_that_do_harm_twice() {
    for harmless in ["read_only: true", "repeat: idempotent"] {
        let found = found(&format!("{harmless}\n          once: {{}}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("once: calling this tool twice does no harm"));
    }
}

#[test]
fn its_names_are_nobody_elses() {
    for (header, wanted) in [
        ("Host", "once.header: this header belongs to the connection"),
        (
            "Authorization",
            "once.header: this header carries credentials",
        ),
        (
            "x-key",
            "once.header: the credential is sent in this header",
        ),
        ("'a b'", "once.header: not a header name"),
    ] {
        let found = found(&format!("once: {{ header: {header} }}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(wanted), "{found:?}");
    }
    let text = GOOD
        .replace("read_only: true", "once: { header: x-view }")
        .replace("query: { view: $view }", "headers: { X-View: $view }");
    let twice = problems(&text);
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(
        twice[0]
            .message
            .contains("`request.headers` sets this header")
    );

    let text = GOOD
        .replace("read_only: true", "once: {}")
        .replace("view", "idempotency_key");
    let taken = problems(&text);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].message.contains("this argument is the gateway's"));
}
