use std::num::NonZeroU32;

use super::*;

const NOTHING: Load = Load {
    running: 0,
    waiting: 0,
    open: false,
};

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One of two processes, at 1000/s and 32 at once.
fn pool() -> Pool {
    let limits = GateLimits {
        rate: "1000/s".parse().unwrap(),
        max_concurrent: NonZeroU32::new(32).unwrap(),
        max_queue: 64,
        max_wait: Duration::from_secs(2),
    };
    Pool::new(limits, 2, Counter::default())
}

/// Asks because somebody wants something, and hears `grant`, or nothing.
fn ask(pool: &mut Pool, now: Duration, load: Load, grant: impl Into<Option<Grant>>) -> Ask {
    pool.want();
    let ask = pool.ask(now, load).unwrap();
    pool.answered(&ask, grant.into(), now, 2);
    ask
}

fn lent(calls: u32, slots: u32) -> Grant {
    Grant {
        calls,
        slots,
        sharing: 2,
        ..Grant::default()
    }
}

#[test]
fn without_an_answer_the_rate_is_its_own_part_at_once_and_slots_stay_until_they_end() {
    let mut pool = pool();
    assert_eq!(
        (pool.mode(at(1_000)), pool.slots(at(1_000))),
        (Mode::Unknown, 0)
    );
    let load = Load {
        running: 20,
        ..NOTHING
    };
    ask(&mut pool, at(1_000), load, lent(50, 30));
    assert_eq!(
        (pool.mode(at(1_001)), pool.slots(at(1_001))),
        (Mode::Shared, 30)
    );
    ask(&mut pool, at(2_000), load, None);
    assert_eq!(
        (pool.mode(at(2_000)), pool.slots(at(2_000))),
        (Mode::Alone(2), 30)
    );
    assert_eq!(
        (pool.mode(at(3_500)), pool.slots(at(3_500))),
        (Mode::Alone(2), 16)
    );
    ask(&mut pool, at(4_000), load, lent(50, 30));
    assert_eq!(
        (pool.mode(at(4_000)), pool.slots(at(4_000))),
        (Mode::Shared, 30)
    );
}

#[test]
fn one_that_was_lent_no_slots_has_its_part_at_once() {
    let mut pool = pool();
    ask(&mut pool, at(1_000), NOTHING, lent(1, 0));
    ask(&mut pool, at(1_100), NOTHING, None);
    assert_eq!(pool.slots(at(1_100)), 16);
}

#[test]
fn an_idle_gate_is_looked_at_now_and_then_and_a_lost_redis_not_all_the_time() {
    let mut pool = pool();
    assert_eq!(pool.next(at(60_000), NOTHING), IDLE);
    let load = Load {
        running: 1,
        waiting: 1,
        open: false,
    };
    ask(&mut pool, at(60_000), load, None);
    assert_eq!(pool.next(at(60_100), load), AWAY.saturating_sub(at(100)));
    assert_eq!(pool.next(at(60_100), NOTHING), AWAY.saturating_sub(at(100)));
}

#[test]
fn slots_are_asked_for_again_however_long_the_rate_makes_wait() {
    let mut pool = pool();
    let none = Grant {
        another: Duration::from_mins(1),
        slots: 4,
        ..Grant::default()
    };
    let load = Load {
        running: 1,
        ..NOTHING
    };
    ask(&mut pool, at(1_000), load, none);
    pool.want();
    assert_eq!(pool.next(at(1_000), load), HEARTBEAT);
    let next = pool.ask(at(1_000) + HEARTBEAT, load).unwrap();
    assert_eq!((next.calls, next.slots), (0, 2));
}

#[test]
fn a_pause_that_could_not_be_told_is_told_for_what_is_left_of_it() {
    let mut pool = pool();
    pool.sent_away(at(11_000));
    assert_eq!(ask(&mut pool, at(1_000), NOTHING, None).pause, at(10_000));
    assert_eq!(ask(&mut pool, at(5_000), NOTHING, None).pause, at(6_000));
    // It is told once; one that comes while it is being told is told next.
    pool.want();
    let told = pool.ask(at(9_000), NOTHING).unwrap();
    assert_eq!(told.pause, at(2_000));
    pool.sent_away(at(12_000));
    pool.answered(&told, Some(lent(0, 0)), at(9_001), 2);
    assert_eq!(
        ask(&mut pool, at(9_010), NOTHING, lent(0, 0)).pause,
        at(2_990)
    );
    assert_eq!(ask(&mut pool, at(9_020), NOTHING, lent(0, 0)).pause, at(0));
    // What was over before it could be told is not told.
    pool.sent_away(at(13_000));
    ask(&mut pool, at(12_000), NOTHING, None);
    assert_eq!(ask(&mut pool, at(20_000), NOTHING, lent(0, 0)).pause, at(0));
}

#[test]
fn there_is_room_for_those_whose_slots_are_only_not_lent_yet() {
    let mut pool = pool();
    assert_eq!(pool.more_slots(at(1_000)), 32);
    ask(&mut pool, at(1_000), NOTHING, lent(50, 2));
    assert_eq!(pool.more_slots(at(1_001)), 30);
    let load = Load {
        running: 2,
        waiting: 9,
        open: false,
    };
    ask(&mut pool, at(1_010), load, lent(50, 3));
    assert_eq!(pool.more_slots(at(1_011)), 0, "others have the rest");
    ask(&mut pool, at(1_020), load, None);
    assert_eq!(pool.more_slots(at(1_021)), 13);
    assert_eq!(pool.more_slots(at(4_000)), 0);
}
