//! Text that is shown to a model: without characters nobody sees.

/// Drops control characters but line feed and tab, and characters without a shape: bidi controls,
/// zero-width characters, tags, supplementary variation selectors.
pub(super) fn stripped(mut text: String) -> String {
    if text.is_ascii() && !text.bytes().any(|b| is_hidden(char::from(b))) {
        return text;
    }
    text.retain(|c| !is_hidden(c));
    text
}

const fn is_hidden(c: char) -> bool {
    !matches!(c, '\n' | '\t')
        && matches!(
            c,
            '\0'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
