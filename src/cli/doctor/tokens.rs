//! The token endpoint and what follows from it: redeem, renew, renew twice at once, replay, revoke
//! (RFC 6749 sections 4.1.3 and 6, RFC 7009, OAuth 2.1 section 4.3.1). Shows no token.

use url::Url;

use super::{
    clients::Workers,
    discovery::Found,
    findings::Check,
    message::Wire,
    play::{Play, Stopped},
    probe::{Ask, Reply},
    registration::Registered,
    sign_in::Granted,
    token_answer::{Tokens, refusal, salvaged},
};
use crate::secret::SecretString;

/// What the token requests have in common.
#[derive(Clone, Copy)]
pub struct Party<'p> {
    /// What discovery gave.
    pub found: &'p Found,
    /// The client.
    pub client: &'p Registered,
}

impl Play<'_> {
    /// Exchanges the code.
    pub async fn redeem(&mut self, party: Party<'_>, granted: &Granted) -> Result<Tokens, Stopped> {
        let reply = self
            .token(
                party,
                &[
                    ("grant_type", "authorization_code"),
                    ("code", granted.code.expose()),
                    ("code_verifier", granted.verifier.expose()),
                    ("redirect_uri", &party.client.redirect_uri),
                ],
            )
            .await?;
        if reply.status.as_u16() != 200 {
            let seen = refusal(&reply);
            return Err(self.stop(Check::TokenRefused, &seen, &seen));
        }
        let tokens = self.tokens_or_end(party, &reply).await?;
        self.lasts(&reply, &tokens);
        if !reply.header_has("cache-control", "no-store") {
            self.warn(Check::TokenCacheable, "no `Cache-Control: no-store`", "");
        }
        Ok(tokens)
    }

    /// Renews, and uses what it gets.
    pub async fn renew(
        &mut self,
        party: Party<'_>,
        tokens: Tokens,
        wire: &Wire,
    ) -> Result<Tokens, Stopped> {
        let Some(refresh) = &tokens.refresh else {
            return Ok(tokens);
        };
        let reply = self.refresh(party, refresh).await?;
        if reply.status.as_u16() != 200 {
            let seen = refusal(&reply);
            return Err(self.stop(Check::RefreshRefused, &seen, &seen));
        }
        let mut renewed = self.tokens_or_end(party, &reply).await?;
        if renewed.refresh.is_none() {
            // Left out means: the old one goes on (RFC 6749 section 6).
            renewed.refresh = tokens.refresh;
        }
        self.list(&renewed.access, wire).await?;
        Ok(renewed)
    }

    /// Renews twice at once with one token, as two workers do; both have to end with a working one.
    pub async fn race(
        &mut self,
        party: Party<'_>,
        tokens: Tokens,
        wire: &Wire,
    ) -> Result<Tokens, Stopped> {
        let Some(refresh) = &tokens.refresh else {
            return Ok(tokens);
        };
        let (one, other) = {
            let first = Self::refreshing(party, refresh);
            let second = first.clone();
            tokio::join!(self.web.ask(first), self.web.ask(second))
        };
        let mut working = Vec::new();
        let mut lost = Vec::new();
        for reply in [one, other] {
            match reply {
                Ok(reply) if reply.status.as_u16() == 200 => working.push(self.tokens(&reply)?),
                Ok(reply) => lost.push(refusal(&reply)),
                Err(error) => lost.push(error.to_string()),
            }
        }
        for pair in &working {
            let status = self.try_list(&pair.access, wire).await?;
            if status != 200 {
                lost.push(format!("a token that is answered HTTP {status}"));
            }
        }
        if !lost.is_empty() {
            let seen = format!("of two refreshes at once: {}", lost.join(", "));
            match self.profile.workers {
                Workers::Several => self.fault(Check::RefreshRace, seen, ""),
                Workers::One => self.warn(Check::RefreshRace, seen, ""),
            }
        }
        let Some(mut winner) = working.pop() else {
            return Ok(tokens);
        };
        if winner.refresh.is_none() {
            winner.refresh = tokens.refresh;
        }
        Ok(winner)
    }

    /// Presents a refresh token whose successor was used.
    pub async fn replay(
        &mut self,
        party: Party<'_>,
        tokens: Tokens,
        wire: &Wire,
    ) -> Result<Tokens, Stopped> {
        let Some(old) = &tokens.refresh else {
            return Ok(tokens);
        };
        let old = SecretString::new(old.expose().clone());
        let renewed = self.renew(party, tokens, wire).await?;
        let same = renewed.refresh.as_ref().map(SecretString::expose) == Some(old.expose());
        let reply = self.refresh(party, &old).await?;
        if reply.status.as_u16() == 200 {
            let seen = if same {
                "refresh tokens are not replaced"
            } else {
                "a replaced refresh token was taken after its successor was used"
            };
            self.warn(Check::ReplayAccepted, seen, "");
            return self.tokens(&reply);
        }
        Ok(renewed)
    }

    /// Ends the session. None: there is no way to.
    pub async fn revoke(&mut self, party: Party<'_>, tokens: &Tokens) -> Option<()> {
        let endpoint = party.found.server.revoke.clone()?;
        let each = tokens.refresh.iter().map(|token| (token, "refresh_token"));
        for (token, hint) in each.chain([(&tokens.access, "access_token")]) {
            let fields = [
                ("token", token.expose().as_str()),
                ("token_type_hint", hint),
            ];
            let ask = Self::form(party, &endpoint, &fields);
            // What cannot be ended is seen by the call that follows.
            if let Ok(reply) = self.web.ask(ask).await
                && matches!(reply.status.as_u16(), 404 | 405)
            {
                return None;
            }
        }
        Some(())
    }

    /// Ends the session and sees that it ended.
    pub async fn disconnect(
        &mut self,
        party: Party<'_>,
        tokens: &Tokens,
        wire: &Wire,
    ) -> Result<(), Stopped> {
        if self.revoke(party, tokens).await.is_none() {
            let place = party.found.server.place.clone();
            self.warn(Check::RevocationMissing, "no `revocation_endpoint`", place);
            return Ok(());
        }
        let status = self.try_list(&tokens.access, wire).await?;
        if status != 401 {
            let seen = format!("a call with the revoked token was answered HTTP {status}");
            self.warn(Check::RevocationIneffective, seen, "answer 401");
        }
        Ok(())
    }

    async fn refresh(
        &mut self,
        party: Party<'_>,
        refresh: &SecretString,
    ) -> Result<Reply, Stopped> {
        let ask = Self::refreshing(party, refresh);
        self.ask(ask).await
    }

    fn refreshing(party: Party<'_>, refresh: &SecretString) -> Ask {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose().as_str()),
        ];
        Self::token_ask(party, &fields)
    }

    async fn token(&mut self, party: Party<'_>, fields: &[(&str, &str)]) -> Result<Reply, Stopped> {
        let ask = Self::token_ask(party, fields);
        self.ask(ask).await
    }

    fn token_ask(party: Party<'_>, fields: &[(&str, &str)]) -> Ask {
        let mut fields = fields.to_vec();
        if let Some(resource) = &party.found.resource {
            fields.push(("resource", resource));
        }
        Self::form(party, &party.found.server.token, &fields)
    }

    fn form(party: Party<'_>, url: &Url, fields: &[(&str, &str)]) -> Ask {
        let mut fields = fields.to_vec();
        fields.push(("client_id", &party.client.id));
        if let Some(secret) = &party.client.secret {
            fields.push(("client_secret", secret.expose()));
        }
        Ask::form(url, fields)
    }

    /// The tokens; those in an answer that clients cannot read are ended at once.
    async fn tokens_or_end(&mut self, party: Party<'_>, reply: &Reply) -> Result<Tokens, Stopped> {
        let read = self.tokens(reply);
        if let (Err(_), Some(broken)) = (&read, salvaged(reply)) {
            self.revoke(party, &broken).await;
        }
        read
    }
}
