//! The demo: offline, complete, and gone afterwards.

use std::path::Path;

use super::Place;

#[test]
fn one_call_goes_through_the_front_door() {
    let ran = Place::empty().run("demo --once --json").done().json();
    let tour = &ran["tour"];
    assert_eq!(tour["direct"]["status"], 401);
    assert_eq!(tour["upstream_received"]["key"], "right");
    assert_eq!(tour["upstream_received"]["target"], "/books/9780000000035");
    let book = &tour["result"]["structuredContent"];
    assert_eq!(book["title"], "A Field Guide to Small Gates", "{tour}");
    assert!(book.get("supplier_note").is_none());
    assert!(!Path::new(ran["directory"].as_str().unwrap()).exists());
}

#[test]
fn people_are_shown_each_step() {
    let ran = Place::empty().run("demo --once").done();
    for text in [
        "401 Unauthorized",
        "tools/call get_book",
        "X-Api-Key: ********",
        "mcp-remote",
    ] {
        assert!(ran.out.contains(text), "{text}\n{}", ran.out);
    }
}

#[test]
fn two_demos_run_side_by_side() {
    let first = std::thread::spawn(|| Place::empty().run("demo --once"));
    Place::empty().run("demo --once").done();
    first.join().unwrap().done();
}
