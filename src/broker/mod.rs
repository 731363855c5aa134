//! The seam between a lane and a log: what tideline needs of a broker, as traits and data. No policy stands here.
//!
//! Two brokers implement it: [`memory`], which serves `demo`, `replay` and the simulation, and `kafka` (feature
//! `kafka`), the only module that may name rdkafka. One conformance suite runs against both.
//!
//! The order that exactly once depends on, for every batch of a lane:
//! 1. [`Source::generation`] is captured on the polling thread, when the transaction begins (KIP-447);
//! 2. [`Producer::begin`], [`Transaction::send`] of outputs, changelog and partition records,
//!    [`Transaction::send_offsets`] for *every* partition written about, [`Transaction::commit`];
//! 3. only then is memory changed. No [`Source::poll`] comes between 1 and 3.

use std::sync::Arc;

use crate::domain::{Input, PartitionId};
use crate::record::{Message, Offset};

mod changelog;
mod description;
pub mod error;
mod isolation;
#[cfg(feature = "kafka")]
pub mod kafka;
mod kafka_settings;
pub mod memory;
mod offsets;
mod producer;
mod properties;
pub mod rights;
mod source;
mod topic_settings;
mod topics;

pub use crate::pipeline::{CommitMetadata, ForwardProgress, ForwardWatermark};
pub use changelog::{ChangelogReader, ChangelogRecord, ReadProgress};
pub use description::{BrokerTime, LogRange, TopicDescription};
pub use error::{BrokerError, ErrorClass, TransactionError};
pub use isolation::Isolation;
pub use kafka_settings::{Compression, GroupProtocol, KafkaSettings};
pub use offsets::{Committed, LogOffsets, OffsetCommit, PartitionOffsets};
pub use producer::{Ending, Producer, Transaction};
pub use properties::ClientProperties;
pub use source::{Polled, Source};
pub use topic_settings::TopicSettings;
pub use topics::Topics;

/// A connection to a cluster for one application (one consumer group, one set of topics). Cheap to clone.
pub trait Broker: Clone + Send + Sync + 'static {
    /// A record that was read.
    type Message: Message + 'static;
    /// Proof of membership of the group.
    type Generation;
    /// A member of the group.
    type Source: Source<Message = Self::Message, Generation = Self::Generation>;
    /// A transactional producer.
    type Producer: Producer<Generation = Self::Generation> + Send + 'static;
    /// A reader of one partition of the changelog.
    type Changelog: ChangelogReader + 'static;

    /// The topics of the application.
    fn topics(&self) -> &Topics;

    /// Joins the consumer group as `member` (a name for logs, and the static member id where that is configured).
    ///
    /// # Errors
    ///
    /// Where no member can be made, or the properties of the client are refused.
    fn source(&self, member: &str) -> Result<Self::Source, BrokerError>;

    /// Takes a transactional id: its earlier holder is fenced, what that had open is aborted.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Fenced`] where another takes the id at the same time, or what the client says.
    fn producer(&self, transactional_id: &str) -> Result<Self::Producer, BrokerError>;

    /// The group's offsets of one partition, once no open transaction holds any of them. Inputs without one are left
    /// out.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NoProgress`] where a transaction stays open for longer than the bound, or what the client says.
    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError>;

    /// Opens a partition of the changelog up to its high watermark. Fence first: an open transaction would hide the
    /// end.
    ///
    /// # Errors
    ///
    /// Where the partition, or its high watermark, can't be had.
    fn changelog(&self, partition: PartitionId) -> Result<Self::Changelog, BrokerError>;

    /// How many partitions a topic has; none if there is no such topic.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError>;

    /// The partitions of a topic in which something is neither committed nor aborted, though it had time to be.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError>;

    /// The transactional ids that may have something open in this partition: in its changelog, or in the group's
    /// offsets. Who owns the partition now fences them before it reads either. Empty after a planned hand-over, so that
    /// no living predecessor is fenced.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError>;

    /// The earliest offset of an input that can still be read: where a partition without any history starts.
    ///
    /// # Errors
    ///
    /// As [`Self::log_ranges`].
    fn earliest(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let bounds = self.log_ranges(partition)?;
        Ok((0u8..).map(Input).zip(bounds.into_iter().map(|bounds| bounds.earliest)).collect())
    }

    /// By input, what can be read of a partition, to the high watermark.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError>;

    /// By input, the offset before which everything is committed or aborted now: what [`Polled::End`] is told at. Of
    /// `rekey` the high watermark: a commit returns before its markers have reached every partition, and what a lane
    /// forwarded must not be taken for the end.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError>;

    /// The inputs as they are now, `rekey` last, then the changelog. Never asked of a client that reads: there a
    /// look-up queues behind the next poll.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError>;

    /// By partition, its front as it was last committed; `None` where nobody has ever committed anything. What an open
    /// transaction is about to say is not in it, and nothing is waited for.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError>;

    /// The high watermark of a partition of `rekey`: all that a committed transaction forwarded lies before it, though
    /// its markers may still be on their way.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError>;

    /// What can be told of a partition that stands still. Waits for no open transaction.
    ///
    /// # Errors
    ///
    /// What the client says, once it was tried again for as long as the settings allow.
    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError>;

    /// The clock of the broker that leads this partition of the changelog. It may write there, outside of any
    /// transaction, what [`Topics::touch`] makes. An error: it can't be told now.
    ///
    /// # Errors
    ///
    /// Where it can't be told now.
    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError>;

    /// Appends what [`Topics::touch`] makes to this partition of every compacted topic, outside of any transaction, so
    /// that what was written there last is compacted, too, where nothing else comes. Of a topic with more partitions
    /// than the inputs, also to those that fall to this one's owner.
    ///
    /// # Errors
    ///
    /// Where a record is not acknowledged within the bound.
    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError>;
}

/// Looks at single records of inputs, outside of the group.
pub trait RecordLookup: Broker {
    /// The first record of an input at or after `from` and before `end` that a read_committed reader sees now, if there
    /// is one.
    ///
    /// # Errors
    ///
    /// Where the log can't be read, or makes no progress.
    fn first_between(
        &self,
        input: Input,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Option<Self::Message>, BrokerError>;
}
