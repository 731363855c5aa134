//! What a process knows of itself, as plain data: lanes and watches write it, telemetry and the readiness page read it.
//!
//! Must not know: who judges it (`watch`), or how a lane works (`lane`).

pub(super) mod calling;
pub(super) mod calls;
pub(super) mod published;
pub(super) mod clock_agreement;
pub(crate) mod idle_wait;
pub(super) mod stall;
pub mod status;
pub(super) mod topic_faults;
