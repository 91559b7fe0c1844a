//! Does an answer repeat a secret? In whatever spelling JSON gives it.

use memchr::memmem;
use zeroize::Zeroizing;

/// A shorter secret is not looked for in answers: it would be found by chance.
const SHORTEST_SOUGHT: usize = 8;

/// Is the secret long enough to be looked for?
pub(super) const fn is_sought(secret: &[u8]) -> bool {
    secret.len() >= SHORTEST_SOUGHT
}

/// Is this in the answer, byte for byte?
pub(super) fn holds(answer: &[u8], needle: &[u8]) -> bool {
    memmem::find(answer, needle).is_some()
}

/// Is the secret in the answer, as it is or as JSON text may spell it?
pub(super) fn repeats(answer: &[u8], secret: &[u8]) -> bool {
    if holds(answer, secret) {
        return true;
    }
    // Some writers spell what HTML reads with code points, as Go's does.
    if secret.iter().any(|b| b"<>&'+".contains(b)) {
        for hex in [HexCase::Lower, HexCase::Upper] {
            if holds(answer, &code_points(secret, hex)) {
                return true;
            }
        }
    }
    // JSON may write these three with a backslash (RFC 8259 section 7).
    let escaped = |b: u8| b"\"\\/".contains(&b);
    secret.iter().copied().any(escaped) && {
        let mut spelled = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
        let mut but_slash = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
        for &b in secret {
            if escaped(b) {
                spelled.push(b'\\');
            }
            if escaped(b) && b != b'/' {
                but_slash.push(b'\\');
            }
            spelled.push(b);
            but_slash.push(b);
        }
        holds(answer, &spelled) || holds(answer, &but_slash)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HexCase {
    Lower,
    Upper,
}

/// The secret as JSON text in which `<`, `>`, `&`, `'` and `+` are `\u00XX`.
fn code_points(secret: &[u8], case: HexCase) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(6 * secret.len()));
    for &b in secret {
        match b {
            b'<' | b'>' | b'&' | b'\'' | b'+' => {
                let spelled = match case {
                    HexCase::Lower => format!("\\u{b:04x}"),
                    HexCase::Upper => format!("\\u{b:04X}"),
                };
                out.extend_from_slice(spelled.as_bytes());
            }
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            _ => out.push(b),
        }
    }
    out
}
