//! `listen:` — addresses, and whose requests are let in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where the gateway listens, and for whom.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// The MCP listener. Say `0.0.0.0:8080` to be reached from other machines.
    #[schemars(with = "super::source::Address")]
    pub public: SocketAddr,

    /// Health, readiness and metrics. Loopback only.
    #[schemars(with = "super::source::Address")]
    pub admin: SocketAddr,

    /// Load balancers whose `X-Forwarded-For` is believed.
    #[schemars(with = "Vec<super::source::Network>")]
    pub trusted_proxies: Vec<IpNet>,

    /// Further `Host` names that are served, besides the one of `public_url`.
    pub allowed_hosts: Vec<String>,

    /// Browser origins that may call, such as `https://claude.ai`. The gateway's own is allowed.
    pub allowed_origins: Vec<String>,

    /// Most connections held at once.
    pub max_connections: u32,

    /// Most connections held at once from one address that is not a trusted proxy.
    pub max_connections_per_address: u32,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            public: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            admin: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090),
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 10_000,
            max_connections_per_address: 1_024,
        }
    }
}
