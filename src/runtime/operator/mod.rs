//! What an operator's commands do to partitions while no lane serves them: examine, reset, skip one record.
//!
//! Must not know: lanes, the command line. May break it: a member of the group that lives on meanwhile.

mod examine;
pub mod reset;
pub mod skip;

pub use examine::examine;
