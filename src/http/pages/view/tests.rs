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
