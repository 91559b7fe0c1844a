//! One line of CSV (RFC 4180) that a spreadsheet reads as data, never as a formula.

use std::borrow::Cow;

/// The fields as one line, without its end.
pub fn line<'a>(fields: impl IntoIterator<Item = Cow<'a, str>>) -> String {
    let fields: Vec<_> = fields.into_iter().map(|field| quoted(&field)).collect();
    fields.join(",")
}

fn quoted(field: &str) -> String {
    // What begins so is a formula to spreadsheets; an apostrophe makes it text.
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}'])
        || field.starts_with(['\u{ff0d}', '\u{ff20}']);
    if formula {
        return format!("\"'{}\"", field.replace('"', "\"\""));
    }
    if field.contains([',', '"', '\n', '\r', ';', '\t']) || field.trim() != field {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text_and_quotes_are_doubled() {
        for (field, shown) in [
            ("Acme", "Acme"),
            ("", ""),
            ("Acme, Inc.", "\"Acme, Inc.\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+49", "\"'+49\""),
            ("-1", "\"'-1\""),
            ("@cmd", "\"'@cmd\""),
            (" padded", "\" padded\""),
        ] {
            assert_eq!(quoted(field), shown);
        }
        assert_eq!(line(["a".into(), "=b".into()]), "a,\"'=b\"");
    }
}
