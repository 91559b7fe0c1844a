//! temp
pub mod upstream;
