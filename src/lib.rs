//! Wicketgate: a standalone remote MCP gateway.
//!
//! Modules stand on floors. A file imports from its own floor and the floors below, never from
//! above, and inside a floor imports form no circle; `tests/architecture.rs` holds the table and
//! checks it.

pub mod auth;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod egress;
pub mod entropy;
pub mod gateway;
pub mod http;
pub mod ids;
pub mod ledger;
pub mod license;
pub mod limit;
pub mod mcp;
pub mod names;
pub mod quota;
pub mod schema;
pub mod secret;
pub mod serve;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod vault;
