//! What a process knows of itself, as plain data: lanes and watches write it, telemetry and the readiness page read it.
//!
//! Must not know: who judges it (`watch`), or how a lane works (`lane`).

pub(super) mod calls;
pub(super) mod published;
pub mod status;
pub(super) mod topic_faults;
