//! Which keys there are, which of them prove right, and what is under them. Opens canaries only, so
//! that it works also where a vault would not start.

use super::{
    VaultError,
    roots::{CANARY, CANARY_TEXT, place},
};
use crate::{
    clock::Timestamp,
    kms::{Keyring, KmsError},
    store::{KeyCounts, RootSecretRecord, Store},
};

/// What a master key's proof says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// It is the right key.
    Opens,
    /// Another key has this name.
    Wrong,
    /// It has none yet; the next start makes it.
    Missing,
    /// The key is not in the configuration.
    NotConfigured,
    /// Its key service does not answer, or refuses.
    Unavailable,
}

/// One master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeyUse {
    /// Its name.
    pub id: String,
    /// What kind of key it is; none: it is not configured.
    pub kind: Option<&'static str>,
    /// Is it the one that wraps?
    pub active: bool,
    /// What its proof says.
    pub canary: Canary,
    /// Since when this database knows it.
    pub since: Option<Timestamp>,
    /// How many root secrets are under it.
    pub root_secrets: u64,
    /// How many data keys are.
    pub data_keys: u64,
}

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Configured ones in their order, then others that the database knows.
    pub master_keys: Vec<MasterKeyUse>,
    /// Data keys, and rows that are not under one that seals.
    pub counts: KeyCounts,
    /// Since when all opening is stopped; none: it is not.
    pub sealed_since: Option<Timestamp>,
}

/// Takes it.
pub async fn inventory(store: &Store, keyring: &Keyring) -> Result<Inventory, VaultError> {
    let rows = store.root_secrets().await?;
    let counts = store.key_counts().await?;
    let mut known: Vec<(String, Option<&'static str>)> = keyring
        .ids()
        .map(|(id, kind)| (id.to_string(), Some(kind)))
        .collect();
    let of_rows = rows.iter().map(|row| &row.master_key);
    for id in of_rows.chain(counts.under.iter().map(|(id, _)| id)) {
        if !known.iter().any(|(other, _)| other == id) {
            known.push((id.clone(), None));
        }
    }
    let mut master_keys = Vec::with_capacity(known.len());
    for (id, kind) in known {
        let proof = format!("{CANARY}{id}");
        let row = rows.iter().find(|row| row.purpose == proof);
        let under = rows
            .iter()
            .filter(|row| row.master_key == id && !row.purpose.starts_with(CANARY));
        let keys = counts.under.iter().find(|(other, _)| *other == id);
        master_keys.push(MasterKeyUse {
            active: keyring.active().as_str() == id,
            canary: match (kind, row) {
                (None, _) => Canary::NotConfigured,
                (Some(_), None) => Canary::Missing,
                (Some(_), Some(row)) => proves(keyring, row).await,
            },
            since: row.map(|row| row.created),
            root_secrets: under.count() as u64,
            data_keys: keys.map_or(0, |(_, count)| *count),
            id,
            kind,
        });
    }
    Ok(Inventory {
        master_keys,
        counts,
        sealed_since: store.vault_sealed().await?,
    })
}

async fn proves(keyring: &Keyring, row: &RootSecretRecord) -> Canary {
    let place = place(&row.purpose);
    match keyring.unwrap(&row.master_key, &place, &row.wrapped).await {
        Some(Ok(text)) if text.expose() == CANARY_TEXT => Canary::Opens,
        Some(Ok(_) | Err(KmsError::DoesNotOpen)) => Canary::Wrong,
        Some(Err(KmsError::Unavailable(_) | KmsError::Refused(_))) => Canary::Unavailable,
        None => Canary::NotConfigured,
    }
}
