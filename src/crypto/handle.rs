//! Handles: small things that a caller or browser carries for us, sealed so that nobody reads,
//! changes or makes them. Nothing of them is stored.
//!
//! Text: `wgh_` and base64url of a sealed value whose first 8 bytes are when it ends.

use data_encoding::BASE64URL_NOPAD as BASE64;
use zeroize::Zeroizing;

use super::{
    context::{Context, Purpose},
    pepper::{Pepper, TokenDigest},
    seal::SealingKey,
};
use crate::{clock::Timestamp, entropy::Entropy, secret::SecretBytes};

const PREFIX: &str = "wgh_";
/// A longer text is not looked at.
const LONGEST: usize = 4096;

/// What a handle is for: one of a kind never passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleKind {
    /// `requestState` of a call that waits for an account (2026-07-28, MRTR).
    RequestState,
    /// The link to our page that connects an account.
    ConnectLink,
}

impl HandleKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::RequestState => "request_state",
            Self::ConnectLink => "connect_link",
        }
    }
}

/// What a text is, if it is one of ours.
#[derive(Debug)]
pub enum Handled {
    /// What was sealed.
    Open(SecretBytes),
    /// It was ours, and it is over.
    Over,
}

/// Seals handles.
pub struct HandleKey {
    key: SealingKey,
    digests: Pepper,
}

impl HandleKey {
    /// From 32 secret bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: SealingKey::new(*b"handle-key-00001", *key),
            digests: Pepper::new(key),
        }
    }

    /// Seals `content` for `audience`, which must be the same when it comes back.
    pub fn seal(
        &self,
        kind: HandleKind,
        audience: &str,
        content: &[u8],
        ends: Timestamp,
        entropy: &dyn Entropy,
    ) -> String {
        let mut plain = Vec::with_capacity(8 + content.len());
        plain.extend_from_slice(&ends.as_millis().to_be_bytes());
        plain.extend_from_slice(content);
        let plain = SecretBytes::new(plain);
        let sealed = self
            .key
            .seal(&place(kind, audience), plain.expose(), entropy);
        format!("{PREFIX}{}", BASE64.encode(&sealed))
    }

    /// Opens what [`HandleKey::seal`] made for the same audience; none for anything else.
    pub fn open(
        &self,
        kind: HandleKind,
        audience: &str,
        text: &str,
        now: Timestamp,
    ) -> Option<Handled> {
        if text.len() > LONGEST {
            return None;
        }
        let sealed = BASE64.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let plain = self.key.open(&place(kind, audience), &sealed).ok()?;
        let (ends, content) = plain.expose().split_first_chunk::<8>()?;
        if now >= Timestamp::from_millis(i64::from_be_bytes(*ends)) {
            return Some(Handled::Over);
        }
        Some(Handled::Open(SecretBytes::new(content.to_vec())))
    }

    /// A keyed digest of something that we handed out: what the store knows it by.
    pub fn digest(&self, kind: &str, text: &str) -> TokenDigest {
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut whole = Zeroizing::new(String::with_capacity(kind.len() + 1 + text.len()));
        whole.push_str(kind);
        whole.push('\0');
        whole.push_str(text);
        self.digests.digest_text(&whole)
    }
}

impl std::fmt::Debug for HandleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HandleKey(…)")
    }
}

const fn place(kind: HandleKind, audience: &str) -> Context<'_> {
    Context {
        purpose: Purpose::Handle,
        tenant: audience,
        table: "",
        row: kind.as_str(),
        column: "",
        upstream: "",
        generation: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_handle_opens_for_its_kind_audience_and_time_only() {
        let key = HandleKey::new(&[7; 32]);
        let at = Timestamp::from_millis;
        let entropy = SeededEntropy::new(1);
        let text = key.seal(
            HandleKind::RequestState,
            "lic_a",
            b"body",
            at(100),
            &entropy,
        );
        let open = |kind, audience, text: &str, now| key.open(kind, audience, text, at(now));
        let state = HandleKind::RequestState;
        let Some(Handled::Open(body)) = open(state, "lic_a", &text, 99) else {
            panic!("opens");
        };
        assert_eq!(body.expose(), b"body");
        assert!(matches!(
            open(state, "lic_a", &text, 100),
            Some(Handled::Over)
        ));
        assert!(open(HandleKind::ConnectLink, "lic_a", &text, 1).is_none());
        assert!(open(state, "lic_b", &text, 1).is_none());
        for at in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(open(state, "lic_a", &changed, 1).is_none(), "{at}");
        }
        assert!(
            HandleKey::new(&[8; 32])
                .open(state, "lic_a", &text, at(1))
                .is_none()
        );
    }
}
