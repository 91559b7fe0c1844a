use super::*;

#[test]
fn a_sign_in_form_is_read() {
    let page = r#"<!doctype html><title>Sign <form method="post"></title>
        <form method=post action="/authorize/key?a=1&amp;b=2">
          <input type="hidden" name="ticket" value="a&quot;b&#39;&#x41;&bogus;">
          <input type=hidden name=unquoted value=x/y>
          <label>Key <input name="key" type="password" autocomplete="off"></label>
          <input type="checkbox" name="stay" checked><input type="checkbox" name="news">
          <button name="decision" value="deny">Deny</button>
          <button name="decision" value="allow"><b>Let</b> it in</button>
        </form>"#;
    let found = forms(page);
    assert_eq!(found.len(), 1);
    let form = &found[0];
    assert_eq!(form.action, "/authorize/key?a=1&b=2");
    assert_eq!(form.asks.as_deref(), Some("key"));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        form.fields,
        [
            field("ticket", "a\"b'A&bogus;"),
            field("unquoted", "x/y"),
            field("stay", "on")
        ]
    );
    let allowed = form.allows().unwrap();
    assert_eq!(allowed.field, Some(field("decision", "allow")));
    assert_eq!(allowed.label, "Letit in");
}

#[test]
fn the_button_that_allows_is_never_one_that_denies() {
    let allows = |label: &str| {
        let page = format!("<form method=post><button>{label}</button></form>");
        forms(&page)[0].allows().is_some()
    };
    for yes in ["Allow", "Approve", "AUTHORIZE", "Sign in", "Continue"] {
        assert!(allows(yes), "{yes}");
    }
    for no in [
        "Deny",
        "Do not allow",
        "Cancel",
        "Disconnect",
        "",
        "Use another key",
    ] {
        assert!(!allows(no), "{no}");
    }
}

#[test]
fn what_only_looks_like_a_form_is_none() {
    for page in [
        "<!-- <form method=post><input name=key></form> -->",
        "<script>'<form method=post><input name=key></form>'</script>",
        "<textarea><form method=post><input name=key></form></textarea>",
        "<form><input name=q></form>",
        "<form method=get><input name=q></form>",
        "<form method=post",
        "<form method=post><input name=\"key",
        "<form method='post",
        "&lt;form method=post&gt;",
        "<",
        "<<<<",
        "<a =>",
        "<a = >",
        "<a ='",
        "<!--",
        "<script><form method=post></form>",
    ] {
        assert_eq!(forms(page), [], "{page}");
    }
}

#[test]
fn hostile_pages_end_and_stay_small() {
    let nested = "<form method=post><input name=a type=hidden value=1>".repeat(10_000);
    assert!(
        forms(&format!("{nested}</form>"))
            .iter()
            .all(|f| f.fields.len() <= MOST)
    );
    let many = "<form method=post></form>".repeat(10_000);
    assert_eq!(forms(&many).len(), MOST);
    let attributes = format!("<form method=post {}></form>", "a=b ".repeat(50_000));
    assert_eq!(forms(&attributes).len(), 1);
    let buttons = format!(
        "<form method=post>{}</form>",
        "<button>x</button>".repeat(5_000)
    );
    assert_eq!(forms(&buttons)[0].buttons.len(), MOST);
    let label = format!(
        "<form method=post><button>{}</button></form>",
        "x".repeat(400_000)
    );
    assert!(forms(&label)[0].buttons[0].label.len() <= 300);
    let endless = format!("{}<form method=post></form>", "é".repeat(LONGEST));
    assert_eq!(forms(&endless), []);
    for page in [
        "<a ".repeat(20_000),
        "<a =".repeat(20_000),
        "&#".repeat(20_000),
    ] {
        assert_eq!(forms(&page), []);
    }
    assert_eq!(
        unescaped("&#xD800;&#1114112;&é;&"),
        "&#xD800;&#1114112;&é;&"
    );
}

#[test]
fn a_field_with_a_value_is_sent_and_not_asked_for() {
    let page = "<form method=post><input name=user value=x><input name=key>\
                <input name=later type=password><input name=gone disabled></form>";
    let form = &forms(page)[0];
    assert_eq!(form.asks.as_deref(), Some("key"));
    assert_eq!(form.fields[0], ("user".to_owned(), "x".to_owned()));
    assert_eq!(form.fields.len(), 2);
}
