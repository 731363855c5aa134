//! A real Kafka broker behind the seam: the only module that names rdkafka.
//!
//! Every call blocks its thread for as long as its bound in [`KafkaSettings`] says, so none runs on a worker of an async
//! runtime. Set up the log before making a [`KafkaBroker`]: the client reads its level once.
//!
//! Invariants: no list of partitions outlives the client it came from (dropping it would hang); a callback only records;
//! an error is sorted in `triage` and nowhere else.

mod assignment;
mod changelog;
mod context;
mod message;
mod offsets;
mod producer;
mod settings;
mod source;
mod triage;

use std::sync::Arc;

use crate::domain::{Input, PartitionId};
use crate::record::Offset;

use super::{Broker, BrokerError, Committed, Topics};

pub use changelog::KafkaChangelog;
pub use message::KafkaMessage;
pub use producer::{KafkaProducer, KafkaTransaction};
pub use settings::{GroupProtocol, KafkaSettings};
pub use source::{KafkaGeneration, KafkaSource};

use offsets::Observers;
use settings::Isolation;

/// A cluster, as one application uses it.
#[derive(Clone)]
pub struct KafkaBroker {
    settings: Arc<KafkaSettings>,
    topics: Arc<Topics>,
    observers: Arc<Observers>,
}

impl KafkaBroker {
    /// Makes no connection yet. Settings with [`KafkaSettings::faults`] are refused.
    pub fn new(settings: KafkaSettings, topics: Topics) -> Result<Self, BrokerError> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(BrokerError::Client {
                what: "set up the Kafka client".into(),
                reason: faults.join("; "),
                class: super::ErrorClass::Fatal,
            });
        }
        Ok(Self { settings: Arc::new(settings), topics: Arc::new(topics), observers: Arc::default() })
    }

    /// The group's offsets as they last stood, whoever has some pending: their notes name the predecessor that
    /// [`Broker::committed`] may be waiting for.
    pub fn last_committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.observers.last_committed(&self.settings, &self.topics, partition)
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

    fn earliest(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let inputs = (0u8..).map(Input).zip(&self.topics.inputs);
        let low = |topic: &str| {
            let marks = self.observers.watermarks(&self.settings, topic, partition, Isolation::Committed)?;
            Ok(marks.low)
        };
        inputs.map(|(input, topic)| Ok((input, low(topic)?))).collect()
    }
}
