//! See the module list in `upstream`.
