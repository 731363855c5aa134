//! Whose partition a record belongs to, and the headers of one that was forwarded to the partition that is its user's.

use std::sync::Arc;

use super::{Reject, RejectReason, Shape};
use crate::domain::{Event, Origin, PartitionId, Partitioner, Source};
use crate::record::{Coordinates, Message};

/// Headers of a record in `rekey`: where it stood, whose event it is, and how to read it. All are required there, and
/// mean nothing elsewhere.
pub mod header {
    pub const SOURCE: &str = "tideline-source";
    pub const FORMAT: &str = "tideline-format";
    /// The origin that the event has, or else its input's.
    pub const ORIGIN: &str = "tideline-origin";
    pub const TOPIC: &str = "tideline-topic";
    pub const PARTITION: &str = "tideline-partition";
    pub const OFFSET: &str = "tideline-offset";

    pub const ALL: [&str; 6] = [SOURCE, FORMAT, ORIGIN, TOPIC, PARTITION, OFFSET];
}

/// What a record grows by when it is forwarded, at most: those headers, and the user's id for a key.
pub(super) const FORWARDED_BYTES: usize = 1_024;

/// What the headers of a forwarded record say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forwarded {
    pub source: Source,
    pub shape: Shape,
    pub origin: Origin,
    pub from: Coordinates,
}

impl Forwarded {
    pub(super) fn read(message: &impl Message) -> Result<Self, Reject> {
        let [mut source, mut format, mut origin, mut topic, mut partition, mut offset] = [None; 6];
        for (name, value) in message.headers() {
            let field = match std::str::from_utf8(name).unwrap_or_default() {
                header::SOURCE => &mut source,
                header::FORMAT => &mut format,
                header::ORIGIN => &mut origin,
                header::TOPIC => &mut topic,
                header::PARTITION => &mut partition,
                header::OFFSET => &mut offset,
                _ => continue,
            };
            *field = value.and_then(|value| std::str::from_utf8(value).ok());
        }
        let from = Coordinates {
            topic: Arc::from(told(header::TOPIC, topic, |name| (!name.is_empty()).then_some(name))?),
            partition: told(header::PARTITION, partition, |n| n.parse().ok().filter(|n| *n >= 0).map(PartitionId))?,
            offset: told(header::OFFSET, offset, |n| n.parse().ok().filter(|n| *n >= 0))?,
        };
        Ok(Self {
            source: told(header::SOURCE, source, Source::parse)?,
            shape: told(header::FORMAT, format, Shape::parse)?,
            origin: told(header::ORIGIN, origin, Origin::parse)?,
            from,
        })
    }
}

/// The value of a header that a forwarded record must have.
fn told<'a, T>(name: &str, text: Option<&'a str>, parse: impl FnOnce(&'a str) -> Option<T>) -> Result<T, Reject> {
    let text =
        text.ok_or_else(|| Reject::new(RejectReason::Malformed, format!("header {name}: absent or not UTF-8")))?;
    parse(text).ok_or_else(|| Reject::new(RejectReason::Malformed, format!("header {name}: not what is written there")))
}

/// Where a record of an input must go: `None` when it stands where it belongs.
///
/// A null key is right where there is one partition only: no partitioner had a choice. Files have no keys at all.
pub(super) fn forward_to(
    key: Option<&[u8]>,
    keyed: bool,
    event: &Event,
    partition: PartitionId,
    (partitioner, partitions): (Partitioner, i32),
) -> Option<PartitionId> {
    let home = partitioner.partition_of(event.user.as_bytes(), partitions);
    let key_agrees = match key {
        Some(key) => key == event.user.as_bytes(),
        None => partitions == 1,
    };
    let at_home = keyed && key_agrees && home == partition;
    (!at_home).then_some(home)
}
