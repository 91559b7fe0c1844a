//! Everything that needs a real database, socket or process, in one binary.

mod cli;
mod config_files;
mod ledger;
mod ledger_schedule;
mod store;
mod store_faults;
mod store_usage;
mod support;
