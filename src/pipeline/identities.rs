//! Which topics a partition's state was made from, by their ids.

use crate::domain::TopicId;
use crate::state::{InputPosition, PartitionRecord};

/// The topics that a partition's state was made from, as each partition record says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    /// By input, `rekey` last.
    pub inputs: Vec<Identity>,
    /// The topic of its changelog.
    pub changelog: Option<TopicId>,
}

/// Which topic it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// None: not known.
    pub id: Option<TopicId>,
    /// How many it had; 0: not known.
    pub partitions: i32,
}

impl Identities {
    /// Of a record with its inputs in the order of the configuration.
    pub fn of(record: &PartitionRecord) -> Self {
        let identity = |input: &InputPosition| Identity { id: input.topic_id, partitions: input.partitions };
        Self { inputs: record.inputs.iter().map(identity).collect(), changelog: record.changelog_topic_id }
    }
}
