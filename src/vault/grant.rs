//! What is inside of an opened credential.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::VaultError;
use crate::{
    secret::{SecretBytes, SecretString},
    store::CredentialInfo,
    upstream::{Holder, OpenedCredential},
};

/// An opened credential.
#[derive(Debug)]
pub struct Held {
    /// Everything but the secret.
    pub info: CredentialInfo,
    /// The secret.
    pub material: Material,
}

/// What was sealed.
#[derive(Debug)]
pub enum Material {
    /// A key, token, password or key file.
    Static(Arc<OpenedCredential>),
    /// What an account's provider granted.
    Grant(GrantTokens),
}

/// An access token and what renews it.
#[derive(Debug)]
pub struct GrantTokens {
    /// The access token; none: there was none yet.
    pub access: Option<Arc<OpenedCredential>>,
    /// What renews it; none: nothing does.
    pub refresh: Option<SecretString>,
    /// Who granted it.
    pub issuer: Issuer,
}

/// Who granted something, and to which client of ours: a digest of both. A token goes to nobody
/// else, whatever the configuration says by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issuer([u8; 16]);

impl Issuer {
    /// Of a token endpoint and our name there.
    pub fn of(token_url: &str, client_id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"wicketgate/grant-issuer/v1\0");
        hash.update(token_url.as_bytes());
        hash.update(b"\0");
        hash.update(client_id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }
}

/// The sealed text of a grant: each token, and then the issuer, behind its length, 4 bytes, big end
/// first.
pub(super) fn encode(
    access: Option<&[u8]>,
    refresh: Option<&[u8]>,
    issuer: Issuer,
) -> Zeroizing<Vec<u8>> {
    let (access, refresh) = (access.unwrap_or_default(), refresh.unwrap_or_default());
    let mut out = Zeroizing::new(Vec::with_capacity(32 + access.len() + refresh.len()));
    for part in [access, refresh, &issuer.0] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// The tokens of such a text.
pub(super) fn decode(
    text: &SecretBytes,
    holder: Holder,
    generation: u64,
) -> Result<GrantTokens, VaultError> {
    let damaged = || VaultError::Damaged("grant");
    let mut rest = text.expose().as_slice();
    let mut take = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, after) = after.split_at_checked(length)?;
        rest = after;
        Some(part)
    };
    let access = take().ok_or_else(damaged)?;
    let refresh = take().ok_or_else(damaged)?;
    let issuer = take().ok_or_else(damaged)?;
    let refresh = std::str::from_utf8(refresh).map_err(|_| damaged())?;
    Ok(GrantTokens {
        access: (!access.is_empty()).then(|| {
            Arc::new(OpenedCredential {
                secret: SecretBytes::new(access.to_vec()),
                generation,
                holder,
            })
        }),
        refresh: (!refresh.is_empty()).then(|| SecretString::new(refresh.to_owned())),
        issuer: Issuer(issuer.try_into().map_err(|_| damaged())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_damage_does_not() {
        let sealed = encode(Some(b"access"), Some(b"refresh"), Issuer([7; 16]));
        let tokens = decode(&SecretBytes::new(sealed.to_vec()), Holder::Configured, 7).unwrap();
        let access = tokens.access.unwrap();
        assert_eq!(
            (access.secret.expose().as_slice(), access.generation),
            (&b"access"[..], 7)
        );
        assert_eq!(tokens.refresh.unwrap().expose(), "refresh");
        assert_eq!(tokens.issuer, Issuer([7; 16]));
        let none = decode(
            &SecretBytes::new(encode(None, None, Issuer([0; 16])).to_vec()),
            Holder::Configured,
            1,
        )
        .unwrap();
        assert!(none.access.is_none() && none.refresh.is_none());
        for cut in 0..sealed.len() {
            assert!(
                decode(
                    &SecretBytes::new(sealed[..cut].to_vec()),
                    Holder::Configured,
                    1
                )
                .is_err()
            );
        }
    }
}
