//! A code for a session and its first tokens (OAuth 2.1 section 4.1.3). Once.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Grants, Patience, Tokens, UNUSABLE, is_proven};
use crate::{
    clock::Timestamp,
    crypto::{AuthorizationCode, TokenDigest},
    license::License,
    oauth::{Client, OAuthError},
    store::{CodeRecord, Redeemed, SessionRecord, TokenRecord},
};

const REFUSED: OAuthError =
    OAuthError::InvalidGrant("the code is unknown, used, expired or not for this client");
const FULL: OAuthError =
    OAuthError::InvalidGrant("this license holds as many connections as it may");

/// A code as a client presents it.
#[derive(Clone, Copy)]
pub struct Redemption<'a> {
    /// The code.
    pub code: &'a str,
    /// Where it was sent. Clients of OAuth 2.1 name it no more: the verifier says as much.
    pub redirect_uri: Option<&'a str>,
    /// What the challenge was made of (RFC 7636 section 4.1).
    pub code_verifier: Option<&'a str>,
    /// What the token is for; clients of 2025-03-26 name nothing.
    pub resource: Option<&'a str>,
}

impl Grants {
    /// Begins the session that a person approved.
    ///
    /// A code that is presented wrongly is spent, and one that was spent ends the session that it
    /// led to.
    pub async fn redeem(
        &self,
        client: &Client,
        request: Redemption<'_>,
    ) -> Result<Tokens, OAuthError> {
        if !AuthorizationCode::is_well_formed(request.code) {
            return Err(REFUSED);
        }
        let (patience, now) = (Patience::new(), self.parts.clock.now());
        let digest = self.parts.pepper.digest_text(request.code);
        let find = || self.parts.store.code(&digest);
        let code = patience.ask(find).await?.ok_or(REFUSED)?;
        let license = match self.entitled(client, &request, &code, now, &patience).await {
            Ok(license) => license,
            // Our own fault is no reason to spend it.
            Err(OAuthError::Unavailable) => return Err(OAuthError::Unavailable),
            Err(refusal) => {
                let burn = || self.parts.store.burn_code(&digest, now);
                patience.ask(burn).await?;
                return Err(refusal);
            }
        };
        let session = SessionRecord {
            client_name: code.client_name,
            client_auth: code.client_auth,
            resource: code.resource,
            ..self.session(&license, code.client, code.scope, now)
        };
        let pair = self.pair(&session, &*self.parts.entropy, now);
        let until = pair.records[0].expires;
        let most = self.plan(&license).most;
        match self
            .spend(&digest, &session, &pair.records, most, &patience)
            .await?
        {
            Redeemed::Done => {
                self.note_use(client, now).await;
                Ok(pair.given(&session, until, now))
            }
            Redeemed::Replayed { ended } => {
                tracing::warn!("oauth.code_replayed");
                self.count_end(ended);
                Err(REFUSED)
            }
            // More codes than connections may have been given out in the last minute.
            Redeemed::Full => Err(FULL),
        }
    }

    /// The license that approved, if all that the code is bound to is as it was.
    async fn entitled(
        &self,
        client: &Client,
        request: &Redemption<'_>,
        code: &CodeRecord,
        now: Timestamp,
        patience: &Patience,
    ) -> Result<License, OAuthError> {
        let proven = request
            .code_verifier
            .is_some_and(|verifier| proves(verifier, &code.challenge));
        let place = request.redirect_uri.unwrap_or(&code.redirect_uri);
        if !proven || code.client != client.id || place != code.redirect_uri {
            return Err(REFUSED);
        }
        is_proven(client, code.client_auth)?;
        self.check_resource(request.resource)?;
        let find = || self.parts.store.license(code.license);
        let license = patience.ask(find).await?.ok_or(UNUSABLE)?;
        let refusal = if now >= code.expires {
            REFUSED
        } else if license.is_usable(now) {
            return Ok(license);
        } else {
            UNUSABLE
        };
        // Whatever else is wrong with it, a code that was spent is a replay.
        let led_to = || self.parts.store.code_led_to(&code.digest);
        if let Some(session) = patience.ask(led_to).await? {
            self.end(session, "code_replayed", patience).await?;
        }
        Err(refusal)
    }

    /// Spends the code. An attempt whose answer was lost does not look like a replay: the store knows
    /// the session by its id.
    async fn spend(
        &self,
        code: &TokenDigest,
        session: &SessionRecord,
        tokens: &[TokenRecord],
        most: Option<u32>,
        patience: &Patience,
    ) -> Result<Redeemed, OAuthError> {
        let (store, stamp) = (&self.parts.store, self.stamp());
        let spend = || store.redeem_code(code, session, tokens, most, &stamp);
        Ok(patience.ask(spend).await?)
    }
}

/// Is the challenge made of this verifier (RFC 7636 section 4.6, S256)?
fn proves(verifier: &str, challenge: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let made = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    made.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o_12_only_the_verifier_of_rfc_7636_proves() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(!proves(challenge, verifier));
        assert!(!proves(&verifier[..42], challenge));
        for (length, good) in [(42, false), (43, true), (128, true), (129, false)] {
            let verifier = "a".repeat(length);
            let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
            assert_eq!(proves(&verifier, &challenge), good, "{length}");
        }
        let odd = format!("{verifier}+");
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(odd.as_bytes()));
        assert!(!proves(&odd, &challenge));
    }
}
