//! A refresh token for the next pair. Rotation that survives lost answers and two workers racing.
//!
//! The next pair is derived from the token that was presented, so whoever presents it again is
//! given the same pair, as long as nobody used that pair. Once it was used, the old token is a
//! stolen or a stale one, and nobody can tell which: the whole session ends.

use std::time::Duration;

use super::{Grants, Patience, Tokens, UNUSABLE, is_proven};
use crate::{
    clock::Timestamp,
    crypto::RefreshToken,
    grant::Scope,
    oauth::{A_WHILE, Client, OAuthError},
    store::{FoundToken, Pace, Rotated, SessionRecord, TokenKind},
};

/// How long access tokens work on after a rotation, so that no call in flight fails.
const OVERLAP: Duration = Duration::from_mins(10);
/// How often a rotation that somebody else was faster with is looked at anew.
const LOOKS: usize = 4;
/// Most rotations of one session in [`MINUTE_MS`]. Clients refresh when a token nears its end; asking
/// again with the same token costs nothing.
const ROTATIONS: u64 = 10;
const MINUTE_MS: i64 = 60_000;
const REFUSED: OAuthError =
    OAuthError::InvalidGrant("the refresh token is unknown, expired, ended or not for this client");

/// A refresh token as a client presents it.
#[derive(Clone, Copy)]
pub struct Refreshal<'a> {
    /// The token.
    pub refresh_token: &'a str,
    /// What is asked for; never more than was granted.
    pub scope: Option<&'a str>,
    /// What the token is for.
    pub resource: Option<&'a str>,
}

impl Grants {
    /// The next pair of a session (RFC 6749 section 6).
    pub async fn refresh(
        &self,
        client: &Client,
        request: Refreshal<'_>,
    ) -> Result<Tokens, OAuthError> {
        let arrived = self.parts.clock.now();
        if !RefreshToken::is_well_formed(request.refresh_token) {
            return Err(REFUSED);
        }
        let patience = Patience::new();
        let digest = self.parts.pepper.digest_text(request.refresh_token);
        for _ in 0..LOOKS {
            let find = || self.parts.store.token(TokenKind::Refresh, &digest);
            let found = patience.ask(find).await?.ok_or(REFUSED)?;
            self.check(client, &request, &found, arrived)?;
            let given = match found.session.generation.checked_sub(found.generation) {
                Some(0) => self.rotate(&request, &found.session, &patience).await?,
                Some(1) => Some(
                    self.again(&request, &found.session, arrived, &patience)
                        .await?,
                ),
                // Its successor was refreshed: that was its use.
                Some(_) | None => return Err(self.replayed(&found.session, &patience).await?),
            };
            if let Some(tokens) = given {
                self.note_use(client, arrived).await;
                return Ok(tokens);
            }
        }
        Err(OAuthError::Unavailable)
    }

    fn check(
        &self,
        client: &Client,
        request: &Refreshal<'_>,
        found: &FoundToken,
        now: Timestamp,
    ) -> Result<(), OAuthError> {
        let session = &found.session;
        if session.client != client.id || !session.is_live(now) || now >= found.expires {
            return Err(REFUSED);
        }
        is_proven(client, session.client_auth)?;
        if !found.license.is_usable(now) {
            return Err(UNUSABLE);
        }
        self.check_resource(request.resource)?;
        let mut words = request.scope.unwrap_or_default().split_ascii_whitespace();
        if words.any(|word| Scope::parse(word).is_some_and(|asked| !session.scope.covers(asked))) {
            return Err(OAuthError::InvalidScope("more than was granted"));
        }
        Ok(())
    }

    /// Makes the next pair the session's; none when somebody else was faster.
    async fn rotate(
        &self,
        request: &Refreshal<'_>,
        session: &SessionRecord,
        patience: &Patience,
    ) -> Result<Option<Tokens>, OAuthError> {
        let now = self.parts.clock.now();
        let (from, seed) = (session.generation, self.seed());
        let next = SessionRecord {
            generation: from + 1,
            seed,
            ..session.clone()
        };
        let key = &self.parts.successor_key;
        let pair = self.pair(&next, &key.entropy(request.refresh_token, &seed), now);
        let until = now.plus(OVERLAP);
        let pace = Pace {
            most: ROTATIONS,
            since: Timestamp::from_millis(now.as_millis().saturating_sub(MINUTE_MS)),
        };
        let rotate = || {
            let store = &self.parts.store;
            store.rotate_session(session.id, from, seed, &pair.records, until, pace)
        };
        match patience.ask(rotate).await? {
            Rotated::Done => {
                let expires = pair.records[0].expires;
                Ok(Some(pair.given(&next, expires, now)))
            }
            Rotated::Lost => Ok(None),
            Rotated::TooOften => Err(OAuthError::SlowDown(
                "this session is refreshed too often",
                A_WHILE,
            )),
        }
    }

    /// The pair that this token led to before, unless it was used when this request arrived.
    async fn again(
        &self,
        request: &Refreshal<'_>,
        session: &SessionRecord,
        arrived: Timestamp,
        patience: &Patience,
    ) -> Result<Tokens, OAuthError> {
        let store = &self.parts.store;
        let used = || store.generation_used(session.id, session.generation);
        if patience.ask(used).await?.is_some_and(|at| at <= arrived) {
            return Err(self.replayed(session, patience).await?);
        }
        let key = &self.parts.successor_key;
        let entropy = key.entropy(request.refresh_token, &session.seed);
        let now = self.parts.clock.now();
        let pair = self.pair(session, &entropy, now);
        let stored = || store.token(TokenKind::Access, pair.access_digest());
        // An access token that expired unused is pruned; its refresh token is the way on.
        let expires = patience.ask(stored).await?.map_or(now, |it| it.expires);
        Ok(pair.given(session, expires, now))
    }

    /// Ends the session; what to answer.
    async fn replayed(
        &self,
        session: &SessionRecord,
        patience: &Patience,
    ) -> Result<OAuthError, OAuthError> {
        tracing::warn!(session = %session.id, "oauth.refresh_reuse");
        self.end(session.id, "refresh_reuse", patience).await?;
        Ok(REFUSED)
    }
}
