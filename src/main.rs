//! The `wicketgate` program.

fn main() {}
