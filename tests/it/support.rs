//! What the tests stand on: real databases, a real gateway, a recording upstream, clients, and the
//! protocol's own schemas.

pub(crate) mod breakable;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod identity;
pub(crate) mod key_service;
pub(crate) mod key_site;
pub(crate) mod load;
pub(crate) mod oauth;
pub(crate) mod operator;
pub(crate) mod oracle;
pub(crate) mod postgres;
pub(crate) mod protocol;
pub(crate) mod provider;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod sigv4;
pub(crate) mod upstream;
pub(crate) mod wire;
