//! The way to a provider's consent and back (RFC 6749 section 4.1, RFC 7636, RFC 9207).
//!
//! Nothing is asked of a provider unless everything that came back is what was sent.

mod error;

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde::Deserialize;
use url::Url;

pub use self::error::ConsentError;
use super::{AccountSite, Connections, token_endpoint::Tokens};
use crate::{
    config::provider::{Pkce, Refresh},
    crypto::TokenDigest,
    ids::LicenseId,
    names::{Label, ScopeName, UpstreamName},
    secret::SecretString,
    store::{AttemptRecord, CredentialInfo, MOST_LABELS, Tenant},
    vault::NewGrant,
};

/// How long a browser may stay at the provider.
const LIFE: std::time::Duration = std::time::Duration::from_mins(10);

/// What somebody wants to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For which upstream.
    pub upstream: UpstreamName,
    /// What the account will be called.
    pub label: Label,
    /// What tools need. What was granted before is kept besides.
    pub scopes: Vec<ScopeName>,
}

/// What a browser came back with. It may hold a code: neither printed nor logged.
#[derive(Clone, Default, Deserialize)]
pub struct Came {
    /// What we sent along.
    pub state: Option<String>,
    /// What is redeemed.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
}

/// An account that was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What it is called.
    pub label: Label,
    /// What people call the upstream.
    pub title: String,
    /// What was granted.
    pub granted: Vec<ScopeName>,
    /// Is that less than was asked for?
    pub short: bool,
}

impl Connections {
    /// Where the browser that holds `browser` is to be sent. It may come back once, within ten
    /// minutes, with the same `browser` and for the same license.
    pub async fn begin(
        &self,
        license: LicenseId,
        wish: &Wish,
        browser: &str,
    ) -> Result<Url, ConsentError> {
        self.vault.check_open().await?;
        let site = self.site(&wish.upstream)?;
        if !wish.scopes.iter().all(|scope| site.may_ask(scope)) {
            return Err(ConsentError::BeyondCeiling);
        }
        let is_one = site.account.choose_by.is_none();
        if is_one && wish.label != Label::default_label() {
            return Err(ConsentError::OneAccount);
        }
        let tenant = Tenant::License(license);
        let (before, others) = self.before(tenant, &wish.upstream, &wish.label).await?;
        if before.is_none() && others >= MOST_LABELS {
            return Err(ConsentError::TooManyAccounts);
        }
        let asked = site.asked(&wish.scopes, before.as_ref());
        let state = self.new_state();
        let now = self.clock.now();
        let record = AttemptRecord {
            state: self.handle_key().digest("state", state.expose()),
            tenant,
            upstream: wish.upstream.clone(),
            label: wish.label.clone(),
            scopes: asked.iter().cloned().collect(),
            browser: self.handle_key().digest("browser", browser),
            created: now,
            expires: now.plus(LIFE),
        };
        self.store.insert_attempt(&record).await?;
        let verifier = self.verifier(&site, state.expose());
        Ok(site.address(&asked, state.expose(), verifier))
    }

    /// What a browser came back with to `upstream`'s own place. `state` counts once, whatever else
    /// is wrong; the provider is asked for tokens only when nothing is.
    pub async fn finish(
        &self,
        license: LicenseId,
        upstream: &UpstreamName,
        came: &Came,
        browser: &str,
    ) -> Result<Finished, ConsentError> {
        self.vault.check_open().await?;
        let state = came.state.as_deref().ok_or(ConsentError::State)?;
        let digest = self.handle_key().digest("state", state);
        let tenant = Tenant::License(license);
        let spent = self
            .store
            .spend_attempt(&digest, tenant, self.clock.now())
            .await?;
        let attempt = spent.ok_or(ConsentError::State)?;
        // In constant time.
        if attempt.browser != self.handle_key().digest("browser", browser) {
            return Err(ConsentError::OtherBrowser);
        }
        if attempt.upstream != *upstream {
            return Err(ConsentError::OtherUpstream);
        }
        let site = self.site(upstream)?;
        if let (Some(said), Some(issuer)) = (&came.iss, &site.provider.issuer)
            && said != issuer
        {
            return Err(ConsentError::Issuer);
        }
        if let Some(error) = &came.error {
            return Err(match error.as_str() {
                "access_denied" => ConsentError::Denied,
                _ => ConsentError::ProviderError,
            });
        }
        let code = came.code.clone().filter(|code| !code.is_empty());
        let code = code.ok_or(ConsentError::NoCode)?;
        let verifier = self.verifier(&site, state);
        let began = self.clock.now();
        let tokens = site.redeem(code, verifier).await?;
        let tokens = lasting(&site, tokens).await;
        let asked: BTreeSet<ScopeName> = attempt.scopes.iter().cloned().collect();
        let granted = site.granted(&tokens, &asked).await?;
        let held: BTreeSet<String> = granted.iter().map(ToString::to_string).collect();
        let short = !asked
            .iter()
            .all(|scope| site.provider.covers(&held, scope.as_str()));
        let (before, _) = self.before(tenant, upstream, &attempt.label).await?;
        let granted: Vec<ScopeName> = granted.into_iter().collect();
        let new = NewGrant {
            expires: tokens.life.map(|life| began.plus(life)),
            access: Some(tokens.access),
            refresh: tokens.refresh,
            issuer: site.issuer,
            scopes: granted.clone(),
            shortfalls: match (short, before) {
                (false, _) => 0,
                (true, None) => 1,
                (true, Some(info)) => info.shortfalls + 1,
            },
        };
        self.vault
            .put_grant(tenant, upstream, &attempt.label, &new, &actor(license))
            .await?;
        Ok(Finished {
            label: attempt.label,
            title: site.title.clone(),
            granted,
            short,
        })
    }

    fn site(&self, upstream: &UpstreamName) -> Result<std::sync::Arc<AccountSite>, ConsentError> {
        let site = self.sites.load().get(upstream).cloned();
        site.ok_or(ConsentError::UnknownUpstream)
    }

    /// What the license has under this label, and how many it has there.
    async fn before(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
    ) -> Result<(Option<CredentialInfo>, usize), ConsentError> {
        let mut all = self.vault.list_of(tenant).await?;
        all.retain(|info| info.upstream == *upstream);
        let count = all.len();
        Ok((all.into_iter().find(|info| info.label == *label), count))
    }

    /// 256 bits.
    fn new_state(&self) -> SecretString {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut_slice());
        SecretString::new(BASE64URL_NOPAD.encode(bytes.as_slice()))
    }

    /// The proof that goes with the code. It follows from `state` and our key, so that it is stored
    /// nowhere; whoever sees the one does not know the other.
    fn verifier(&self, site: &AccountSite, state: &str) -> Option<String> {
        let digest: TokenDigest = self.handle_key().digest("pkce", state);
        let text = || BASE64URL_NOPAD.encode(digest.as_bytes());
        (site.provider.pkce == Pkce::S256).then(text)
    }
}

impl AccountSite {
    /// Is a scope within what may ever be asked for?
    pub(super) fn may_ask(&self, scope: &ScopeName) -> bool {
        let most: BTreeSet<String> = self.account.most.iter().map(ToString::to_string).collect();
        self.provider.covers(&most, scope.as_str())
    }

    /// What is asked for: what is wished, and what was granted before unless the provider adds that
    /// by itself. What the ceiling no longer allows is not asked for again.
    fn asked(&self, wished: &[ScopeName], before: Option<&CredentialInfo>) -> BTreeSet<ScopeName> {
        let mut asked: BTreeSet<ScopeName> = wished.iter().cloned().collect();
        let parameters = &self.provider.authorize_parameters;
        let adds = parameters.get("include_granted_scopes");
        if adds.is_none_or(|adds| adds != "true") {
            let granted = before.into_iter().flat_map(|info| &info.scopes);
            asked.extend(granted.filter(|scope| self.may_ask(scope)).cloned());
        }
        asked
    }

    fn address(&self, asked: &BTreeSet<ScopeName>, state: &str, verifier: Option<String>) -> Url {
        let mut url = self.provider.authorize_url.clone();
        let scopes: BTreeSet<&ScopeName> = asked.union(&self.provider.always_scopes).collect();
        let scopes = scopes.into_iter().map(ScopeName::as_str);
        let scope = self.provider.join_scopes(scopes);
        let mut query = url.query_pairs_mut();
        query
            .extend_pairs(&self.provider.authorize_parameters)
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", self.redirect_uri.as_str())
            .append_pair("state", state);
        if !scope.is_empty() {
            query.append_pair("scope", &scope);
        }
        if let Some(verifier) = verifier {
            let verifier = PkceCodeVerifier::new(verifier);
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            query
                .append_pair("code_challenge", challenge.as_str())
                .append_pair("code_challenge_method", challenge.method().as_str());
        }
        drop(query);
        url
    }

    /// What was granted: as the provider lists it, as its answer says, or what was asked for
    /// (RFC 6749 section 5.1).
    async fn granted(
        &self,
        tokens: &Tokens,
        asked: &BTreeSet<ScopeName>,
    ) -> Result<BTreeSet<ScopeName>, ConsentError> {
        match (&self.provider.permissions_url, &tokens.scopes) {
            (Some(url), _) => Ok(self.permissions(url, &tokens.access).await?),
            (None, Some(scopes)) => Ok(scopes.clone()),
            (None, None) => Ok(asked.union(&self.provider.always_scopes).cloned().collect()),
        }
    }
}

/// Tokens that last: where a code buys a short-lived one, its exchange. If that fails, the short one
/// does for now, and is renewed before it ends.
async fn lasting(site: &AccountSite, tokens: Tokens) -> Tokens {
    if site.provider.refresh != Refresh::Exchange {
        return tokens;
    }
    let access = SecretString::new(tokens.access.expose().clone());
    match site.exchange(access).await {
        Ok(longer) => longer,
        Err(error) => {
            tracing::warn!(upstream = %site.name, %error, "connection.not_exchanged");
            tokens
        }
    }
}

/// Who stands in the audit log.
fn actor(license: LicenseId) -> String {
    format!("license:{license}")
}
