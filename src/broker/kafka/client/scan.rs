//! Reads a partition of any topic once, from its start to its end of now: whole, record by record, or its first record.
//!
//! Must not know: what the records are.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Isolation;
use crate::broker::kafka::message::KafkaMessage;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::{BrokerError, ReadProgress};
use crate::domain::PartitionId;

use super::observers::Observers;
use super::reader::{LogReader, Span};

/// The records of a partition that `shown` may see, from its start to the end that `to` sees now: with
/// [`Isolation::ReadCommitted`] that is the last stable offset, with [`Isolation::ReadUncommitted`] the high watermark.
/// So (committed, uncommitted) waits until whatever is open has ended: a commit returns a little before it can be read.
///
/// # Errors
///
/// Where the log can't be read, or makes no progress for the bound of the settings.
pub fn read_partition(
    settings: &KafkaSettings,
    topic: &str,
    partition: PartitionId,
    shown: Isolation,
    to: Isolation,
) -> Result<Vec<KafkaMessage>, BrokerError> {
    let mut records = Vec::new();
    scan_partition(settings, topic, partition, shown, to, &mut |message| {
        records.push(message);
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

/// The first record of a span that is committed.
pub(in crate::broker::kafka) fn first_of(
    settings: &Arc<KafkaSettings>,
    observers: &Arc<Observers>,
    topic: &Arc<str>,
    partition: PartitionId,
    span: Span,
) -> Result<Option<KafkaMessage>, BrokerError> {
    let (settings_, observers) = (Arc::clone(settings), Arc::clone(observers));
    let mut reader = LogReader::open(settings_, observers, topic.clone(), partition, Isolation::ReadCommitted, span)?;
    let mut first = None;
    loop {
        let progress = reader.read(settings.call_timeout.duration(), &mut |message| {
            first = Some(KafkaMessage::copy(message));
            ControlFlow::Break(())
        })?;
        if first.is_some() || progress == ReadProgress::Done {
            return Ok(first);
        }
    }
}

/// The same, one record at a time, until `each` has enough: what [`read_partition`] would hold may be large.
///
/// # Errors
///
/// As [`read_partition`].
pub fn scan_partition(
    settings: &KafkaSettings,
    topic: &str,
    partition: PartitionId,
    shown: Isolation,
    to: Isolation,
    each: &mut dyn FnMut(KafkaMessage) -> ControlFlow<()>,
) -> Result<(), BrokerError> {
    let (settings, observers) = (Arc::new(settings.clone()), Arc::new(Observers::default()));
    let span = Span::whole(&settings, &observers, topic, partition, to)?;
    let mut reader = LogReader::open(settings, observers, topic.into(), partition, shown, span)?;
    let mut flow = ControlFlow::Continue(());
    while flow.is_continue() {
        let progress = reader.read(Duration::from_millis(100), &mut |message| {
            flow = each(KafkaMessage::copy(message));
            flow
        })?;
        if progress == ReadProgress::Done {
            break;
        }
    }
    Ok(())
}
