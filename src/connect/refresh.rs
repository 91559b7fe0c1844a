//! Renews a grant exactly once, whoever wants it: one flight in this process, one lease among all.
//!
//! The order is store, then use. A renewal goes on when its callers go away: the provider may have
//! made the old refresh token worthless by then.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::{
    AccountSite, ObtainError, TokenError,
    age::{Age, age},
    flights::{Boarding, Flight, Flights, Outcome},
    token_endpoint::Tokens,
};
use crate::{
    clock::{SharedClock, Timestamp},
    config::provider::Refresh,
    entropy::SharedEntropy,
    ids::{CredentialId, ReplicaId},
    secret::{SecretBytes, SecretString},
    store::{CredentialInfo, CredentialState, Lease},
    telemetry::metrics::Metrics,
    upstream::{Holder, OpenedCredential},
    vault::{GrantChange, GrantTokens, Held, Issuer, Material, NewGrant, Vault},
};

/// How long the right to renew lasts. A process that dies with it blocks the others no longer.
const LEASE: Duration = Duration::from_secs(30);
/// How long somebody else's renewal is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_millis(400);
/// How long what a provider gave is tried to be stored.
const STORING: Duration = Duration::from_mins(1);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(2);
/// How long it is tried to note in the audit trail that it could not be.
const NOTING: Duration = Duration::from_hours(1);

/// Who stands in the audit trail.
const ACTOR: &str = "gateway";

/// Renews grants.
pub(super) struct Refresher {
    pub(super) vault: Arc<Vault>,
    pub(super) clock: SharedClock,
    pub(super) entropy: SharedEntropy,
    pub(super) replica: ReplicaId,
    pub(super) metrics: Arc<Metrics>,
    pub(super) flights: Flights,
    pub(super) tasks: TaskTracker,
}

/// How a grant is renewed.
enum Way {
    Refresh(SecretString),
    Exchange(SecretString),
}

impl Refresher {
    pub(super) fn age(&self, info: &CredentialInfo) -> Age {
        age(info, self.replica, self.clock.now())
    }

    /// Can it be renewed without its owner?
    pub(super) fn is_renewable(held: &Held, site: &AccountSite) -> bool {
        let Material::Grant(tokens) = &held.material else {
            return false;
        };
        match site.provider.refresh {
            Refresh::RefreshToken => tokens.refresh.is_some(),
            Refresh::Exchange => tokens.access.is_some(),
            Refresh::None => false,
        }
    }

    /// Renews it, or waits for whoever does.
    pub(super) async fn renew(
        self: &Arc<Self>,
        held: &Arc<Held>,
        site: &Arc<AccountSite>,
    ) -> Outcome {
        let broken = || Outcome::Failed(ObtainError::ProviderUnavailable);
        match self.start(held, site) {
            Err(error) => Outcome::Failed(error),
            Ok(mut flight) => match flight.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone().unwrap_or_else(broken),
                Err(_) => broken(),
            },
        }
    }

    /// Renews it in the background, unless somebody in this process does.
    pub(super) fn start(
        self: &Arc<Self>,
        held: &Arc<Held>,
        site: &Arc<AccountSite>,
    ) -> Result<Flight, ObtainError> {
        let id = held.info.id;
        match self.flights.board(id, self.clock.monotonic()) {
            Boarding::Running(flight) => Ok(flight),
            Boarding::Not(error) => Err(error),
            Boarding::Start(sender, flight) => {
                let landing = Landing(Arc::clone(self), id);
                let (held, site) = (Arc::clone(held), Arc::clone(site));
                self.tasks.spawn(async move {
                    let outcome = landing.0.fly(&held, &site).await;
                    sender.send_replace(Some(outcome));
                    drop(landing);
                });
                Ok(flight)
            }
        }
    }

    async fn fly(self: &Arc<Self>, held: &Arc<Held>, site: &AccountSite) -> Outcome {
        let Some(way) = way(held, site) else {
            return self.ended(held).await;
        };
        let give_up = Instant::now() + PATIENCE;
        let mut pause = FIRST_LOOK;
        loop {
            let until = self.clock.now().plus(LEASE);
            match self.vault.lease(held, self.replica, until).await {
                Ok(Lease::Ours) => return self.renew_leased(held, site, way).await,
                Ok(Lease::NotOurs) => {}
                Err(error) => return Outcome::Failed(error.into()),
            }
            match self.newer(held).await {
                Some(outcome) => return outcome,
                None if Instant::now() + pause > give_up => {
                    tracing::warn!(credential = %held.info.id, "connection.not_renewed_elsewhere");
                    return Outcome::Failed(ObtainError::ProviderUnavailable);
                }
                None => sleep(pause).await,
            }
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    /// What somebody else made of it meanwhile; none: nothing.
    async fn newer(&self, held: &Held) -> Option<Outcome> {
        match self.vault.look_again(held).await {
            Err(error) => Some(Outcome::Failed(error.into())),
            Ok(None) => Some(Outcome::Gone),
            Ok(Some(now)) if now.info.state == CredentialState::NeedsReconnect => {
                Some(Outcome::Ended)
            }
            Ok(Some(now)) if now.info.generation > held.info.generation => {
                Some(Outcome::Fresh(now))
            }
            Ok(Some(_)) => None,
        }
    }

    async fn renew_leased(
        self: &Arc<Self>,
        held: &Arc<Held>,
        site: &AccountSite,
        way: Way,
    ) -> Outcome {
        let began = self.clock.now();
        let id = held.info.id;
        let answer = match way {
            Way::Refresh(token) => site.refresh(token).await,
            Way::Exchange(access) => site.exchange(access).await,
        };
        match answer {
            Ok(tokens) => {
                self.flights.wake(id);
                self.keep(held, site.issuer, tokens, began).await
            }
            Err(TokenError::Refused) => {
                self.flights.wake(id);
                self.ended(held).await
            }
            Err(error @ (TokenError::ClientRefused | TokenError::Unavailable(_))) => {
                tracing::warn!(credential = %id, upstream = %site.name, %error,
                    "connection.not_renewed");
                let why = match error {
                    TokenError::ClientRefused => ObtainError::ClientRefused,
                    TokenError::Refused | TokenError::Unavailable(_) => {
                        ObtainError::ProviderUnavailable
                    }
                };
                let mut chance = [0];
                self.entropy.fill(&mut chance);
                let now = self.clock.monotonic();
                self.flights.rest(id, now, chance[0], why.clone());
                // Whether somebody may try again is told by time too.
                if let Err(error) = self.vault.release(held, self.replica).await {
                    tracing::warn!(credential = %id, %error, "connection.lease_not_released");
                }
                Outcome::Failed(why)
            }
        }
    }

    /// The provider no longer takes it, unless somebody else has renewed it meanwhile.
    pub(super) async fn ended(&self, held: &Held) -> Outcome {
        if let Some(outcome) = self.newer(held).await {
            return outcome;
        }
        match self.vault.refused(held, ACTOR).await {
            Ok(()) => {
                tracing::warn!(credential = %held.info.id, upstream = %held.info.upstream,
                    "connection.ended");
                Outcome::Ended
            }
            Err(error) => Outcome::Failed(error.into()),
        }
    }

    /// Stores what the provider gave, then lets it be used. If the store fails it is used
    /// nevertheless: the old one may be worthless.
    async fn keep(
        self: &Arc<Self>,
        held: &Arc<Held>,
        issuer: Issuer,
        tokens: Tokens,
        began: Timestamp,
    ) -> Outcome {
        let new = renewed(held, issuer, tokens, began);
        match self.vault.renewed(held, &new).await {
            Ok(GrantChange::Stored) => Outcome::Fresh(in_memory(held, &new, began)),
            Ok(GrantChange::Superseded) => {
                let newer = self.superseded(held, &new).await;
                newer.unwrap_or(Outcome::Failed(ObtainError::ProviderUnavailable))
            }
            Err(error) => {
                tracing::error!(credential = %held.info.id, upstream = %held.info.upstream, %error,
                    "connection.store_failed");
                let fresh = in_memory(held, &new, began);
                self.flights.keep(Arc::clone(&fresh));
                let (own, held) = (Arc::clone(self), Arc::clone(held));
                self.tasks
                    .spawn(async move { own.store_later(&held, &new).await });
                Outcome::Fresh(fresh)
            }
        }
    }

    async fn store_later(&self, held: &Held, new: &NewGrant) {
        let give_up = self.clock.monotonic().saturating_add(STORING);
        let mut pause = Duration::from_millis(250);
        let id = held.info.id;
        loop {
            sleep(pause).await;
            if self.clock.monotonic() >= give_up {
                break;
            }
            pause = (pause * 2).min(LONGEST_STORE_PAUSE);
            if let Ok(change) = self.vault.renewed(held, new).await {
                if change == GrantChange::Superseded {
                    self.superseded(held, new).await;
                }
                tracing::info!(credential = %id, "connection.stored_late");
                self.flights.let_go(id);
                return;
            }
        }
        self.metrics.grants_lost.inc();
        tracing::error!(credential = %id, upstream = %held.info.upstream, "connection.lost");
        self.flights.let_go(id);
        self.note_lost(held).await;
    }

    /// Tells the audit trail as soon as it can be written.
    async fn note_lost(&self, held: &Held) {
        let give_up = self.clock.monotonic().saturating_add(NOTING);
        while let Err(error) = self.vault.lost(held, ACTOR).await {
            if self.clock.monotonic() >= give_up {
                tracing::error!(credential = %held.info.id, %error, "connection.loss_not_noted");
                return;
            }
            sleep(LONGEST_STORE_PAUSE).await;
        }
    }

    /// Somebody else was faster. If the account was disconnected, the provider is to be told of what
    /// it has just given: it may have ended what was queued for that. If it was connected anew, it is
    /// not: some providers would end that too.
    async fn superseded(&self, held: &Held, new: &NewGrant) -> Option<Outcome> {
        let newer = self.newer(held).await;
        if matches!(newer, Some(Outcome::Gone))
            && let Err(error) = self.vault.revoke_late(held, new).await
        {
            tracing::error!(credential = %held.info.id, upstream = %held.info.upstream, %error,
                "connection.not_revoked");
        }
        newer
    }
}

/// Ends a flight however its task ends.
struct Landing(Arc<Refresher>, CredentialId);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.flights.land(self.1);
    }
}

fn way(held: &Held, site: &AccountSite) -> Option<Way> {
    let Material::Grant(tokens) = &held.material else {
        return None;
    };
    match site.provider.refresh {
        Refresh::RefreshToken => tokens
            .refresh
            .as_ref()
            .map(|token| Way::Refresh(copy(token))),
        Refresh::Exchange => {
            let access = tokens.access.as_ref()?;
            let text = std::str::from_utf8(access.secret.expose()).ok()?;
            Some(Way::Exchange(SecretString::new(text.to_owned())))
        }
        Refresh::None => None,
    }
}

fn copy(secret: &SecretString) -> SecretString {
    SecretString::new(secret.expose().clone())
}

/// What counts from now on. An answer without a refresh token leaves the old one in place, and one
/// without scopes what was granted (RFC 6749 section 6).
fn renewed(held: &Held, issuer: Issuer, tokens: Tokens, began: Timestamp) -> NewGrant {
    let old = match &held.material {
        Material::Grant(tokens) => tokens.refresh.as_ref(),
        Material::Static(_) => None,
    };
    NewGrant {
        access: Some(tokens.access),
        refresh: tokens.refresh.or_else(|| old.map(copy)),
        issuer,
        scopes: match tokens.scopes {
            Some(scopes) => scopes.into_iter().collect(),
            None => held.info.scopes.clone(),
        },
        expires: tokens.life.map(|life| began.plus(life)),
        shortfalls: held.info.shortfalls,
    }
}

/// The same as it will be read from the store.
fn in_memory(held: &Held, new: &NewGrant, now: Timestamp) -> Arc<Held> {
    let generation = held.info.generation + 1;
    let access = new.access.as_ref().map(|access| {
        Arc::new(OpenedCredential {
            secret: SecretBytes::new(access.expose().as_bytes().to_vec()),
            generation,
            holder: Holder::Stored(held.info.id),
        })
    });
    Arc::new(Held {
        info: CredentialInfo {
            generation,
            scopes: new.scopes.clone(),
            expires: new.expires,
            updated: now,
            ..held.info.clone()
        },
        material: Material::Grant(GrantTokens {
            access,
            issuer: new.issuer,
            refresh: new.refresh.as_ref().map(copy),
        }),
    })
}
