//! Server-sent events towards clients (WHATWG HTML, section 9.2).

use bytes::Bytes;

/// One event with a JSON text as its data. JSON text holds no newline.
pub fn event(json: &str) -> Bytes {
    let mut text = String::with_capacity(json.len() + 8);
    text.push_str("data: ");
    text.push_str(json);
    text.push_str("\n\n");
    text.into()
}

/// A comment that keeps a silent stream open.
pub const fn keep_alive() -> Bytes {
    Bytes::from_static(b":\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_a_blank_one() {
        assert_eq!(event("{}"), "data: {}\n\n");
    }
}
