//! JSON that holds secrets: its texts are wiped when it is dropped. Refuses nothing and prints nothing.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
use serde_json::Value;
use zeroize::Zeroize as _;

/// JSON with secrets in it, read as a [`Value`].
///
/// Wiped are the texts of all members. Not wiped is what the parser needs for a text with escapes in
/// it while it reads.
pub struct SecretJson(Value);

impl SecretJson {
    /// Takes the value over; the caller keeps no copy.
    pub const fn new(value: Value) -> Self {
        Self(value)
    }

    /// From JSON text; null when it is none.
    pub fn parse(text: &[u8]) -> Self {
        Self(serde_json::from_slice(text).unwrap_or_default())
    }
}

impl Deref for SecretJson {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for SecretJson {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl fmt::Debug for SecretJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretJson(…)")
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        wipe_value(&mut self.0);
    }
}

/// Wipes a buffer when nobody else holds it; what others hold is theirs.
pub fn wipe(buffer: Bytes) {
    if let Ok(mut own) = buffer.try_into_mut() {
        own.as_mut().zeroize();
    }
}

/// As deep as it is: the parser has a limit.
fn wipe_value(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe_value),
        Value::Object(fields) => fields.values_mut().for_each(wipe_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_is_wiped() {
        let mut value = json!({ "a": "CANARY", "b": [{ "c": "CANARY" }, 1, null], "d": true });
        wipe_value(&mut value);
        assert_eq!(
            value,
            json!({ "a": "", "b": [{ "c": "" }, 1, null], "d": true })
        );
    }

    #[test]
    fn it_reads_as_json_and_prints_nothing() {
        let json = SecretJson::parse(br#"{"token":"CANARY"}"#);
        assert_eq!(json["token"], "CANARY");
        assert_eq!(format!("{json:?}"), "SecretJson(…)");
        assert!(SecretJson::parse(b"no").is_null());
    }

    #[test]
    fn a_buffer_of_others_is_left_alone() {
        let buffer = Bytes::from(b"CANARY".to_vec());
        wipe(buffer.clone());
        assert_eq!(buffer, "CANARY");
        wipe(buffer);
    }
}
