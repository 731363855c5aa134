//! What the client calls back: its errors, its rebalances, the fate of each record sent.
//!
//! A callback records and returns; it decides nothing, and never panics. Callbacks run on the thread that polls.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::broker::ClientProperties;
use crate::domain::Timestamp;
use crate::record::Offset;

use super::throttle::Throttle;
use super::undelivered::{self, Undelivered};
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// A partition of a topic, by name.
pub(in crate::broker::kafka) type TopicPartition = (String, i32);

/// What the group wants, to be answered outside of the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::kafka) struct Rebalance {
    pub kind: RebalanceKind,
    pub partitions: Vec<TopicPartition>,
    /// Partitions that move are told one by one; else every one is revoked, then the new whole is assigned.
    pub incremental: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker::kafka) enum RebalanceKind {
    Assign,
    /// `lost`: taken away already, others may own them.
    Revoke {
        lost: bool,
    },
}

/// How the client's log calls it, before anything that was on its way is sent again.
const CONNECTION_FAILED: &str = "FAIL";
/// How both its log and its errors tell of a connection that never stood: nothing can have been on its way there.
const NOT_CONNECTED: &str = "Connect to ";

/// What every client of ours counts and logs.
#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct Watch {
    /// Events served, of whatever kind: tells an empty queue from one that held no record.
    served: AtomicU64,
    /// Failures of connections that had stood, and time-outs of requests. Told by the log, where the client was made
    /// with `debug=broker`: its error callback says nothing of a connection that the other side closed, and nothing for
    /// 30 s of a failure that is like the one before.
    transport_failures: AtomicU64,
    /// Never logged, whatever the client says.
    hidden: ClientProperties,
}

impl Watch {
    fn of(settings: &KafkaSettings) -> Self {
        Self { hidden: settings.client.clone(), ..Self::default() }
    }

    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub fn transport_failures(&self) -> u64 {
        self.transport_failures.load(Ordering::Relaxed)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count();
        if facility == CONNECTION_FAILED && !message.contains(NOT_CONNECTED) {
            self.transport_failures.fetch_add(1, Ordering::Relaxed);
        }
        let message = self.hidden.without_values(message);
        // A client that has lost its broker says so at level error, hundreds of times; by itself it mends that.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: &KafkaError, reason: &str) {
        self.count();
        if triage::is_transport(error) {
            self.transport_failures.fetch_add(u64::from(!reason.contains(NOT_CONNECTED)), Ordering::Relaxed);
            tracing::debug!(target: "librdkafka", %error, "{}", self.hidden.without_values(reason));
        } else if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(target: "librdkafka", %error, "{}", self.hidden.without_values(reason));
        }
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

/// Of a client that belongs to no group.
#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct PlainContext {
    pub watch: Watch,
}

impl PlainContext {
    pub fn of(settings: &KafkaSettings) -> Self {
        Self { watch: Watch::of(settings) }
    }
}

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(&error, reason);
    }
}

impl ConsumerContext for PlainContext {}

/// Of a member of the consumer group.
#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct MemberContext {
    pub watch: Watch,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    last_end: AtomicI64,
}

impl MemberContext {
    pub fn of(settings: &KafkaSettings) -> Self {
        Self { watch: Watch::of(settings), ..Self::default() }
    }

    pub fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// The offset of the end that the poll just handed over, where the client told it.
    pub fn last_end(&self) -> Option<Offset> {
        let offset = self.last_end.load(Ordering::Relaxed);
        (offset >= 0).then_some(offset)
    }

    /// From now on the callback answers by itself: the client is being closed, nobody polls any more.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            self.last_end.store(end_offset_in(reason).unwrap_or(-1), Ordering::Relaxed);
        }
        self.watch.error(&error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        self.watch.count();
        let kind = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => RebalanceKind::Assign,
            _ => RebalanceKind::Revoke { lost: consumer.assignment_lost() },
        };
        let rebalance = Rebalance {
            kind,
            partitions: partitions.elements().iter().map(|it| (it.topic().to_owned(), it.partition())).collect(),
            incremental: matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative),
        };
        if self.closing.load(Ordering::Acquire) {
            if let Err(error) = answer(consumer, &rebalance, None) {
                tracing::warn!(%error, "a rebalance while closing could not be answered");
            }
        } else {
            lock(&self.rebalances).push_back(rebalance);
        }
    }
}

/// The wrapper drops the offset of an end; only the client's sentence about it still has it: "… reached end of
/// partition at offset 5 (…)". Without it the end is still known, only markers behind the last record are not counted
/// in.
fn end_offset_in(reason: &str) -> Option<Offset> {
    let (_, rest) = reason.split_once("end of partition at offset ")?;
    rest.split(' ').next()?.parse().ok()
}

/// Tells the group that its wish was carried out. An assigned partition stands at its beginning until the lane says
/// where to start: a look-up of committed offsets would hang on a pending one (decision 9 of the measurements), an
/// offset that the log doesn't hold would stop the partition for good, and a logical one is looked up again behind a
/// seek, 500 ms later, and then moves the reader. `bound`: how long to ask for the beginnings; without one nobody will
/// read.
pub(in crate::broker::kafka) fn answer(
    consumer: &BaseConsumer<MemberContext>,
    rebalance: &Rebalance,
    bound: Option<Duration>,
) -> Result<(), KafkaError> {
    let list = match (rebalance.kind, bound) {
        (RebalanceKind::Assign, Some(bound)) => beginnings(consumer, &rebalance.partitions, bound)?,
        _ => list_of(&rebalance.partitions, rdkafka::Offset::Offset(0))?,
    };
    match (rebalance.kind, rebalance.incremental) {
        (RebalanceKind::Assign, false) => consumer.assign(&list),
        (RebalanceKind::Assign, true) => consumer.incremental_assign(&list),
        (RebalanceKind::Revoke { .. }, false) => consumer.unassign(),
        (RebalanceKind::Revoke { .. }, true) => consumer.incremental_unassign(&list),
    }
}

/// Partitions with their first offsets, asked for all at once; 0 where that isn't told in time.
pub(in crate::broker::kafka) fn beginnings(
    consumer: &BaseConsumer<MemberContext>,
    partitions: &[TopicPartition],
    bound: Duration,
) -> Result<TopicPartitionList, KafkaError> {
    if partitions.is_empty() {
        return list_of(partitions, rdkafka::Offset::Offset(0));
    }
    // The client passes a logical offset on as what the broker takes for the beginning.
    let told = consumer.offsets_for_times(list_of(partitions, rdkafka::Offset::Beginning)?, bound);
    if let Err(error) = &told {
        tracing::warn!(%error, "the beginnings of the assigned partitions are not told");
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        let element = told.as_ref().ok().and_then(|told| told.find_partition(topic, *partition));
        let offset = match element.filter(|it| it.error().is_ok()).map(|it| it.offset()) {
            Some(offset @ rdkafka::Offset::Offset(_)) => offset,
            _ => rdkafka::Offset::Offset(0),
        };
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

pub(in crate::broker::kafka) fn list_of(
    partitions: &[TopicPartition],
    offset: rdkafka::Offset,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

/// Of a producer.
#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct ProducerWatch {
    pub watch: Watch,
    failures: AtomicU64,
    first_failure: Mutex<Option<Undelivered>>,
    throttle: Throttle,
    /// The topics of those that were not written.
    failed_topics: Mutex<BTreeSet<String>>,
    last_written: AtomicI64,
    /// 0: it was not told.
    last_appended_ms: AtomicI64,
}

impl ProducerWatch {
    pub fn of(settings: &KafkaSettings) -> Self {
        Self { watch: Watch::of(settings), ..Self::default() }
    }

    /// Records that were not written since this was asked last, and why the first of them wasn't.
    pub fn take_failures(&self) -> Option<(u64, Undelivered)> {
        match self.failures.swap(0, Ordering::Relaxed) {
            0 => None,
            count => Some((count, lock(&self.first_failure).take().unwrap_or_default())),
        }
    }
}

impl ProducerWatch {
    /// The topics of records that were not written since this was asked last, if no other cause than a missing right is
    /// known.
    pub fn take_unexplained(&self) -> BTreeSet<String> {
        let topics = std::mem::take(&mut *lock(&self.failed_topics));
        if lock(&self.first_failure).as_ref().is_none_or(|first| first.is_purged || first.is_denied) {
            topics
        } else {
            BTreeSet::new()
        }
    }

    /// The offset of the record that was acknowledged last.
    pub fn last_written(&self) -> Offset {
        self.last_written.load(Ordering::Relaxed)
    }

    /// For how long the broker lately kept from answering, because more was sent than a quota lets through.
    pub fn throttled(&self) -> Option<Duration> {
        self.throttle.lately()
    }

    /// The time at which the broker appended it, by its own clock.
    pub fn last_appended(&self) -> Option<Timestamp> {
        let ms = self.last_appended_ms.load(Ordering::Relaxed);
        (ms > 0).then_some(Timestamp::of_millis(ms))
    }
}

impl ClientContext for ProducerWatch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.watch.count();
        self.throttle.read(statistics);
    }
}

impl ProducerContext<NoCustomPartitioner> for ProducerWatch {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.watch.count();
        match result {
            Ok(message) => {
                self.last_written.store(message.offset(), Ordering::Relaxed);
                let appended = match message.timestamp() {
                    rdkafka::Timestamp::LogAppendTime(ms) => ms,
                    rdkafka::Timestamp::CreateTime(_) | rdkafka::Timestamp::NotAvailable => 0,
                };
                self.last_appended_ms.store(appended, Ordering::Relaxed);
            }
            Err((error, message)) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let mut topics = lock(&self.failed_topics);
                if !topics.contains(message.topic()) {
                    topics.insert(message.topic().to_owned());
                }
                let mut first = lock(&self.first_failure);
                // What was thrown away on account of another failure is not the cause.
                if first.as_ref().is_none_or(|first| first.is_purged && !undelivered::is_purged(error)) {
                    *first = Some(Undelivered::by_broker(message, error));
                }
            }
        }
    }
}

/// A callback that panicked while it held the lock has left nothing half-done.
pub(in crate::broker::kafka) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_failed_is_counted_however_quietly_it_is_told() {
        let watch = Watch::default();
        watch.log(RDKafkaLogLevel::Debug, "CONNECT", "Connecting to ipv4#127.0.0.1:9092");
        assert_eq!(watch.transport_failures(), 0);
        watch.log(RDKafkaLogLevel::Debug, "FAIL", "Disconnected (identical to last error: error log suppressed)");
        assert_eq!((watch.transport_failures(), watch.served()), (1, 2));
        let refused =
            "127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)";
        watch.log(RDKafkaLogLevel::Error, "FAIL", refused);
        watch.error(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), refused);
        assert_eq!(watch.transport_failures(), 1, "it never stood");
        watch.error(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(watch.transport_failures(), 2);
    }

    #[test]
    fn the_offset_of_an_end_is_read_from_what_the_client_says() {
        let cases = [
            ("Fetch from broker 1 reached end of partition at offset 5 (HighwaterMark 7)", Some(5)),
            ("Fetch from broker 1 reached end of partition", None),
            ("reached end of partition at offset ? (HighwaterMark 7)", None),
        ];
        for (reason, offset) in cases {
            assert_eq!(end_offset_in(reason), offset, "{reason}");
        }
    }
}
