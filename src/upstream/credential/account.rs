//! A token for the account that a license connected. Where it comes from is none of this file's business.

use super::{Given, Kind, Kinds, bearer};

/// `credential.account`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let account = given.config.account.as_ref()?;
    let header = account.header.as_deref().or(given.provider_header);
    Some(bearer::token(header).map(Kind::boxed))
}
