//! OAuth clients that the gateway keeps: registered by themselves or added by the operator.

use serde_json::json;

use super::{Stamp, Store, StoreError, audit::record, one, read, rows::Columns, run, write};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    grant::{ClientAuth, ClientId, ClientKind},
};

/// A client as it is stored: never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// What it calls itself by.
    pub id: ClientId,
    /// Registered or added.
    pub kind: ClientKind,
    /// The name it claims; written by strangers, escape it.
    pub name: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// The keyed digest of its secret.
    pub secret: Option<TokenDigest>,
    /// What people recognise the secret by.
    pub secret_hint: Option<String>,
    /// Its public keys, a JSON Web Key Set.
    pub jwks: Option<String>,
    /// Where its public keys are.
    pub jwks_uri: Option<String>,
    /// The digest of what it registered; the same registration is the same client.
    pub fingerprint: Option<TokenDigest>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last got a token.
    pub used: Option<Timestamp>,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is new.
    New,
    /// The same was registered before: that client.
    Known(Box<ClientRecord>),
    /// As many clients as may be kept are kept.
    Full,
}

/// When an assertion was presented, and what of it is remembered for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssertionTimes {
    /// When it came.
    pub now: Timestamp,
    /// Until when the same text is the same request.
    pub again: Timestamp,
    /// Until when its id counts as used.
    pub expires: Timestamp,
}

/// What became of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asserted {
    /// Its id is new.
    First,
    /// The same text came moments ago.
    Again,
    /// Its id was used before.
    Replayed,
}

/// How much older than now the time of a client's registration may be before it is noted anew.
const SEEN_EVERY_MS: i64 = 60_000;

const COLUMNS: &str = "client_id, kind, name, redirect_uris, auth_method, secret_digest, \
     secret_hint, jwks, jwks_uri, fingerprint, created_ms, used_ms";
const INSERT: &str = "INSERT INTO oauth_clients (client_id, kind, name, redirect_uris, auth_method, \
     secret_digest, secret_hint, jwks, jwks_uri, fingerprint, created_ms, used_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";

macro_rules! insert {
    ($tx:ident, $client:expr) => {{
        let client = $client;
        run!(
            $tx,
            INSERT,
            client.id.as_str(),
            client.kind.as_str(),
            &client.name,
            json!(client.redirect_uris).to_string(),
            client.auth.as_str(),
            client.secret.map(|digest| digest.as_bytes().to_vec()),
            &client.secret_hint,
            &client.jwks,
            &client.jwks_uri,
            client.fingerprint.map(|digest| digest.as_bytes().to_vec()),
            client.created.as_millis(),
            client.used.map(Timestamp::as_millis),
        )
    }};
}

impl Store {
    /// The client that registered the same before. It is as good as new then: pruning spares it as
    /// if it were registered at `now`.
    pub async fn registered_before(
        &self,
        fingerprint: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ClientRecord>, StoreError> {
        const SEEN: &str = "UPDATE oauth_clients SET created_ms = $2 WHERE client_id = $1";
        let known = format!("SELECT {COLUMNS} FROM oauth_clients WHERE fingerprint = $1");
        let fingerprint = fingerprint.as_bytes().as_slice();
        let found = read!(self, pool => {
            let query = sqlx::query(sqlx::AssertSqlSafe(known.as_str()));
            let row = query.bind(fingerprint).fetch_optional(pool).await?;
            row.map(|row| read_client(&row)).transpose()?
        })?;
        let Some(mut client) = found else {
            return Ok(None);
        };
        // Anybody may ask as often as they like: that is not a write each time.
        if client.created.as_millis().saturating_add(SEEN_EVERY_MS) > now.as_millis() {
            return Ok(Some(client));
        }
        let kept = write!(self, tx => run!(tx, SEEN, client.id.as_str(), now.as_millis()) == 1)?;
        client.created = now;
        Ok(kept.then_some(client))
    }

    /// Makes room: forgets the registered client that waits longest for its first token, if it does
    /// so since before `unused_since`. False when there is none.
    pub async fn evict_client(&self, unused_since: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM oauth_clients WHERE client_id = \
             (SELECT client_id FROM oauth_clients WHERE kind = 'registered' AND used_ms IS NULL \
             AND created_ms < $1 ORDER BY created_ms, client_id LIMIT 1)";
        write!(self, tx => {
            run!(tx, SQL, unused_since.as_millis()) == 1
        })
    }

    /// Stores a client that registered itself, unless the same registration is known or `most`
    /// registered clients are kept already.
    pub async fn register_client(
        &self,
        client: &ClientRecord,
        most: u32,
    ) -> Result<Registered, StoreError> {
        const COUNT: &str = "SELECT COUNT(*) FROM oauth_clients WHERE kind = 'registered'";
        let known = format!("SELECT {COLUMNS} FROM oauth_clients WHERE fingerprint = $1");
        let fingerprint = client.fingerprint.map(|digest| digest.as_bytes().to_vec());
        write!(self, tx => {
            if let Some(row) = one!(tx, sqlx::AssertSqlSafe(known.as_str()), &fingerprint) {
                return Ok(Registered::Known(Box::new(read_client(&row)?)));
            }
            let kept = one!(tx, COUNT).map(|row| row.count(0, "oauth_clients")).transpose()?;
            if kept.unwrap_or_default() >= u64::from(most) {
                return Ok(Registered::Full);
            }
            if insert!(tx, client) == 1 {
                Registered::New
            } else {
                // Somebody registered the same between the question and the answer.
                match one!(tx, sqlx::AssertSqlSafe(known.as_str()), &fingerprint) {
                    Some(row) => Registered::Known(Box::new(read_client(&row)?)),
                    None => return Err(StoreError::Conflict),
                }
            }
        })
    }

    /// Stores a client that the operator adds. [`StoreError::Conflict`] when it exists.
    pub async fn add_client(&self, client: &ClientRecord, stamp: &Stamp) -> Result<(), StoreError> {
        let detail = json!({ "name": client.name, "auth": client.auth,
            "redirect_uris": client.redirect_uris, "hint": client.secret_hint });
        write!(self, tx => {
            if insert!(tx, client) == 0 {
                return Err(StoreError::Conflict);
            }
            record!(tx, stamp, "client.add", client.id.as_str(), detail);
        })
    }

    /// A client by id.
    pub async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM oauth_clients WHERE client_id = $1");
        read!(self, pool => {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()));
            let row = query.bind(id.as_str()).fetch_optional(pool).await?;
            row.map(|row| read_client(&row)).transpose()?
        })
    }

    /// Clients of one kind or of every kind, oldest first, at most `limit`.
    pub async fn clients(
        &self,
        kind: Option<ClientKind>,
        limit: u32,
    ) -> Result<Vec<ClientRecord>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM oauth_clients WHERE (CAST($1 AS TEXT) IS NULL OR kind = $1) \
             ORDER BY created_ms, client_id LIMIT $2"
        );
        read!(self, pool => {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()));
            let query = query.bind(kind.map(ClientKind::as_str)).bind(i64::from(limit));
            let rows = query.fetch_all(pool).await?;
            rows.iter().map(read_client).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Removes a client and ends its sessions; how many ended, or none when there is no such client.
    pub async fn remove_client(
        &self,
        id: &ClientId,
        stamp: &Stamp,
    ) -> Result<Option<u64>, StoreError> {
        const REMOVE: &str = "DELETE FROM oauth_clients WHERE client_id = $1";
        const END: &str = "UPDATE sessions SET ended_ms = $2, ended_by = 'client_removed' \
             WHERE client_id = $1 AND ended_ms IS NULL";
        write!(self, tx => {
            if run!(tx, REMOVE, id.as_str()) == 0 {
                None
            } else {
                let ended = run!(tx, END, id.as_str(), stamp.at.as_millis());
                let detail = json!({ "sessions_ended": ended });
                record!(tx, stamp, "client.remove", id.as_str(), detail);
                Some(ended)
            }
        })
    }

    /// Notes that a client got a token.
    pub async fn client_used(&self, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE oauth_clients SET used_ms = $2 WHERE client_id = $1";
        write!(self, tx => {
            run!(tx, SQL, id.as_str(), now.as_millis());
        })
    }

    /// Forgets registered clients that never got a token and are older than `unused_since`, and
    /// those without a living session that last got one before `idle_since`; how many. One that
    /// registered the same again meanwhile is not older than that.
    pub async fn prune_clients(
        &self,
        unused_since: Timestamp,
        idle_since: Timestamp,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM oauth_clients WHERE kind = 'registered' \
             AND created_ms < $1 AND (used_ms IS NULL OR used_ms < $2) \
             AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = oauth_clients.client_id \
             AND s.ended_ms IS NULL AND s.expires_ms > $2)";
        write!(self, tx => {
            run!(tx, SQL, unused_since.as_millis(), idle_since.as_millis())
        })
    }

    /// Notes an assertion of a client by the digest of its id. The same `text` counts as the same
    /// request until `again`: whoever had no answer sends it once more.
    pub async fn first_assertion(
        &self,
        id: &TokenDigest,
        text: &TokenDigest,
        times: AssertionTimes,
    ) -> Result<Asserted, StoreError> {
        const NOTE: &str = "INSERT INTO client_assertions (digest, expires_ms) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING";
        const SENT: &str = "SELECT 1 FROM client_assertions WHERE digest = $1 AND expires_ms > $2";
        write!(self, tx => {
            if run!(tx, NOTE, id.as_bytes().as_slice(), times.expires.as_millis()) == 1 {
                run!(tx, NOTE, text.as_bytes().as_slice(), times.again.as_millis());
                Asserted::First
            } else if one!(tx, SENT, text.as_bytes().as_slice(), times.now.as_millis()).is_some() {
                Asserted::Again
            } else {
                Asserted::Replayed
            }
        })
    }
}

fn read_client(row: &impl Columns) -> Result<ClientRecord, StoreError> {
    let uris = row.text(3)?;
    let digest = |at, what| -> Result<Option<TokenDigest>, StoreError> {
        let bytes = row.bytes_or_null(at)?;
        bytes
            .map(|bytes| bytes.try_into().map(TokenDigest::from_bytes))
            .transpose()
            .map_err(|_| StoreError::Corrupt(what))
    };
    Ok(ClientRecord {
        id: row.parsed(0, "oauth_clients.client_id")?,
        kind: ClientKind::parse(&row.text(1)?).ok_or(StoreError::Corrupt("oauth_clients.kind"))?,
        name: row.text(2)?,
        redirect_uris: serde_json::from_str(&uris)
            .map_err(|_| StoreError::Corrupt("oauth_clients.redirect_uris"))?,
        auth: ClientAuth::parse(&row.text(4)?)
            .ok_or(StoreError::Corrupt("oauth_clients.auth_method"))?,
        secret: digest(5, "oauth_clients.secret_digest")?,
        secret_hint: row.text_or_null(6)?,
        jwks: row.text_or_null(7)?,
        jwks_uri: row.text_or_null(8)?,
        fingerprint: digest(9, "oauth_clients.fingerprint")?,
        created: row.time(10)?,
        used: row.time_or_null(11)?,
    })
}
