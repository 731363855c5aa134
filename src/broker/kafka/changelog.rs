//! Reads one partition of the changelog, or of any log, from its start to an end fixed at the opening.
//!
//! The end is the high watermark as a read_uncommitted client sees it: to a read_committed one the log seems to end at
//! the first open transaction, without a hint. So whoever may have one open is fenced first, and the end of the partition
//! counts only at or past that watermark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;

use crate::broker::{BrokerError, ChangelogReader, ChangelogRecord, ErrorClass, ReadProgress};
use crate::domain::PartitionId;
use crate::record::Offset;

use super::context::PlainContext;
use super::offsets::Observers;
use super::settings::{Isolation, KafkaSettings};
use super::triage;

/// A read hands over at most that many records.
const RECORDS_A_READ: usize = 10_000;

pub struct KafkaChangelog {
    client: BaseConsumer<PlainContext>,
    settings: Arc<KafkaSettings>,
    observers: Arc<Observers>,
    topic: Arc<str>,
    partition: PartitionId,
    /// The next offset of which nothing is known yet.
    next: Offset,
    end: Offset,
    done: bool,
    last_progress: Instant,
}

impl KafkaChangelog {
    pub(super) fn open(
        settings: Arc<KafkaSettings>,
        observers: Arc<Observers>,
        topic: Arc<str>,
        partition: PartitionId,
    ) -> Result<Self, BrokerError> {
        let marks = observers.watermarks(&settings, &topic, partition, Isolation::Uncommitted)?;
        let failed = |error: KafkaError| {
            triage::client_error(format_args!("open partition {partition} of {topic} for reading"), &error)
        };
        let client: BaseConsumer<PlainContext> =
            BaseConsumer::from_config_and_context(&settings.reader(Isolation::Committed), PlainContext::default())
                .map_err(failed)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&topic, partition.0, rdkafka::Offset::Offset(marks.low)).map_err(failed)?;
        client.assign(&list).map_err(failed)?;
        Ok(Self {
            client,
            settings,
            observers,
            topic,
            partition,
            next: marks.low,
            end: marks.high,
            done: marks.low >= marks.high,
            last_progress: Instant::now(),
        })
    }

    /// Where the client stands: past markers and aborted records too, which `next` knows nothing of.
    fn position(&self) -> Option<Offset> {
        let positions = self.client.position().ok()?;
        match positions.find_partition(&self.topic, self.partition.0)?.offset() {
            rdkafka::Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    fn what(&self) -> String {
        format!("read partition {} of {} to {}", self.partition, self.topic, self.end)
    }

    fn no_progress(&self) -> BrokerError {
        let cause = match self.observers.watermarks(&self.settings, &self.topic, self.partition, Isolation::Committed) {
            Err(error) => format!("the broker gives no answer ({error})"),
            Ok(marks) if marks.high < self.end => format!(
                "an open transaction hides what comes after offset {}; it ends when its producer is fenced, or times \
                     out",
                marks.high
            ),
            Ok(marks) => format!("nothing came at {} although the log reaches {}", self.next, marks.high),
        };
        BrokerError::NoProgress { what: self.what(), waited: self.last_progress.elapsed(), cause }
    }

    /// One step of the client; says whether it brought a record.
    fn step(&mut self, wait: Duration, each: &mut dyn FnMut(ChangelogRecord<'_>)) -> Result<bool, BrokerError> {
        match self.client.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => {
                self.next = message.offset() + 1;
                if message.offset() < self.end {
                    each(ChangelogRecord { key: message.key().unwrap_or_default(), value: message.payload() });
                }
                self.done = self.next >= self.end;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let position = self.position().unwrap_or(self.next);
                self.next = self.next.max(position);
                self.done = self.next >= self.end;
                return Ok(false);
            }
            Some(Err(error)) if triage::of_client(&error) == ErrorClass::Fatal => {
                return Err(triage::client_error(self.what(), &error));
            }
            Some(Err(_)) => return Ok(false),
        }
        Ok(true)
    }
}

impl ChangelogReader for KafkaChangelog {
    fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(ChangelogRecord<'_>),
    ) -> Result<ReadProgress, BrokerError> {
        let deadline = Instant::now() + timeout;
        let before = self.next;
        let mut read = 0;
        while !self.done && read < RECORDS_A_READ {
            // Waits for the first record only; what has come with it is taken along.
            let wait = if read == 0 { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            if self.step(wait, each)? {
                read += 1;
            } else if read > 0 || Instant::now() >= deadline {
                break;
            }
        }
        if self.next > before || self.done {
            self.last_progress = Instant::now();
        } else if self.last_progress.elapsed() > self.settings.no_progress_bound {
            return Err(self.no_progress());
        }
        let remaining = if self.done { 0 } else { self.end.saturating_sub(self.next).unsigned_abs() };
        Ok(ReadProgress { done: self.done, remaining })
    }
}
