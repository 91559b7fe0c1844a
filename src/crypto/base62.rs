//! 256 bits as 43 base62 characters, closed by a CRC-32 in six more.
//!
//! The checksum keeps typing errors off the store and makes secret scanners exact. It is no
//! protection against anybody.

use zeroize::Zeroize;

use crate::{entropy::Entropy, secret::SecretString};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BODY: usize = 43;
const CHECK: usize = 6;

fn value(symbol: u8) -> Option<u32> {
    let digit = match symbol {
        b'0'..=b'9' => symbol - b'0',
        b'A'..=b'Z' => symbol - b'A' + 10,
        b'a'..=b'z' => symbol - b'a' + 36,
        _ => return None,
    };
    Some(u32::from(digit))
}

fn check_of(text: &[u8]) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(text);
    let mut out = [b'0'; CHECK];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

/// `prefix`, 32 random bytes in base62, and the checksum.
pub(super) fn generate(prefix: &str, entropy: &dyn Entropy) -> SecretString {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let mut text = Vec::with_capacity(prefix.len() + BODY + CHECK);
    text.extend_from_slice(prefix.as_bytes());
    text.resize(prefix.len() + BODY, b'0');
    for place in (prefix.len()..text.len()).rev() {
        let mut rest = 0u32;
        for byte in &mut bytes {
            let wide = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(wide / 62).unwrap_or(u8::MAX);
            rest = wide % 62;
        }
        text[place] = ALPHABET[rest as usize];
    }
    let check = check_of(&text);
    text.extend_from_slice(&check);
    // ASCII by construction, so this takes the buffer over and copies nothing.
    SecretString::new(String::from_utf8(text).unwrap_or_default())
}

/// Is `text` of this kind: prefix, length, alphabet, checksum? Reads nothing twice, stores nothing.
pub(super) fn is_valid(prefix: &str, text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != prefix.len() + BODY + CHECK || !text.starts_with(prefix) {
        return false;
    }
    let (front, check) = bytes.split_at(bytes.len() - CHECK);
    front[prefix.len()..]
        .iter()
        .chain(check)
        .all(|b| value(*b).is_some())
        && check_of(front) == *check
}

/// The 32 bytes of a valid text; none when it is not valid or encodes more than 256 bits.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    if !is_valid(prefix, text) {
        return None;
    }
    let mut bytes = [0u8; 32];
    for symbol in text.bytes().skip(prefix.len()).take(BODY) {
        let mut carry = value(symbol)?;
        for byte in bytes.iter_mut().rev() {
            let wide = u32::from(*byte) * 62 + carry;
            *byte = (wide & 0xff) as u8;
            carry = wide >> 8;
        }
        if carry != 0 {
            bytes.zeroize();
            return None;
        }
    }
    Some(bytes)
}

/// `prefix`, the first four and the last four characters of the body: enough to recognise a key.
pub(super) fn hint(prefix: &str, valid: &str) -> String {
    let body = valid.get(prefix.len()..prefix.len() + BODY);
    let ends = body.and_then(|b| b.get(..4).zip(b.get(BODY - 4..)));
    ends.map_or_else(String::new, |(first, last)| {
        format!("{prefix}{first}…{last}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn bytes_survive_the_round_trip() {
        for fill in [0, 1, 127, 255] {
            let text = generate("wgk_", &Fixed(fill));
            assert_eq!(decode("wgk_", text.expose()), Some([fill; 32]));
        }
        let text = generate("wgk_", &SeededEntropy::new(3));
        let mut expected = [0; 32];
        SeededEntropy::new(3).fill(&mut expected);
        assert_eq!(decode("wgk_", text.expose()), Some(expected));
    }

    #[test]
    fn more_than_256_bits_is_refused() {
        let mut text = format!("wgk_{}", "z".repeat(BODY));
        let check = check_of(text.as_bytes());
        text.push_str(std::str::from_utf8(&check).unwrap());
        assert!(is_valid("wgk_", &text));
        assert_eq!(decode("wgk_", &text), None);
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = generate("wgl_", &SeededEntropy::new(9));
        assert!(is_valid("wgl_", text.expose()));
        for at in 0..text.expose().len() {
            for other in *b"0Az_-\x00" {
                let mut bytes = text.expose().clone().into_bytes();
                if bytes[at] == other {
                    continue;
                }
                bytes[at] = other;
                assert!(!is_valid("wgl_", std::str::from_utf8(&bytes).unwrap()));
            }
        }
        assert!(!is_valid("wgk_", text.expose()));
        assert!(!is_valid("wgl_", ""));
        assert!(!is_valid("wgl_", &"é".repeat(27)));
    }
}
