//! Tells providers that grants ended, until they listen or a week has passed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{
    HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    AccountSite, Connections,
    ask::{AskFault, Question},
};
use crate::{
    config::provider::{ClientAuthentication, Revocation},
    secret::SecretString,
    store::{RevocationOutcome, RevocationRecord, StoreError},
    upstream::OpenedCredential,
    vault::{GrantTokens, VaultError},
};

/// The second attempt comes so long after the first; each further one twice as late.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

impl Connections {
    /// Tells providers of the grants whose turn it is, at most 20; to be called now and then.
    pub async fn tell_providers(&self) {
        if let Err(error) = self.tell_due().await {
            tracing::warn!(%error, "revocations.not_looked_at");
        }
    }

    async fn tell_due(&self) -> Result<(), StoreError> {
        // While all opening is stopped nothing is told either; it is queued.
        if self.vault.check_open().await.is_err() {
            return Ok(());
        }
        for record in self.store.due_revocations(self.clock.now()).await? {
            // Providers may be slow: each record has its own now.
            let now = self.clock.now();
            if record.expires <= now {
                self.close_one(&record, RevocationOutcome::GivenUp).await?;
                continue;
            }
            let doublings = u32::try_from(record.attempts.min(16)).unwrap_or(16);
            let pause = FIRST_PAUSE
                .saturating_mul(1 << doublings)
                .min(LONGEST_PAUSE);
            // The last attempt is followed by giving up, not by a week more.
            let next = now.plus(pause).min(record.expires);
            if !self.store.claim_revocation(&record, next).await? {
                continue;
            }
            if let Some(outcome) = self.tell(&record).await {
                self.close_one(&record, outcome).await?;
            }
        }
        Ok(())
    }

    async fn close_one(
        &self,
        record: &RevocationRecord,
        outcome: RevocationOutcome,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.close_revocation(record.id, outcome, now).await?;
        let (id, upstream, attempts) = (record.id, &record.upstream, record.attempts);
        match outcome {
            RevocationOutcome::GivenUp => {
                self.refresher.metrics.revocations_given_up.inc();
                tracing::error!(revocation = %id, %upstream, attempts, "revocation.given_up");
            }
            RevocationOutcome::Revoked | RevocationOutcome::NotOffered => {
                let outcome = outcome.as_str();
                tracing::info!(revocation = %id, %upstream, outcome, "revocation.done");
            }
        }
        Ok(())
    }

    /// What became of telling; none: later again. An upstream that left the configuration may come
    /// back to it.
    async fn tell(&self, record: &RevocationRecord) -> Option<RevocationOutcome> {
        let site = self.sites.load().get(&record.upstream).cloned()?;
        if site.provider.revocation == Revocation::None {
            return Some(RevocationOutcome::NotOffered);
        }
        let tokens = match self.vault.open_revocation(record).await {
            Ok(tokens) => tokens,
            Err(VaultError::Damaged(_)) => return Some(RevocationOutcome::GivenUp),
            Err(error) => {
                tracing::warn!(revocation = %record.id, %error, "revocation.not_opened");
                return None;
            }
        };
        if tokens.issuer != site.issuer {
            tracing::error!(revocation = %record.id, upstream = %record.upstream,
                "revocation.provider_changed");
            return Some(RevocationOutcome::GivenUp);
        }
        let Some(token) = site.told_by(tokens) else {
            return Some(RevocationOutcome::GivenUp);
        };
        match site.revoke(&token).await {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::warn!(revocation = %record.id, upstream = %record.upstream, %error,
                    "revocation.not_told");
                None
            }
        }
    }
}

impl AccountSite {
    /// The token that tells this provider: where it takes access tokens only, that one.
    fn told_by(&self, tokens: GrantTokens) -> Option<SecretString> {
        let GrantTokens {
            access, refresh, ..
        } = tokens;
        let text = |access: Arc<OpenedCredential>| {
            let text = std::str::from_utf8(access.secret.expose()).ok()?;
            Some(SecretString::new(text.to_owned()))
        };
        let access = access.and_then(text);
        match &self.provider.revocation {
            Revocation::None | Revocation::Rfc7009(_) => refresh.or(access),
            Revocation::MetaPermissions(_) | Revocation::GithubGrant(_) => access.or(refresh),
        }
    }

    async fn revoke(&self, token: &SecretString) -> Result<RevocationOutcome, AskFault> {
        let question = match &self.provider.revocation {
            Revocation::None => return Ok(RevocationOutcome::NotOffered),
            Revocation::Rfc7009(url) => self.rfc_7009(url, token)?,
            Revocation::MetaPermissions(url) => {
                Question::new(Method::DELETE, url.clone()).with_bearer(token)?
            }
            Revocation::GithubGrant(url) => {
                self.of_github(Method::DELETE, url, "grant", token.expose())?
            }
        };
        let reply = self.ask(question).await?;
        let body: Value = serde_json::from_slice(reply.body.expose()).unwrap_or_default();
        let refused = reply.status.is_client_error();
        match &self.provider.revocation {
            _ if reply.status.is_success() => Ok(RevocationOutcome::Revoked),
            // Google says so of what is gone already; the RFC says 200.
            Revocation::Rfc7009(_) if refused && body["error"] == "invalid_token" => {
                Ok(RevocationOutcome::Revoked)
            }
            // The token is over, and there is no other that could tell.
            Revocation::MetaPermissions(_) if refused && body["error"]["code"] == 190 => {
                Ok(RevocationOutcome::GivenUp)
            }
            // GitHub knows no such token of ours any more.
            Revocation::GithubGrant(_) if reply.status == StatusCode::UNPROCESSABLE_ENTITY => {
                Ok(RevocationOutcome::Revoked)
            }
            Revocation::None
            | Revocation::Rfc7009(_)
            | Revocation::MetaPermissions(_)
            | Revocation::GithubGrant(_) => Err(AskFault::OtherError),
        }
    }

    fn rfc_7009(&self, url: &Url, token: &SecretString) -> Result<Question, AskFault> {
        let mut question = Question::new(Method::POST, url.clone());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        match (self.provider.client_auth, &self.client_secret) {
            (ClientAuthentication::Basic, Some(secret)) => {
                let proof = self.basic(secret)?;
                question.headers.insert(AUTHORIZATION, proof);
            }
            (ClientAuthentication::Basic, None) => {
                form.append_pair("client_id", &self.client_id);
            }
            (ClientAuthentication::Body, secret) => {
                let secret = secret.as_ref();
                form.append_pair("client_id", &self.client_id)
                    .extend_pairs(secret.map(|secret| ("client_secret", secret.expose())));
            }
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        question.headers.insert(CONTENT_TYPE, kind);
        question.body = Some(Bytes::from(form.finish()));
        Ok(question)
    }

    /// A question about a token to GitHub's API for apps.
    pub(super) fn of_github(
        &self,
        method: Method,
        url: &Url,
        what: &str,
        token: &str,
    ) -> Result<Question, AskFault> {
        let mut url = url.clone();
        url.path_segments_mut()
            .map_err(|()| AskFault::Unreadable)?
            .pop_if_empty()
            .extend([self.client_id.as_str(), what]);
        let mut question = Question::new(method, url);
        if let Some(secret) = &self.client_secret {
            let plain = format!("{}:{}", self.client_id, secret.expose());
            question.headers.insert(AUTHORIZATION, proof(plain)?);
        }
        let headers = &mut question.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = HeaderValue::from_static("application/vnd.github+json");
        headers.insert(ACCEPT, accepted);
        let body = json!({ "access_token": token });
        question.body = Some(Bytes::from(body.to_string()));
        Ok(question)
    }

    /// Both halves encoded as in a form (RFC 6749 section 2.3.1).
    fn basic(&self, secret: &SecretString) -> Result<HeaderValue, AskFault> {
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let (id, secret) = (encoded(&self.client_id), encoded(secret.expose()));
        proof(format!("{id}:{secret}"))
    }
}

fn proof(plain: String) -> Result<HeaderValue, AskFault> {
    let plain = SecretString::new(plain);
    let encoded = BASE64.encode(plain.expose().as_bytes());
    let value = SecretString::new(format!("Basic {encoded}"));
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| AskFault::Unreadable)?;
    value.set_sensitive(true);
    Ok(value)
}
