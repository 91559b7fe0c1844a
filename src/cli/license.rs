//! temp
mod expiry;
mod recipes;
