//! A sealed value opens in its own place, unchanged, and nowhere else.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::{crypto::Purpose, entropy::SeededEntropy};

const PLACE: Context<'static> = Context {
    purpose: Purpose::UpstreamStatic,
    tenant: "operator",
    table: "credentials",
    row: "crd_1",
    column: "sealed",
    upstream: "ads",
    generation: 3,
};

fn key() -> SealingKey {
    SealingKey::new([9; 16], [5; 32])
}

#[test]
fn the_form_is_the_documented_one() {
    let sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    assert_eq!(sealed.len(), 2 + 1 + 1 + 16 + 32 + 32 + 6 + 16);
    assert_eq!(&sealed[..4], b"WG\x01\x01");
    assert_eq!(key_tag(&sealed), Ok([9; 16]));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(key().open(&PLACE, &changed).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(key().open(&PLACE, &sealed[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_format_of_the_future_is_named_as_such() {
    let mut sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    sealed[2] = 2;
    assert_eq!(key().open(&PLACE, &sealed).unwrap_err(), SealError::Format);
}

#[test]
fn no_other_place_and_no_other_key_opens_it() {
    let sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    let elsewhere = [
        Context {
            purpose: Purpose::DataKey,
            ..PLACE
        },
        Context {
            tenant: "lic_1",
            ..PLACE
        },
        Context {
            table: "data_keys",
            ..PLACE
        },
        Context {
            row: "crd_2",
            ..PLACE
        },
        Context {
            column: "hint",
            ..PLACE
        },
        Context {
            upstream: "bank",
            ..PLACE
        },
        Context {
            generation: 2,
            ..PLACE
        },
        // The same bytes, divided differently.
        Context {
            row: "crd_1sealed",
            column: "",
            ..PLACE
        },
    ];
    for place in elsewhere {
        assert!(key().open(&place, &sealed).is_err(), "{place:?}");
    }
    assert!(
        SealingKey::new([9; 16], [6; 32])
            .open(&PLACE, &sealed)
            .is_err()
    );
    assert!(
        SealingKey::new([8; 16], [5; 32])
            .open(&PLACE, &sealed)
            .is_err()
    );
}

#[test]
fn the_same_plaintext_never_seals_alike() {
    let entropy = SeededEntropy::new(1);
    let sealed: Vec<_> = (0..10_000)
        .map(|_| key().seal(&PLACE, b"secret", &entropy))
        .collect();
    let salts: HashSet<_> = sealed.iter().map(|s| &s[SALT_AT..COMMITMENT_AT]).collect();
    let texts: HashSet<_> = sealed.iter().map(|s| &s[CIPHERTEXT_AT..]).collect();
    assert_eq!((salts.len(), texts.len()), (10_000, 10_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_sealed_opens(
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
        bytes in any::<[u8; 32]>(),
        seed in any::<u64>(),
        tenant in "[a-z0-9_]{0,30}",
        generation in any::<u64>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let key = SealingKey::new([1; 16], bytes);
        let place = Context { tenant: &tenant, generation, ..PLACE };
        let sealed = key.seal(&place, &plaintext, &SeededEntropy::new(seed));
        let opened = key.open(&place, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
        let moved = Context { generation: generation.wrapping_add(1), ..place };
        prop_assert!(key.open(&moved, &sealed).is_err());
        let mut changed = sealed;
        let bit = bit.index(changed.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key.open(&place, &changed).is_err());
    }
}
