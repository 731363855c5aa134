//! The seam between a lane and a log: what tideline needs of a broker, as traits.
//!
//! Two brokers implement it: [`memory`], which serves `demo`, `replay` and the simulation, and `kafka` (feature
//! `kafka`), the only module that may name rdkafka. One conformance suite runs against both.
//!
//! The order that exactly once depends on, for every batch of a lane:
//! 1. [`Source::generation`] is captured on the polling thread, when the transaction begins;
//! 2. [`Producer::begin`], [`Transaction::lend`] of outputs, changelog and partition records,
//!    [`Transaction::send_offsets`] for *every* partition written about, [`Transaction::commit`];
//! 3. only then is memory changed. No [`Source::poll`] comes between 1 and 3.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Input, PartitionId, Timestamp};
use crate::record::{Lent, Message, Offset, Outgoing};

mod description;
pub mod error;
mod isolation;
#[cfg(feature = "kafka")]
pub mod kafka;
mod kafka_settings;
pub mod memory;
pub mod rights;
mod properties;
mod topic_settings;
mod topics;

pub use description::{LogRange, TopicDescription};
pub use error::{BrokerError, ErrorClass, TransactionError};
pub use isolation::Isolation;
pub use kafka_settings::{Compression, GroupProtocol, KafkaSettings};
pub use properties::ClientProperties;
pub use topic_settings::TopicSettings;
pub use topics::Topics;

/// What the keys of records begin with that [`Broker::resolve_hanging`] writes.
const RESOLVED: &str = "released-";

/// What a poll brought, in the order in which it must be handled.
#[derive(Debug)]
pub enum Polled<M> {
    Record {
        input: Input,
        partition: PartitionId,
        message: M,
    },
    /// The input is at its end: nothing committed lies at or after `offset` now.
    End {
        input: Input,
        partition: PartitionId,
        offset: Offset,
    },
    /// The lane now owns exactly these partitions besides those it kept. None flows before [`Source::start`]. Maybe none:
    /// after a revocation it says that the group has settled, and what did not come back is another's.
    Assigned(Vec<PartitionId>),
    /// The input's position lies outside of what the log holds: what comes next can't be read, and nothing more comes of it.
    OutOfRange {
        input: Input,
        partition: PartitionId,
    },
    /// The lane must let go of these. The last item of its poll: what is in hand may still be committed (unless
    /// `lost`: then others may own them already); the next poll tells the group that it was let go.
    Revoked {
        partitions: Vec<PartitionId>,
        lost: bool,
    },
}

/// Looks at single records of inputs, outside of the group.
pub trait RecordLookup: Broker {
    /// The first record of an input at or after `from` and before `end` that a read_committed reader sees now, if there is one.
    fn first_between(
        &self,
        input: Input,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Option<Self::Message>, BrokerError>;
}

/// A member of the consumer group: reads committed records of all inputs of the partitions it owns.
pub trait Source {
    type Message: Message;
    /// Proof of membership at one moment; a commit with an old one is refused by the broker.
    type Generation;

    /// Appends what came to `into`; waits for at most `timeout` if there is nothing. Bounded by the settings of the source.
    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<Self::Message>>) -> Result<(), BrokerError>;

    /// Must be taken when the transaction begins: one taken at commit protects nothing.
    fn generation(&self) -> Result<Self::Generation, BrokerError>;

    /// Lets an owned partition flow, each input from its offset; also rewinds one that flows. What was read before is void.
    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError>;

    /// Stops reading one input of a partition, without losing its position.
    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;
    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;

    /// Leaves the group. What was not committed is read again by the next owner.
    fn close(self);
}

/// A transactional producer: one stable transactional id, at most one open transaction.
pub trait Producer {
    type Generation;
    type Transaction<'a>: Transaction<Generation = Self::Generation>
    where
        Self: 'a;

    fn begin(&mut self) -> Result<Self::Transaction<'_>, TransactionError>;
}

/// An open transaction. It borrows its producer and is consumed by commit or abort, so a half-open one can't be written.
/// Dropped without either, it is aborted.
pub trait Transaction {
    type Generation;

    fn lend(&mut self, record: Lent<'_>) -> Result<(), TransactionError>;

    fn send(&mut self, record: Outgoing) -> Result<(), TransactionError> {
        record.lend(|record| self.lend(record))
    }

    /// The next offsets to read, committed with the records: what fences an owner that has lost a partition.
    fn send_offsets(&mut self, offsets: &[OffsetCommit], generation: &Self::Generation)
    -> Result<(), TransactionError>;

    /// Changes no offset of the group; but what hangs of its offsets (see [`Broker::abort_pending_offsets`]) ends as this transaction does.
    fn join_offsets(&mut self) -> Result<(), TransactionError>;

    fn commit(self) -> Result<(), TransactionError>;

    fn abort(self) -> Result<(), TransactionError>;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Commit,
    Abort,
}

/// An offset with a note: the transactional id and number that wrote it, as [`CommitMetadata`] has it; and its partition's front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    pub input: Input,
    pub partition: PartitionId,
    pub offset: Offset,
    pub note: CommitMetadata,
    pub front: ForwardProgress,
}

impl OffsetCommit {
    /// What travels with the offset: `id#number;front`.
    pub fn metadata(&self) -> String {
        format!("{};{}", self.note, self.front)
    }
}

/// How far a partition has forwarded what is another's, as all members must know (`runtime/fronts.rs`).
/// Travels in the metadata of its offsets: `reach;forwarded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardProgress {
    pub watermark: ForwardWatermark,
    /// Records forwarded since the partition was made.
    pub forwarded: u64,
}

/// Until which event time a partition has nothing more to forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ForwardWatermark {
    /// It has not looked yet.
    #[default]
    Unknown,
    /// All of this time and before is forwarded, so far as its inputs are in order.
    Through(Timestamp),
    /// Its inputs are at their ends.
    End,
}

impl ForwardProgress {
    /// What an offset's metadata says. Of one that names no front (an earlier release wrote it) nobody waits.
    pub fn parse(metadata: &str) -> Self {
        let read = |metadata: &str| {
            let mut parts = metadata.rsplit_once('#')?.1.split(';').skip(1);
            let reach = match parts.next()? {
                "?" => ForwardWatermark::Unknown,
                "end" => ForwardWatermark::End,
                millis => ForwardWatermark::Through(Timestamp::of_millis(millis.parse().ok()?)),
            };
            Some(Self { watermark: reach, forwarded: parts.next()?.parse().ok()? })
        };
        read(metadata).unwrap_or(Self { watermark: ForwardWatermark::End, forwarded: 0 })
    }
}

impl std::fmt::Display for ForwardProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.watermark {
            ForwardWatermark::Unknown => f.write_str("?")?,
            ForwardWatermark::Through(time) => write!(f, "{}", time.millis())?,
            ForwardWatermark::End => f.write_str("end")?,
        }
        write!(f, ";{}", self.forwarded)
    }
}

/// Who committed an offset, and in which of its transactions. Travels as the offset's metadata: `id#number`, and more behind a `;`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitMetadata {
    pub transactional_id: Arc<str>,
    pub number: u64,
}

impl CommitMetadata {
    /// By input, the next offsets of a partition, each with this note and the partition's front.
    pub fn offsets(
        &self,
        partition: PartitionId,
        positions: &[Offset],
        front: ForwardProgress,
    ) -> impl Iterator<Item = OffsetCommit> {
        let positions = (0u8..).map(Input).zip(positions);
        positions.map(move |(input, &offset)| OffsetCommit { input, partition, offset, note: self.clone(), front })
    }

    pub fn parse(metadata: &str) -> Option<Self> {
        let (id, number) = metadata.rsplit_once('#')?;
        let number = number.split_once(';').map_or(number, |(number, _)| number);
        Some(Self { transactional_id: id.into(), number: number.parse().ok()? })
    }
}

impl std::fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.transactional_id, self.number)
    }
}

/// What the group has committed for one input of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub input: Input,
    pub offset: Offset,
    /// `None` where the metadata isn't tideline's.
    pub note: Option<CommitMetadata>,
}

/// One changelog record: `value` is `None` for a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// Reads one partition of the changelog from its start to its end, which is fixed when it is opened.
pub trait ChangelogReader: Send {
    /// Moves the end to the high watermark of now: what was read stays read. Fence first, as before the opening.
    fn extend(&mut self) -> Result<(), BrokerError>;

    /// Hands over the next committed records; waits for at most `timeout`. Says whether the end has been reached.
    /// An error when nothing came for the no-progress bound of the settings.
    fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(ChangelogRecord<'_>),
    ) -> Result<ReadProgress, BrokerError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadProgress {
    pub done: bool,
    /// Records left, at most (offsets have gaps).
    pub remaining: u64,
}

/// How far a log reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogOffsets {
    /// The log start offset: the earliest that can be read.
    pub start: Offset,
    /// The last stable offset (LSO): everything before it is committed or aborted.
    pub last_stable: Offset,
    /// The next record's offset. Between the last stable offset and this, a transaction is open.
    pub high_watermark: Offset,
}

/// How a partition stands, whatever others have open in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionOffsets {
    pub changelog: LogOffsets,
    /// By input.
    pub inputs: Vec<LogOffsets>,
    /// The group's offsets as they were last committed.
    pub committed: Vec<Committed>,
    /// Whether an open transaction is about to change any of them.
    pub is_pending: bool,
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

/// A connection to a cluster for one application (one consumer group, one set of topics). Cheap to clone.
pub trait Broker: Clone + Send + Sync + 'static {
    type Message: Message + 'static;
    type Generation;
    type Source: Source<Message = Self::Message, Generation = Self::Generation>;
    type Producer: Producer<Generation = Self::Generation> + Send + 'static;
    type Changelog: ChangelogReader + 'static;

    fn topics(&self) -> &Topics;

    /// Joins the consumer group as `member` (a name for logs, and the static member id where that is configured).
    fn source(&self, member: &str) -> Result<Self::Source, BrokerError>;

    /// Takes a transactional id: its earlier holder is fenced, what that had open is aborted.
    fn producer(&self, transactional_id: &str) -> Result<Self::Producer, BrokerError>;

    /// Takes the id of a predecessor that may have died, only to abort what it had open.
    fn fence(&self, transactional_id: &str) -> Result<(), BrokerError> {
        self.producer(transactional_id).map(drop)
    }

    /// Drops the offsets that hang under the id that was just taken: pending, although their transaction is over for its
    /// coordinator, as a lone broker that was stopped or killed may leave them. Else the next transaction of the id would
    /// commit them, whatever became of their own. No offset of a committed transaction is missed: the partition's record has
    /// it.
    fn abort_pending_offsets(&self, producer: &mut Self::Producer) -> Result<(), BrokerError> {
        let dropped = producer.begin().and_then(|mut transaction| {
            transaction.join_offsets()?;
            transaction.abort()
        });
        dropped.map_err(|error| BrokerError::Client {
            what: "drop what was left pending of the group's offsets".to_owned(),
            reason: error.to_string(),
            class: ErrorClass::Retriable,
        })
    }

    /// Ends what hangs under an id in these partitions of the changelog, and in all partitions of all outputs: open, although
    /// its transaction is over for its coordinator. Only another transaction of the same id that writes there ends it, as it
    /// ends itself. What was committed is ended in the outputs where something stands open only: the record that does it,
    /// without a value, is seen. Offsets that hang are dropped. Whoever holds the id is fenced.
    fn resolve_hanging(
        &self,
        transactional_id: &str,
        partitions: &BTreeSet<PartitionId>,
        ending: Ending,
    ) -> Result<(), BrokerError> {
        let topics = self.topics();
        let mut producer = self.producer(transactional_id)?;
        self.abort_pending_offsets(&mut producer)?;
        let mut places: Vec<_> = partitions.iter().map(|&partition| (&topics.changelog, partition)).collect();
        for topic in topics.outputs.all() {
            let partitions = match ending {
                Ending::Abort => (0..self.partition_count(topic)?).map(PartitionId).collect(),
                Ending::Commit => self.open_partitions(topic)?,
            };
            places.extend(partitions.into_iter().map(|partition| (topic, partition)));
        }
        let ended = producer.begin().and_then(|mut transaction| {
            for (topic, partition) in places {
                // With a key, and no user's: a compacted topic takes no record without one.
                let key = format!("{RESOLVED}{partition}");
                transaction.lend(Lent { topic, ..topics.to_changelog(partition, key.as_bytes(), None) })?;
            }
            match ending {
                Ending::Commit => transaction.commit(),
                Ending::Abort => transaction.abort(),
            }
        });
        ended.map_err(|error| BrokerError::Client {
            what: format!("end what {transactional_id} left open in partitions {partitions:?}"),
            reason: error.to_string(),
            class: ErrorClass::Retriable,
        })
    }

    /// The group's offsets of one partition, once no open transaction holds any of them. Inputs without one are left out.
    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError>;

    /// Opens a partition of the changelog up to its high watermark. Fence first: an open transaction would hide the end.
    fn changelog(&self, partition: PartitionId) -> Result<Self::Changelog, BrokerError>;

    /// How many partitions a topic has; none if there is no such topic.
    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError>;

    /// The partitions of a topic in which something is neither committed nor aborted, though it had time to be.
    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError>;

    /// The transactional ids that may have something open in this partition: in its changelog, or in the group's offsets.
    /// Who owns the partition now fences them before it reads either. Empty after a planned hand-over, so that no living
    /// predecessor is fenced.
    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError>;

    /// The earliest offset of an input that can still be read: where a partition without any history starts.
    fn earliest(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let bounds = self.log_ranges(partition)?;
        Ok((0u8..).map(Input).zip(bounds.into_iter().map(|bounds| bounds.earliest)).collect())
    }

    /// By input, what can be read of a partition, to the high watermark.
    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError>;

    /// By input, the offset before which everything is committed or aborted now: what [`Polled::End`] is told at. Of `rekey`
    /// the high watermark: a commit returns before its markers have reached every partition, and what a lane forwarded
    /// must not be taken for the end.
    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError>;

    /// The inputs as they are now, `rekey` last, then the changelog. Never asked of a client that reads: there a look-up
    /// queues behind the next poll.
    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError>;

    /// By partition, its front as it was last committed; `None` where nobody has ever committed anything. What an open
    /// transaction is about to say is not in it, and nothing is waited for.
    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError>;

    /// The high watermark of a partition of `rekey`: all that a committed transaction forwarded lies before it, though its
    /// markers may still be on their way.
    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError>;

    /// What can be told of a partition that stands still. Waits for no open transaction.
    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError>;

    /// The clock of the broker that leads this partition of the changelog. It may write there, outside of any transaction,
    /// what [`Topics::touch`] makes. An error: it can't be told now.
    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError>;

    /// Appends what [`Topics::touch`] makes to this partition of every compacted topic, outside of any transaction, so that
    /// what was written there last is compacted, too, where nothing else comes. Of a topic with more partitions than the
    /// inputs, also to those that fall to this one's owner.
    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_of_a_compacted_topic_is_touched_by_one_owner() {
        for (count, all) in [(8, 8), (3, 8), (20, 8), (1, 1), (0, 4)] {
            let topics = Topics::of(&["rekey"], all);
            let touched = (0..all).flat_map(|own| topics.touched_by(PartitionId(own), count));
            let mut touched: Vec<i32> = touched.map(|place| place.0).collect();
            touched.sort_unstable();
            assert_eq!(touched, (0..count).collect::<Vec<_>>(), "{count} of {all}");
        }
    }
}
