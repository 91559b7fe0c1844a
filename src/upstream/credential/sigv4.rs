//! As a signature over the request (AWS Signature Version 4). The secret itself never leaves.

use http::{HeaderName, header::AUTHORIZATION};

use super::{
    Attach, CredentialFault, Given, Kind, Kinds, MASK, OpenedCredential, Preview, SecretFault,
    UpstreamError, echo, visible,
};
use crate::{
    clock::Timestamp,
    config::credential::SigV4Config,
    crypto::sigv4::{Signable, Signer},
    secret::SecretString,
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
struct SigV4 {
    config: SigV4Config,
    /// Of a temporary access key.
    session: Option<SecretString>,
}

/// `credential.sigv4`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let config = given.config.sigv4.as_ref()?;
    let fits = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !text.is_empty() && text.bytes().all(plain)
    };
    let parts = [&config.region, &config.service, &config.access_key_id];
    Some(if parts.into_iter().all(|part| fits(part)) {
        let session = given.client_secret;
        Ok(Kind::new(SigV4 {
            config: config.clone(),
            session: session.map(|token| SecretString::new(token.expose().clone())),
        }))
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
            access_key_id: &self.config.access_key_id,
            secret_key: visible(credential)?,
            session_token: self.session.as_ref().map(|token| token.expose().as_bytes()),
            region: &self.config.region,
            service: &self.config.service,
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

    fn form_is_in(&self, answer: &[u8], _: &[u8]) -> bool {
        self.session.as_ref().is_some_and(|token| {
            let token = token.expose().as_bytes();
            echo::is_sought(token) && echo::repeats(answer, token)
        })
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
            self.config.access_key_id, self.config.region, self.config.service
        );
        preview.headers.push((name, value));
        if self.config.session_token.is_some() {
            let name = "x-amz-security-token".to_owned();
            preview.headers.push((name, MASK.to_owned()));
        }
    }
}
