//! Random schedules of three processes against a model that only counts: several meters and weights,
//! refunds, crashes, restarts, quiet licenses, days and months that end, limits that change.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use wicketgate::{
    clock::Clock,
    entropy::{Entropy, SeededEntropy},
    ids::{LicenseId, ReplicaId},
    ledger::{Ledger, LedgerError, Reservation},
    license::Allowance,
    quota::{Meter, Window},
};

use crate::support::database::{Fixture, on_both, per_day};

on_both! { no_schedule_exceeds_the_limit }

const LICENSE: LicenseId = LicenseId::from_bytes([8; 16]);
const SCHEDULES: u64 = 8;
const STEPS: u32 = 400;
const PROCESSES: u8 = 3;
/// What tools cost; a free one too.
const COSTS: [u32; 6] = [1, 1, 1, 7, 30, 0];

type Place = (Meter, Window);

/// What was counted, for whoever reads the test's output.
#[derive(Debug, Default)]
struct Tally {
    reserved: u64,
    refunded: u64,
    refused: HashMap<&'static str, u64>,
    crashes: u64,
    restarts: u64,
    limit_changes: u64,
    windows: u64,
    exact_windows: u64,
    /// Units that no call had, and at most how many there may be.
    lost: u64,
    may_be_lost: u64,
}

struct Held {
    owner: usize,
    taken: Vec<(Place, u64)>,
    reservation: Reservation,
}

struct Schedule<'a> {
    fixture: &'a Fixture,
    seed: u64,
    dice: SeededEntropy,
    processes: Vec<(ReplicaId, Ledger)>,
    allowance: Allowance,
    held: Vec<Held>,
    /// Units that were reserved and not refunded.
    spent: HashMap<Place, u64>,
    /// The highest limit that a window had.
    highest: HashMap<Place, u64>,
    /// Units that may be lost: open blocks of processes that crashed, refunds that came too late.
    forgivable: HashMap<Place, u64>,
    tally: &'a mut Tally,
}

fn limits(day: u32, month: u32, cost: u32) -> Allowance {
    Allowance {
        per_month: NonZeroU32::new(month),
        cost_per_day: NonZeroU32::new(cost),
        ..per_day(day)
    }
}

async fn process(fixture: &Fixture) -> (ReplicaId, Ledger) {
    let replica = ReplicaId::generate(fixture.clock.now(), &*fixture.entropy);
    let (clock, entropy) = (fixture.clock.clone(), fixture.entropy.clone());
    let ledger = Ledger::new(fixture.another().await, clock, entropy, replica);
    (replica, ledger)
}

async fn no_schedule_exceeds_the_limit(fixture: &Fixture) {
    let mut tally = Tally::default();
    for seed in 0..SCHEDULES {
        let mut schedule = Schedule::begin(fixture, seed, &mut tally).await;
        for step in 0..STEPS {
            schedule.step().await;
            if step % 8 == 0 {
                schedule.check().await;
            }
        }
        schedule.end().await;
        // The next schedule has windows of its own.
        fixture.clock.advance(Duration::from_hours(70 * 24));
    }
    println!("{SCHEDULES} schedules of {STEPS} steps by {PROCESSES} processes: {tally:?}");
    assert!(tally.crashes > 10 && tally.exact_windows > 10 && tally.refused.len() == 3);
    assert!(tally.lost <= tally.may_be_lost);
}

impl<'a> Schedule<'a> {
    async fn begin(fixture: &'a Fixture, seed: u64, tally: &'a mut Tally) -> Self {
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            processes.push(process(fixture).await);
        }
        Self {
            fixture,
            seed,
            dice: SeededEntropy::new(seed),
            processes,
            allowance: limits(60, 50, 250),
            held: Vec::new(),
            spent: HashMap::new(),
            highest: HashMap::new(),
            forgivable: HashMap::new(),
            tally,
        }
    }

    fn roll(&self, sides: u8) -> u8 {
        let mut byte = [0];
        self.dice.fill(&mut byte);
        byte[0] % sides
    }

    async fn step(&mut self) {
        let which = usize::from(self.roll(PROCESSES));
        let clock = &self.fixture.clock;
        match self.roll(100) {
            0..60 => self.reserve(which).await,
            60..78 if !self.held.is_empty() => self.finish_one(),
            78..86 => clock.advance(Duration::from_millis(700)),
            86..88 => self.crash(which).await,
            88..90 => self.restart(which).await,
            90..94 => {
                self.processes[which].1.sweep().await;
            }
            94 => clock.advance(Duration::from_secs(301)),
            95 => clock.advance(Duration::from_hours(6)),
            // A moment before the month ends.
            96 if self.roll(4) == 0 => {
                let rest = clock.now().until_next_month();
                clock.advance(rest.saturating_sub(Duration::from_millis(1)));
            }
            97 => {
                let pick = |choices: [u32; 4]| choices[usize::from(self.roll(4))];
                self.allowance = limits(
                    pick([20, 40, 60, 80]),
                    pick([0, 40, 60, 100]),
                    pick([0, 60, 250, 251]),
                );
                self.tally.limit_changes += 1;
            }
            _ => {}
        }
    }

    async fn reserve(&mut self, which: usize) {
        let cost = COSTS[usize::from(self.roll(6))];
        let now = self.fixture.clock.now();
        // A call that one window refuses may have had a block leased from another.
        for meter in Meter::ALL {
            if let Some(limit) = self.allowance.of_meter(meter) {
                let highest = self.highest.entry((meter, meter.window(now))).or_default();
                *highest = u64::from(limit).max(*highest);
            }
        }
        let reserved = self.processes[which]
            .1
            .reserve(LICENSE, &self.allowance, cost);
        let reservation = match reserved.await {
            Ok(reservation) => reservation,
            Err(LedgerError::Exhausted(exhausted)) => {
                let refused = self.tally.refused.entry(exhausted.tier.as_str());
                *refused.or_default() += 1;
                return;
            }
            Err(LedgerError::Unavailable) => panic!("unavailable: seed {}", self.seed),
        };
        self.tally.reserved += 1;
        let mut taken = Vec::new();
        for meter in Meter::ALL {
            let Some(limit) = self.allowance.of_meter(meter) else {
                continue;
            };
            let amount = u64::from(if meter == Meter::CostDay { cost } else { 1 });
            let place = (meter, meter.window(now));
            let spent = self.spent.entry(place).or_default();
            *spent += amount;
            assert!(
                amount == 0 || *spent <= u64::from(limit),
                "seed {}: {place:?} is over: {spent} of {limit}",
                self.seed
            );
            taken.push((place, amount));
        }
        self.held.push(Held {
            owner: which,
            taken,
            reservation,
        });
    }

    fn finish_one(&mut self) {
        let at = usize::from(self.roll(u8::MAX)) % self.held.len();
        let held = self.held.swap_remove(at);
        if self.roll(2) == 0 {
            held.reservation.settle();
            return;
        }
        held.reservation.refund();
        self.tally.refunded += 1;
        let now = self.fixture.clock.now();
        for ((meter, window), amount) in held.taken {
            *self.spent.entry((meter, window)).or_default() -= amount;
            if window != meter.window(now) {
                *self.forgivable.entry((meter, window)).or_default() += amount;
            }
        }
    }

    /// The blocks are lost, and so are the calls under way, which stay spent.
    async fn crash(&mut self, which: usize) {
        self.held.retain(|held| held.owner != which);
        let fresh = process(self.fixture).await;
        let (crashed, ledger) = std::mem::replace(&mut self.processes[which], fresh);
        drop(ledger);
        let open = self.fixture.store.open_leases().await.unwrap();
        for lease in open.iter().filter(|lease| lease.replica == crashed) {
            let place = (lease.meter, lease.window);
            *self.forgivable.entry(place).or_default() += lease.granted;
        }
        self.tally.crashes += 1;
    }

    async fn restart(&mut self, which: usize) {
        self.held.retain(|held| held.owner != which);
        let fresh = process(self.fixture).await;
        let (_, old) = std::mem::replace(&mut self.processes[which], fresh);
        assert_eq!(old.close().await.failed, 0);
        self.tally.restarts += 1;
    }

    async fn used(&self) -> HashMap<Place, u64> {
        let today = self.fixture.clock.now().day();
        let long_ago = wicketgate::clock::Day::from_number(today.number() - 2_000);
        let windows = self.fixture.store.windows(LICENSE, long_ago, today);
        let windows = windows.await.unwrap();
        let windows = windows.iter();
        windows
            .map(|counted| ((counted.meter, counted.window), counted.used))
            .collect()
    }

    /// Never less counted than spent, never more than allowed.
    async fn check(&self) {
        let used = self.used().await;
        for (place, spent) in self.spent.iter().filter(|(_, spent)| **spent > 0) {
            let (used, highest) = (used.get(place).copied().unwrap_or(0), self.highest[place]);
            assert!(
                *spent <= used && used <= highest,
                "seed {}, {place:?}: {spent} spent, {used} counted, {highest} allowed",
                self.seed
            );
        }
    }

    /// Everybody stops: what is counted is what was spent, but for what crashes and late refunds
    /// explain; and what is left of the windows can be spent to the last call.
    async fn end(mut self) {
        self.held.clear();
        for (_, ledger) in &self.processes {
            assert_eq!(ledger.close().await.failed, 0);
        }
        let used = self.used().await;
        for (place, spent) in &self.spent {
            let lost = used.get(place).copied().unwrap_or(0) - spent;
            let most = self.forgivable.get(place).copied().unwrap_or(0);
            assert!(
                lost <= most,
                "seed {}, {place:?}: {lost} > {most}",
                self.seed
            );
            self.tally.windows += 1;
            self.tally.exact_windows += u64::from(most == 0);
            self.tally.lost += lost;
            self.tally.may_be_lost += most;
        }
        let now = self.fixture.clock.now();
        let allowance = limits(90, 400, 500);
        let ledger = self.fixture.ledger().await;
        let mut rest = 0;
        let tier = loop {
            match ledger.reserve(LICENSE, &allowance, 1).await {
                Ok(reservation) => reservation.settle(),
                Err(LedgerError::Exhausted(exhausted)) => break exhausted.tier,
                Err(LedgerError::Unavailable) => panic!("unavailable"),
            }
            rest += 1;
        };
        assert_eq!(ledger.close().await.failed, 0);
        let after = self.used().await;
        for meter in Meter::ALL {
            let place = (meter, meter.window(now));
            let before = used.get(&place).copied().unwrap_or(0);
            assert_eq!(after[&place], before + rest, "seed {}", self.seed);
            if meter.tier() == tier {
                let limit = allowance.of_meter(meter).map(u64::from);
                assert_eq!(Some(after[&place]), limit, "to the last call");
            }
        }
    }
}
