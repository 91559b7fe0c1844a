//! What a regular expression would cost and match, seen from its text. Compiles nothing.

/// Most single-character matches that a pattern may stand for, repetitions multiplied out.
pub const MAX_COST: u64 = 20_000;

/// `^…$`, and no alternative beside it that is not.
pub fn is_anchored(pattern: &str) -> bool {
    let mut depth = 0_i32;
    let top_level_choice = syntax(pattern).any(|token| {
        match token {
            Token::Plain('(') => depth += 1,
            Token::Plain(')') => depth -= 1,
            Token::Plain(_) | Token::Literal => {}
        }
        depth == 0 && matches!(token, Token::Plain('|'))
    });
    let ends = pattern.ends_with('$') && !pattern.ends_with("\\$");
    pattern.starts_with('^') && ends && !top_level_choice
}

/// No `*`, no `+`, no `{2,}`: every match has a longest length.
pub fn is_bounded(pattern: &str) -> bool {
    let plain: String = syntax(pattern)
        .map(|token| match token {
            Token::Plain(c) => c,
            Token::Literal => 'x',
        })
        .collect();
    !plain.contains(['*', '+']) && !plain.contains(",}")
}

/// How many single-character matches the pattern stands for: `(.{0,9}){0,9}` is 81.
///
/// The engine's own size limit is not enough: an expression that the engine simplifies first
/// passes it.
pub fn cost(pattern: &str) -> u64 {
    let mut groups = vec![0_u64];
    let mut last = 0_u64;
    let mut tokens = syntax(pattern).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Plain('(') => {
                add(&mut groups, last);
                last = 0;
                groups.push(0);
            }
            Token::Plain(')') if groups.len() > 1 => {
                last = groups.pop().unwrap_or(0).saturating_add(last).max(1);
            }
            Token::Plain('{') => {
                let mut counts = vec![0_u64];
                while let Some(Token::Plain(c)) =
                    tokens.next_if(|token| *token != Token::Plain('}'))
                {
                    match (c.to_digit(10), counts.last_mut()) {
                        (Some(digit), Some(count)) => {
                            *count = count.saturating_mul(10).saturating_add(u64::from(digit));
                        }
                        _ => counts.push(0),
                    }
                }
                let most = counts.into_iter().max().unwrap_or(1);
                last = last.saturating_mul(most.max(1));
            }
            Token::Plain('*' | '+' | '?' | '}') => {}
            Token::Plain(_) | Token::Literal => {
                add(&mut groups, last);
                last = 1;
            }
        }
    }
    groups.into_iter().fold(last, u64::saturating_add)
}

fn add(groups: &mut [u64], last: u64) {
    if let Some(sum) = groups.last_mut() {
        *sum = sum.saturating_add(last);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// A character that may be syntax.
    Plain(char),
    /// An escape or a class: one character, whatever it is.
    Literal,
}

fn syntax(pattern: &str) -> impl Iterator<Item = Token> + '_ {
    let mut escaped = false;
    let mut in_class = false;
    pattern.chars().filter_map(move |c| {
        if escaped {
            escaped = false;
            return (!in_class).then_some(Token::Literal);
        }
        match c {
            '\\' => escaped = true,
            '[' if !in_class => in_class = true,
            ']' if in_class => {
                in_class = false;
                return Some(Token::Literal);
            }
            _ => return (!in_class).then_some(Token::Plain(c)),
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_multiply() {
        assert_eq!(cost("^(.{0,9}){0,9}$"), 1 + 81 + 1);
        assert_eq!(cost("^[0-9]{1,20}$"), 22);
        assert_eq!(cost(r"\d{3}-(ab|c)+"), 3 + 1 + 4);
        assert!(cost("((((a{999}){999}){999}){999}){999}{999}{999}{999}") > MAX_COST);
        assert!(cost("a{18446744073709551616}") > MAX_COST);
        for odd in [
            "", "(", ")", "{", "a{", "a{,", "[", "\\", "a{1", "))((", "[]{9}",
        ] {
            assert!(cost(odd) <= 16, "{odd}");
        }
    }

    #[test]
    fn anchors_and_bounds_are_seen() {
        for pattern in ["^a$", "^(a|b)$", "^[*+|]{1,3}$", r"^\+\*$"] {
            assert!(is_anchored(pattern) && is_bounded(pattern), "{pattern}");
        }
        for pattern in ["a", "^a", "a$", "^a|b$", r"^a\$"] {
            assert!(!is_anchored(pattern), "{pattern}");
        }
        for pattern in ["^a*$", "^a+$", "^a{2,}$"] {
            assert!(!is_bounded(pattern), "{pattern}");
        }
    }
}
