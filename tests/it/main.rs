//! Everything that needs a real database, socket or process, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, also outside its test function"
)]
#![expect(
    clippy::print_stdout,
    reason = "tests under load print what they counted"
)]

mod cancellation;
mod cli;
#[cfg(target_os = "linux")]
mod clock_jumps;
mod closed_memory;
mod cluster_any_replica;
mod cluster_limits;
mod cluster_quota;
mod cluster_revocation;
mod cluster_rolling;
mod config_files;
mod connecting;
mod connections;
mod credential_kinds;
mod daily_quota;
mod deployment;
mod doctor;
mod doctor_breaks;
mod doctor_own;
mod every_route_is_closed;
mod faults_config;
mod faults_stops;
#[cfg(target_os = "linux")]
mod faults_system;
mod faults_upstream;
mod first_contact;
mod hostile_body;
mod hostile_framing;
mod hostile_http;
mod hostile_http2;
mod hostile_json;
mod hostile_messages;
mod hostile_random;
mod hostile_slow;
mod hostile_tokens;
mod hostile_upstream_requests;
mod issuers;
mod key_commands;
mod key_places;
mod key_rotation;
mod key_seal;
mod kms;
mod ledger;
mod ledger_schedule;
mod legacy_clients;
mod limit_contract;
mod limit_redis;
mod limit_waits;
mod limits;
mod limits_shared;
mod listing;
mod modern_clients;
mod nothing_leaks;
pub(crate) mod oauth_account;
mod oauth_binding;
mod oauth_discovery;
mod oauth_endpoints;
mod oauth_machine;
mod oauth_pages;
mod oauth_sign_in;
mod oauth_steps;
mod oauth_store_down;
mod oauth_streams;
mod oauth_tokens;
mod once;
mod once_lost;
mod overload;
mod provider_double;
mod quota_changes;
mod quota_meters;
mod readme;
mod registration;
mod reload;
mod reload_everywhere;
mod replicas;
mod request_log;
mod revocation;
mod row_security;
mod schemas;
mod scope_report;
mod sealed_start;
mod store;
mod store_clients;
mod store_connections;
mod store_cut_off;
mod store_down;
mod store_faults;
mod store_once;
mod store_sessions;
mod store_usage;
mod subscriptions;
mod support;
mod tenant_cases;
mod tenant_matrix;
mod upstream_shares;
