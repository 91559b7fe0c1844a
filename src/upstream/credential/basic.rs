//! As the password of `Authorization: Basic …` (RFC 7617).

use data_encoding::BASE64;
use http::{HeaderName, header::AUTHORIZATION};
use zeroize::Zeroizing;

use super::{
    Attach, CredentialFault, Given, Kind, Kinds, MASK, OpenedCredential, Preview, UpstreamError,
    echo, sensitive,
};
use crate::{clock::Timestamp, upstream::request::FilledRequest};

/// The user name.
struct Basic(String);

/// `credential.basic`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let username = &given.config.basic.as_ref()?.username;
    let odd = |c: char| c == ':' || c.is_control();
    Some(if username.contains(odd) {
        Err(CredentialFault(
            "a user name holds no colon and no control characters",
        ))
    } else {
        Ok(Kind::new(Basic(username.clone())))
    })
}

impl Attach for Basic {
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        _: Timestamp,
    ) -> Result<(), UpstreamError> {
        let secret = credential.secret.expose().as_slice();
        if secret.iter().any(u8::is_ascii_control) {
            return Err(UpstreamError::CredentialUnusable);
        }
        let value = Zeroizing::new(format!("Basic {}", *pair(&self.0, secret)));
        let value = sensitive(value.as_bytes())?;
        request.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    fn form_is_in(&self, answer: &[u8], secret: &[u8]) -> bool {
        echo::holds(answer, pair(&self.0, secret).as_bytes())
    }

    fn headers(&self) -> &[HeaderName] {
        &[AUTHORIZATION]
    }

    fn mark(&self, preview: &mut Preview) {
        let name = AUTHORIZATION.as_str().to_owned();
        preview.headers.push((name, format!("Basic {MASK}")));
    }
}

/// Name and password as they are sent.
fn pair(username: &str, secret: &[u8]) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(Vec::with_capacity(username.len() + 1 + secret.len()));
    pair.extend_from_slice(username.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(secret);
    Zeroizing::new(BASE64.encode(&pair))
}
