//! Random schedules of two processes against a model that only counts.

use std::{collections::HashMap, time::Duration};

use wicketgate::{
    clock::{Clock, Day},
    entropy::{Entropy, SeededEntropy},
    ids::LicenseId,
    ledger::{Ledger, LedgerError, Reservation},
};

use crate::support::database::{Fixture, on_both};

on_both! { no_schedule_exceeds_the_limit }

const LICENSE: LicenseId = LicenseId::from_bytes([8; 16]);
const LIMIT: u32 = 60;

#[derive(Default)]
struct Model {
    /// Calls of a day that were reserved and not refunded.
    spent: HashMap<Day, u64>,
    /// Days on which calls may have been lost: a crash, or a refund that came too late.
    inexact: Vec<Day>,
}

async fn no_schedule_exceeds_the_limit(fixture: &Fixture) {
    for seed in 0..4 {
        schedule(fixture, seed).await;
        // The next schedule has days of its own.
        fixture.clock.advance(Duration::from_hours(240));
    }
}

async fn schedule(fixture: &Fixture, seed: u64) {
    let dice = SeededEntropy::new(seed);
    let roll = |sides: u8| {
        let mut byte = [0];
        dice.fill(&mut byte);
        byte[0] % sides
    };
    let mut ledgers = [fixture.ledger().await, fixture.ledger().await];
    let mut held: Vec<(Day, usize, Reservation)> = Vec::new();
    let mut model = Model::default();
    for step in 0..250 {
        let which = usize::from(roll(2));
        let today = fixture.clock.now().day();
        match roll(100) {
            0..60 => match ledgers[which].reserve(LICENSE, LIMIT).await {
                Ok(reservation) => {
                    *model.spent.entry(today).or_default() += 1;
                    held.push((today, which, reservation));
                }
                Err(LedgerError::Exhausted(_)) => {}
                Err(LedgerError::Unavailable) => panic!("unavailable: seed {seed}, step {step}"),
            },
            60..80 if !held.is_empty() => {
                let at = usize::from(roll(u8::MAX)) % held.len();
                let (day, _, reservation) = held.swap_remove(at);
                if roll(2) == 0 {
                    reservation.settle();
                } else {
                    reservation.refund();
                    *model.spent.entry(day).or_default() -= 1;
                    if day != today {
                        model.inexact.push(day);
                    }
                }
            }
            80..90 => fixture.clock.advance(Duration::from_millis(700)),
            90..92 => {
                // A crash: the block is lost, and so are the calls under way, which stay spent.
                model.inexact.push(today);
                held.retain(|(_, owner, _)| *owner != which);
                ledgers[which] = fixture.ledger().await;
            }
            92..94 => {
                held.retain(|(_, owner, _)| *owner != which);
                let fresh = fixture.ledger().await;
                let old = std::mem::replace(&mut ledgers[which], fresh);
                assert_eq!(old.close().await.failed, 0);
            }
            94..97 => {
                ledgers[which].sweep().await;
            }
            97 => fixture.clock.advance(Duration::from_hours(6)),
            _ => {}
        }
        check(fixture, &model, seed, step).await;
    }
    drop(held);
    for ledger in &ledgers {
        assert_eq!(ledger.close().await.failed, 0);
    }
    for (day, spent) in &model.spent {
        if !model.inexact.contains(day) {
            assert_eq!(used(fixture, *day).await, *spent, "seed {seed}");
        }
    }
    finish(fixture, &model).await;
}

/// What is left of today can be spent, to the last call.
async fn finish(fixture: &Fixture, model: &Model) {
    let today = fixture.clock.now().day();
    let before = used(fixture, today).await;
    assert!(before >= model.spent.get(&today).copied().unwrap_or(0));
    let ledger: Ledger = fixture.ledger().await;
    let mut rest = 0;
    while let Ok(reservation) = ledger.reserve(LICENSE, LIMIT).await {
        reservation.settle();
        rest += 1;
    }
    assert_eq!(before + rest, u64::from(LIMIT));
}

async fn check(fixture: &Fixture, model: &Model, seed: u64, step: u32) {
    for (day, spent) in &model.spent {
        let used = used(fixture, *day).await;
        assert!(
            *spent <= used && used <= u64::from(LIMIT),
            "seed {seed}, step {step}: {spent} spent, {used} counted"
        );
    }
}

async fn used(fixture: &Fixture, day: Day) -> u64 {
    let days = fixture.store.usage(LICENSE, day, day).await.unwrap();
    days.first().map_or(0, |day| day.used)
}
