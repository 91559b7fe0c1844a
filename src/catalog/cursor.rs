//! Cursors of `tools/list`: opaque, and worthless to anybody but the license they were made for.

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;

use crate::{crypto::CursorKey, ids::LicenseId};

const TAG: usize = 12;

/// A cursor for the page that begins at `start`.
pub fn seal(key: &CursorKey, license: LicenseId, start: usize) -> String {
    let start = u32::try_from(start).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = tag(key, license, start).to_vec();
    bytes.extend_from_slice(&start);
    BASE64URL_NOPAD.encode(&bytes)
}

/// Where the page begins; none when the cursor is not one of ours for this license.
pub fn open(key: &CursorKey, license: LicenseId, cursor: &str) -> Option<usize> {
    if cursor.len() > 64 {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let bytes: [u8; TAG + 4] = bytes.try_into().ok()?;
    let (given, start) = bytes.split_at(TAG);
    let start: [u8; 4] = start.try_into().ok()?;
    if !bool::from(given.ct_eq(&tag(key, license, start))) {
        return None;
    }
    usize::try_from(u32::from_be_bytes(start)).ok()
}

fn tag(key: &CursorKey, license: LicenseId, start: [u8; 4]) -> [u8; TAG] {
    let mut input = [0; 20];
    input[..16].copy_from_slice(license.as_bytes());
    input[16..].copy_from_slice(&start);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&key.digest(&input)[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m_20_a_cursor_opens_only_for_its_license() {
        let key = CursorKey::new([7; 32]);
        let (a, b) = (
            LicenseId::from_bytes([1; 16]),
            LicenseId::from_bytes([2; 16]),
        );
        let cursor = seal(&key, a, 100);
        assert_eq!(open(&key, a, &cursor), Some(100));
        assert_eq!(open(&key, b, &cursor), None);
        assert_eq!(open(&CursorKey::new([8; 32]), a, &cursor), None);
        for forged in ["", "x", "AAAA", &"A".repeat(1 << 20), &cursor[1..]] {
            assert_eq!(open(&key, a, forged), None);
        }
    }
}
