//! JSON Schema as a boundary: compiled once, bounded, linear-time, its errors masked.
