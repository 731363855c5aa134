//! The embedded log: the seam's broker in memory, a peer of the real one. `demo`, `replay` and the simulation run on
//! it.
//!
//! It is transactional, fences by id and by generation, hides open and aborted data, compacts, and burns an offset a
//! commit, as the conformance suite holds it to. It keeps no time unless it is given a clock ([`Memory::keep_time`]),
//! and starts no thread: driven by one thread it is deterministic, shared by several it waits on one condition
//! variable.
//!
//! Bounded in bytes: see [`MemorySettings`]; what retention drops is counted in [`Memory::dropped`].
//!
//! Must not know: lanes, events, rules. May break it: a lock held while a caller's code runs; a change of the logs
//! before the journal has it.

mod broker;
mod changelog;
mod codec;
mod embedded;
mod fault;
mod frame;
mod group;
mod journal;
mod log;
mod logs;
mod operator;
mod producer;
mod settings;
mod shared;
mod source;
mod topic_state;
mod transaction;

pub use changelog::MemoryChangelog;
pub use embedded::Memory;
pub use fault::Fault;
pub use group::MemoryGeneration;
pub use journal::JournalError;
pub use log::{Dropped, MemoryMessage};
pub use producer::{MemoryProducer, MemoryTransaction};
pub use settings::MemorySettings;
pub use source::MemorySource;
