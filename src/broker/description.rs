//! What a cluster says of itself: of a topic, of the ends of a log, of the time.

use std::sync::Arc;

use crate::domain::{Timestamp, TopicId};
use crate::record::Offset;

/// A topic as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
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
    /// The first offset that can be read.
    pub earliest: Offset,
    /// The next record's offset.
    pub end: Offset,
}

impl TopicDescription {
    /// Whether there is no such topic.
    pub fn is_gone(&self) -> bool {
        self.partitions == 0
    }
}

/// What a broker says of the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerTime {
    /// Its clock, at some moment of the call.
    At(Timestamp),
    /// It has no clock of its own: it is a part of this process.
    Ours,
    /// It can't be had from this broker, or this topic; and why.
    Untold(String),
}
