//! What all tasks of an application share: the engine, how records are read and outputs written, the bounds.

use std::sync::Arc;

use crate::domain::{Input, PartitionId, Partitioner, Texts, Timestamp};
use crate::emit::{Emitter, Output};
use crate::engine::Engine;
use crate::guard::{Panicked, guarded};
use crate::ingest::{Decoded, Decoder, InputSpec, Reject, RejectReason};
use crate::merge::MergeBounds;
use crate::pipeline::limit::InFlight;
use crate::pipeline::tally::PlacedBy;
use crate::record::{Coordinates, Message, Offset, Unread};

/// How tasks read and bound what they read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSettings {
    /// Of every input, and of the changelog.
    pub partitions: i32,
    /// Which partition is a user's.
    pub partitioner: Partitioner,
    /// How far ahead of the clock an event may be, in milliseconds.
    pub max_skew_ms: i64,
    /// Of the merge before each task's engine.
    pub merge: MergeBounds,
    /// Records forwarded ahead, at most.
    pub in_flight: InFlight,
    /// Whether tasks go on when all inputs are at their ends.
    pub is_endless: bool,
}

impl TaskSettings {
    /// Of the only partition that there is, which is read to its end. `max_skew_ms`: how far ahead of the clock an
    /// event may be, where events are judged by one.
    pub fn of_one(max_skew_ms: i64) -> Self {
        Self {
            partitions: 1,
            partitioner: Partitioner::default(),
            max_skew_ms,
            merge: MergeBounds::UNBOUNDED,
            in_flight: InFlight { of_all: 1, of_one: 1 },
            is_endless: false,
        }
    }
}

/// What all tasks of an application share. It never changes.
#[derive(Debug)]
pub struct Pipeline {
    engine: Arc<Engine>,
    /// By input, `rekey` last.
    decoders: Vec<Decoder>,
    emitter: Emitter,
    settings: TaskSettings,
}

/// A record as it was decoded, whatever came of that.
#[derive(Debug)]
pub struct Judged {
    /// What it is.
    pub decoded: Decoded,
    /// Bytes that the record takes in memory besides itself, about.
    pub footprint: usize,
    /// Whether the program has panicked over it, or the client couldn't read it: then it is a reject.
    pub is_poison: bool,
}

impl Pipeline {
    /// `inputs`: by input, `rekey` last.
    pub fn new(engine: Arc<Engine>, inputs: Vec<InputSpec>, output: Output, settings: TaskSettings) -> Self {
        let TaskSettings { partitions, partitioner, max_skew_ms, .. } = settings;
        let decoder = |input| Decoder::new(input, partitions, max_skew_ms).partitioned_by(partitioner);
        let emitter = Emitter::new(&engine.settings().rules, engine.rule_version(), output);
        Self { decoders: inputs.into_iter().map(decoder).collect(), emitter, engine, settings }
    }

    /// The rules, compiled.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// How outputs are written: the one of run and replay alike.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// How tasks read and bound what they read.
    pub fn settings(&self) -> &TaskSettings {
        &self.settings
    }

    /// How many inputs there are, `rekey` among them.
    pub fn inputs(&self) -> usize {
        self.decoders.len()
    }

    /// The input that carries records of other partitions: the last.
    pub fn rekey(&self) -> Input {
        Input(self.inputs().saturating_sub(1) as u8)
    }

    /// How records of an input are read; none where there is no such input.
    pub fn spec(&self, input: Input) -> Option<&InputSpec> {
        self.decoders.get(input.index()).map(Decoder::input)
    }

    /// The topic of an input. Of an input that isn't there the name is empty.
    pub fn topic(&self, input: Input) -> Arc<str> {
        self.spec(input).map_or_else(|| "".into(), |spec| Arc::clone(&spec.topic))
    }

    /// Decodes a record of a partition. `now`: the clock, by which events that are too far ahead are rejected; none: no
    /// event is. A panic in it makes the record poison.
    pub fn decode(
        &self,
        input: Input,
        message: &impl Message,
        partition: PartitionId,
        now: Option<Timestamp>,
    ) -> Judged {
        let Some(decoder) = self.decoders.get(input.index()) else {
            let reject = Reject::new(RejectReason::Unsupported, "of no input that is configured");
            return Judged { decoded: Decoded::Reject(reject), footprint: 0, is_poison: false };
        };
        match guarded(|| (decoder.decode(message, partition, now), message.footprint())) {
            Ok((decoded, footprint)) => {
                let is_poison = message.damage().is_some_and(|damage| damage.unread == Unread::All);
                Judged { decoded, footprint, is_poison }
            }
            Err(panicked) => Self::poisoned(message, &panicked),
        }
    }

    /// What becomes of a record over which the program has panicked.
    pub(super) fn poisoned(message: &impl Message, panicked: &Panicked) -> Judged {
        let reject = Reject::new(RejectReason::Malformed, panicked.to_string());
        let footprint = guarded(|| message.footprint()).unwrap_or_default();
        Judged { decoded: Decoded::Reject(reject), footprint, is_poison: true }
    }

    /// The texts of a record of an input, read again where an event has any.
    pub(super) fn texts<'a, M: Message>(&'a self, input: Input, message: &'a M) -> Option<impl Texts + use<'a, M>> {
        self.decoders.get(input.index()).map(|decoder| decoder.texts(message))
    }

    pub(super) fn coordinates(&self, input: Input, partition: PartitionId, offset: Offset) -> Coordinates {
        Coordinates { topic: self.topic(input), partition, offset }
    }

    /// By partitioner, whether that key lies where it puts it.
    pub(super) fn placed_by(&self, key: Option<&[u8]>, partition: PartitionId) -> PlacedBy {
        let is_its =
            |it: Partitioner| key.is_some_and(|key| it.partition_of(key, self.settings.partitions) == partition);
        Partitioner::ALL.map(is_its)
    }

    /// The input that an event counts for: of a forwarded record, the one that it was first read from.
    pub(super) fn originating_input(&self, input: Input, forwarded_from: Option<&Coordinates>) -> Input {
        let Some(from) = forwarded_from else { return input };
        let named = (0u8..).map(Input).zip(&self.decoders).find(|(_, decoder)| decoder.input().topic == from.topic);
        named.map_or(input, |(input, _)| input)
    }
}
