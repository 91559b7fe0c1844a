//! What is inside of an opened credential.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::VaultError;
use crate::{
    secret::{SecretBytes, SecretString},
    store::CredentialInfo,
    upstream::OpenedCredential,
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
}

/// The sealed text of a grant: each token behind its length, 4 bytes, big end first.
pub(super) fn encode(access: Option<&[u8]>, refresh: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let (access, refresh) = (access.unwrap_or_default(), refresh.unwrap_or_default());
    let mut out = Zeroizing::new(Vec::with_capacity(8 + access.len() + refresh.len()));
    for part in [access, refresh] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// The tokens of such a text.
pub(super) fn decode(text: &SecretBytes, generation: u64) -> Result<GrantTokens, VaultError> {
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
    let refresh = std::str::from_utf8(refresh).map_err(|_| damaged())?;
    Ok(GrantTokens {
        access: (!access.is_empty()).then(|| {
            Arc::new(OpenedCredential {
                secret: SecretBytes::new(access.to_vec()),
                generation,
            })
        }),
        refresh: (!refresh.is_empty()).then(|| SecretString::new(refresh.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_damage_does_not() {
        let sealed = encode(Some(b"access"), Some(b"refresh"));
        let tokens = decode(&SecretBytes::new(sealed.to_vec()), 7).unwrap();
        let access = tokens.access.unwrap();
        assert_eq!(
            (access.secret.expose().as_slice(), access.generation),
            (&b"access"[..], 7)
        );
        assert_eq!(tokens.refresh.unwrap().expose(), "refresh");
        let none = decode(&SecretBytes::new(encode(None, None).to_vec()), 1).unwrap();
        assert!(none.access.is_none() && none.refresh.is_none());
        for cut in 0..sealed.len() {
            assert!(decode(&SecretBytes::new(sealed[..cut].to_vec()), 1).is_err());
        }
    }
}
