//! temp
mod upstream;
