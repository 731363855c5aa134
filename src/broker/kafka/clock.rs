//! The broker's time, and touches of compacted logs: records of nobody's, beside all transactions.
//!
//! On a topic with `message.timestamp.type=LogAppendTime` the report of a record's delivery tells the clock of the
//! partition's leader. On another one the marker of a commit bears it, and is found as what has the latest time of all,
//! if nothing in the log is stamped later: so changelog records are stamped `max_skew` early (see `serving`), and an
//! answer that is older than what was just written is none.

use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::{BrokerError, BrokerTime, ErrorClass, Producer as _, Topics, Transaction as _};
use crate::domain::{PartitionId, Timestamp};
use crate::record::Offset;

use super::client::observers::Observers;
use super::deadline::Deadline;
use super::native;
use super::plain_producer::PlainProducer;
use super::settings::KafkaSettings;
use super::transaction::producer::KafkaProducer;

/// Before any clock: the stamp where nothing in a log has one yet.
const EARLY: i64 = 1;

/// Writes touches. Makes its client when it is first needed; one that failed isn't used again.
#[derive(Default)]
pub(super) struct SegmentRoller(Mutex<Option<PlainProducer>>);

impl SegmentRoller {
    fn with<T>(
        &self,
        settings: &KafkaSettings,
        work: impl FnOnce(&PlainProducer) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let producer = match held.take() {
            Some(producer) => producer,
            None => PlainProducer::new(settings.clone())?,
        };
        let done = work(&producer)?;
        *held = Some(producer);
        Ok(done)
    }

    /// See [`crate::broker::Broker::time`].
    pub fn time(
        &self,
        settings: &Arc<KafkaSettings>,
        topics: &Arc<Topics>,
        partition: PartitionId,
    ) -> Result<BrokerTime, BrokerError> {
        self.with(settings, |producer| {
            let latest = || {
                native::latest_time(producer.client(), &topics.changelog, partition.0, settings.call_timeout.duration())
            };
            // Never later than what is there, or it would pass for the latest itself.
            let stamp = latest().map_or(EARLY, |(_, time)| time.max(EARLY));
            let offset = producer.write(&topics.touch(&topics.changelog, partition, Some(stamp)).into())?;
            if let Some(at) = producer.last_appended() {
                return Ok(BrokerTime::At(at));
            }
            write_marker(settings, topics, partition, stamp)?;
            of_marker(latest, offset, settings)
        })
    }

    /// See [`crate::broker::Broker::touch`].
    pub fn touch(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        observers: &Observers,
        partition: PartitionId,
    ) -> Result<(), BrokerError> {
        let mut outputs = Vec::new();
        for topic in topics.compacted_outputs() {
            outputs.push((topic, observers.partitions(settings, topic)?));
        }
        self.with(settings, |producer| {
            producer.send(&topics.touch(&topics.changelog, partition, None).into())?;
            for &(topic, count) in &outputs {
                for place in topics.touched_by(partition, count) {
                    producer.send(&topics.touch(topic, place, None).into())?;
                }
            }
            producer.flush()
        })
    }
}

/// Commits next to nothing, under an id of its own, so that a marker is written.
fn write_marker(
    settings: &Arc<KafkaSettings>,
    topics: &Arc<Topics>,
    partition: PartitionId,
    stamp: i64,
) -> Result<(), BrokerError> {
    let id = format!("{}-clock-{partition}", settings.group_id);
    let mut producer = KafkaProducer::take(settings.clone(), topics.clone(), &id)?;
    let written = producer.begin().and_then(|mut transaction| {
        transaction.send(topics.touch(&topics.changelog, partition, Some(stamp)))?;
        transaction.commit()
    });
    let what = "write a marker, to learn the broker's time";
    written.map_err(|error| BrokerError::client(what, ErrorClass::Retriable, error))
}

/// The time of a marker behind `offset`. It is appended a little after its commit has returned.
fn of_marker(
    latest: impl Fn() -> Result<(Offset, i64), native::Failure>,
    offset: Offset,
    settings: &KafkaSettings,
) -> Result<BrokerTime, BrokerError> {
    let bound = Deadline::after(settings.call_timeout);
    loop {
        match latest() {
            Ok((at, time)) if at > offset => return Ok(BrokerTime::At(Timestamp::of_millis(time))),
            Ok(_) if !bound.is_over() => bound.pause(settings.retry_pause),
            Ok(_) => return Ok(BrokerTime::Untold("records of its changelog are stamped later than its clock".into())),
            Err(reason) => {
                return Ok(BrokerTime::Untold(format!("it doesn't say what its changelog has last: {reason}")));
            }
        }
    }
}
