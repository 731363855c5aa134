//! Flags to configuration to the command; no logic.
fn main() {}
