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
    /// What came of a call that must not run twice.
    OnceAnswer,
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
            Self::OnceAnswer => "once_answer",
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
    /// Fields that a place does not have are left out. Holds no secret.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let generation = match self.generation {
            0 => String::new(),
            some => some.to_string(),
        };
        let all = [
            ("purpose", self.purpose.as_str().to_owned()),
            ("tenant", self.tenant.to_owned()),
            ("table", self.table.to_owned()),
            ("row", self.row.to_owned()),
            ("column", self.column.to_owned()),
            ("upstream", self.upstream.to_owned()),
            ("generation", generation),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// The place as bytes, for a key service that binds what it wraps to such. No two places share
    /// them, and what is sealed with a key of ours is bound to others.
    pub fn canonical(&self) -> Vec<u8> {
        self.behind_lengths(b"wicketgate/place/v1", &[])
    }

    pub(super) fn additional_data(&self, key: KeyTag) -> Vec<u8> {
        self.behind_lengths(b"wicketgate/secret/v1", &[&key])
    }

    /// Every field behind its length, in fixed order, so that no two places share a text.
    fn behind_lengths(&self, domain: &[u8], more: &[&[u8]]) -> Vec<u8> {
        let generation = self.generation.to_be_bytes();
        let fields: [&[u8]; 8] = [
            domain,
            self.purpose.as_str().as_bytes(),
            self.tenant.as_bytes(),
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
            self.upstream.as_bytes(),
            &generation,
        ];
        let mut out = Vec::with_capacity(192);
        for field in fields.iter().chain(more) {
            out.extend_from_slice(&(field.len() as u64).to_be_bytes());
            out.extend_from_slice(field);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_makes_another_place() {
        let place = Context {
            purpose: Purpose::DataKey,
            tenant: "a",
            table: "data_keys",
            row: "b",
            column: "wrapped",
            upstream: "",
            generation: 0,
        };
        let all = [
            place,
            Context {
                purpose: Purpose::RootSecret,
                ..place
            },
            Context {
                tenant: "ab",
                row: "",
                ..place
            },
            Context {
                table: "credentials",
                ..place
            },
            Context { row: "c", ..place },
            Context {
                column: "sealed",
                ..place
            },
            Context {
                upstream: "crm",
                ..place
            },
            Context {
                generation: 1,
                ..place
            },
        ];
        let bytes: BTreeSet<Vec<u8>> = all.iter().map(Context::canonical).collect();
        let pairs: BTreeSet<String> = all.iter().map(|p| format!("{:?}", p.pairs())).collect();
        assert_eq!((bytes.len(), pairs.len()), (all.len(), all.len()));
        assert_ne!(place.canonical(), place.additional_data([0; 16]));
    }
}
