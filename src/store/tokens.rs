//! Access tokens, refresh tokens and authorization codes, by digest. The texts are never stored.

use super::{
    Store, StoreError, licenses, one, read,
    rows::Columns,
    run,
    sessions::{COLUMNS as SESSION, SessionRecord, read_session},
    write,
};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    grant::{ClientAuth, ClientId, Scope},
    ids::{LicenseId, SessionId},
    license::License,
};

/// Which token of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Sent with every request.
    Access,
    /// Exchanged once for the next pair.
    Refresh,
}

impl TokenKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The keyed digest of its text.
    pub digest: TokenDigest,
    /// Whose.
    pub session: SessionId,
    /// Which.
    pub kind: TokenKind,
    /// After how many rotations it was made.
    pub generation: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working.
    pub expires: Timestamp,
}

/// A token with the session and license it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundToken {
    /// Its session.
    pub session: SessionRecord,
    /// That session's license.
    pub license: License,
    /// After how many rotations it was made.
    pub generation: u64,
    /// When it stops working.
    pub expires: Timestamp,
    /// When it was first used.
    pub used: Option<Timestamp>,
}

/// An authorization code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// The keyed digest of its text.
    pub digest: TokenDigest,
    /// Who approved.
    pub license: LicenseId,
    /// For which client.
    pub client: ClientId,
    /// The name that client claimed.
    pub client_name: String,
    /// How that client has to prove itself.
    pub client_auth: ClientAuth,
    /// Where the code was sent, the exact text.
    pub redirect_uri: String,
    /// The PKCE challenge, S256 (RFC 7636 section 4.2).
    pub challenge: String,
    /// The connector it is for.
    pub resource: String,
    /// What was approved.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working.
    pub expires: Timestamp,
}

/// Stores one token inside `write!`.
macro_rules! insert_token {
    ($tx:ident, $token:expr) => {{
        const INSERT: &str = "INSERT INTO session_tokens (digest, session_id, kind, generation, \
             created_ms, expires_ms, used_ms) VALUES ($1, $2, $3, $4, $5, $6, NULL)";
        let token: &$crate::store::TokenRecord = $token;
        $crate::store::run!(
            $tx,
            INSERT,
            token.digest.as_bytes().as_slice(),
            token.session.to_string(),
            token.kind.as_str(),
            i64::try_from(token.generation).unwrap_or(i64::MAX),
            token.created.as_millis(),
            token.expires.as_millis(),
        );
    }};
}

pub(super) use insert_token;

impl Store {
    /// A token of a kind, with its session and license, whatever their state.
    pub async fn token(
        &self,
        kind: TokenKind,
        digest: &TokenDigest,
    ) -> Result<Option<FoundToken>, StoreError> {
        let sql = format!(
            "SELECT {SESSION}, {}, t.digest, t.generation, t.expires_ms, t.used_ms \
             FROM session_tokens t JOIN sessions s ON s.id = t.session_id \
             JOIN licenses l ON l.id = s.license_id WHERE t.digest = $1 AND t.kind = $2",
            licenses::COLUMNS
        );
        read!(self, pool => {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()));
            let query = query.bind(digest.as_bytes().as_slice()).bind(kind.as_str());
            match query.fetch_optional(pool).await? {
                // Compared once more in constant time: an index is no place for secrets.
                Some(row) if row.bytes(26)? == digest.as_bytes() => Some(FoundToken {
                    session: read_session(&row)?,
                    license: licenses::license(&row, 18)?,
                    generation: row.count(27, "session_tokens.generation")?,
                    expires: row.time(28)?,
                    used: row.time_or_null(29)?,
                }),
                _ => None,
            }
        })
    }

    /// Notes the first use of an access token and ties its session to `bound_to`, unless it is tied.
    /// What it is tied to afterwards.
    pub async fn token_used(
        &self,
        digest: &TokenDigest,
        session: SessionId,
        bound_to: Option<&TokenDigest>,
        now: Timestamp,
    ) -> Result<Option<TokenDigest>, StoreError> {
        const USED: &str = "UPDATE session_tokens SET used_ms = $2 WHERE digest = $1 \
             AND used_ms IS NULL RETURNING generation";
        const REMEMBER: &str = "UPDATE sessions SET used_generation = $2, used_ms = $3 \
             WHERE id = $1 AND (used_generation IS NULL OR used_generation < $2)";
        const BIND: &str = "UPDATE sessions SET bound_to = COALESCE(bound_to, $2), \
             seen_ms = COALESCE(seen_ms, $3) WHERE id = $1 RETURNING bound_to";
        let bound_to = bound_to.map(|digest| digest.as_bytes().to_vec());
        write!(self, tx => {
            // The session first, as in a rotation: two orders would be a deadlock.
            let row = one!(tx, BIND, session.to_string(), &bound_to, now.as_millis());
            if let Some(token) = one!(tx, USED, digest.as_bytes().as_slice(), now.as_millis()) {
                // The token's row is pruned long before its session is.
                run!(tx, REMEMBER, session.to_string(), token.int(0)?, now.as_millis());
            }
            let bound = row.map(|row| row.bytes_or_null(0)).transpose()?.flatten();
            bound
                .map(|bytes| bytes.try_into().map(TokenDigest::from_bytes))
                .transpose()
                .map_err(|_| StoreError::Corrupt("sessions.bound_to"))?
        })
    }

    /// When an access token of this generation of a session, or of a later one, was first used.
    pub async fn generation_used(
        &self,
        session: SessionId,
        generation: u64,
    ) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "SELECT used_ms FROM sessions WHERE id = $1 AND used_generation >= $2";
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        read!(self, pool => {
            let query = sqlx::query(SQL).bind(session.to_string()).bind(generation);
            let row = query.fetch_optional(pool).await?;
            row.map(|row| row.time_or_null(0)).transpose()?.flatten()
        })
    }

    /// Stores a code.
    pub async fn insert_code(&self, code: &CodeRecord) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO authorization_codes (digest, license_id, client_id, \
             client_name, redirect_uri, challenge, resource, scope, created_ms, expires_ms, \
             client_auth) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        write!(self, tx => {
            run!(tx, SQL, code.digest.as_bytes().as_slice(), code.license.to_string(),
                code.client.as_str(), &code.client_name, &code.redirect_uri, &code.challenge,
                &code.resource, code.scope.as_str(), code.created.as_millis(),
                code.expires.as_millis(), code.client_auth.as_str());
        })
    }

    /// A code, spent or not.
    pub async fn code(&self, digest: &TokenDigest) -> Result<Option<CodeRecord>, StoreError> {
        const SQL: &str = "SELECT digest, license_id, client_id, client_name, redirect_uri, \
             challenge, resource, scope, created_ms, expires_ms, client_auth FROM authorization_codes \
             WHERE digest = $1";
        read!(self, pool => {
            let query = sqlx::query(SQL).bind(digest.as_bytes().as_slice());
            let row = query.fetch_optional(pool).await?;
            row.map(|row| read_code(&row, *digest)).transpose()?
        })
    }

    /// The session that a spent code led to, if it led to one.
    pub async fn code_led_to(&self, digest: &TokenDigest) -> Result<Option<SessionId>, StoreError> {
        const SQL: &str = "SELECT session_id FROM authorization_codes WHERE digest = $1 \
             AND session_id IS NOT NULL";
        read!(self, pool => {
            let query = sqlx::query(SQL).bind(digest.as_bytes().as_slice());
            let row = query.fetch_optional(pool).await?;
            row.map(|row| row.parsed(0, "authorization_codes.session_id")).transpose()?
        })
    }

    /// Spends a code that was presented wrongly, so that nobody can try again.
    pub async fn burn_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE authorization_codes SET spent_ms = $2 \
             WHERE digest = $1 AND spent_ms IS NULL";
        write!(self, tx => {
            run!(tx, SQL, digest.as_bytes().as_slice(), now.as_millis());
        })
    }
}

fn read_code(row: &impl Columns, digest: TokenDigest) -> Result<CodeRecord, StoreError> {
    if row.bytes(0)? != digest.as_bytes() {
        return Err(StoreError::Corrupt("authorization_codes.digest"));
    }
    Ok(CodeRecord {
        digest,
        license: row.parsed(1, "authorization_codes.license_id")?,
        client: row.parsed(2, "authorization_codes.client_id")?,
        client_name: row.text(3)?,
        redirect_uri: row.text(4)?,
        challenge: row.text(5)?,
        resource: row.text(6)?,
        scope: Scope::parse(&row.text(7)?)
            .ok_or(StoreError::Corrupt("authorization_codes.scope"))?,
        created: row.time(8)?,
        expires: row.time(9)?,
        client_auth: ClientAuth::parse(&row.text(10)?)
            .ok_or(StoreError::Corrupt("authorization_codes.client_auth"))?,
    })
}
