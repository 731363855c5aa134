//! Who has something open in a partition: whom a new owner must fence, and nobody else.
//!
//! The client can't ask the broker for it, so each transaction signs itself: the first record that it writes to a
//! changelog partition carries its id as a header, and it is acknowledged before the transaction's offsets are sent. So
//! whatever is open or pending in a partition begins with a signature at or after the last stable offset of its
//! changelog. (The notes of committed offsets don't do: they name who committed last, not who died in its first
//! transaction after that.)

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::BorrowedMessage;

use crate::broker::{BrokerError, ReadProgress, Topics};
use crate::domain::{PartitionId, partition_of};
use crate::record::{Lent, Offset};

use crate::broker::Isolation;
use crate::broker::kafka::client::observers::Observers;
use crate::broker::kafka::client::reader::{LogReader, Span};
use crate::broker::kafka::deadline::Deadline;
use crate::broker::kafka::native;
use crate::broker::kafka::settings::KafkaSettings;

/// The header that names the transactional id of a record's writer.
pub(in crate::broker::kafka) const WRITER_HEADER: &str = "tideline-writer";
/// A commit returns a little before its markers are written. What is still open after that is taken for open.
const MARKER_GRACE: Duration = Duration::from_millis(300);
const MARKER_PAUSE: Duration = Duration::from_millis(10);
/// The last writer header of a log is looked for that far back first, then twice as far, and so on.
const HEADER_WITHIN: Offset = 1_000;

/// WriterHeaders are for the first changelog record of each partition in one transaction.
#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct WriterHeaders {
    signed: BTreeSet<PartitionId>,
}

impl WriterHeaders {
    /// Whether this record must carry one.
    pub fn wants(&mut self, record: Lent<'_>, topics: &Topics) -> bool {
        if *record.topic != *topics.changelog {
            return false;
        }
        let of_key = || partition_of(record.key.unwrap_or_default(), topics.partitions);
        self.signed.insert(record.partition.unwrap_or_else(of_key))
    }
}

/// The ids that have something open in a partition, if anybody has.
pub(in crate::broker::kafka) fn open_writers(
    settings: &Arc<KafkaSettings>,
    observers: &Arc<Observers>,
    topics: &Topics,
    partition: PartitionId,
) -> Result<Vec<Arc<str>>, BrokerError> {
    let read = |span, each: &mut dyn FnMut(Arc<str>)| read_writers(settings, observers, topics, partition, span, each);
    let mut found = BTreeSet::new();
    if let Some(span) = open_span(settings, observers, &topics.changelog, partition)? {
        read(span, &mut |writer| _ = found.insert(writer))?;
    } else if observers.is_pending(settings, topics, partition)? {
        // Offsets alone are open. Whoever sent them had signed before.
        let marks = observers.watermarks(settings, &topics.changelog, partition, Isolation::ReadUncommitted)?;
        let (mut last, mut from, mut back) = (None, marks.high, HEADER_WITHIN);
        while last.is_none() && from > marks.low {
            from = marks.low.max(marks.high - back);
            read(Span { from, end: marks.high }, &mut |writer| last = Some(writer))?;
            back *= 2;
        }
        found.extend(last);
    } else {
        return Ok(Vec::new());
    }
    if found.is_empty() {
        // Unsigned: by an older program. Who committed last is the best guess.
        let last = observers.last_committed(settings, topics, partition)?;
        found.extend(last.into_iter().filter_map(|committed| Some(committed.note?.transactional_id)));
    }
    Ok(found.into_iter().collect())
}

/// Where something stands open, though it had time to end.
fn open_span(
    settings: &KafkaSettings,
    observers: &Observers,
    topic: &str,
    partition: PartitionId,
) -> Result<Option<Span>, BrokerError> {
    let marks = |isolation| observers.watermarks(settings, topic, partition, isolation);
    let bound = Deadline::after(MARKER_GRACE);
    loop {
        // In this order: what is written in between only makes the first look older.
        let end = marks(Isolation::ReadUncommitted)?.high;
        let stable = marks(Isolation::ReadCommitted)?.high;
        if stable >= end {
            return Ok(None);
        }
        if bound.is_over() {
            return Ok(Some(Span { from: stable, end }));
        }
        bound.pause(MARKER_PAUSE);
    }
}

/// The partitions of a topic in which what stands there now stays open, though it has time to end. What others begin in
/// the meantime is no sign of that.
pub(in crate::broker::kafka) fn open_partitions(
    settings: &KafkaSettings,
    observers: &Observers,
    topic: &str,
) -> Result<Vec<PartitionId>, BrokerError> {
    let marks = |partition, isolation| observers.watermarks(settings, topic, partition, isolation);
    let partitions = (0..observers.partitions(settings, topic)?).map(PartitionId);
    let mut open: Vec<(PartitionId, Offset)> = partitions
        .map(|partition| Ok((partition, marks(partition, Isolation::ReadUncommitted)?.high)))
        .collect::<Result<_, BrokerError>>()?;
    let bound = Deadline::after(MARKER_GRACE);
    loop {
        let mut still = Vec::new();
        for (partition, end) in open {
            if marks(partition, Isolation::ReadCommitted)?.high < end {
                still.push((partition, end));
            }
        }
        open = still;
        if open.is_empty() || bound.is_over() {
            return Ok(open.into_iter().map(|(partition, _)| partition).collect());
        }
        bound.pause(MARKER_PAUSE);
    }
}

fn read_writers(
    settings: &Arc<KafkaSettings>,
    observers: &Arc<Observers>,
    topics: &Topics,
    partition: PartitionId,
    span: Span,
    each: &mut dyn FnMut(Arc<str>),
) -> Result<(), BrokerError> {
    let (settings_, observers_) = (Arc::clone(settings), Arc::clone(observers));
    let mut reader =
        LogReader::open(settings_, observers_, topics.changelog.clone(), partition, Isolation::ReadUncommitted, span)?;
    let mut take = |message: &BorrowedMessage<'_>| {
        writer_of(message).into_iter().for_each(&mut *each);
        ControlFlow::Continue(())
    };
    while reader.read(settings.call_timeout.duration(), &mut take)? != ReadProgress::Done {}
    Ok(())
}

/// Whose transaction a record begins.
fn writer_of(message: &BorrowedMessage<'_>) -> Option<Arc<str>> {
    let headers = native::headers(message).ok()?;
    let (_, id) = headers.into_iter().find(|(name, _)| *name == WRITER_HEADER.as_bytes())?;
    std::str::from_utf8(id?).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_changelog_record_of_each_partition_is_signed() {
        let topics = Topics::of(&["rekey"], 2);
        let mut writer_headers = WriterHeaders::default();
        let cases = [("tiers", 0, false), ("changelog", 0, true), ("changelog", 0, false), ("changelog", 1, true)];
        for (topic, partition, expected) in cases {
            let partition = Some(PartitionId(partition));
            let record = Lent { topic, partition, key: None, value: None, headers: &[], timestamp: None };
            assert_eq!(writer_headers.wants(record, &topics), expected, "{topic} {partition:?}");
        }
    }
}
