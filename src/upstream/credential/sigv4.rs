//! As a signature over the request (AWS Signature Version 4). The secret itself never leaves.

use http::{HeaderName, header::AUTHORIZATION};

use super::{
    Attach, CredentialFault, Given, Kind, Kinds, MASK, OpenedCredential, Preview, SecretFault,
    UpstreamError, visible,
};
use crate::{
    clock::Timestamp,
    config::credential::SigV4Config,
    crypto::sigv4::{Signable, Signer},
    upstream::request::FilledRequest,
};

/// All that a signature may set.
static FIELDS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Region, service and the public half of the key.
struct SigV4(SigV4Config);

/// `credential.sigv4`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let config = given.config.sigv4.as_ref()?;
    let fits = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !text.is_empty() && text.bytes().all(plain)
    };
    let parts = [&config.region, &config.service, &config.access_key_id];
    Some(if parts.into_iter().all(|part| fits(part)) {
        Ok(Kind::new(SigV4(config.clone())))
    } else {
        Err(CredentialFault(
            "`region`, `service` and `access_key_id` are letters, digits and `-`",
        ))
    })
}

impl Attach for SigV4 {
    /// Signs what the request is now: it comes last, and anew for every attempt.
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        now: Timestamp,
    ) -> Result<(), UpstreamError> {
        let signer = Signer {
            access_key_id: &self.0.access_key_id,
            secret_key: visible(credential)?,
            session_token: None,
            region: &self.0.region,
            service: &self.0.service,
        };
        let signable = Signable {
            method: &request.method,
            url: &request.url,
            headers: &request.headers,
            body: request.body.as_deref().unwrap_or_default(),
        };
        let signature = signer
            .sign(&signable, now)
            .map_err(|_| UpstreamError::CredentialUnusable)?;
        signature.put_on(&mut request.headers);
        Ok(())
    }

    fn doubt(&self, secret: &str) -> Option<SecretFault> {
        let is_id =
            secret.len() == 20 && (secret.starts_with("AKIA") || secret.starts_with("ASIA"));
        is_id.then_some(SecretFault(
            "it is the id of an access key; the secret access key is wanted",
        ))
    }

    fn headers(&self) -> &[HeaderName] {
        &FIELDS
    }

    fn mark(&self, preview: &mut Preview) {
        let name = AUTHORIZATION.as_str().to_owned();
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{MASK}/{}/{}/aws4_request, Signature={MASK}",
            self.0.access_key_id, self.0.region, self.0.service
        );
        preview.headers.push((name, value));
    }
}
