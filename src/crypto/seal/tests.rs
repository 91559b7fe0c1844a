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
fn k_03_every_flipped_bit_and_every_cut_is_noticed() {
    let sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // The first four bytes say what it is; of all others nothing more is said than this.
        let expected = if bit < 32 {
            SealError::Format
        } else {
            SealError::Refused
        };
        assert_eq!(
            key().open(&PLACE, &changed).unwrap_err(),
            expected,
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        assert!(key().open(&PLACE, &sealed[..length]).is_err(), "{length}");
    }
}

#[test]
fn k_07_a_format_of_the_future_is_named_as_such() {
    let mut sealed = key().seal(&PLACE, b"secret", &SeededEntropy::new(1));
    sealed[2] = 2;
    let refused = key().open(&PLACE, &sealed).unwrap_err();
    assert_eq!(refused, SealError::Format);
    assert_eq!(refused.to_string(), "not a sealed value of a known format");
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

/// As often as the case asks for, which takes most of a minute without optimisation.
#[test]
fn k_04_the_same_plaintext_never_seals_alike() {
    const TIMES: usize = 1_000_000;
    let (key, entropy) = (key(), SeededEntropy::new(1));
    let mut salts = HashSet::with_capacity(TIMES);
    let mut texts = HashSet::with_capacity(TIMES);
    for _ in 0..TIMES {
        let sealed = key.seal(&PLACE, b"secret", &entropy);
        let salt: [u8; 32] = sealed[SALT_AT..COMMITMENT_AT].try_into().unwrap();
        let text: [u8; 22] = sealed[CIPHERTEXT_AT..].try_into().unwrap();
        salts.insert(salt);
        texts.insert(text);
    }
    assert_eq!((salts.len(), texts.len()), (TIMES, TIMES));
}

/// Bits turned, bytes changed, cut off, put behind, put between, and two records of the same key
/// spliced: as somebody does who can write to the database.
#[test]
fn k_03_ten_thousand_mutations_do_not_open_and_do_not_panic() {
    let (key, entropy) = (key(), SeededEntropy::new(7));
    let mine = key.seal(&PLACE, b"my own secret, a bit longer", &entropy);
    let other = Context {
        row: "crd_2",
        ..PLACE
    };
    let theirs = key.seal(&other, b"somebody else's secret, longer still", &entropy);
    let below = |limit: usize| {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % limit as u64).unwrap()
    };
    let mut kinds = [0_u32; 6];
    for round in 0..10_000 {
        let mut changed = mine.clone();
        let kind = below(6);
        match kind {
            0 => {
                for _ in 0..=below(8) {
                    let bit = below(changed.len() * 8);
                    changed[bit / 8] ^= 1 << (bit % 8);
                }
            }
            1 => {
                let (from, span) = (below(changed.len()), 1 + below(40));
                let end = changed.len().min(from + span);
                entropy.fill(&mut changed[from..end]);
            }
            2 => changed.truncate(below(mine.len())),
            3 => {
                let mut more = vec![0; 1 + below(64)];
                entropy.fill(&mut more);
                changed.extend(more);
            }
            4 => {
                let at = below(changed.len());
                changed.insert(at, u8::try_from(below(256)).unwrap());
            }
            _ => {
                let (here, there) = (below(mine.len()), below(theirs.len()));
                changed.truncate(here);
                changed.extend(&theirs[there..]);
            }
        }
        // Bits that are turned twice, and bytes that stay.
        if changed == mine {
            continue;
        }
        kinds[kind] += 1;
        assert!(key.open(&PLACE, &changed).is_err(), "{round}: kind {kind}");
    }
    assert!(kinds.iter().all(|count| *count > 1_400), "{kinds:?}");
    assert!(key.open(&PLACE, &mine).is_ok());
    assert!(key.open(&PLACE, &theirs).is_err());
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
