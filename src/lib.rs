//! Wicketgate: a standalone remote MCP gateway.
//!
//! A client sends a `tools/call` with a license key. The gateway finds the license, checks limits,
//! tool and arguments, adds the upstream's credential, which only the server holds, and calls the
//! API. Two expressions show that way whole: `http::router::public`, from a request's head to the
//! endpoint, and `call::stack::stack`, from the session's limit to the upstream. Start there.
//!
//! # Floors
//!
//! Modules stand on floors. A file imports from its own floor and the floors below, never from
//! above, and inside a floor imports form no circle. `tests/architecture.rs` checks that, and that
//! this table is the one it checks. A name without a file keeps a place for what is to come.
//!
//! | floor | modules | what is there |
//! | --- | --- | --- |
//! | 10 | `cli` `demo` `main` | the command line |
//! | 9 | `gateway` `serve` `reload` | everything put together, listening, reloading, draining |
//! | 8 | `http` | heads, hosts, origins, keys, bodies, answers |
//! | 7 | `server` | the MCP server: its methods, in each revision |
//! | 6 | `call` `oauth` | the journey of a call, policy by policy; the way from a license key to a session |
//! | 5 | `auth` `vault` `ledger` `upstream` `catalog` `connect` `audit` | what the gateway can do |
//! | 4 | `store` `limit` `egress` `telemetry` `kms` | the outside world: database, counters, network, logs, master keys |
//! | 3 | `config` | the configuration file; pure but for reading files |
//! | 2 | `mcp` `crypto` `schema` `license` `grant` | protocol, cryptography, domain; pure |
//! | 1 | `ids` `names` `clock` `entropy` `secret` `quota` | words; no I/O, no async |
//!
//! Time and randomness are arguments (`clock`, `entropy`), secrets are types that print nothing
//! (`secret`), SQL stands in `store` and HTTP clients are made in `egress`, nowhere else.

pub mod auth;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod crypto;
pub mod egress;
pub mod entropy;
pub mod gateway;
pub mod grant;
pub mod http;
pub mod ids;
pub mod kms;
pub mod ledger;
pub mod license;
pub mod limit;
pub mod mcp;
pub mod names;
pub mod oauth;
pub mod quota;
pub mod schema;
pub mod secret;
pub mod serve;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod vault;
