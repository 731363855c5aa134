//! What test binaries share.

pub mod conformance;
