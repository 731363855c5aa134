//! What a cluster says of a topic: which topic it is, and how many partitions it has.

use std::sync::Arc;

use crate::domain::TopicId;
use crate::record::Offset;

/// A topic as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub topic: Arc<str>,
    /// None where the broker can't tell: there is no such topic, or the broker is older than KIP-516.
    pub id: Option<TopicId>,
    /// 0: there is no such topic.
    pub partitions: i32,
    /// How many it has by the configuration.
    pub configured: i32,
}

/// What a log holds: from its first offset to before its end, the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogRange {
    pub earliest: Offset,
    pub end: Offset,
}

impl TopicDescription {
    pub fn is_gone(&self) -> bool {
        self.partitions == 0
    }
}
