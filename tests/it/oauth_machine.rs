//! Any interleaving of redeeming, refreshing, retrying, replaying, using, revoking and waiting,
//! against a model: one consent never has two families, and nothing is accepted after its end.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use proptest::{collection::vec, prelude::*, test_runner::Config};
use wicketgate::{
    auth::{AuthError, AuthParts, Authenticator, Circumstances, Issuers, LicenseKeys, Watcher},
    clock::{Clock, ManualClock, SharedClock, Timestamp},
    config::auth::{ClientDocumentsConfig, RegistrationConfig},
    crypto::{LogKey, Pepper, SuccessorKey},
    entropy::{OsEntropy, SharedEntropy},
    grant::{ClientAuth, ClientId, ClientKind, Scope},
    ids::LicenseId,
    license::{License, LicenseStatus},
    limit::{Limiter, LocalLimiter},
    oauth::{
        Approval, Client, Grants, GrantsParts, OAuthError, Redemption, Refreshal, Revoked,
        Settings, clients::Publisher,
    },
    store::{KeyRecord, SessionFilter, SessionRecord, Stamp, Store, StoreTarget},
    telemetry::metrics::Metrics,
};

use crate::support::{
    database::NOON,
    oauth::{CALLBACK, VERIFIER, challenge},
};

const RESOURCE: &str = "https://gw.test/mcp";
const ACCESS: Duration = Duration::from_mins(30);
const IDLE: Duration = Duration::from_hours(2);
const ABSOLUTE: Duration = Duration::from_hours(8);
const OVERLAP: Duration = Duration::from_mins(10);
/// Most rotations of a session in a minute.
const ROTATIONS: usize = 10;

/// What anybody may do next. Indices mean one of the tokens given so far, old ones included.
#[derive(Debug, Clone)]
enum Step {
    Redeem,
    RedeemWrongly,
    Refresh(usize),
    Use(usize),
    RevokeAccess(usize),
    RevokeRefresh(usize),
    RevokeAsStranger(usize),
    EndByOperator,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Redeem),
        1 => Just(Step::RedeemWrongly),
        8 => (0..4_usize).prop_map(Step::Refresh),
        8 => (0..4_usize).prop_map(Step::Use),
        1 => (0..4_usize).prop_map(Step::RevokeAccess),
        1 => (0..4_usize).prop_map(Step::RevokeRefresh),
        1 => (0..4_usize).prop_map(Step::RevokeAsStranger),
        1 => Just(Step::EndByOperator),
        6 => prop_oneof![Just(0), Just(1), Just(9), Just(10), Just(29), 1..150_u64].prop_map(Step::Wait),
    ]
}

/// One generation of a session, as the model knows it.
struct Pair {
    access: String,
    refresh: String,
    accepted_until: Timestamp,
    refreshed_until: Timestamp,
    made: Timestamp,
    used: bool,
}

#[derive(Default)]
struct Model {
    code_presented: bool,
    pairs: Vec<Pair>,
    expires: Option<Timestamp>,
    ended: bool,
}

impl Model {
    /// The pair that an index means: 0 is the newest.
    fn pick(&self, back: usize) -> Option<usize> {
        self.pairs.len().checked_sub(1 + back)
    }

    fn lives(&self, now: Timestamp) -> bool {
        !self.ended && self.expires.is_some_and(|at| now < at)
    }

    /// Was the session rotated as often as it may be?
    fn is_hasty(&self, now: Timestamp) -> bool {
        let minute = Duration::from_mins(1);
        let rotated = self.pairs.iter().skip(1);
        rotated.filter(|pair| now < pair.made.plus(minute)).count() >= ROTATIONS
    }

    fn given(&mut self, access: &str, refresh: &str, now: Timestamp) {
        let expires = *self.expires.get_or_insert(now.plus(ABSOLUTE));
        for old in &mut self.pairs {
            old.accepted_until = old.accepted_until.min(now.plus(OVERLAP));
        }
        let until = expires.min(now.plus(ACCESS));
        self.pairs.push(Pair {
            access: access.to_owned(),
            refresh: refresh.to_owned(),
            accepted_until: until,
            refreshed_until: expires.min(until.plus(IDLE)),
            made: now,
            used: false,
        });
    }
}

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    grants: Grants,
    authenticator: Arc<Authenticator>,
    watcher: Watcher,
}

impl World {
    async fn new() -> Self {
        let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
        store.migrate(NOON).await.unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let entropy: SharedEntropy = Arc::new(OsEntropy);
        let pepper = Pepper::new(&[1; 32]);
        let settings = Settings {
            issuer: "https://gw.test".into(),
            resource: RESOURCE.into(),
            access: ACCESS,
            idle: IDLE,
            absolute: ABSOLUTE,
            browser: IDLE,
            exchange: ACCESS,
            documents: ClientDocumentsConfig::default(),
            registration: RegistrationConfig::default(),
        };
        let grants = Grants::new(GrantsParts {
            store: store.clone(),
            pepper: pepper.clone(),
            successor_key: SuccessorKey::new([2; 32]),
            clock: clock.clone(),
            entropy,
            settings: Arc::new(settings),
            plans: Arc::new(ArcSwap::from_pointee(HashMap::new())),
            limiter: Arc::new(Limiter::Local(LocalLimiter::new(clock.clone()))),
        });
        let time: SharedClock = clock.clone();
        let issuers = Issuers::new(&[], RESOURCE, pepper.clone(), &time).unwrap();
        let authenticator = Arc::new(Authenticator::new(AuthParts {
            store: store.clone(),
            pepper,
            log_key: LogKey::new([3; 32]),
            clock: clock.clone(),
            metrics: Metrics::new(),
            resource: RESOURCE.into(),
            license_keys: LicenseKeys::Accepted,
            issuers,
        }));
        let watcher = Watcher::new(store.clone(), Arc::clone(&authenticator), Vec::new());
        Self {
            store,
            clock,
            grants,
            authenticator,
            watcher,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp::new("test", &*self.clock, &OsEntropy)
    }

    async fn license(&self) -> License {
        let now = self.clock.now();
        let license = License {
            id: LicenseId::generate(now, &OsEntropy),
            name: "test".into(),
            plan: "pro".parse().unwrap(),
            tools: None,
            overrides: wicketgate::license::Overrides::default(),
            status: LicenseStatus::Active,
            created: now,
            expires: None,
        };
        let key = wicketgate::crypto::LicenseKey::generate(&OsEntropy);
        let key = KeyRecord {
            digest: Pepper::new(&[9; 32]).digest(&key),
            hint: key.hint(),
            created: now,
            expires: None,
        };
        let stored = self
            .store
            .insert_license(&license, &key, &self.stamp())
            .await;
        stored.unwrap();
        license
    }

    async fn sessions(&self, license: LicenseId) -> Vec<SessionRecord> {
        let filter = SessionFilter {
            license: Some(license),
            ..SessionFilter::default()
        };
        self.store.sessions(&filter).await.unwrap()
    }

    async fn accepts(&self, token: &str) -> bool {
        let here = Circumstances {
            address: &|| Ipv4Addr::LOCALHOST.into(),
            user_agent: None,
        };
        match self.authenticator.authenticate(token, &here).await {
            Ok(_) => true,
            Err(AuthError::Over) => false,
            Err(AuthError::Refused) => panic!("a token's form is right"),
            Err(AuthError::InsufficientScope) => panic!("there is no issuer"),
            Err(AuthError::Unavailable) => panic!("the store is there"),
        }
    }
}

fn client(number: char) -> Client {
    Client {
        id: format!("https://{number}.test/client")
            .parse::<ClientId>()
            .unwrap(),
        kind: ClientKind::Document,
        name: "A client".into(),
        redirect_uris: vec![CALLBACK.into()],
        auth: ClientAuth::None,
        secret: None,
        jwks: None,
        jwks_uri: None,
        publisher: Publisher::Unknown,
    }
}

/// One consent, from its code on, through these steps.
#[expect(
    clippy::too_many_lines,
    reason = "one arm a step, read from top to bottom"
)]
async fn run(world: &World, steps: &[Step]) {
    let (owner, stranger) = (client('a'), client('b'));
    let license = world.license().await;
    let approval = Approval {
        license: &license,
        client: &owner,
        redirect_uri: CALLBACK.into(),
        challenge: challenge(),
        resource: RESOURCE.into(),
        scope: Scope::Tools,
    };
    let code = world.grants.issue_code(approval).await.unwrap();
    let code_until = world.clock.now().plus(Duration::from_mins(1));
    let mut model = Model::default();
    for step in steps {
        let now = world.clock.now();
        match step {
            Step::Redeem | Step::RedeemWrongly => {
                let right = matches!(step, Step::Redeem);
                let request = Redemption {
                    code: code.expose(),
                    redirect_uri: Some(CALLBACK),
                    code_verifier: right.then_some(VERIFIER),
                    resource: None,
                };
                let answer = world.grants.redeem(&owner, request).await;
                if right && !model.code_presented && now < code_until {
                    let tokens = answer.expect("a session");
                    let refresh = tokens.refresh.unwrap();
                    model.given(tokens.access.expose(), refresh.expose(), now);
                } else {
                    assert!(matches!(answer, Err(OAuthError::InvalidGrant(_))));
                    model.ended |= right && !model.pairs.is_empty();
                }
                model.code_presented = true;
            }
            Step::Refresh(back) => {
                let Some(at) = model.pick(*back) else {
                    continue;
                };
                let newest = model.pairs.len() - 1;
                let token = model.pairs[at].refresh.clone();
                let request = Refreshal {
                    refresh_token: &token,
                    scope: None,
                    resource: Some(RESOURCE),
                };
                let answer = world.grants.refresh(&owner, request).await;
                let known = model.lives(now) && now < model.pairs[at].refreshed_until;
                if known && at == newest && model.is_hasty(now) {
                    assert!(matches!(answer, Err(OAuthError::SlowDown(..))));
                } else if known && at == newest {
                    let tokens = answer.expect("the next pair");
                    let refresh = tokens.refresh.unwrap();
                    model.given(tokens.access.expose(), refresh.expose(), now);
                } else if known && at + 1 == newest && !model.pairs[newest].used {
                    let tokens = answer.expect("the same pair");
                    let same = &model.pairs[newest];
                    assert_eq!(tokens.access.expose(), same.access);
                    assert_eq!(tokens.refresh.unwrap().expose(), same.refresh);
                    assert_eq!(tokens.expires_in, same.accepted_until.since(now));
                } else {
                    assert!(matches!(answer, Err(OAuthError::InvalidGrant(_))));
                    model.ended |= known;
                }
            }
            Step::Use(back) => {
                let Some(at) = model.pick(*back) else {
                    continue;
                };
                let lives = model.lives(now);
                let pair = &mut model.pairs[at];
                let good = lives && now < pair.accepted_until;
                assert_eq!(world.accepts(&pair.access).await, good, "{step:?}");
                pair.used |= good;
            }
            Step::RevokeAccess(back) | Step::RevokeRefresh(back) => {
                let Some(at) = model.pick(*back) else {
                    continue;
                };
                let pair = &model.pairs[at];
                let token = if matches!(step, Step::RevokeAccess(_)) {
                    &pair.access
                } else {
                    &pair.refresh
                };
                let revoked = world.grants.revoke(&owner, token).await;
                assert!(matches!(revoked, Ok(Revoked::Session(_))));
                model.ended = true;
            }
            Step::RevokeAsStranger(back) => {
                let Some(at) = model.pick(*back) else {
                    continue;
                };
                let revoked = world
                    .grants
                    .revoke(&stranger, &model.pairs[at].refresh)
                    .await;
                assert_eq!(revoked, Ok(Revoked::Nothing));
            }
            Step::EndByOperator => {
                let stamp = world.stamp();
                let all = world.store.end_sessions(Some(license.id), "test", &stamp);
                assert_eq!(all.await.unwrap(), u64::from(model.lives(now)));
                model.ended |= model.lives(now);
            }
            Step::Wait(minutes) => world.clock.advance(Duration::from_mins(*minutes)),
        }
        world.watcher.look().await;
        hold(world, &model, license.id).await;
    }
}

/// What holds after every step.
async fn hold(world: &World, model: &Model, license: LicenseId) {
    let now = world.clock.now();
    let sessions = world.sessions(license).await;
    assert_eq!(
        sessions.len(),
        usize::from(!model.pairs.is_empty()),
        "one family"
    );
    let live = sessions.iter().any(|session| session.is_live(now));
    assert_eq!(live, model.lives(now));
    if !live {
        for pair in &model.pairs {
            assert!(!world.accepts(&pair.access).await, "accepted after its end");
        }
    }
}

#[test]
fn no_interleaving_gives_two_families_or_outlives_a_revocation() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let config = Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(steps in vec(step(), 1..40))| {
        // A consent that is never redeemed shows little: most begin with their redemption.
        let mut steps = steps;
        if steps.len() % 8 != 0 {
            steps.insert(0, Step::Redeem);
        }
        runtime.block_on(run(&world, &steps));
    });
}
