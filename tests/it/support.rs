//! What the tests stand on: real databases, a real gateway, a recording upstream, clients.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod gateway;
pub(crate) mod postgres;
pub(crate) mod upstream;
pub(crate) mod wire;
