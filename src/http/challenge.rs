//! What a 401 says about the way in: one challenge (RFC 6750 section 3, RFC 9728 section 5.1) and a
//! sentence for people. Computed once; nothing of a request gets into it.

use http::HeaderValue;

use super::{refusal::EdgeRefusal, wellknown};
use crate::{config::Config, grant::Scope};

/// The challenge of every 401.
#[derive(Debug, Clone)]
pub struct Challenge {
    missing: HeaderValue,
    refused: HeaderValue,
    narrow: HeaderValue,
    of_issuers: HeaderValue,
    ways: Ways,
}

/// How somebody gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    Key,
    SignIn,
    SignInOrKey,
}

impl Challenge {
    /// `Bearer` first and alone, every value quoted, no realm: clients take the first word for the
    /// scheme and find parameters by their names.
    pub fn of(config: &Config) -> Self {
        let url = wellknown::protected_resource_url(config);
        // The origin is ASCII, scopes are checked with the configuration, and the rest are
        // constants of ours.
        let value = |error: Option<&str>, scopes: &[&str]| {
            let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
            let parameters = [
                ("error", error),
                ("resource_metadata", url.as_deref()),
                ("scope", scope.as_deref()),
            ];
            let parameters = parameters
                .iter()
                .filter_map(|(name, value)| value.map(|value| format!(r#"{name}="{value}""#)));
            let text = format!("Bearer {}", parameters.collect::<Vec<_>>().join(", "));
            HeaderValue::from_str(&text).unwrap_or(const { HeaderValue::from_static("Bearer") })
        };
        let scopes = wellknown::scopes(config);
        let of_issuers = wellknown::scopes_of_issuers(config);
        // Who may only read holds a word of ours, and lacks another.
        let mut to_call = scopes.clone();
        if !to_call.contains(&Scope::Tools.as_str()) {
            to_call.push(Scope::Tools.as_str());
        }
        let narrow = Some("insufficient_scope");
        let can_sign_in = config.auth.oauth.enabled || !config.auth.issuers.is_empty();
        Self {
            missing: value(None, &scopes),
            refused: value(Some("invalid_token"), &scopes),
            narrow: value(narrow, &to_call),
            of_issuers: value(narrow, &of_issuers),
            ways: match (can_sign_in, config.auth.license_keys) {
                (false, _) => Ways::Key,
                (true, false) => Ways::SignIn,
                (true, true) => Ways::SignInOrKey,
            },
        }
    }

    /// What a session that may only read is told when it calls more (RFC 6750 section 3.1).
    pub const fn narrow(&self) -> &HeaderValue {
        &self.narrow
    }

    /// Header and sentence for a refusal that a credential would mend; none for any other.
    pub(super) fn answers(&self, refusal: &EdgeRefusal) -> Option<(HeaderValue, &'static str)> {
        let (header, texts) = if *refusal == EdgeRefusal::CredentialMissing {
            (
                &self.missing,
                [
                    refusal.text(),
                    "Sign in first: add this connector URL to an MCP client, which then opens the \
                     sign-in page.",
                    "Sign in first: add this connector URL to an MCP client, which then opens the \
                     sign-in page. Or send a license key as `Authorization: Bearer wgl_…`.",
                ],
            )
        } else if *refusal == EdgeRefusal::CredentialRefused {
            (
                &self.refused,
                [
                    refusal.text(),
                    "The token was not accepted. Let the client sign in again by this connector URL.",
                    "The token or license key was not accepted. Let the client sign in again by \
                     this connector URL, or check that the license key is complete.",
                ],
            )
        } else if *refusal == EdgeRefusal::ScopeInsufficient {
            // Only tokens of identity providers can lack what the configuration asks of them.
            (&self.of_issuers, [refusal.text(); 3])
        } else {
            return None;
        };
        let text = match self.ways {
            Ways::Key => texts[0],
            Ways::SignIn => texts[1],
            Ways::SignInOrKey => texts[2],
        };
        Some((header.clone(), text))
    }
}
