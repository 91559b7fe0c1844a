//! Limits in Redis: the script against a model, what is kept there, and what happens when it is away.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use wicketgate::{
    config::WhenAway,
    limit::{AtOnce, Bucket, Claim, LimitError, Limiter},
    quota::{Rate, Tier},
};

use crate::{
    limit_contract::{Bench, exhausted},
    support::redis::Redis,
};

/// What the gateway sends, as it sends it.
const WINDOWS: &str = include_str!("../../src/limit/redis/windows.lua");

/// The rule itself (GCRA), in whole microseconds.
#[derive(Default)]
struct Model {
    full: HashMap<(usize, u64, u64), u64>,
    places: HashMap<usize, Vec<(u64, String)>>,
}

struct Question {
    owner: usize,
    /// Which bucket, microseconds between two, how many.
    buckets: Vec<(usize, u64, u64)>,
    /// Most, microseconds.
    place: Option<(u64, u64, String)>,
}

impl Model {
    fn answer(&mut self, question: &Question, now: u64) -> Vec<u64> {
        let mut answer = vec![now, 0, 0];
        for (at, &(bucket, interval, count)) in question.buckets.iter().enumerate() {
            let span = interval * count;
            let full = self.full.entry((bucket, interval, count)).or_insert(0);
            let due = (*full).clamp(now, now + span) + interval;
            if due > now + span {
                return vec![now, at as u64 + 1, due - now - span];
            }
            *full = due;
            answer.extend([(now + span - due) / interval, due - now]);
        }
        if let Some((most, lifetime, name)) = &question.place {
            let places = self.places.entry(question.owner).or_default();
            places.retain(|(end, _)| *end > now && *end <= now + 3_600_000_000);
            if places.len() as u64 >= *most {
                answer[1] = question.buckets.len() as u64 + 1;
                answer[2] = 1_000_000;
                return answer;
            }
            places.push((now + lifetime, name.clone()));
        }
        answer
    }
}

#[tokio::test]
async fn a_million_random_questions_are_answered_as_the_model_answers() {
    const BATCH: usize = 500;
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let script = redis::Script::new(WINDOWS);
    let loaded = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(WINDOWS)
        .query_async(&mut connection)
        .await;
    let loaded: String = loaded.unwrap();
    assert_eq!(loaded, script.get_hash());
    let mut random = StdRng::seed_from_u64(5);
    let (mut model, mut refused, mut asked) = (Model::default(), 0_u64, 0_u64);
    // From a microsecond to an hour between two, one to many at once.
    let rates = [
        (1, 1),
        (10, 3),
        (50, 7),
        (900, 2),
        (20_000, 10),
        (1_000_000, 60),
        (3_600_000_000, 4),
    ];
    for _ in 0..1_000_000 / BATCH {
        let mut pipe = redis::pipe();
        let mut questions = Vec::new();
        for number in 0..BATCH {
            let owner = random.random_range(0..20_usize);
            let buckets: Vec<_> = (0..random.random_range(1..=2))
                .map(|_| {
                    let (interval, count) = rates[random.random_range(0..rates.len())];
                    (random.random_range(0..5_usize), interval, count)
                })
                .collect();
            let place = random.random_bool(0.3).then(|| {
                let lifetime = [5, 400, 30_000][random.random_range(0..3)];
                (
                    random.random_range(1..4),
                    lifetime,
                    format!("{asked}-{number}"),
                )
            });
            let question = Question {
                owner,
                buckets,
                place,
            };
            let keys = question.buckets.len() + usize::from(question.place.is_some());
            let command = pipe.cmd("EVALSHA").arg(script.get_hash()).arg(keys);
            for (bucket, interval, count) in &question.buckets {
                command.arg(format!("b:{bucket}:{interval}:{count}"));
            }
            if question.place.is_some() {
                command.arg(format!("p:{owner}"));
            }
            for (_, interval, count) in &question.buckets {
                command.arg(*interval).arg(*count);
            }
            if let Some((most, lifetime, name)) = &question.place {
                command.arg(*most).arg(*lifetime).arg(name);
            }
            questions.push(question);
        }
        let answers: Vec<Vec<u64>> = pipe.query_async(&mut connection).await.unwrap();
        for (question, answer) in questions.iter().zip(answers) {
            let expected = model.answer(question, answer[0]);
            // A refusal of a later bucket still tells what the earlier ones gave.
            let told = answer.len().min(expected.len());
            assert_eq!(answer[..3], expected[..3], "question {asked}");
            assert_eq!(answer[..told], expected[..told], "question {asked}");
            refused += u64::from(answer[1] != 0);
            asked += 1;
        }
    }
    println!("{asked} questions, {refused} refused, every answer as the model's");
    assert_eq!(asked, 1_000_000);
    assert!(refused > 100_000 && refused < 900_000, "{refused}");
}

fn claim(most: u32) -> Claim {
    let license = [0xab; 16];
    Claim {
        owner: license,
        first: Bucket {
            tier: Tier::Session,
            rate: Rate::per_minute(NonZeroU32::new(most).unwrap()),
            key: [0xcd; 16],
        },
        second: Some(Bucket {
            tier: Tier::LicenseMinute,
            rate: Rate::per_minute(NonZeroU32::new(most * 2).unwrap()),
            key: license,
        }),
        at_once: Some(AtOnce {
            most: NonZeroU32::new(100).unwrap(),
            lifetime: Duration::from_mins(1),
        }),
    }
}

#[tokio::test]
async fn keys_say_nothing_of_whom_they_belong_to_and_lie_in_one_slot() {
    let bench = Bench::shared().await;
    let standing = bench.take(claim(10)).await.unwrap();
    let mut connection = bench.redis.as_ref().unwrap().connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let keys: Vec<_> = keys.into_iter().filter(|key| key != "wg:{probe}").collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    let tag = |key: &str| key.split(['{', '}']).nth(1).map(str::to_owned);
    assert!(keys.iter().all(|key| tag(key) == tag(&keys[0])), "{keys:?}");
    for key in &keys {
        let lower = key.to_lowercase();
        assert!(!lower.contains("abab") && !lower.contains("cdcd"), "{key}");
        let left: i64 = redis::cmd("PTTL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(left > 0 && left <= 61_000, "{key} stays for {left} ms");
    }
    drop(standing);
}

#[tokio::test]
async fn one_claim_is_one_question() {
    let bench = Bench::shared().await;
    for _ in 0..50 {
        bench.take(claim(1_000)).await.unwrap().windows[1].unwrap();
    }
    assert_eq!(bench.metrics.redis_questions.get(), 50);
    // A caller who does not wait asks nothing.
    while bench.take(claim(51)).await.is_ok() {}
    let before = bench.metrics.redis_questions.get();
    for _ in 0..100 {
        exhausted(bench.take(claim(51)).await);
    }
    assert_eq!(bench.metrics.redis_questions.get(), before);
}

fn kept(bench: &Bench) -> CancellationToken {
    let stop = CancellationToken::new();
    if let Limiter::Redis(shared) = &bench.limiter {
        let line = Arc::clone(shared.line());
        let stop = stop.clone();
        tokio::spawn(line.keep(stop));
    }
    stop
}

/// Until Redis answers again, as the gateway sees it.
async fn back(bench: &Bench) {
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while bench.metrics.redis_away.get() != 0 {
        assert!(tokio::time::Instant::now() < until, "Redis is still away");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many pass when nobody remembers being refused.
async fn given(bench: &Bench, most: u32) -> u32 {
    bench.clock.advance(Duration::from_mins(2));
    let mut given = 0;
    while bench.take(claim(most)).await.is_ok() {
        given += 1;
        assert!(given <= 10 * most, "no limit at all");
    }
    given
}

#[tokio::test]
async fn q_04_killed_stalled_and_flushed_each_lets_a_bounded_number_pass() {
    let mut bench = Bench::shared().await;
    bench.replicas.set(3);
    let stop = kept(&bench);
    assert_eq!(given(&bench, 30).await, 30, "whole");

    bench.redis.as_mut().unwrap().kill();
    let killed = given(&bench, 30).await;
    assert_eq!(killed, 10, "its share: a third");
    assert!(bench.metrics.limits_decided_alone.get() >= 10);
    bench.redis.as_mut().unwrap().begin();
    back(&bench).await;
    let fresh = given(&bench, 30).await;
    assert_eq!(fresh, 30, "a Redis without memory begins anew");

    bench.redis.as_ref().unwrap().stall();
    let stalled = given(&bench, 30).await;
    assert_eq!(stalled, 10);
    bench.redis.as_ref().unwrap().go_on();
    back(&bench).await;

    let mut connection = bench.redis.as_ref().unwrap().connection().await;
    let () = redis::cmd("FLUSHALL")
        .query_async(&mut connection)
        .await
        .unwrap();
    let flushed = given(&bench, 30).await;
    assert_eq!(flushed, 30, "once more, and no more");
    println!("of 30 a minute: killed {killed}, new {fresh}, stalled {stalled}, flushed {flushed}");
    stop.cancel();
}

#[tokio::test]
async fn q_04_what_was_asked_when_it_stalled_is_decided_here() {
    let bench = Arc::new(Bench::shared().await);
    let stop = kept(&bench);
    let callers = (0..200).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..20 {
                taken.push(bench.take(claim(100_000)).await);
                tokio::task::yield_now().await;
            }
            taken
        })
    });
    let callers: Vec<_> = callers.collect();
    while bench.metrics.redis_questions.get() < 400 {
        tokio::task::yield_now().await;
    }
    bench.redis.as_ref().unwrap().stall();
    let (mut given, mut limited) = (0, 0);
    for caller in callers {
        for taken in caller.await.unwrap() {
            match taken {
                Ok(_) => given += 1,
                Err(LimitError::Exhausted(exhausted)) => {
                    assert_eq!(exhausted.tier, Tier::LicenseAtOnce);
                    limited += 1;
                }
                Err(LimitError::Unavailable) => panic!("nobody decided"),
            }
        }
    }
    println!("4,000 asked around a stall: {given} given, {limited} found no place");
    assert_eq!(given + limited, 4_000);
    bench.redis.as_ref().unwrap().go_on();
    back(&bench).await;
    stop.cancel();
}

async fn places(bench: &Bench) -> u64 {
    let mut connection = bench.redis.as_ref().unwrap().connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("wg:*:at_once")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut held = 0;
    for key in keys {
        let there: u64 = redis::cmd("ZCARD")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
        held += there;
    }
    held
}

#[tokio::test]
async fn places_are_given_back_whatever_happens_to_their_callers() {
    let bench = Bench::shared().await;
    let stop = kept(&bench);
    // Held through an outage, and given back in it.
    let standing = bench.take(claim(1_000)).await.unwrap();
    assert_eq!(places(&bench).await, 1);
    bench.redis.as_ref().unwrap().stall();
    let alone = bench.take(claim(1_000)).await.unwrap();
    assert_eq!(bench.metrics.redis_away.get(), 1);
    drop((standing, alone));
    bench.redis.as_ref().unwrap().go_on();
    back(&bench).await;
    // Callers who go away before they have an answer.
    for _ in 0..50 {
        let asking = bench.take(claim(1_000));
        drop(tokio::time::timeout(Duration::ZERO, asking).await);
    }
    let mut held = places(&bench).await;
    for _ in 0..400 {
        if held == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        held = places(&bench).await;
    }
    assert_eq!(held, 0, "left behind");
    stop.cancel();
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_away() {
    let bench = Bench::shared().await;
    let stop = kept(&bench);
    bench.take(claim(30)).await.unwrap();
    let mut connection = bench.redis.as_ref().unwrap().connection().await;
    let set = |value: &'static str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(value);
        command
    };
    let () = set("1").query_async(&mut connection).await.unwrap();
    assert!(bench.take(claim(30)).await.is_ok(), "decided here");
    assert_eq!(bench.metrics.redis_away.get(), 1);
    assert!(bench.metrics.limits_decided_alone.get() >= 1);
    let () = set("0").query_async(&mut connection).await.unwrap();
    back(&bench).await;
    stop.cancel();
}

#[tokio::test]
async fn where_so_configured_nothing_passes_without_redis() {
    let mut bench = Bench::over(Redis::start(), WhenAway::Refuse).await;
    bench.take(claim(30)).await.unwrap();
    bench.redis.as_mut().unwrap().kill();
    for _ in 0..3 {
        assert_eq!(
            bench.take(claim(30)).await.unwrap_err(),
            LimitError::Unavailable
        );
    }
}

#[tokio::test]
async fn places_that_died_with_their_process_come_free_by_the_clock_of_the_server() {
    let bench = Bench::shared().await;
    let mut short = claim(1_000);
    short.at_once = Some(AtOnce {
        most: NonZeroU32::new(1).unwrap(),
        lifetime: Duration::from_millis(300),
    });
    // Never given back.
    std::mem::forget(bench.take(short).await.unwrap());
    exhausted(bench.take(short).await);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut tries = 0_u32;
    while bench.take(short).await.is_err() {
        tries += 1;
        assert!(tokio::time::Instant::now() < until, "it never comes free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("free again after {tries} tries");
}

#[tokio::test]
async fn q_14_every_key_ends_by_itself() {
    const KEYS: u32 = 20_000;
    const LIVES: &str = "local all, without = redis.call('KEYS', '*'), 0 \
         for _, key in ipairs(all) do \
           if redis.call('PTTL', key) < 0 then without = without + 1 end \
         end \
         return {#all, without}";
    let bench = Bench::shared().await;
    for number in 0..KEYS {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let mut one = claim(30);
        (one.owner, one.first.key) = (key, key);
        one.first.rate = "30/h".parse().unwrap();
        bench.take(one).await.unwrap();
    }
    let mut connection = bench.redis.as_ref().unwrap().connection().await;
    let lives = redis::Script::new(LIVES);
    let counted: (u32, u32) = lives.invoke_async(&mut connection).await.unwrap();
    println!(
        "Q-14: {} keys in Redis, {} without an end",
        counted.0, counted.1
    );
    assert!(counted.0 >= KEYS, "{counted:?}");
    assert_eq!(counted.1, 0);
}
