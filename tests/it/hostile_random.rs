//! Readers of strangers' bytes against bytes that nobody thought of.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use wicketgate::{
    crypto::LicenseKey,
    mcp::{Incoming, json},
};

/// Pieces of which almost-JSON is made, so that random documents get past their first byte.
const PIECES: [&[u8]; 26] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"1",
    b"-",
    b"1e9",
    b"1e400",
    b"0.5",
    b"18446744073709551616",
    b"true",
    b"null",
    b"\"id\":",
    b"\"method\":\"ping\"",
    b"\"jsonrpc\":\"2.0\"",
    b"\"params\":{",
    b" ",
    b"\n",
    b"\\u0000",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
];

fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..64)
        .prop_map(|pieces| pieces.concat())
}

fn whole_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f32>().prop_map(|number| Value::from(f64::from(number))),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,6}|id|method|params|jsonrpc", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Never accepts what another reader refuses, and reads the same.
fn judge(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(parsed) = json::parse(bytes) else {
        return Ok(());
    };
    prop_assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok());
    if parsed.excess.is_none() {
        let other: Value = serde_json::from_slice(bytes).unwrap();
        prop_assert_eq!(&parsed.value, &other);
    }
    // Whatever it is, reading it as a message ends in one or the other way.
    let claims_method = parsed.value.get("method").is_some_and(Value::is_string);
    if let Ok(Incoming::Request { .. } | Incoming::Notification { .. }) =
        Incoming::read(parsed.value)
    {
        prop_assert!(claims_method);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_never_read_as_more_than_json(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        judge(&bytes)?;
    }

    #[test]
    fn almost_json_is_never_read_as_json(bytes in almost_json()) {
        judge(&bytes)?;
    }

    #[test]
    fn json_is_read_as_another_reader_reads_it(value in whole_json()) {
        let bytes = serde_json::to_vec(&value).unwrap();
        prop_assert!(json::parse(&bytes).is_ok());
        judge(&bytes)?;
    }

    #[test]
    fn arbitrary_texts_are_no_keys(text in any::<String>()) {
        prop_assert!(LicenseKey::parse(&text).is_none());
        prop_assert!(!LicenseKey::is_well_formed(&text));
    }

    #[test]
    fn texts_in_the_form_of_a_key_are_none(text in "wgl_[0-9A-Za-z]{49}|wg[a-z]_[0-9A-Za-z]{40,60}") {
        // One in four thousand million has the right checksum by chance.
        prop_assert!(!LicenseKey::is_well_formed(&text));
    }

    #[test]
    fn a_key_with_one_changed_character_is_none(seed in any::<u64>(), at in 0_usize..53, to in "[ -~]") {
        let key = LicenseKey::generate(&wicketgate::entropy::SeededEntropy::new(seed));
        prop_assert!(LicenseKey::is_well_formed(key.expose()));
        let mut text = key.expose().to_owned();
        text.replace_range(at..=at, &to);
        prop_assert_eq!(LicenseKey::is_well_formed(&text), text == key.expose());
    }
}
