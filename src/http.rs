//! The HTTP edge: what comes in, in which order it is looked at, and what goes out.

pub mod admin;
pub mod admission;
pub mod any_origin;
pub mod authenticate;
pub mod authority;
pub mod body;
pub mod challenge;
pub mod check;
pub mod client_address;
pub mod endpoint;
mod fork;
pub mod head;
mod media;
pub mod oauth;
pub mod observe;
pub mod origin;
pub mod pages;
pub mod rate_limit;
pub mod refusal;
pub mod reply;
pub mod router;
pub mod sealed;
pub mod wellknown;
pub mod wording;

pub use self::{
    client_address::Peer,
    router::{EdgeParts, ROUTES, public},
};
