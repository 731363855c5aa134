//! A real Kafka broker behind the seam: the only module that names rdkafka; `native` is the only file with `unsafe`.
//!
//! Every call blocks its thread for as long as its bound in [`KafkaSettings`] says, so none runs on a worker of an
//! async runtime. Set up the log before making a [`KafkaBroker`]: the client reads its level once.
//!
//! Invariants: no list of partitions outlives the client it came from (dropping it would hang); a callback only
//! records; an error is sorted in `triage` and nowhere else.

pub mod admin;
mod client;
mod client_error;
mod client_properties;
mod clock;
mod deadline;
mod group;
mod message;
mod native;
mod plain_producer;
mod settings;
mod transaction;
mod triage;

use std::sync::Arc;

use crate::domain::{Input, PartitionId, Timestamp};
use crate::record::Offset;

use super::{
    Broker, BrokerError, BrokerTime, Committed, ErrorClass, ForwardProgress, Isolation, LogOffsets, LogRange,
    PartitionOffsets, RecordLookup, TopicDescription, Topics,
};

pub use client::dry_run::dry_run;
pub use client::reader::KafkaChangelog;
pub use client::scan::{read_partition, scan_partition};
pub use client_properties::{judge, settings_in};
pub use group::claim::Claim;
pub use group::source::{KafkaGeneration, KafkaSource};
pub use message::KafkaMessage;
pub use plain_producer::PlainProducer;
pub use settings::{GroupProtocol, KafkaSettings};
pub use transaction::open_transaction::KafkaTransaction;
pub use transaction::producer::KafkaProducer;

use client::observers::{Observers, Watermarks};
use client::reader::Span;
use client::scan;
use clock::SegmentRoller;
use transaction::writers;

/// A cluster, as one application uses it.
#[derive(Clone)]
pub struct KafkaBroker {
    settings: Arc<KafkaSettings>,
    topics: Arc<Topics>,
    observers: Arc<Observers>,
    segment_roller: Arc<SegmentRoller>,
}

impl KafkaBroker {
    /// Makes no connection yet. Properties of the client that [`judge`] finds fault with are refused.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Fatal`], with each fault of the properties.
    pub fn new(settings: KafkaSettings, topics: Topics) -> Result<Self, BrokerError> {
        let faults: Vec<_> =
            judge(&settings.client).into_iter().map(|(name, fault)| format!("kafka.client.{name}: {fault}")).collect();
        if !faults.is_empty() {
            return Err(BrokerError::client("set up the Kafka client", ErrorClass::Fatal, faults.join("; ")));
        }
        let (settings, topics) = (Arc::new(settings), Arc::new(topics));
        Ok(Self { settings, topics, observers: Arc::default(), segment_roller: Arc::default() })
    }

    /// The group's offsets as they last stood, whoever has some pending: their notes name the predecessor that
    /// [`Broker::committed`] may be waiting for.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn last_committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.observers.last_committed(&self.settings, &self.topics, partition)
    }

    /// By input, the first offset whose record was written at that time or later, by the records' own timestamps; past
    /// all offsets where there is none.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn offsets_at(&self, partition: PartitionId, at: Timestamp) -> Result<Vec<(Input, Offset)>, BrokerError> {
        self.observers.at(&self.settings, &self.topics, partition, at)
    }

    fn of_inputs<T>(
        &self,
        partition: PartitionId,
        isolation: impl Fn(Input) -> Isolation,
        of: impl Fn(Watermarks) -> T,
    ) -> Result<Vec<(Input, T)>, BrokerError> {
        let inputs = (0u8..).map(Input).zip(&self.topics.inputs);
        let marks = |input: Input, topic: &str| match self.settings.has(topic, partition) {
            true => self.observers.watermarks(&self.settings, topic, partition, isolation(input)),
            false => Ok(Watermarks { low: 0, high: 0 }),
        };
        inputs.map(|(input, topic)| Ok((input, of(marks(input, topic)?)))).collect()
    }
}

impl RecordLookup for KafkaBroker {
    fn first_between(
        &self,
        input: Input,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Option<KafkaMessage>, BrokerError> {
        let topic = self.topics.input(input);
        if !self.settings.has(topic, partition) {
            return Ok(None);
        }
        let stable = self.observers.watermarks(&self.settings, topic, partition, Isolation::ReadCommitted)?.high;
        let span = Span { from, end: end.min(stable) };
        scan::first_of(&self.settings, &self.observers, topic, partition, span)
    }
}

impl Broker for KafkaBroker {
    type Message = KafkaMessage;
    type Generation = KafkaGeneration;
    type Source = KafkaSource;
    type Producer = KafkaProducer;
    type Changelog = KafkaChangelog;

    fn topics(&self) -> &Topics {
        &self.topics
    }

    fn source(&self, member: &str) -> Result<KafkaSource, BrokerError> {
        KafkaSource::join(self.settings.clone(), self.topics.clone(), member)
    }

    fn producer(&self, transactional_id: &str) -> Result<KafkaProducer, BrokerError> {
        KafkaProducer::take(self.settings.clone(), self.topics.clone(), transactional_id)
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.observers.committed(&self.settings, &self.topics, partition)
    }

    fn changelog(&self, partition: PartitionId) -> Result<KafkaChangelog, BrokerError> {
        let (settings, observers) = (self.settings.clone(), self.observers.clone());
        KafkaChangelog::open(settings, observers, self.topics.changelog.clone(), partition)
    }

    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError> {
        self.observers.partitions(&self.settings, topic)
    }

    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError> {
        writers::open_partitions(&self.settings, &self.observers, topic)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        writers::open_writers(&self.settings, &self.observers, &self.topics, partition)
    }

    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError> {
        let bounds = |marks: Watermarks| LogRange { earliest: marks.low, end: marks.high };
        let of_inputs = self.of_inputs(partition, |_| Isolation::ReadUncommitted, bounds)?;
        Ok(of_inputs.into_iter().map(|(_, bounds)| bounds).collect())
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let rekey = self.topics.rekey_input();
        let isolation = |input| if input == rekey { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
        self.of_inputs(partition, isolation, |marks| marks.high)
    }

    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError> {
        let topics: Vec<_> = self.topics.inputs.iter().chain([&self.topics.changelog]).collect();
        let names: Vec<&str> = topics.iter().map(|topic| &***topic).collect();
        let told = self.observers.describe(&self.settings, &names)?;
        let described = topics.into_iter().zip(told).map(|(topic, (id, partitions))| {
            let configured = self.settings.narrow_inputs.get(&**topic).copied().unwrap_or(self.topics.partitions);
            TopicDescription { topic: topic.clone(), id, partitions, configured }
        });
        Ok(described.collect())
    }

    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError> {
        self.observers.forward_progress(&self.settings, &self.topics)
    }

    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError> {
        let marks =
            self.observers.watermarks(&self.settings, self.topics.rekey(), partition, Isolation::ReadUncommitted);
        marks.map(|marks| marks.high)
    }

    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError> {
        let (settings, observers) = (&self.settings, &self.observers);
        let marks = |topic: &str| -> Result<LogOffsets, BrokerError> {
            if !settings.has(topic, partition) {
                return Ok(LogOffsets::default());
            }
            // In this order: what is committed in between only makes the first look older.
            let all = observers.watermarks(settings, topic, partition, Isolation::ReadUncommitted)?;
            let stable = observers.watermarks(settings, topic, partition, Isolation::ReadCommitted)?.high;
            Ok(LogOffsets { start: all.low, last_stable: stable.min(all.high), high_watermark: all.high })
        };
        Ok(PartitionOffsets {
            changelog: marks(&self.topics.changelog)?,
            inputs: self.topics.inputs.iter().map(|topic| marks(topic)).collect::<Result<_, _>>()?,
            committed: observers.last_committed(settings, &self.topics, partition)?,
            is_pending: observers.is_pending(settings, &self.topics, partition)?,
        })
    }

    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError> {
        self.segment_roller.time(&self.settings, &self.topics, partition)
    }

    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError> {
        self.segment_roller.touch(&self.settings, &self.topics, &self.observers, partition)
    }
}
