//! Bytes and headers to an event, or the reason why not. One file a wire shape.
//!
//! Must not know: users' states, stream time, the broker. The clock at poll is an argument.

mod reject;

pub use reject::{Reason, Reject};

use crate::domain::{Event, Origin, PartitionId, Source};
use crate::record::Coordinates;

/// How an input's records are read.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    pub topic: std::sync::Arc<str>,
    /// Whose events these are. The `rekey` input has none of its own: the headers tell.
    pub source: Option<Source>,
    /// The origin of an event that names none.
    pub origin: Origin,
    /// The shape of a record whose headers don't tell.
    pub format: Format,
    /// `false`: keys say nothing, every record is forwarded to `rekey`.
    pub keyed: bool,
    /// A larger value is `too_large`, in bytes.
    pub max_value: usize,
}

/// The shapes of the input contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Json,
    /// CloudEvents 1.0 structured: one JSON object.
    Cloudevents,
    Protobuf,
    /// Magic byte, schema id and message indexes of the Confluent registry before the protobuf.
    ConfluentProtobuf,
}

/// What became of a record before anything is known of its user.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// This partition's own event. `origin` is where the record stood first, if it came through `rekey`.
    Event {
        event: Event,
        origin: Option<Coordinates>,
    },
    /// Another partition's: to be forwarded to `rekey` with this key.
    Rekey {
        event: Event,
        to: PartitionId,
    },
    Reject(Reject),
}
