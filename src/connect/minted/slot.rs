//! What is known of one tenant's tokens for one upstream: the token, when to buy the next, and whether
//! somebody is buying now. Judges; sends nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::Wanted;
use crate::{
    connect::{ObtainError, TokenError, token_endpoint::Tokens},
    entropy::Entropy,
    ids::CredentialId,
    secret::SecretBytes,
    upstream::{Holder, OpenedCredential},
};

/// How long a token is taken to be good when its answer does not say.
const USUAL_LIFE: Duration = Duration::from_mins(5);

/// Nobody asks again sooner after the secret was refused.
const AFTER_REFUSAL: Duration = Duration::from_mins(1);

/// Nobody asks again later than this after the endpoint had trouble.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// An API that refuses every token brings about one renewal in this time.
const BETWEEN_FORCED: Duration = Duration::from_mins(1);

/// What a token was bought with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) credential: Option<CredentialId>,
    pub(super) generation: u64,
    pub(super) fingerprint: [u8; 32],
}

/// One tenant's tokens for one upstream.
pub(super) struct Slot {
    state: Mutex<State>,
    landed: watch::Sender<()>,
}

struct State {
    identity: Identity,
    token: Option<Token>,
    flying: bool,
    /// Nobody asks before; by the monotonic clock, as everything here.
    retry_at: Duration,
    fault: ObtainError,
    failures: u32,
    forced_at: Option<Duration>,
}

struct Token {
    opened: Arc<OpenedCredential>,
    renew_at: Duration,
    ends: Duration,
}

/// What to do.
pub(super) enum Look {
    /// Use it.
    Good(Arc<OpenedCredential>),
    /// Use it; the next is to be bought meanwhile, by whoever hears this.
    Aging(Arc<OpenedCredential>, Flight),
    /// There is none, and it is too soon to ask again.
    Refused(ObtainError),
    /// Somebody is buying.
    Wait(watch::Receiver<()>),
    /// Whoever hears this buys.
    Start(watch::Receiver<()>, Flight),
}

/// The right to buy; over when it is dropped.
pub(super) struct Flight(Arc<Slot>);

impl Slot {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            state: Mutex::new(State {
                identity,
                token: None,
                flying: false,
                retry_at: Duration::ZERO,
                fault: ObtainError::ProviderUnavailable,
                failures: 0,
                forced_at: None,
            }),
            landed: watch::Sender::new(()),
        }
    }

    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.state().identity == *identity
    }

    pub(super) fn look(self: &Arc<Self>, now: Duration, wanted: Wanted) -> Look {
        let mut state = self.state();
        let good = state.token.as_ref().filter(|token| now < token.ends);
        let good = good.filter(|token| match wanted {
            Wanted::Any => true,
            Wanted::NewerThan(refused) => token.opened.generation > refused,
        });
        if let Some(token) = good {
            let opened = Arc::clone(&token.opened);
            if now < token.renew_at || state.flying || now < state.retry_at {
                return Look::Good(opened);
            }
            state.flying = true;
            return Look::Aging(opened, Flight(Arc::clone(self)));
        }
        if state.flying {
            return Look::Wait(self.landed.subscribe());
        }
        if now < state.retry_at {
            return Look::Refused(state.fault.clone());
        }
        if let Wanted::NewerThan(_) = wanted {
            if state.forced_at.is_some_and(|at| now < at + BETWEEN_FORCED) {
                return Look::Refused(ObtainError::ClientRefused);
            }
            state.forced_at = Some(now);
        }
        state.flying = true;
        Look::Start(self.landed.subscribe(), Flight(Arc::clone(self)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// A token was bought; `asked` is when, and `generation` is higher than that of any before.
    pub(super) fn bought(
        &self,
        bought: &Tokens,
        generation: u64,
        asked: Duration,
        entropy: &dyn Entropy,
    ) {
        let life = bought.life.unwrap_or(USUAL_LIFE);
        let mut state = self.0.state();
        state.token = Some(Token {
            opened: Arc::new(OpenedCredential {
                secret: SecretBytes::new(bought.access.expose().as_bytes().to_vec()),
                generation,
                holder: state
                    .identity
                    .credential
                    .map_or(Holder::Configured, Holder::Stored),
            }),
            // 80 % of its life, give or take a tenth: replicas do not ask all at once.
            renew_at: asked + life.mul_f64(0.8).mul_f64(about_one(0.1, entropy)),
            ends: asked + life,
        });
        state.retry_at = Duration::ZERO;
        state.failures = 0;
    }

    /// What it is bought with was replaced by the seller.
    pub(super) fn rotated(&self, generation: u64) {
        self.0.state().identity.generation = generation;
    }

    /// Nothing was bought. A token that is still good stays.
    pub(super) fn failed(&self, why: Failure, now: Duration, entropy: &dyn Entropy) {
        let mut state = self.0.state();
        let (fault, pause) = match why {
            Failure::Secret | Failure::Seller(TokenError::Refused | TokenError::ClientRefused) => {
                (ObtainError::ClientRefused, AFTER_REFUSAL)
            }
            Failure::Seller(TokenError::Unavailable(_)) => {
                let doubled = Duration::from_secs(1 << state.failures.min(6));
                let pause = doubled.min(LONGEST_PAUSE).mul_f64(about_one(0.2, entropy));
                (ObtainError::ProviderUnavailable, pause)
            }
        };
        state.failures = state.failures.saturating_add(1);
        state.fault = fault;
        state.retry_at = now + pause;
    }
}

/// Why nothing was bought.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    /// The secret is none that buys anything.
    Secret,
    /// The token endpoint.
    Seller(TokenError),
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.state().flying = false;
        self.0.landed.send_replace(());
    }
}

/// Between 1 − `spread` and 1 + `spread`.
fn about_one(spread: f64, entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 2];
    entropy.fill(&mut bytes);
    let drawn = f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX);
    1.0 - spread + 2.0 * spread * drawn
}
