//! temp
mod completions;
mod failure;
mod license;
pub(crate) mod loopback;
pub(crate) mod output;
mod typed;
pub fn x() {}
