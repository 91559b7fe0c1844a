//! In a query parameter.

use percent_encoding::percent_encode;
use zeroize::Zeroizing;

use super::{
    Attach, Given, Kind, Kinds, MASK, OpenedCredential, Preview, UpstreamError, echo, visible,
};
use crate::{
    clock::Timestamp,
    config::CredentialConfig,
    upstream::{
        credential::CredentialFault,
        request::{FilledRequest, RESERVED},
    },
};

/// `?name=secret`
struct Query(String);

/// `credential.query`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let CredentialConfig { query, .. } = given.config;
    let name = query.as_ref()?;
    Some(if name.is_empty() || name.chars().any(char::is_control) {
        Err(CredentialFault("`query` is not the name of a parameter"))
    } else {
        Ok(Kind::new(Query(name.clone())))
    })
}

impl Attach for Query {
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        _: Timestamp,
    ) -> Result<(), UpstreamError> {
        let secret = Zeroizing::new(encoded(visible(credential)?));
        let mut query = Zeroizing::new(request.url.query().unwrap_or_default().to_owned());
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&encoded(self.0.as_bytes()));
        query.push('=');
        query.push_str(&secret);
        request.url.set_query(Some(&query));
        Ok(())
    }

    fn form_is_in(&self, answer: &[u8], secret: &[u8]) -> bool {
        let upper = Zeroizing::new(encoded(secret));
        echo::holds(answer, upper.as_bytes()) || echo::holds(answer, lower_hex(&upper).as_bytes())
    }

    fn query(&self) -> Option<&str> {
        Some(&self.0)
    }

    fn mark(&self, preview: &mut Preview) {
        let join = if preview.url.contains('?') { '&' } else { '?' };
        preview.url.push(join);
        preview.url.push_str(&encoded(self.0.as_bytes()));
        preview.url.push('=');
        preview.url.push_str(MASK);
    }
}

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

/// Percent-encoded text with its hexadecimal digits in lower case.
fn lower_hex(encoded: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(encoded.len()));
    let mut digits = 0;
    for c in encoded.chars() {
        let lower = digits > 0;
        digits = if c == '%' {
            2
        } else {
            u8::saturating_sub(digits, 1)
        };
        out.push(if lower { c.to_ascii_lowercase() } else { c });
    }
    out
}
