//! As `Authorization: Bearer …` (RFC 6750), also for tokens that are minted or renewed.

use http::{HeaderName, header::AUTHORIZATION};
use zeroize::Zeroizing;

use super::{
    Attach, CredentialFault, Given, Kind, Kinds, MASK, OpenedCredential, Preview, UpstreamError,
    header::Header, sensitive, visible,
};
use crate::{clock::Timestamp, upstream::request::FilledRequest};

/// `Authorization: Bearer secret`
struct Bearer;

/// `credential.bearer`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    given.config.bearer.as_ref()?;
    Some(Ok(Kind::new(Bearer)))
}

/// A short-lived token: in the header that is named, else as a bearer.
pub(super) fn token(header: Option<&str>) -> Result<Box<dyn Attach>, CredentialFault> {
    Ok(match header {
        Some(name) => Box::new(Header::named(name)?),
        None => Box::new(Bearer),
    })
}

impl Attach for Bearer {
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        _: Timestamp,
    ) -> Result<(), UpstreamError> {
        let secret = visible(credential)?;
        let mut value = Zeroizing::new(Vec::with_capacity(7 + secret.len()));
        value.extend_from_slice(b"Bearer ");
        value.extend_from_slice(secret);
        request.headers.insert(AUTHORIZATION, sensitive(&value)?);
        Ok(())
    }

    fn headers(&self) -> &[HeaderName] {
        &[AUTHORIZATION]
    }

    fn mark(&self, preview: &mut Preview) {
        let name = AUTHORIZATION.as_str().to_owned();
        preview.headers.push((name, format!("Bearer {MASK}")));
    }
}
