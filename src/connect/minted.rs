//! Tokens that are bought with a secret of the operator's or a license's own: kept in memory, bought by
//! one caller at a time, renewed before they end.
//!
//! Never writes a token down, and never asks a seller again that has just refused.

mod purchase;
mod slot;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::time::timeout;

use self::{
    purchase::buy,
    slot::{Failure, Flight, Identity, Look, Slot},
};
use super::{Connections, ObtainError, TokenError};
use crate::{
    auth::Principal,
    clock::SharedClock,
    entropy::SharedEntropy,
    names::{Label, UpstreamName},
    secret::SecretString,
    store::Tenant,
    upstream::{BoundTool, Minted, OpenedCredential, credential::mint::Grant},
    vault::{Held, Material, OperatorAct, Vault, VaultError},
};

/// How many tenants' tokens are in memory.
const KEPT: usize = 8_192;

/// How long anybody waits for somebody else's purchase; the purchase itself is given up before.
const PATIENCE: Duration = Duration::from_secs(12);

/// Who stored what the seller replaced, in the audit trail.
const ACTOR: &str = "gateway";

/// Which tokens will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any that is good.
    Any,
    /// One that was bought after that of this generation.
    NewerThan(u64),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    tenant: Tenant,
    upstream: UpstreamName,
}

/// All tokens that were bought.
pub(super) struct Purse {
    slots: Cache<Place, Arc<Slot>>,
    /// The generation of the newest.
    newest: Arc<AtomicU64>,
}

/// What is bought with, and whose it is.
struct Money {
    tenant: Tenant,
    opened: Arc<OpenedCredential>,
    /// As the vault has it; none: it stands in the configuration.
    held: Option<Arc<Held>>,
}

impl Purse {
    pub(super) fn new() -> Self {
        Self {
            slots: Cache::new(KEPT),
            newest: Arc::default(),
        }
    }

    /// Its slot; a new one when it was bought with something else.
    fn slot(&self, place: &Place, identity: Identity) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(place).filter(|slot| slot.is_of(&identity)) {
            return slot;
        }
        self.slots.remove_if(place, |slot| !slot.is_of(&identity));
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Slot::new(identity)));
        let Ok(slot) = self.slots.get_or_insert_with(place, fresh);
        if slot.is_of(&identity) {
            slot
        } else {
            // Somebody with an older or newer secret was faster: theirs is not this caller's.
            Arc::new(Slot::new(identity))
        }
    }
}

impl Connections {
    /// Something changed in the store. What was bought goes with what it was bought with, which every
    /// call looks at; when the operator has stopped all opening, it goes at once.
    pub fn forget(self: &Arc<Self>) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if this.vault.check_open().await.is_err() {
                this.purse.slots.clear();
            }
        });
    }

    /// A token for this caller: bought with the license's own secret, else with the operator's.
    pub(super) async fn bought(
        &self,
        caller: &Principal,
        tool: &BoundTool,
        minted: &Arc<Minted>,
        wanted: Wanted,
    ) -> Result<Arc<OpenedCredential>, ObtainError> {
        let upstream = &tool.site.name;
        let money = self.money(caller, upstream, minted).await?;
        let place = Place {
            tenant: money.tenant,
            upstream: upstream.clone(),
        };
        let slot = self.purse.slot(
            &place,
            Identity {
                credential: money.held.as_ref().map(|held| held.info.id),
                generation: money.opened.generation,
                fingerprint: minted.fingerprint,
            },
        );
        let mut money = Some(money);
        loop {
            let mut landed = match slot.look(self.clock.monotonic(), wanted) {
                Look::Good(token) => return Ok(token),
                Look::Refused(error) => return Err(error),
                Look::Wait(landed) => landed,
                Look::Aging(token, flight) => {
                    if let Some(money) = money.take() {
                        self.purchase(minted, upstream, money, flight);
                    }
                    return Ok(token);
                }
                Look::Start(landed, flight) => {
                    // One caller buys once: a purchase that came to nothing is not repeated for it.
                    let money = money.take().ok_or(ObtainError::ProviderUnavailable)?;
                    self.purchase(minted, upstream, money, flight);
                    landed
                }
            };
            let landing = timeout(PATIENCE, landed.changed()).await;
            landing
                .ok()
                .and_then(Result::ok)
                .ok_or(ObtainError::ProviderUnavailable)?;
            // Meanwhile the operator may have stopped all opening.
            self.vault.check_open().await?;
        }
    }

    async fn money(
        &self,
        caller: &Principal,
        upstream: &UpstreamName,
        minted: &Minted,
    ) -> Result<Money, ObtainError> {
        if let Some(configured) = &minted.configured {
            return Ok(Money {
                tenant: Tenant::Operator,
                opened: Arc::clone(configured),
                held: None,
            });
        }
        let own = self.vault.held(caller, upstream).await?;
        if let Some(money) = money_of(&own) {
            return Ok(money);
        }
        let operators = self.vault.held_by_operator(caller, upstream).await?;
        money_of(&operators).ok_or(ObtainError::Vault(VaultError::Missing))
    }

    /// Buys in a task of its own: a caller who goes away does not end what others wait for.
    fn purchase(
        &self,
        minted: &Arc<Minted>,
        upstream: &UpstreamName,
        money: Money,
        flight: Flight,
    ) {
        let buyer = Buyer {
            vault: Arc::clone(&self.vault),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            newest: Arc::clone(&self.purse.newest),
            minted: Arc::clone(minted),
            upstream: upstream.clone(),
        };
        tokio::spawn(async move { buyer.run(money, &flight).await });
    }
}

/// The static credential among what one tenant has.
fn money_of(all: &[Arc<Held>]) -> Option<Money> {
    let label = Label::default_label();
    all.iter().find_map(|held| match &held.material {
        Material::Static(opened) if held.info.label == label => Some(Money {
            tenant: held.info.tenant,
            opened: Arc::clone(opened),
            held: Some(Arc::clone(held)),
        }),
        Material::Static(_) | Material::Grant(_) => None,
    })
}

/// One purchase.
struct Buyer {
    vault: Arc<Vault>,
    clock: SharedClock,
    entropy: SharedEntropy,
    newest: Arc<AtomicU64>,
    minted: Arc<Minted>,
    upstream: UpstreamName,
}

impl Buyer {
    async fn run(self, money: Money, flight: &Flight) {
        let asked = self.clock.monotonic();
        let upstream = &self.upstream;
        let failure = match self.minted.mint.order(&money.opened, self.clock.now()) {
            Err(fault) => {
                tracing::warn!(%upstream, %fault, "credential.unusable");
                Failure::Secret
            }
            Ok(order) => {
                let is_refresh = matches!(order.grant, Grant::Refresh(..));
                match buy(Arc::clone(&self.minted), order).await {
                    Ok(bought) => {
                        if is_refresh {
                            self.keep_rotated(&money, bought.refresh.as_ref(), flight)
                                .await;
                        }
                        let generation = self.newest.fetch_add(1, Ordering::Relaxed) + 1;
                        return flight.bought(&bought, generation, asked, &*self.entropy);
                    }
                    Err(error) => {
                        tracing::warn!(%upstream, %error, "credential.not_bought");
                        Failure::Seller(error)
                    }
                }
            }
        };
        flight.failed(failure, self.clock.monotonic(), &*self.entropy);
    }

    /// A seller may replace the refresh token, although ours are documented not to: whoever loses the
    /// new one cannot buy any more.
    async fn keep_rotated(&self, money: &Money, after: Option<&SecretString>, flight: &Flight) {
        let before = money.opened.secret.expose().as_slice();
        let Some(after) = after else { return };
        if after.expose().as_bytes() == before {
            return;
        }
        let upstream = &self.upstream;
        let Some(held) = &money.held else {
            tracing::warn!(%upstream, kept = false, "credential.rotated_by_provider");
            return;
        };
        match self.store_rotated(held, after).await {
            Ok(Some(generation)) => {
                flight.rotated(generation);
                tracing::warn!(%upstream, kept = true, "credential.rotated_by_provider");
            }
            // The operator was faster: theirs counts.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%upstream, kept = false, %error, "credential.rotated_by_provider");
            }
        }
    }

    async fn store_rotated(
        &self,
        held: &Arc<Held>,
        after: &SecretString,
    ) -> Result<Option<u64>, VaultError> {
        let now = self.vault.look_again(held).await?;
        if now.is_none_or(|now| now.info.generation != held.info.generation) {
            return Ok(None);
        }
        let (tenant, upstream) = (held.info.tenant, &held.info.upstream);
        let info = self.vault.put(tenant, upstream, after, ACTOR).await?;
        Ok(Some(info.generation))
    }
}

/// A token for the operator's own call, bought for it alone.
///
/// # Errors
/// What is wrong with the secret, or with the seller.
pub async fn buy_once(
    _: OperatorAct,
    minted: &Arc<Minted>,
    secret: &OpenedCredential,
    clock: &SharedClock,
) -> Result<Arc<OpenedCredential>, OnceError> {
    let order = minted
        .mint
        .order(secret, clock.now())
        .map_err(|fault| OnceError::Secret(fault.0))?;
    let bought = buy(Arc::clone(minted), order).await?;
    Ok(OpenedCredential::configured(&bought.access))
}

/// Why the operator's own call has no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnceError {
    /// The secret is none that buys anything.
    #[error("the stored secret buys no token: {0}")]
    Secret(&'static str),
    /// The token endpoint.
    #[error(transparent)]
    Seller(#[from] TokenError),
}
