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
mod config_files;
mod daily_quota;
mod first_contact;
mod hostile_upstream_requests;
mod ledger;
mod ledger_schedule;
mod legacy_clients;
mod limits;
mod listing;
mod modern_clients;
mod nothing_leaks;
mod readme;
mod reload;
mod request_log;
mod revocation;
mod schemas;
mod store;
mod store_down;
mod store_faults;
mod store_usage;
mod subscriptions;
mod support;
