//! What a sealed value is bound to: copied to any other place it does not open.

use super::seal::KeyTag;

/// Why something was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An upstream's API key, token or password.
    UpstreamStatic,
    /// A data key, sealed under a master key.
    DataKey,
    /// A root secret, sealed under a master key.
    RootSecret,
    /// What an account's provider granted: tokens.
    UpstreamGrant,
    /// A token that its provider is still to be told about: it ends.
    Revocation,
    /// Something we hand out and want back unchanged and unread.
    Handle,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UpstreamStatic => "upstream_static",
            Self::DataKey => "data_key",
            Self::RootSecret => "root_secret",
            Self::UpstreamGrant => "upstream_oauth",
            Self::Revocation => "revocation",
            Self::Handle => "state",
        }
    }
}

/// The place a sealed value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// Why it was sealed.
    pub purpose: Purpose,
    /// Whose it is.
    pub tenant: &'a str,
    /// The table it is kept in.
    pub table: &'static str,
    /// The row's id.
    pub row: &'a str,
    /// The column.
    pub column: &'static str,
    /// The upstream it is for; empty when it is for none.
    pub upstream: &'a str,
    /// The row's generation; 0 when it has none.
    pub generation: u64,
}

impl Context<'_> {
    /// The place as names and values, for a key service that binds what it wraps to such pairs.
    /// Holds no secret.
    pub fn pairs(&self) -> [(&'static str, &str); 5] {
        [
            ("purpose", self.purpose.as_str()),
            ("tenant", self.tenant),
            ("table", self.table),
            ("row", self.row),
            ("column", self.column),
        ]
    }

    /// Every field behind its length, in fixed order, so that no two places share a text.
    pub(super) fn additional_data(&self, key: KeyTag) -> Vec<u8> {
        let generation = self.generation.to_be_bytes();
        let fields: [&[u8]; 9] = [
            b"wicketgate/secret/v1",
            self.purpose.as_str().as_bytes(),
            self.tenant.as_bytes(),
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
            self.upstream.as_bytes(),
            &generation,
            &key,
        ];
        let mut out = Vec::with_capacity(192);
        for field in fields {
            out.extend_from_slice(&(field.len() as u64).to_be_bytes());
            out.extend_from_slice(field);
        }
        out
    }
}
