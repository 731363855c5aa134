//! Reads, on behalf of a member, the inputs that its group doesn't share out: those that have fewer partitions than the
//! application.
//!
//! The group would share them out by ranges of their own, and so give their partition p to another member than
//! partition p of the others. So who owns p of the others reads p of these, by a client that belongs to no group. Their
//! offsets are committed with the member's transactions, under its generation: that fences them, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use crate::broker::BrokerError;
use crate::domain::{Input, PartitionId};

use super::poll_error;
use crate::broker::kafka::client::context::{self, MemberContext, TopicPartition};
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// More events than that are left to the next poll.
const MAX_EVENTS: usize = 100;

pub(in crate::broker::kafka) struct UngroupedReader {
    pub consumer: Arc<BaseConsumer<MemberContext>>,
    settings: Arc<KafkaSettings>,
    inputs: Vec<(Input, Arc<str>)>,
    held: BTreeSet<PartitionId>,
}

impl UngroupedReader {
    pub fn new(
        settings: &Arc<KafkaSettings>,
        inputs: Vec<(Input, Arc<str>)>,
        member: &str,
    ) -> Result<Self, BrokerError> {
        let consumer = BaseConsumer::from_config_and_context(&settings.ungrouped(member), MemberContext::of(settings))
            .map_err(|error| settings.creation_error("make a client for inputs with fewer partitions", &error))?;
        Ok(Self { consumer: Arc::new(consumer), settings: Arc::clone(settings), inputs, held: BTreeSet::new() })
    }

    pub fn reads(&self, input: Input) -> bool {
        self.inputs.iter().any(|(own, _)| *own == input)
    }

    /// Takes a partition up, paused: from where, the seek that follows says.
    pub fn hold(&mut self, partition: PartitionId) -> Result<(), BrokerError> {
        let names = self.names(partition);
        if names.is_empty() || self.held.contains(&partition) {
            return Ok(());
        }
        let failed = |error: KafkaError| triage::client_error(format_args!("take partition {partition} up"), &error);
        let list =
            context::beginnings(&self.consumer, &names, self.settings.call_timeout.duration()).map_err(failed)?;
        self.consumer.incremental_assign(&list).map_err(failed)?;
        self.held.insert(partition);
        self.consumer.pause(&list).map_err(failed)
    }

    pub fn let_go(&mut self, partition: PartitionId) -> Result<(), BrokerError> {
        if !self.held.remove(&partition) {
            return Ok(());
        }
        let failed = |error: KafkaError| triage::client_error(format_args!("let partition {partition} go"), &error);
        let list = context::list_of(&self.names(partition), rdkafka::Offset::Invalid).map_err(failed)?;
        self.consumer.incremental_unassign(&list).map_err(failed)
    }

    /// Serves what the client has to say; records come out of the queues of their partitions.
    pub fn serve(&self) -> Result<(), BrokerError> {
        for _ in 0..MAX_EVENTS {
            let served = self.consumer.context().watch.served();
            match self.consumer.poll(Duration::ZERO) {
                None if served == self.consumer.context().watch.served() => break,
                // Fetched between an assignment and its pause: void.
                None | Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if triage::is_out_of_range(&error) => {}
                Some(Err(error)) => poll_error::judge(&error, &self.settings, None)?,
            }
        }
        Ok(())
    }

    fn names(&self, partition: PartitionId) -> Vec<TopicPartition> {
        let has = self.inputs.iter().filter(|(_, topic)| self.settings.has(topic, partition));
        has.map(|(_, topic)| (topic.to_string(), partition.0)).collect()
    }
}
