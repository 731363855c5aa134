//! What test binaries share.

pub mod cases;
pub mod conformance;
pub mod journey;
#[allow(dead_code, reason = "not every test binary uses the embedded log")]
pub mod memory;
pub mod message;
