//! What an embedded log says of a topic besides its records: how often it was made, and its count of partitions.

use crate::domain::TopicId;

/// What is told of a topic besides its logs.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicState {
    /// How often it was made.
    pub creations: u64,
    /// 0: it was deleted.
    pub partitions: i32,
}

impl TopicState {
    pub fn new(partitions: i32) -> Self {
        Self { creations: 1, partitions }
    }

    /// The same for the same name and creation in every log, so that what is journalled finds its own again.
    pub fn id(self, topic: &str) -> Option<TopicId> {
        let bytes = [xxhash_rust::xxh3::xxh3_64(topic.as_bytes()).to_be_bytes(), self.creations.to_be_bytes()].concat();
        TopicId::new(&bytes).filter(|_| self.partitions > 0)
    }
}
