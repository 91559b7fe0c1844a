//! Who is calling: the one place where a [`Principal`] is made.

pub mod principal;

pub use self::principal::{Principal, SessionKey};
