//! The Model Context Protocol's words: revisions, messages, headers, results. Pure; no I/O.

pub mod elicit;
pub mod era;
pub mod fault;
pub mod headers;
pub mod json;
pub mod jsonrpc;
pub mod lifecycle;
pub mod sse;
pub mod tools;
pub mod version;

pub use self::{
    era::{Spoken, speak},
    fault::ProtocolFault,
    jsonrpc::{Id, Incoming},
    version::{Era, Revision},
};
