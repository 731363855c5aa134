//! Bytes and headers to an event, or the reason why not. One file a wire shape.
//!
//! A record is judged in this order, and the first fault is its reason: empty, too large, shape, fields, source, the
//! future, routing. Whether it is too old is for the engine to say.
//!
//! Must not know: users' states, stream time, the broker. The clock at poll is an argument. Nothing allocates while a
//! record is good and where it belongs, but for the topic that a forwarded one names.

mod attribute;
mod cloudevents;
mod envelope;
mod field;
mod json;
mod members;
mod plain;
pub mod protobuf;
mod reject;
mod route;
mod settings;
mod shape;
mod texts;
mod wire;

use std::sync::Arc;

pub use envelope::MAX_REFUND_AHEAD_MS;
pub use field::MAX_AMOUNT;
pub use json::type_name as json_type;
pub use reject::{Reject, RejectReason};
pub use route::header;
pub use settings::{IngestSettings, InputSettings};
pub use shape::{Format, Shape};
pub use texts::RecordTexts;

use crate::domain::{Event, Origin, PartitionId, Partitioner, Source, Timestamp};
use crate::record::{Coordinates, Message};
use field::Raw;
use members::Members;
use route::Forwarded;

/// How an input's records are read.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    pub topic: Arc<str>,
    /// Whose events these are. The `rekey` input has none of its own: the headers tell.
    pub source: Option<Source>,
    /// The origin of an event that names none. Of no account for `rekey`.
    pub origin: Origin,
    /// The shape of a record whose headers don't tell. Of no account for `rekey`.
    pub format: Format,
    /// `false`: keys say nothing, every record is forwarded to `rekey`. Of no account for `rekey`.
    pub keyed: bool,
    /// Bytes of key, headers and value together; more is `too_large`. Of `rekey` as of the inputs: what it adds to a
    /// record comes on top.
    pub max_record: usize,
    /// An event's own time before that is no time: seconds are told from milliseconds by it.
    pub earliest: Timestamp,
}

/// What became of a record before anything is known of its user.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// This partition's own event. `origin` is where the record stood first, if it came through `rekey`.
    Event { event: Event, origin: Option<Coordinates> },
    /// Another partition's: to be forwarded to `rekey` ([`crate::emit::rekey`]), whose reader is told the shape.
    Rekey { event: Event, to: PartitionId, shape: Shape },
    /// For the dead letters ([`crate::emit::dead_letter`]).
    Reject(Reject),
}

/// Reads the records of one input.
#[derive(Debug, Clone)]
pub struct Decoder {
    input: InputSpec,
    partitions: i32,
    partitioner: Partitioner,
    max_skew_ms: i64,
}

impl Decoder {
    /// `partitions`: of every co-partitioned topic. `max_skew_ms`: how far ahead of the clock an event may be. An input
    /// without a source is `rekey`.
    pub fn new(input: InputSpec, partitions: i32, max_skew_ms: i64) -> Self {
        Self { input, partitions, partitioner: Partitioner::default(), max_skew_ms }
    }

    /// Users belong where that one puts their keys; Java's default does, unless this is called.
    pub fn partitioned_by(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// The texts of a record of this input. Nothing is read before they are asked for.
    pub fn texts<'a, M: Message>(&self, message: &'a M) -> RecordTexts<'a, M> {
        RecordTexts { message, format: self.input.source.map(|_| self.input.format) }
    }

    /// Judges a record of this partition. `now` is the clock at poll; without it nothing lies in the future.
    pub fn decode(&self, message: &impl Message, partition: PartitionId, now: Option<Timestamp>) -> Decoded {
        let decoded = match self.input.source {
            Some(source) => self.first_hand(message, source, partition, now),
            None => self.forwarded(message, partition, now),
        };
        decoded.unwrap_or_else(Decoded::Reject)
    }

    fn first_hand(
        &self,
        message: &impl Message,
        source: Source,
        partition: PartitionId,
        now: Option<Timestamp>,
    ) -> Result<Decoded, Reject> {
        let value = self.value(message, self.input.max_record)?;
        let shape = shape::shape(message, self.input.format)?;
        let event = self.event(message, value, shape, source, self.input.origin, now)?;
        Ok(
            match route::forward_to(
                message.key(),
                self.input.keyed,
                &event,
                partition,
                (self.partitioner, self.partitions),
            ) {
                None => Decoded::Event { event, origin: None },
                Some(to) => Decoded::Rekey { event, to, shape },
            },
        )
    }

    fn forwarded(
        &self,
        message: &impl Message,
        partition: PartitionId,
        now: Option<Timestamp>,
    ) -> Result<Decoded, Reject> {
        let value = self.value(message, self.input.max_record + route::FORWARDED_BYTES)?;
        let Forwarded { source, shape, origin, from } = Forwarded::read(message)?;
        let event = self.event(message, value, shape, source, origin, now)?;
        if self.partitioner.partition_of(event.user.as_bytes(), self.partitions) != partition {
            return Err(Reject::new(RejectReason::Misrouted, "forwarded before, and still not its user's partition"));
        }
        Ok(Decoded::Event { event, origin: Some(from) })
    }

    /// The value of a record that may be used, which is at most that large.
    fn value<'m>(&self, message: &'m impl Message, max_record: usize) -> Result<&'m [u8], Reject> {
        if let Some(damage) = message.damage() {
            return Err(Reject::new(RejectReason::Malformed, damage.detail.as_str()));
        }
        match message.value() {
            None => Err(Reject::new(RejectReason::Empty, "null value")),
            Some([]) => Err(Reject::new(RejectReason::Empty, "empty value")),
            Some(value) => match message.size() {
                size if size > max_record => {
                    let detail = format!("{size} bytes of key, headers and value: at most {max_record} are read");
                    Err(Reject::new(RejectReason::TooLarge, detail))
                }
                _ => Ok(value),
            },
        }
    }

    fn event(
        &self,
        message: &impl Message,
        value: &[u8],
        shape: Shape,
        source: Source,
        origin: Origin,
        now: Option<Timestamp>,
    ) -> Result<Event, Reject> {
        let mut members = Members::default();
        let subject = read(message, value, shape, source, &mut members)?;
        let event = members.envelope.event(subject, source, origin, self.input.earliest)?;
        if now.is_some_and(|now| event.time > now.plus_millis(self.max_skew_ms)) {
            let detail = format!("time: more than {} ms ahead of the clock", self.max_skew_ms);
            return Err(Reject::new(RejectReason::FutureTime, detail));
        }
        Ok(event)
    }
}

/// Reads the envelope, and says what its shape calls the user. The members are new.
fn read(
    message: &impl Message,
    value: &[u8],
    shape: Shape,
    source: Source,
    members: &mut Members,
) -> Result<&'static str, Reject> {
    match shape {
        Shape::Json | Shape::Cloudevents => {
            json::members(value, source, members)?;
            if shape == Shape::Json && members.version == Raw::Absent {
                return Ok(USER_ID);
            }
            cloudevents::structured(members)?;
            Ok(cloudevents::SUBJECT)
        }
        Shape::CloudeventsBinary => {
            cloudevents::binary(message, value, source, &mut members.envelope)?;
            Ok(cloudevents::SUBJECT)
        }
        Shape::Protobuf | Shape::ConfluentProtobuf => {
            let framed = shape == Shape::ConfluentProtobuf || value.first() == Some(&protobuf::MAGIC);
            let value = if framed { protobuf::unframed(value)? } else { value };
            protobuf::envelope(value, source, &mut members.envelope)?;
            Ok(USER_ID)
        }
    }
}

/// The name of the user in shapes of our own.
const USER_ID: &str = "user_id";
