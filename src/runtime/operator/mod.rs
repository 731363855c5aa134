//! What an operator's commands do to partitions while no lane serves them: examine, reset, skip one record.
//!
//! Must not know: lanes, the command line. May break it: a member of the group that lives on meanwhile.

mod error;
mod examine;
mod reset;
mod skip;
mod survey;

pub use error::{Impossible, ResetError, Unskippable};
pub use examine::examine;
pub use reset::{Done, Resetter};
pub use skip::{Plan, Skip};
pub use survey::{Survey, Target};
