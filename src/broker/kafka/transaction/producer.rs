//! A transactional producer over the client's: one id, one open transaction, every error sorted once.
//!
//! The order within a commit, and why:
//! 1. drain, before the offsets and again before the commit: until every record is acknowledged (the client's own flush
//!    would cost 100 ms);
//! 2. no record may have failed;
//! 3. commit, the same call again while it is retriable and within the bound;
//! 4. if a connection failed between 3's first call and its return, the outcome is unknown even when the call says Ok: a
//!    commit still on its way could end a part of the *next* transaction. Only a new producer (a new epoch) is safe;
//! 5. if one failed at any other time, offsets still on their way could replace those of the next transaction, and a lone
//!    broker that stopped may have ended the last one without its markers: the outcome stands, but the next transaction is a
//!    new producer's.
//!
//! Must not know: what is written, or what memory makes of an error.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::broker::rights::{Lacking, Operation, Right};
use crate::broker::{BrokerError, ErrorClass, OffsetCommit, Producer, Topics, Transaction, TransactionError};
use crate::record::Lent;

use super::failure::{Failure, Refusal, right};
use super::writers::{WRITER_HEADER, WriterHeaders};
use crate::broker::Isolation;
use crate::broker::kafka::admin::record_limit;
use crate::broker::kafka::client::context::{self, PlainContext, ProducerWatch};
use crate::broker::kafka::client::detached_call;
use crate::broker::kafka::client::outgoing::base_record;
use crate::broker::kafka::client::undelivered::Undelivered;
use crate::broker::kafka::deadline::Deadline;
use crate::broker::kafka::group::source::KafkaGeneration;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// Between two looks at how many records are unacknowledged. Waiting inside of the client spins for up to 1 ms instead.
const DRAIN_PAUSE: Duration = Duration::from_micros(200);
/// An abort first lets what is on its way arrive: a purge of it costs the next transaction up to 2 s.
const ABORT_DRAIN_BOUND: Duration = Duration::from_millis(500);

pub struct KafkaProducer {
    client: Arc<BaseProducer<ProducerWatch>>,
    transactional_id: Arc<str>,
    settings: Arc<KafkaSettings>,
    topics: Arc<Topics>,
    /// Why this producer must not begin another transaction.
    unsafe_since: Option<String>,
    /// Connections that had failed when the id was taken.
    failures: u64,
}

impl KafkaProducer {
    /// Takes the id: returns when its earlier holder is fenced and what that had open is aborted. Retriable: another takes it
    /// at the same time.
    pub(in crate::broker::kafka) fn take(
        settings: Arc<KafkaSettings>,
        topics: Arc<Topics>,
        transactional_id: &str,
    ) -> Result<Self, BrokerError> {
        let what = || format!("take transactional id {transactional_id}");
        let client = BaseProducer::from_config_and_context(
            &settings.transactional(transactional_id),
            ProducerWatch::of(&settings),
        )
        .map_err(|error| settings.creation_error(what(), &error))?;
        let client = Arc::new(client);
        let transactional_id = transactional_id.into();
        let mut producer = Self { client, transactional_id, settings, topics, unsafe_since: None, failures: 0 };
        let bound = Deadline::after(producer.settings.retry_bound);
        loop {
            let Err(error) = producer.client.init_transactions(producer.settings.call_timeout) else {
                producer.failures = producer.transport_failures();
                return Ok(producer);
            };
            producer.serve();
            if let Some(denied) = triage::denied(&error) {
                let lacking = producer.settings.lacking(vec![right(
                    denied,
                    &producer.transactional_id,
                    &producer.settings.group_id,
                )]);
                return Err(BrokerError::Denied { what: what(), lacking });
            }
            if triage::of_transaction(&error) != ErrorClass::Retriable {
                let class = if triage::is_fenced(&error) { ErrorClass::Retriable } else { ErrorClass::Fatal };
                let (what, reason) = (what(), error.to_string());
                return Err(BrokerError::Client { what, reason, class });
            }
            if bound.is_over() {
                let (what, waited, cause) = (what(), bound.elapsed(), error.to_string());
                return Err(BrokerError::NoProgress { what, waited, cause });
            }
            bound.pause(producer.settings.retry_pause);
        }
    }

    fn serve(&self) {
        serve(&self.client);
    }

    /// Until every record is acknowledged or given up. Says whether that came about within the bound.
    fn drain(&self, bound: Duration) -> bool {
        let bound = Deadline::after(bound);
        loop {
            self.client.poll(Duration::ZERO);
            if self.client.in_flight_count() == 0 {
                return true;
            }
            if bound.is_over() {
                return false;
            }
            bound.pause(DRAIN_PAUSE);
        }
    }

    fn transport_failures(&self) -> u64 {
        self.serve();
        self.client.context().watch.transport_failures()
    }

    /// The same call again while it is retriable and within the bound.
    fn insist<R: Into<Refusal>>(
        &self,
        call: &'static str,
        mut attempt: impl FnMut() -> Result<(), R>,
    ) -> Result<(), Failure> {
        let bound = Deadline::after(self.settings.retry_bound);
        for attempts in 1.. {
            let one = Deadline::after(2 * self.settings.call_timeout.duration());
            let outcome = attempt();
            if one.is_over() {
                tracing::warn!(call, took = ?one.elapsed(), id = &*self.transactional_id, "the client overran its time-out");
            }
            self.serve();
            let Err(refusal) = outcome else { break };
            let Refusal { class, reason, denied } = refusal.into();
            if let Some(denied) = denied {
                let right = right(denied, &self.transactional_id, &self.settings.group_id);
                let lacking = self.denied_topics().unwrap_or_else(|| self.settings.lacking(vec![right]));
                let denied = Some(Box::new(lacking));
                return Err(Failure { call, class, attempts, took: bound.elapsed(), reason, denied });
            }
            if class != ErrorClass::Retriable || bound.is_over() {
                return Err(Failure { call, class, attempts, took: bound.elapsed(), reason, denied: None });
            }
            tracing::debug!(call, reason, id = &*self.transactional_id, "again");
            bound.pause(self.settings.retry_pause);
        }
        Ok(())
    }

    /// The client's time-out for this call holds for none of its waits, and a broker that left the cluster while
    /// the call waits for it makes that last for minutes (librdkafka's issues 5456 and 5511). The transaction is lost by then:
    /// the broker aborts it when its time has passed.
    fn try_send_list(
        &self,
        list: &TopicPartitionList,
        generation: &KafkaGeneration,
        hangs: &mut bool,
    ) -> Result<(), Refusal> {
        let (list, generation, timeout) = (list.clone(), generation.0.clone(), self.settings.call_timeout);
        let (client, tended) = (self.client.clone(), self.client.clone());
        let send = move || client.send_offsets_to_transaction(&list, &generation, timeout);
        let bound = self.settings.transaction_timeout;
        match detached_call::call(bound.duration(), send, move || serve(&tended)) {
            Ok(Some(outcome)) => Ok(outcome?),
            Ok(None) => {
                *hangs = true;
                let reason = format!("the client did not return in {bound:?}; it is left behind");
                Err(Refusal { class: ErrorClass::Fatal, reason, denied: None })
            }
            Err(error) => Err(Refusal {
                class: ErrorClass::Abortable,
                reason: format!("no thread to call the client on: {error}"),
                denied: None,
            }),
        }
    }

    fn abort(&self) -> Result<(), TransactionError> {
        let call = "abort";
        let failures = self.transport_failures();
        if let Some((_, reason)) = self.client.client().fatal_error() {
            return Err(TransactionError::Fatal { call, reason });
        }
        self.drain(ABORT_DRAIN_BOUND);
        self.insist(call, || self.client.abort_transaction(self.settings.call_timeout))?;
        // What failed with it is none of the next transaction's.
        self.drain(ABORT_DRAIN_BOUND);
        self.client.context().take_failures();
        if self.transport_failures() != failures {
            // As with a commit: an abort still on its way could end a part of the next transaction.
            return Err(TransactionError::Fatal { call, reason: "a connection failed during the abort".into() });
        }
        Ok(())
    }

    /// Commits what is drained. The outcome as such; whether anything may go on is `commit`'s to say.
    fn commit_drained(&self) -> Result<(), TransactionError> {
        let call = "commit";
        let failures = self.transport_failures();
        let outcome = self.insist(call, || self.client.commit_transaction(self.settings.call_timeout));
        let unknown = |reason: String| Err(TransactionError::OutcomeUnknown { call, reason });
        if self.transport_failures() != failures {
            let told = outcome.map_or_else(|failure| failure.reason, |()| "the client says it was committed".into());
            return unknown(format!("a connection failed during the commit; {told}"));
        }
        match outcome {
            // The bound has passed, or an earlier attempt may have got through.
            Err(failure @ Failure { class: ErrorClass::Retriable, .. }) => unknown(failure.reason),
            Err(failure @ Failure { class: ErrorClass::Fatal, .. }) if failure.attempts > 1 => unknown(failure.reason),
            outcome => Ok(outcome?),
        }
    }

    /// Why what was sent can't be committed, if any of it wasn't written.
    fn check_written(&self, call: &'static str) -> Result<(), TransactionError> {
        if !self.drain(self.settings.transaction_timeout.duration()) {
            let unsent = self.client.in_flight_count();
            let throttled = self.client.context().throttled();
            let quota = throttled.map_or_else(String::new, |throttled| {
                format!("; the broker throttles this client by {throttled:?} (a quota on what it may write)")
            });
            let waited = self.settings.transaction_timeout;
            let reason = format!("{unsent} records unacknowledged after {waited:?}{quota}");
            return Err(TransactionError::TimedOut { call, reason, wait: throttled.unwrap_or_default() });
        }
        let denied = self.denied_topics();
        let Some((count, first)) = self.client.context().take_failures() else { return Ok(()) };
        if let Some(lacking) = denied {
            return Err(TransactionError::Denied { call, lacking });
        }
        let reason =
            format!("{count} records were not written, the first: {}", record_limit::explain(first, &self.settings));
        Err(match self.client.client().fatal_error() {
            Some((_, fatal)) => TransactionError::Fatal { call, reason: format!("{fatal}; {reason}") },
            None => TransactionError::Abortable { call, reason },
        })
    }

    /// The rights for want of which records were not written: the client may throw them away without saying why.
    fn denied_topics(&self) -> Option<Lacking> {
        let failed = self.client.context().take_unexplained();
        let needed: Vec<_> = failed.iter().map(|topic| Right::on_topic(Operation::Write, topic)).collect();
        match crate::broker::kafka::admin::rights::lacking(self.client.client(), &self.settings, &needed) {
            Ok(lacking) => lacking,
            Err(error) => {
                tracing::debug!(%error, "the broker doesn't say what is allowed");
                None
            }
        }
    }

    /// An error that came without a verdict, as `send` gives it: fatal if the client is done for, else abortable.
    fn sort_send_error(&self, record: Lent<'_>, error: &KafkaError) -> TransactionError {
        let call = "send";
        if let Some(lacking) = self.denied_topics() {
            return TransactionError::Denied { call, lacking };
        }
        match self.client.client().fatal_error() {
            Some((_, reason)) => TransactionError::Fatal { call, reason },
            None => {
                let reason = Undelivered::by_client(record, error, self.settings.max_message.bytes()).to_string();
                TransactionError::Abortable { call, reason }
            }
        }
    }

    /// Gives up what is open without a word to the broker, which would have to wait for what it doesn't take: whoever takes the
    /// id next ends it.
    fn leave(&mut self, error: &TransactionError) {
        self.unsafe_since = Some(format!("after {error}"));
    }
}

impl Producer for KafkaProducer {
    type Generation = KafkaGeneration;
    type Transaction<'a> = KafkaTransaction<'a>;

    fn begin(&mut self) -> Result<KafkaTransaction<'_>, TransactionError> {
        let call = "begin";
        if let Some(reason) = &self.unsafe_since {
            return Err(TransactionError::Fatal { call, reason: reason.clone() });
        }
        if self.transport_failures() != self.failures {
            let reason = "a connection has failed since the transactional id was taken".to_owned();
            return Err(TransactionError::Fatal { call, reason });
        }
        // Whatever it is: nothing is open that could be aborted.
        self.insist(call, || self.client.begin_transaction())
            .map_err(|failure| TransactionError::Fatal { call, reason: failure.reason })?;
        Ok(KafkaTransaction { producer: self, open: true, writer_headers: WriterHeaders::default() })
    }
}

/// Serves what the client has for us; it hands over one event a call.
fn serve(client: &BaseProducer<ProducerWatch>) {
    let watch = &client.context().watch;
    loop {
        let served = watch.served();
        client.poll(Duration::ZERO);
        if watch.served() == served {
            return;
        }
    }
}

pub struct KafkaTransaction<'a> {
    producer: &'a mut KafkaProducer,
    open: bool,
    writer_headers: WriterHeaders,
}

impl KafkaTransaction<'_> {
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
            self.producer.unsafe_since = Some(format!("{call} never returned"));
        }
        Ok(outcome?)
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
            self.producer.unsafe_since = Some(format!("after {error}"));
        }
        aborted
    }
}

impl Transaction for KafkaTransaction<'_> {
    type Generation = KafkaGeneration;

    fn lend(&mut self, record: Lent<'_>) -> Result<(), TransactionError> {
        let producer = &*self.producer;
        let id = Some(producer.transactional_id.as_bytes());
        let writer = self.writer_headers.wants(record, &producer.topics).then_some((WRITER_HEADER.as_bytes(), id));
        let mut outgoing = base_record(record, writer);
        // This is called for every record: the clock is looked at where it must be only.
        let mut full_since = None;
        loop {
            let Err((error, unsent)) = producer.client.send(outgoing) else { return Ok(()) };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            let bound = *full_since.get_or_insert_with(|| Deadline::after(producer.settings.retry_bound));
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
            .map_err(|error| TransactionError::Abortable { call, reason: error.to_string() })?;
        self.send_list(call, &list, generation)
    }

    /// The client adds the group's offsets to a transaction with an offset only: that of a topic which nobody reads by them,
    /// by nobody of the group.
    fn join_offsets(&mut self) -> Result<(), TransactionError> {
        let call = "join_offsets";
        let settings = &self.producer.settings;
        let nobody = BaseConsumer::from_config_and_context(
            &settings.observer(Isolation::ReadCommitted),
            PlainContext::of(settings),
        )
        .map_err(|error| {
            let reason = settings.creation_error("make a client of no group", &error).to_string();
            TransactionError::Abortable { call, reason }
        })?;
        let generation = nobody
            .group_metadata()
            .ok_or_else(|| TransactionError::Abortable { call, reason: "the client belongs to no group".into() })?;
        let unread = (self.producer.topics.changelog.to_string(), 0);
        let list = context::list_of(&[unread], rdkafka::Offset::Offset(0))
            .map_err(|error| TransactionError::Abortable { call, reason: error.to_string() })?;
        self.send_list(call, &list, &KafkaGeneration(Arc::new(generation)))
    }

    fn commit(mut self) -> Result<(), TransactionError> {
        let outcome = self.check_written("commit").and_then(|()| self.producer.commit_drained());
        // What can be aborted, the drop aborts.
        self.open = matches!(outcome, Err(TransactionError::Abortable { .. }));
        if let Err(error @ (TransactionError::Fatal { .. } | TransactionError::OutcomeUnknown { .. })) = &outcome {
            self.producer.unsafe_since = Some(format!("after {error}"));
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
            tracing::warn!(%error, id = &*self.producer.transactional_id, "a dropped transaction could not be aborted");
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
        let is_left = matches!(&outcome, Err(TransactionError::Fatal { reason, .. }) if reason.contains("left behind"));
        assert!(is_left, "{outcome:?}");
        drop(transaction);
        let Err(TransactionError::Fatal { reason, .. }) = producer.begin() else { panic!("its client is busy") };
        assert_eq!(reason, "send_offsets never returned", "nothing was tried meanwhile");
    }
}
