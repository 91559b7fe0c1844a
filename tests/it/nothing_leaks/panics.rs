//! L-02: a panic says where, never what. The hook belongs to a process, so this runs in one of
//! its own: the same test, started again.

use std::process::Command;

use wicketgate::telemetry::events;

const CHILD: &str = "WICKETGATE_TEST_PANIC";
const SECRET: &str = "CANARY-panic-24";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tells the process that panics from the one that reads"
)]
fn l_02_a_panic_says_where_and_never_what() {
    if std::env::var(CHILD).is_ok() {
        events::install(Some("trace"));
        let ended = std::thread::spawn(|| panic!("while holding {SECRET}")).join();
        assert!(ended.is_err());
        return;
    }
    let name = "nothing_leaks::panics::l_02_a_panic_says_where_and_never_what";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap() + &String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{said}");
    assert!(said.contains("panics.rs"), "the place is named: {said}");
    assert!(said.contains("\"message\":\"panic\""), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}
