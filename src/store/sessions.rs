//! Sessions: what an access token stands for, from its first token to its end.

use serde_json::json;

use super::{
    Stamp, Store, StoreError,
    audit::{INSERT as AUDIT, record},
    licenses::LOCK,
    one, read,
    rows::Columns,
    run,
    tokens::{TokenRecord, insert_token},
    write,
};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    grant::{Binding, ClientAuth, ClientId, Scope, SessionKind},
    ids::{LicenseId, SessionId},
};

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub license: LicenseId,
    /// How it came about.
    pub kind: SessionKind,
    /// The client that holds it.
    pub client: ClientId,
    /// The name that client claimed; written by strangers, escape it.
    pub client_name: String,
    /// How that client proved itself when the session began.
    pub client_auth: ClientAuth,
    /// The connector it is for (RFC 8707), the exact text.
    pub resource: String,
    /// What it may do.
    pub scope: Scope,
    /// What it is tied to at its first use.
    pub binding: Binding,
    /// The keyed digest of what it is tied to, once it was used.
    pub bound_to: Option<TokenDigest>,
    /// How often its tokens were rotated.
    pub generation: u64,
    /// What the tokens of this generation were derived with.
    pub seed: [u8; 16],
    /// Calls counted so far; written now and then.
    pub calls: u64,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used; written now and then.
    pub seen: Option<Timestamp>,
    /// When it ends whatever happens.
    pub expires: Timestamp,
    /// When it was ended, and by what.
    pub ended: Option<(Timestamp, String)>,
}

impl SessionRecord {
    /// Is it neither ended nor expired?
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires
    }
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only of this license.
    pub license: Option<LicenseId>,
    /// Only those that live at this moment; none: all.
    pub live_at: Option<Timestamp>,
    /// Only of this kind.
    pub kind: Option<SessionKind>,
    /// Which come first.
    pub order: SessionOrder,
    /// Only after this one, in that order.
    pub after: Option<SessionId>,
    /// At most so many; none: 1,000.
    pub limit: Option<u32>,
}

/// Which sessions come first in a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionOrder {
    /// Those that began first.
    #[default]
    Oldest,
    /// Those that began last.
    Newest,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// The session began.
    Done,
    /// The code was spent before; the session it led to is ended.
    Replayed {
        /// That session, unless it had ended before, or the code led to none.
        ended: Option<SessionId>,
    },
    /// The license holds as many granted sessions as it may; the code is spent.
    Full,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The session has the new tokens.
    Done,
    /// Somebody else was first, or the session ended: read it again.
    Lost,
    /// It was rotated as often as it may be.
    TooOften,
}

/// How often a session may be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// At most so often.
    pub most: u64,
    /// After this moment.
    pub since: Timestamp,
}

/// One session's use since the last time it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionUse {
    /// Which.
    pub session: SessionId,
    /// When it was last used.
    pub seen: Timestamp,
    /// How many calls it made.
    pub calls: u64,
}

pub(super) const COLUMNS: &str = "s.id, s.license_id, s.kind, s.client_id, s.client_name, s.resource, \
     s.scope, s.binding, s.bound_to, s.generation, s.seed, s.calls, s.created_ms, s.seen_ms, \
     s.expires_ms, s.ended_ms, s.ended_by, s.client_auth";
const INSERT: &str = "INSERT INTO sessions (id, license_id, kind, client_id, client_name, resource, \
     scope, binding, bound_to, generation, seed, calls, created_ms, seen_ms, expires_ms, ended_ms, \
     ended_by, client_auth) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
     $15, $16, $17, $18)";

/// One without a token that works is over, whether or not that was written yet.
const LIVE_GRANTS: &str = "SELECT COUNT(*) FROM sessions s WHERE s.license_id = $1 \
     AND s.kind = 'grant' AND s.ended_ms IS NULL AND s.expires_ms > $2 AND EXISTS (SELECT 1 \
     FROM session_tokens t WHERE t.session_id = s.id AND t.expires_ms > $2)";

macro_rules! insert {
    ($tx:ident, $session:expr, $tokens:expr, $stamp:expr) => {{
        let session: &SessionRecord = $session;
        run!(
            $tx,
            INSERT,
            session.id.to_string(),
            session.license.to_string(),
            session.kind.as_str(),
            session.client.as_str(),
            &session.client_name,
            &session.resource,
            session.scope.as_str(),
            session.binding.as_str(),
            session.bound_to.map(|digest| digest.as_bytes().to_vec()),
            i64::try_from(session.generation).unwrap_or(i64::MAX),
            session.seed.as_slice(),
            i64::try_from(session.calls).unwrap_or(i64::MAX),
            session.created.as_millis(),
            session.seen.map(Timestamp::as_millis),
            session.expires.as_millis(),
            session.ended.as_ref().map(|(at, _)| at.as_millis()),
            session.ended.as_ref().map(|(_, by)| by.clone()),
            session.client_auth.as_str(),
        );
        for token in $tokens {
            insert_token!($tx, token);
        }
        let detail = json!({ "license": session.license, "client": session.client,
            "kind": session.kind, "scope": session.scope });
        // A new session changes nothing that anybody remembers: the epoch stays.
        run!($tx, AUDIT, $stamp.id.to_string(), $stamp.at.as_millis(), $stamp.actor.as_str(),
            "session.begin", session.id.to_string(), detail.to_string());
    }};
}

impl Store {
    /// Stores a session with its first tokens.
    pub async fn begin_session(
        &self,
        session: &SessionRecord,
        tokens: &[TokenRecord],
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        write!(self, tx => {
            insert!(tx, session, tokens, stamp);
        })
    }

    /// Spends a code for a session with its first tokens, in one step, if its license then holds at
    /// most `most` granted ones. A code that was spent ends the session it led to (OAuth 2.1 section
    /// 4.1.3), unless that is this one: then it is an attempt of ours whose answer was lost.
    pub async fn redeem_code(
        &self,
        code: &TokenDigest,
        session: &SessionRecord,
        tokens: &[TokenRecord],
        most: Option<u32>,
        stamp: &Stamp,
    ) -> Result<Redeemed, StoreError> {
        const SPEND: &str = "UPDATE authorization_codes SET spent_ms = $2, session_id = $3 \
             WHERE digest = $1 AND spent_ms IS NULL";
        const LED_TO: &str = "SELECT session_id FROM authorization_codes WHERE digest = $1";
        let (license, id) = (session.license.to_string(), session.id.to_string());
        write!(self, tx => {
            // Two codes of one license take their turns, or both would find the last place free.
            one!(tx, LOCK, &license);
            let row = one!(tx, LIVE_GRANTS, &license, stamp.at.as_millis());
            let held = row.map(|row| row.count(0, "sessions")).transpose()?.unwrap_or_default();
            let begun = most.is_none_or(|most| held < u64::from(most)).then_some(&id);
            let spent = run!(tx, SPEND, code.as_bytes().as_slice(), stamp.at.as_millis(), begun);
            if spent == 0 {
                let row = one!(tx, LED_TO, code.as_bytes().as_slice());
                match row.map(|row| row.text_or_null(0)).transpose()?.flatten() {
                    Some(led_to) if led_to == id => Redeemed::Done,
                    Some(led_to) => {
                        let ended = end!(tx, &led_to, "code_replayed", stamp) == 1;
                        let led_to = led_to.parse().map_err(|_| {
                            StoreError::Corrupt("authorization_codes.session_id")
                        })?;
                        Redeemed::Replayed { ended: ended.then_some(led_to) }
                    }
                    None => Redeemed::Replayed { ended: None },
                }
            } else if begun.is_some() {
                insert!(tx, session, tokens, stamp);
                Redeemed::Done
            } else {
                Redeemed::Full
            }
        })
    }

    /// A session by id.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions s WHERE s.id = $1");
        read!(self, pool => {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str())).bind(id.to_string());
            let row = query.fetch_optional(pool).await?;
            row.map(|row| read_session(&row)).transpose()?
        })
    }

    /// Sessions in the order they began, page by page.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRecord>, StoreError> {
        let (after, order) = match filter.order {
            SessionOrder::Oldest => (">", "ASC"),
            SessionOrder::Newest => ("<", "DESC"),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s WHERE (CAST($1 AS TEXT) IS NULL OR s.license_id = $1) \
             AND (CAST($2 AS BIGINT) IS NULL OR (s.ended_ms IS NULL AND s.expires_ms > $2)) \
             AND (CAST($3 AS TEXT) IS NULL OR s.id {after} $3) \
             AND (CAST($5 AS TEXT) IS NULL OR s.kind = $5) ORDER BY s.id {order} LIMIT $4"
        );
        read!(self, pool => {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()))
                .bind(filter.license.map(|id| id.to_string()))
                .bind(filter.live_at.map(Timestamp::as_millis))
                .bind(filter.after.map(|id| id.to_string()))
                .bind(i64::from(filter.limit.unwrap_or(1_000)))
                .bind(filter.kind.map(SessionKind::as_str))
                .fetch_all(pool)
                .await?;
            rows.iter().map(read_session).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// How many granted sessions of a license live: neither ended nor idle for too long.
    pub async fn live_grants(&self, license: LicenseId, now: Timestamp) -> Result<u64, StoreError> {
        read!(self, pool => {
            let query = sqlx::query(LIVE_GRANTS).bind(license.to_string()).bind(now.as_millis());
            query.fetch_one(pool).await?.count(0, "sessions")?
        })
    }

    /// How many sessions of a script, without a client, of a license live.
    pub async fn live_exchanges(
        &self,
        license: LicenseId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM sessions WHERE license_id = $1 \
             AND kind = 'exchange' AND ended_ms IS NULL AND expires_ms > $2";
        read!(self, pool => {
            let query = sqlx::query(SQL).bind(license.to_string()).bind(now.as_millis());
            query.fetch_one(pool).await?.count(0, "sessions")?
        })
    }

    /// Ends a session; false when it had ended, or there is none. `why` is a word of ours.
    pub async fn end_session(
        &self,
        id: SessionId,
        why: &'static str,
        stamp: &Stamp,
    ) -> Result<bool, StoreError> {
        let id = id.to_string();
        write!(self, tx => end!(tx, &id, why, stamp) == 1)
    }

    /// Ends every living session of a license, or of all licenses; how many.
    pub async fn end_sessions(
        &self,
        license: Option<LicenseId>,
        why: &'static str,
        stamp: &Stamp,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE sessions SET ended_ms = $2, ended_by = $3 \
             WHERE (CAST($1 AS TEXT) IS NULL OR license_id = $1) AND ended_ms IS NULL \
             AND expires_ms > $2";
        let subject = license.map(|id| id.to_string());
        write!(self, tx => {
            let ended = run!(tx, SQL, &subject, stamp.at.as_millis(), why);
            let detail = json!({ "by": why, "ended": ended });
            record!(tx, stamp, "session.end_all", subject.as_deref().unwrap_or("*"), detail);
            ended
        })
    }

    /// Ends the sessions whose last token expired unused; how many. Changes nothing that anybody
    /// remembers, so the epoch stays.
    pub async fn end_idle_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE sessions SET ended_ms = $1, ended_by = 'idle' \
             WHERE ended_ms IS NULL AND expires_ms > $1 AND NOT EXISTS (SELECT 1 \
             FROM session_tokens t WHERE t.session_id = sessions.id AND t.expires_ms > $1)";
        write!(self, tx => run!(tx, SQL, now.as_millis()))
    }

    /// Gives a session of generation `from` new tokens of the next one, derived with `seed`. Access
    /// tokens of older generations end at `old_until` unless they end earlier.
    ///
    /// Only rotations that happened count towards `pace`, those up to `from`: of many who present
    /// the same refresh token, all are told the same.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        from: u64,
        seed: [u8; 16],
        tokens: &[TokenRecord],
        old_until: Timestamp,
        pace: Pace,
    ) -> Result<Rotated, StoreError> {
        const BEFORE: &str = "SELECT COUNT(*) FROM session_tokens WHERE session_id = $1 \
             AND generation > 0 AND generation <= $2 AND kind = 'refresh' AND created_ms > $3";
        const ROTATE: &str = "UPDATE sessions SET generation = generation + 1, seed = $3 \
             WHERE id = $1 AND generation = $2 AND ended_ms IS NULL";
        const SHORTEN: &str = "UPDATE session_tokens SET expires_ms = $3 WHERE session_id = $1 \
             AND generation <= $2 AND kind = 'access' AND expires_ms > $3";
        let id = id.to_string();
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        write!(self, tx => {
            let row = one!(tx, BEFORE, &id, from, pace.since.as_millis());
            let before = row.map(|row| row.count(0, "session_tokens")).transpose()?;
            if before.is_some_and(|count| count >= pace.most) {
                Rotated::TooOften
            } else if run!(tx, ROTATE, &id, from, seed.as_slice()) == 0 {
                Rotated::Lost
            } else {
                run!(tx, SHORTEN, &id, from, old_until.as_millis());
                for token in tokens {
                    insert_token!(tx, token);
                }
                Rotated::Done
            }
        })
    }

    /// Adds up what sessions did since it was last written.
    pub async fn sessions_used(&self, uses: &[SessionUse]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sessions SET calls = calls + $2, \
             seen_ms = CASE WHEN seen_ms IS NULL OR seen_ms < $3 THEN $3 ELSE seen_ms END \
             WHERE id = $1";
        // In one order: two replicas that write the same sessions wait, and do not deadlock.
        let mut uses = uses.to_vec();
        uses.sort_unstable_by_key(|used| used.session);
        write!(self, tx => {
            for used in &uses {
                run!(tx, SQL, used.session.to_string(),
                    i64::try_from(used.calls).unwrap_or(i64::MAX), used.seen.as_millis());
            }
        })
    }
}

/// Ends one session inside `write!`; how many rows it changed.
macro_rules! end {
    ($tx:ident, $id:expr, $why:expr, $stamp:expr) => {{
        const END: &str = "UPDATE sessions SET ended_ms = $2, ended_by = $3 \
             WHERE id = $1 AND ended_ms IS NULL";
        let ended = run!($tx, END, $id, $stamp.at.as_millis(), $why);
        if ended == 1 {
            record!($tx, $stamp, "session.end", $id, json!({ "by": $why }));
        }
        ended
    }};
}

use end;

pub(super) fn read_session(row: &impl Columns) -> Result<SessionRecord, StoreError> {
    let corrupt = StoreError::Corrupt;
    let bound = row.bytes_or_null(8)?.map(TryInto::try_into).transpose();
    let seed = row.bytes(10)?.try_into();
    Ok(SessionRecord {
        id: row.parsed(0, "sessions.id")?,
        license: row.parsed(1, "sessions.license_id")?,
        kind: SessionKind::parse(&row.text(2)?).ok_or(corrupt("sessions.kind"))?,
        client: row.parsed(3, "sessions.client_id")?,
        client_name: row.text(4)?,
        resource: row.text(5)?,
        scope: Scope::parse(&row.text(6)?).ok_or(corrupt("sessions.scope"))?,
        binding: Binding::parse(&row.text(7)?).ok_or(corrupt("sessions.binding"))?,
        bound_to: bound
            .map_err(|_| corrupt("sessions.bound_to"))?
            .map(TokenDigest::from_bytes),
        generation: row.count(9, "sessions.generation")?,
        seed: seed.map_err(|_| corrupt("sessions.seed"))?,
        calls: row.count(11, "sessions.calls")?,
        created: row.time(12)?,
        seen: row.time_or_null(13)?,
        expires: row.time(14)?,
        ended: match row.time_or_null(15)? {
            Some(at) => Some((at, row.text(16)?)),
            None => None,
        },
        client_auth: ClientAuth::parse(&row.text(17)?).ok_or(corrupt("sessions.client_auth"))?,
    })
}
