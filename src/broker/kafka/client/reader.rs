//! Reads one partition of a log from its start to an end fixed at the opening.
//!
//! Of the changelog, the end is the high watermark as a read_uncommitted client sees it: to a read_committed one the
//! log seems to end at the first open transaction, without a hint. So whoever may have one open is fenced first, and
//! the end of the partition counts only at or past that watermark.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::broker::{BrokerError, ChangelogReader, ChangelogRecord, ErrorClass, ReadProgress};
use crate::chain::Chain;
use crate::domain::PartitionId;
use crate::record::Offset;

use super::context::PlainContext;
use super::observers::Observers;
use crate::broker::Isolation;
use crate::broker::kafka::deadline::Deadline;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// A read hands over at most that many records.
const RECORDS_A_READ: usize = 10_000;

/// Reads the changelog: what is committed, up to an end that an open transaction must not hide.
pub struct KafkaChangelog(LogReader);

impl KafkaChangelog {
    pub(in crate::broker::kafka) fn open(
        settings: Arc<KafkaSettings>,
        observers: Arc<Observers>,
        topic: Arc<str>,
        partition: PartitionId,
    ) -> Result<Self, BrokerError> {
        let whole = Span::whole(&settings, &observers, &topic, partition, Isolation::ReadUncommitted)?;
        LogReader::open(settings, observers, topic, partition, Isolation::ReadCommitted, whole).map(Self)
    }
}

impl ChangelogReader for KafkaChangelog {
    fn extend(&mut self) -> Result<(), BrokerError> {
        self.0.extend()
    }

    fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(ChangelogRecord<'_>) -> ControlFlow<()>,
    ) -> Result<ReadProgress, BrokerError> {
        self.0.read(timeout, &mut |message| {
            each(ChangelogRecord { key: message.key().unwrap_or_default(), value: message.payload() })
        })
    }
}

/// Is handed each message, and may break the reading off.
pub(in crate::broker::kafka) type EachMessage<'a> = dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()> + 'a;

/// What one poll of the client brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Record,
    /// A record after which no more is wanted.
    BrokenOff,
    Nothing,
}

/// From the first offset to before the end.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker::kafka) struct Span {
    pub from: Offset,
    pub end: Offset,
}

impl Span {
    /// All of a log, to the end that `to` sees now.
    pub fn whole(
        settings: &KafkaSettings,
        observers: &Observers,
        topic: &str,
        partition: PartitionId,
        to: Isolation,
    ) -> Result<Self, BrokerError> {
        let marks = observers.watermarks(settings, topic, partition, to)?;
        Ok(Self { from: marks.low, end: marks.high })
    }
}

pub(in crate::broker::kafka) struct LogReader {
    client: BaseConsumer<PlainContext>,
    settings: Arc<KafkaSettings>,
    observers: Arc<Observers>,
    topic: Arc<str>,
    partition: PartitionId,
    /// The next offset of which nothing is known yet.
    next: Offset,
    end: Offset,
    done: bool,
    progress: Deadline,
}

impl LogReader {
    /// `shown` is what is handed over of the span.
    pub fn open(
        settings: Arc<KafkaSettings>,
        observers: Arc<Observers>,
        topic: Arc<str>,
        partition: PartitionId,
        shown: Isolation,
        span: Span,
    ) -> Result<Self, BrokerError> {
        let failed = |error: KafkaError| {
            settings.creation_error(format_args!("open partition {partition} of {topic} for reading"), &error)
        };
        let client: BaseConsumer<PlainContext> =
            BaseConsumer::from_config_and_context(&settings.reader(shown), PlainContext::of(&settings))
                .map_err(failed)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&topic, partition.0, rdkafka::Offset::Offset(span.from)).map_err(failed)?;
        client.assign(&list).map_err(failed)?;
        Ok(Self {
            client,
            progress: Deadline::after(settings.no_progress_bound),
            settings,
            observers,
            topic,
            partition,
            next: span.from,
            end: span.end,
            done: span.from >= span.end,
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
        let cause = match self.observers.watermarks(
            &self.settings,
            &self.topic,
            self.partition,
            Isolation::ReadCommitted,
        ) {
            Err(error) => format!("the broker gives no answer ({})", Chain(&error)),
            Ok(marks) if marks.high < self.end => format!(
                "an open transaction hides what comes after offset {}; it ends when its producer is fenced, or times \
                     out",
                marks.high
            ),
            Ok(marks) => format!("nothing came at {} although the log reaches {}", self.next, marks.high),
        };
        BrokerError::NoProgress { what: self.what(), waited: self.progress.elapsed(), source: cause.into() }
    }

    /// One step of the client.
    fn step(&mut self, wait: Duration, each: &mut EachMessage<'_>) -> Result<Step, BrokerError> {
        match self.client.poll(wait) {
            None => Ok(Step::Nothing),
            Some(Ok(message)) => {
                self.next = message.offset() + 1;
                let flow = if message.offset() < self.end { each(&message) } else { ControlFlow::Continue(()) };
                self.done = self.next >= self.end;
                Ok(if flow.is_break() { Step::BrokenOff } else { Step::Record })
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let position = self.position().unwrap_or(self.next);
                self.next = self.next.max(position);
                self.done = self.next >= self.end;
                Ok(Step::Nothing)
            }
            Some(Err(error)) if triage::is_out_of_range(&error) => Err(BrokerError::Truncated { what: self.what() }),
            Some(Err(error)) if triage::of_client(&error) == ErrorClass::Fatal => {
                Err(triage::client_error(self.what(), &error))
            }
            Some(Err(_)) => Ok(Step::Nothing),
        }
    }

    /// Moves the end to where the log ends now, as a read_uncommitted client sees it.
    fn extend(&mut self) -> Result<(), BrokerError> {
        let marks =
            self.observers.watermarks(&self.settings, &self.topic, self.partition, Isolation::ReadUncommitted)?;
        self.end = marks.high;
        self.done = self.next >= self.end;
        self.progress = Deadline::after(self.settings.no_progress_bound);
        Ok(())
    }

    /// Hands over the next records of the span, until `each` breaks it off.
    pub fn read(&mut self, timeout: Duration, each: &mut EachMessage<'_>) -> Result<ReadProgress, BrokerError> {
        let bound = Deadline::after(timeout);
        let before = self.next;
        let mut read = 0;
        while !self.done && read < RECORDS_A_READ {
            // Waits for the first record only; what has come with it is taken along.
            let wait = if read == 0 { bound.left() } else { Duration::ZERO };
            match self.step(wait, each)? {
                Step::Record => read += 1,
                Step::BrokenOff => break,
                Step::Nothing if read > 0 || bound.is_over() => break,
                Step::Nothing => {}
            }
        }
        if self.next > before || self.done {
            self.progress = Deadline::after(self.settings.no_progress_bound);
        } else if self.progress.is_over() {
            return Err(self.no_progress());
        }
        // What is left may hold no record at all: only the client knows when the end is reached.
        let remaining = self.end.saturating_sub(self.next).unsigned_abs();
        Ok(if self.done { ReadProgress::Done } else { ReadProgress::Remaining(remaining) })
    }
}
