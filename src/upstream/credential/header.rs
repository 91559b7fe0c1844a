//! In a header, as it is.

use http::HeaderName;

use super::{
    Attach, CredentialFault, Given, Kind, Kinds, MASK, OpenedCredential, Preview, UpstreamError,
    sensitive,
};
use crate::{
    clock::Timestamp,
    upstream::request::{FilledRequest, is_reserved},
};

/// `X-Api-Key: secret`
pub(super) struct Header([HeaderName; 1]);

/// `credential.header`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let name = given.config.header.as_deref()?;
    Some(Header::named(name).map(Kind::new))
}

impl Header {
    /// This one, unless it is none that can hold a credential.
    pub(super) fn named(name: &str) -> Result<Self, CredentialFault> {
        match name.parse::<HeaderName>() {
            Ok(name) if !is_reserved(&name) => Ok(Self([name])),
            _ => Err(CredentialFault(
                "`header` is not a header that can hold a credential",
            )),
        }
    }
}

impl Attach for Header {
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        _: Timestamp,
    ) -> Result<(), UpstreamError> {
        let secret = credential.secret.expose().as_slice();
        let inner = |b: &u8| b.is_ascii_graphic() || *b == b' ';
        let blank = secret.first() == Some(&b' ') || secret.last() == Some(&b' ');
        if blank || !secret.iter().all(inner) {
            return Err(UpstreamError::CredentialUnusable);
        }
        let [name] = &self.0;
        request.headers.insert(name.clone(), sensitive(secret)?);
        Ok(())
    }

    fn headers(&self) -> &[HeaderName] {
        &self.0
    }

    fn mark(&self, preview: &mut Preview) {
        let [name] = &self.0;
        preview
            .headers
            .push((name.as_str().to_owned(), MASK.to_owned()));
    }
}
