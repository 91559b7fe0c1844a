//! Cuts Rust source into the words that the rules look at: names, marks and string literals.
//! Comments are dropped. It is no parser: it knows just enough not to be fooled by quotes.

/// One word of a source file and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a number.
    Name(String),
    /// The inside of a string literal, escapes as written.
    Text(String),
    /// `::` as one mark, everything else as single characters.
    PathSeparator,
    Mark(char),
}

impl Word {
    pub(crate) fn is_name(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(own) if own == name)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) => Some(name),
            Kind::Text(_) | Kind::PathSeparator | Kind::Mark(_) => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Name(_) | Kind::PathSeparator | Kind::Mark(_) => None,
        }
    }
}

/// The words of one file.
pub(crate) fn words(source: &str) -> Vec<Word> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&here) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let start = at;
        let mut kind = None;
        at = match here {
            '/' if next == Some('/') => skip_while(&chars, at, |c| c != '\n'),
            '/' if next == Some('*') => block_comment(&chars, at),
            '"' => text(&chars, at, &mut kind),
            '\'' => character_or_lifetime(&chars, at),
            ':' if next == Some(':') => {
                kind = Some(Kind::PathSeparator);
                at + 2
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = skip_while(&chars, at, |c| c.is_alphanumeric() || c == '_');
                let name: String = chars[at..end].iter().collect();
                if matches!(name.as_str(), "r" | "br" | "cr") && raw_hashes(&chars, end).is_some() {
                    raw_text(&chars, end, &mut kind)
                } else {
                    kind = Some(Kind::Name(name));
                    end
                }
            }
            c if c.is_whitespace() => at + 1,
            c => {
                kind = Some(Kind::Mark(c));
                at + 1
            }
        };
        if let Some(kind) = kind {
            found.push(Word { line, kind });
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn skip_while(chars: &[char], from: usize, keep: impl Fn(char) -> bool) -> usize {
    chars[from..]
        .iter()
        .position(|c| !keep(*c))
        .map_or(chars.len(), |n| from + n)
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn text(chars: &[char], from: usize, kind: &mut Option<Kind>) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    let end = at.min(chars.len());
    *kind = Some(Kind::Text(chars[from + 1..end].iter().collect()));
    (end + 1).min(chars.len())
}

/// How many `#` stand between `from` and the opening quote of a raw string, if that is one.
fn raw_hashes(chars: &[char], from: usize) -> Option<usize> {
    let quote = skip_while(chars, from, |c| c == '#');
    (chars.get(quote) == Some(&'"')).then_some(quote - from)
}

fn raw_text(chars: &[char], from: usize, kind: &mut Option<Kind>) -> usize {
    let hashes = raw_hashes(chars, from).unwrap_or(0);
    let begin = from + hashes + 1;
    let closes = |at: &usize| {
        chars[*at] == '"' && skip_while(chars, at + 1, |c| c == '#') - (at + 1) >= hashes
    };
    let end = (begin..chars.len()).find(closes).unwrap_or(chars.len());
    *kind = Some(Kind::Text(chars[begin..end].iter().collect()));
    (end + 1 + hashes).min(chars.len())
}

/// `'a'`, `'\n'` and `'"'` are skipped whole; of the lifetime `'a` only the tick.
fn character_or_lifetime(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), Some(_)) => (skip_while(chars, from + 3, |c| c != '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => from + 3,
        _ => from + 1,
    }
}

#[test]
fn quotes_and_comments_do_not_fool_it() {
    let source = r##"
        // crate::one "
        /* crate::two /* nested */ " */
        let a = '"'; let b: &'static str = "SELECT \" x"; let c = '\''; use crate::three;
        let d = r#"raw " text"#;
    "##;
    let found = words(source);
    let texts: Vec<_> = found.iter().filter_map(Word::text).collect();
    assert_eq!(texts, ["SELECT \\\" x", "raw \" text"]);
    let named: Vec<_> = found.iter().filter_map(Word::name).collect();
    assert!(!named.contains(&"one") && !named.contains(&"two"));
    assert!(named.contains(&"three") && named.contains(&"static"));
    assert_eq!(found.last().map(|w| w.line), Some(5));
}
