//! What is remembered: of a user, its history; of a partition, how far it has come. And both as versioned bytes.
//!
//! Must not know: rules, outputs, the broker.

pub mod partition_record;

pub use partition_record::{InputPosition, PartitionRecord, Population};

/// Stored bytes that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error(
        "state of version {0}: this program reads version {known}; run the version that wrote it, or a newer one",
        known = 1
    )]
    UnknownVersion(u8),
    #[error("state is damaged: {0}")]
    Damaged(&'static str),
}
