//! temp
pub mod expiry;
pub mod recipes;
