//! The words of the business: ids, days, events, tiers, stages. Values only.
//!
//! Must not know: where events come from, how state is stored, what is done with an effect.

mod event;
mod event_types;
mod ids;
mod output_topic;
mod partitioner;
mod source;
mod texts;
mod tier;
mod time;
mod token;
mod topic_id;

pub use event::{Body, Event, MessageEvent};
pub use event_types::{DataType, EventType, Form, Role};
pub use ids::{EventId, Input, PartitionId, UserId};
pub use output_topic::{CleanupPolicy, OutputKey, OutputNames, OutputRow, OutputTopic};
pub use partitioner::{Partitioner, partition_of};
pub use source::{Channel, Origin, Source};
pub use texts::{EventWithTexts, NoTexts, TextField, Texts};
pub use tier::{Stage, Tier};
pub use time::{DAY_MS, Day, HOUR_MS, MINUTE_MS, TimeError, TimeText, Timestamp, UnknownZone, Zone};
pub use token::Token;
pub use topic_id::TopicId;
