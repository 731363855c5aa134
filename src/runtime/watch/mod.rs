//! What is watched from outside of the lanes, so that it shows even while a lane is blocked in a call: partitions that
//! stall, topics that change, clocks that differ, records on the wrong partitions.
//!
//! Must not know: a lane. It reads the board and asks the broker.

mod inquiry;
pub(super) mod misrouted;
pub(super) mod stall;
pub(super) mod timekeeper;
pub(super) mod topic_watch;
pub(super) mod watchdog;
