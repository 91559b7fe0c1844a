//! Whose certificates are believed: the operating system's roots, and those an operator adds for a
//! public key infrastructure of their own. Never fewer checks, never fewer roots.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::{ConfigVerifierExt as _, Verifier};

use super::EgressSetupError;

/// Roots of trust besides the operating system's.
#[derive(Clone, Default)]
pub struct Roots(Option<Arc<[CertificateDer<'static>]>>);

/// Why a text holds no roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PEM certificates (`-----BEGIN CERTIFICATE-----`) are in it")]
pub struct RootsError;

impl Roots {
    /// None besides the operating system's.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The certificates of a PEM file, at least one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match read {
            Ok(roots) if !roots.is_empty() => Ok(Self(Some(roots.into()))),
            Ok(_) | Err(_) => Err(RootsError),
        }
    }

    /// A TLS client that believes these and the operating system's.
    pub(super) fn client_config(&self) -> Result<ClientConfig, EgressSetupError> {
        let Some(roots) = &self.0 else {
            return ClientConfig::with_platform_verifier().map_err(|_| EgressSetupError);
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), Arc::clone(&provider))
            .map_err(|_| EgressSetupError)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| EgressSetupError)?;
        // The verifier checks all that the default one does, against more roots.
        Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Roots({})",
            self.0.as_ref().map_or(0, |roots| roots.len())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_roots() {
        let pair = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        let roots = Roots::from_pem(pair.cert.pem().as_bytes()).unwrap();
        assert!(roots.client_config().is_ok());
        assert_eq!(format!("{roots:?}"), "Roots(1)");
        for bad in ["", "hello", &pair.signing_key.serialize_pem()] {
            assert_eq!(Roots::from_pem(bad.as_bytes()).err(), Some(RootsError));
        }
    }
}
