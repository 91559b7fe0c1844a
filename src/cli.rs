//! temp
pub mod completions;
pub mod failure;
pub mod license;
pub mod loopback;
pub mod output;
pub mod typed;
pub fn x() {}
