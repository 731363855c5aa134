//! An open transaction of a producer: what is sent, the offsets, and its end.
//!
//! Dropped without an end it is aborted. After an error it can only be aborted, or its producer is retired.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::producer::{DRAIN_PAUSE, KafkaProducer, RetireReason};
use super::writers::{WRITER_HEADER, WriterHeaders};
use crate::broker::kafka::client::context::{self, PlainContext};
use crate::broker::kafka::client::outgoing::base_record;
use crate::broker::kafka::client_error::ClientError;
use crate::broker::kafka::deadline::Deadline;
use crate::broker::kafka::group::source::KafkaGeneration;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::{Isolation, OffsetCommit, Producer, Topics, Transaction, TransactionError};
use crate::chain::Chain;
use crate::record::Lent;

impl Producer for KafkaProducer {
    type Generation = KafkaGeneration;
    type Transaction<'a> = KafkaTransaction<'a>;

    fn begin(&mut self) -> Result<KafkaTransaction<'_>, TransactionError> {
        let call = "begin";
        if let Some(reason) = &self.retired {
            return Err(TransactionError::fatal(call, reason.clone()));
        }
        if self.transport_failures() != self.failures {
            return Err(TransactionError::fatal(call, "a connection has failed since the transactional id was taken"));
        }
        // Whatever it is: nothing is open that could be aborted.
        self.insist(call, || self.client.begin_transaction())
            .map_err(|error| TransactionError::Fatal { call, source: error.source })?;
        Ok(KafkaTransaction::new(self))
    }
}

/// An open transaction: borrows its producer, and is consumed by commit or abort.
pub struct KafkaTransaction<'a> {
    producer: &'a mut KafkaProducer,
    open: bool,
    writer_headers: WriterHeaders,
}

impl<'a> KafkaTransaction<'a> {
    pub(super) fn new(producer: &'a mut KafkaProducer) -> Self {
        Self { producer, open: true, writer_headers: WriterHeaders::default() }
    }

    fn send_list(
        &mut self,
        call: &'static str,
        list: &TopicPartitionList,
        generation: &KafkaGeneration,
    ) -> Result<(), TransactionError> {
        // So that a pending offset never stands without the signature of its writer.
        self.check_written(call)?;
        let mut hangs = false;
        let outcome = self.producer.insist(call, || self.producer.try_send_list(list, generation, &mut hangs));
        if hangs {
            // The client would refuse the abort for as long as its other call goes on.
            self.open = false;
            self.producer.retired = Some(RetireReason::NeverReturned(call));
        }
        outcome.map_err(|error| match hangs {
            // Nothing was to be committed yet, so nothing is in doubt; the next batch shall be smaller.
            true => TransactionError::TimedOut { call, throttled: self.producer.throttled(), source: error.source },
            false => error.into(),
        })
    }

    fn check_written(&mut self, call: &'static str) -> Result<(), TransactionError> {
        let written = self.producer.check_written(call);
        if let Err(error @ TransactionError::TimedOut { .. }) = &written {
            self.open = false;
            self.producer.leave(error);
        }
        written
    }

    fn abort_open(&mut self) -> Result<(), TransactionError> {
        self.open = false;
        let aborted = self.producer.abort();
        if let Err(error) = &aborted {
            self.producer.retired = Some(RetireReason::after(error));
        }
        aborted
    }
}

impl Transaction for KafkaTransaction<'_> {
    type Generation = KafkaGeneration;

    fn send(&mut self, record: Lent<'_>) -> Result<(), TransactionError> {
        let producer = &*self.producer;
        let id = Some(producer.transactional_id.as_bytes());
        let writer = self.writer_headers.wants(record, &producer.topics).then_some((WRITER_HEADER.as_bytes(), id));
        let mut outgoing = base_record(record, writer);
        // This is called for every record: the clock is looked at where it must be only.
        let mut full_since = None;
        loop {
            let Err((error, unsent)) = producer.client.send(outgoing) else { return Ok(()) };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            let bound = *full_since.get_or_insert_with(|| Deadline::after(producer.settings.retry_bound.duration()));
            if !is_full || bound.is_over() {
                return Err(producer.sort_send_error(record, &error));
            }
            outgoing = unsent;
            producer.client.poll(Duration::ZERO);
            bound.pause(DRAIN_PAUSE);
        }
    }

    fn send_offsets(&mut self, offsets: &[OffsetCommit], generation: &KafkaGeneration) -> Result<(), TransactionError> {
        let producer = &*self.producer;
        let call = "send_offsets";
        if offsets.is_empty() {
            return Ok(());
        }
        let list = offset_list(&producer.settings, &producer.topics, offsets)
            .map_err(|error| TransactionError::abortable(call, ClientError::of(&error)))?;
        self.send_list(call, &list, generation)
    }

    /// The client adds the group's offsets to a transaction with an offset only: that of a topic which nobody reads by
    /// them, by nobody of the group.
    fn join_offsets(&mut self) -> Result<(), TransactionError> {
        let call = "join_offsets";
        let settings = &self.producer.settings;
        let nobody = BaseConsumer::from_config_and_context(
            &settings.observer(Isolation::ReadCommitted),
            PlainContext::of(settings),
        )
        .map_err(|error| {
            TransactionError::abortable(call, settings.creation_error("make a client of no group", &error))
        })?;
        let generation = nobody
            .group_metadata()
            .ok_or_else(|| TransactionError::abortable(call, "the client belongs to no group"))?;
        let unread = (self.producer.topics.changelog.to_string(), 0);
        let list = context::list_of(&[unread], rdkafka::Offset::Offset(0))
            .map_err(|error| TransactionError::abortable(call, ClientError::of(&error)))?;
        self.send_list(call, &list, &KafkaGeneration(Arc::new(generation)))
    }

    fn commit(mut self) -> Result<(), TransactionError> {
        let outcome = self.check_written("commit").and_then(|()| self.producer.commit_drained());
        // What can be aborted, the drop aborts.
        self.open = matches!(outcome, Err(TransactionError::Abortable { .. }));
        if let Err(
            error @ (TransactionError::Fenced { .. }
            | TransactionError::Fatal { .. }
            | TransactionError::OutcomeUnknown { .. }),
        ) = &outcome
        {
            self.producer.retired = Some(RetireReason::after(error));
        }
        outcome
    }

    fn abort(mut self) -> Result<(), TransactionError> {
        self.abort_open()
    }
}

impl Drop for KafkaTransaction<'_> {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.abort_open()
        {
            let id = &*self.producer.transactional_id;
            tracing::warn!(error = %Chain(&error), id, "a dropped transaction could not be aborted");
        }
    }
}

/// Without those of partitions that an input doesn't have.
fn offset_list(settings: &KafkaSettings, topics: &Topics, offsets: &[OffsetCommit]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for commit in offsets.iter().filter(|it| settings.has(topics.input(it.input), it.partition)) {
        let mut element = list.add_partition(topics.input(commit.input), commit.partition.0);
        element.set_offset(rdkafka::Offset::Offset(commit.offset))?;
        element.set_metadata(commit.metadata());
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use crate::settings::Period;
    use rdkafka::mocking::{MockCluster, MockCoordinator};

    use super::*;
    use crate::broker::{CommitMetadata, ForwardProgress};
    use crate::domain::{Input, PartitionId};

    /// The coordinator of the group goes away and is not replaced.
    #[test]
    fn a_call_that_never_returns_is_given_up_with_its_producer() {
        let cluster = MockCluster::new(2).expect("a cluster");
        let settings = Arc::new(KafkaSettings {
            bootstrap: cluster.bootstrap_servers(),
            transaction_timeout: Period::of_secs(2),
            call_timeout: Period::of_millis(100),
            retry_bound: Period::of_secs(1),
            ..KafkaSettings::default()
        });
        let topics = Arc::new(Topics::of(&["rekey"], 1));
        cluster.coordinator(MockCoordinator::Transaction("lane".into()), 1).expect("a coordinator");
        cluster.coordinator(MockCoordinator::Group(settings.group_id.clone()), 2).expect("a coordinator");
        let member: BaseConsumer = settings.observer(Isolation::ReadCommitted).create().expect("a consumer");
        let generation = KafkaGeneration(Arc::new(member.group_metadata().expect("of a group")));
        let note = CommitMetadata { transactional_id: "lane".into(), number: 1 };
        let offsets = [OffsetCommit {
            input: Input(0),
            partition: PartitionId(0),
            offset: 1,
            note,
            front: ForwardProgress::default(),
        }];

        let mut producer = KafkaProducer::take(settings, topics, "lane").expect("a producer");
        let mut transaction = producer.begin().expect("begin");
        cluster.broker_down(2).expect("broker 2 goes");
        let outcome = transaction.send_offsets(&offsets, &generation);
        let Err(error @ TransactionError::TimedOut { .. }) = outcome else { panic!("{outcome:?}") };
        assert!(Chain(&error).to_string().contains("left behind"), "{error:?}");
        drop(transaction);
        let Err(TransactionError::Fatal { source, .. }) = producer.begin() else { panic!("its client is busy") };
        assert_eq!(source.to_string(), "send_offsets never returned", "nothing was tried meanwhile");
    }
}
