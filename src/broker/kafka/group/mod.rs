//! Membership: the source that reads what the group assigned, and the claim of a process's name.
//!
//! Must not know: transactions, or what is written.

pub(super) mod assignment;
pub(super) mod claim;
pub(super) mod input_queue;
pub(super) mod poll_error;
pub(super) mod poll_signal;
pub(super) mod read_ahead;
pub(super) mod source;
pub(super) mod ungrouped_reader;
