use std::time::Duration;

use super::*;

fn registered() -> ClientId {
    let id = crate::crypto::ClientId::generate(&crate::entropy::SeededEntropy::new(1));
    ClientId::from(&id)
}

#[test]
fn o_08_a_stranger_s_name_is_one_short_visible_line() {
    let id = registered();
    let name = |text: &str| claimed(text, &id);
    assert_eq!(name("Claude"), "Claude");
    assert_eq!(name("  a\r\n b\t\u{a0} c "), "a b c");
    assert_eq!(name("\u{202e}evil\u{2066}\u{200b}"), "evil");
    assert_eq!(name(&"x".repeat(500)), format!("{}…", "x".repeat(60)));
    assert_eq!(name("\u{202e}"), "An app without a name");
    let document: ClientId = "https://app.test/client".parse().unwrap();
    assert_eq!(claimed("", &document), "app.test");
}

#[test]
fn numbers_and_spans_read_well() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(1_000), "1,000");
    assert_eq!(grouped(1_234_567), "1,234,567");
    assert_eq!(span(Duration::from_hours(24 * 90)), "90 days");
    assert_eq!(span(Duration::from_hours(1)), "1 hour");
    assert_eq!(span(Duration::from_secs(90)), "1 minute");
    let when = When::of(Timestamp::from_millis(1_795_305_599_999));
    assert_eq!(when.shown, "21 Nov 2026, 23:59 UTC");
}

#[test]
fn a_chart_has_seven_days_and_never_overflows() {
    let today = Day::from_number(20_000);
    let days = [(19_998, 50), (20_000, 2_000)].map(|(day, used)| DayUsage {
        day: Day::from_number(day),
        used,
    });
    let usage = Usage::of(&days, today, 1_000);
    assert_eq!(
        (usage.used.as_str(), usage.limit.as_str()),
        ("2,000", "1,000")
    );
    assert_eq!(usage.percent, 100);
    assert_eq!(usage.days.len(), 7);
    let heights: Vec<u64> = usage.days.iter().map(|bar| bar.height).collect();
    assert_eq!(heights, [0, 0, 0, 0, 5, 0, 100]);
    assert!(usage.days.iter().all(|bar| bar.y + bar.height == 100));
}

fn consent(name: &str, origin: Origin, to: To) -> String {
    let brand = Brand {
        name: "Acme".into(),
        style: "/style.css".into(),
        logo: None,
        support: None,
        key_hint: None,
    };
    let changing = |reads, changes| Reach {
        title: "CRM".into(),
        reads,
        changes,
        tools: Vec::new(),
    };
    let view = ConsentView {
        brand: &brand,
        who: Who {
            name: name.into(),
            origin,
            to,
        },
        reach: vec![changing(0, 1), changing(1, 2)],
        scope: Scope::Tools,
        idle: "30 days".into(),
        absolute: "90 days".into(),
        hint: "wgl_abcd…wxyz",
        hidden: vec![("state", "\"><script>".into())],
    };
    view.render().unwrap()
}

#[test]
fn o_20_a_person_is_told_how_much_is_known_about_an_app() {
    let site = || To::Site("app.test".into());
    let listed = consent("App", Origin::Listed("app.test".into()), site());
    assert!(listed.contains("Known publisher") && !listed.contains("Careful:"));
    let page = consent("App", Origin::Page("evil.test".into()), site());
    assert!(page.contains("page at <strong>evil.test</strong>"));
    assert!(page.contains("does not know this publisher") && !page.contains("Known publisher"));
    let added = consent("App", Origin::Added, To::ThisComputer("localhost"));
    assert!(added.contains("added by Acme"));
    assert!(added.contains("back to <strong>localhost</strong>"));
    assert!(added.contains("any program on this computer"));
    let program = consent("<b>App", Origin::Registered, To::Program("cursor".into()));
    assert!(program.contains("<strong>cursor://</strong>"));
    for text in [
        "1 tool that can change things",
        "2 that can change things",
        "and 3 more",
    ] {
        assert!(program.contains(text), "{text}");
    }
    assert!(!program.contains("<b>App") && !program.contains("<script>"));
}
