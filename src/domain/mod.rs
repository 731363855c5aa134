//! The words of the business: ids, days, events, tiers, stages. Values only.
//!
//! Must not know: where events come from, how state is stored, what is done with an effect.

mod event;
mod ids;
mod output_topic;
mod partitioner;
mod tier;
mod time;
mod topic_id;

pub use event::{Body, Channel, Event, EventType, MessageEvent, Origin, Source, Token};
pub use ids::{EventId, Input, PartitionId, UserId};
pub use output_topic::{CleanupPolicy, OutputKey, OutputNames, OutputRow, OutputTopic};
pub use partitioner::{Partitioner, partition_of};
pub use tier::{Stage, Tier};
pub use time::{DAY_MS, Day, HOUR_MS, MINUTE_MS, TimeError, TimeText, Timestamp, UnknownZone, Zone};
pub use topic_id::TopicId;
