//! Who holds which transactional id, what each has open, and what a commit or an abort makes of it.
//!
//! The order of a commit: the journal's frame is written, then the logs and the group's offsets change, all under one
//! lock; so a reader sees all of a transaction or nothing, and a journal never knows less than a reader.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::fault::{Faults, Operation};
use super::frame::{Frame, Misplaced, Part, StoredOffset};
use super::group::Group;
use super::journal::Journal;
use super::log::MemoryMessage;
use super::log::{Cleanup, Contents, Dropped, TransactionNumber};
use super::logs::{LogId, Logs};
use super::settings::MemorySettings;
use crate::broker::Topics;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

/// No log of a process gets there; what is counted on from it doesn't overflow.
const MAX_OFFSET: Offset = Offset::MAX / 2;

/// Whose turn it is with a transactional id; a producer with an older one is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

#[derive(Debug)]
struct ProducerState {
    epoch: Epoch,
    open: Option<OpenTransaction>,
    /// Of a transaction that ended everywhere else.
    hanging: Offsets,
    /// Outputs in which transactions stay open that ended everywhere else.
    stuck: EndedTransactions,
}

/// Which transactions end in which logs.
type EndedTransactions = BTreeMap<LogId, Vec<TransactionNumber>>;

type Offsets = BTreeMap<(PartitionId, Input), StoredOffset>;

/// What an open transaction has touched.
#[derive(Debug)]
struct OpenTransaction {
    number: TransactionNumber,
    logs: BTreeSet<LogId>,
    offsets: Offsets,
    joins_offsets: bool,
    bytes: u64,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct LogState {
    pub settings: MemorySettings,
    pub logs: Logs,
    pub group: Group,
    pub offsets: Offsets,
    pub faults: Faults,
    pub dropped: Dropped,
    pub journal: Option<Journal>,
    producers: BTreeMap<Arc<str>, ProducerState>,
    next_transaction: u64,
}

/// The producer's epoch is not the present one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fenced;

impl LogState {
    pub fn new(topics: &Topics, settings: MemorySettings) -> Self {
        Self {
            settings,
            logs: Logs::new(topics, settings.output_partitions),
            group: Group::new(topics.partitions),
            offsets: BTreeMap::new(),
            faults: Faults::default(),
            dropped: Dropped::default(),
            journal: None,
            producers: BTreeMap::new(),
            next_transaction: 0,
        }
    }

    /// A plain record: committed at once.
    pub fn append_plain(&mut self, id: LogId, contents: Arc<Contents>) -> io::Result<Offset> {
        let offset = self.logs[id].high_watermark();
        let message = MemoryMessage { offset, contents: contents.clone() };
        self.write(|_| Frame {
            parts: vec![Part { log: id, start: 0, next: offset + 1, records: vec![message] }],
            offsets: vec![],
        })?;
        self.logs[id].append(contents, None);
        self.tidy(id);
        Ok(offset)
    }

    /// Takes an id: the earlier producer is fenced, what it had open is aborted.
    pub fn take(&mut self, id: &Arc<str>) -> io::Result<Epoch> {
        self.end(id, false)?;
        let producer = self.producers.entry(id.clone()).and_modify(|producer| producer.epoch.0 += 1);
        Ok(producer
            .or_insert_with(|| ProducerState {
                epoch: Epoch(0),
                open: None,
                hanging: Offsets::new(),
                stuck: EndedTransactions::new(),
            })
            .epoch)
    }

    pub fn holds(&self, id: &Arc<str>, epoch: Epoch) -> bool {
        self.producers.get(id).is_some_and(|producer| producer.epoch == epoch)
    }

    /// A record of the producer's transaction, which it opens if it is the first. Says how many bytes it has open.
    pub fn append(&mut self, producer: (&Arc<str>, Epoch), id: LogId, contents: Arc<Contents>) -> Result<u64, Fenced> {
        let open = self.open(producer)?;
        open.logs.insert(id);
        open.bytes += contents.bytes();
        let (number, bytes) = (open.number, open.bytes);
        self.logs[id].append(contents, Some(number));
        Ok(bytes)
    }

    /// Offsets to be committed with the producer's transaction.
    pub fn hold_offsets(
        &mut self,
        producer: (&Arc<str>, Epoch),
        offsets: impl IntoIterator<Item = ((PartitionId, Input), StoredOffset)>,
    ) -> Result<(), Fenced> {
        let open = self.open(producer)?;
        open.joins_offsets = true;
        open.offsets.extend(offsets);
        Ok(())
    }

    /// The id by which an offset of this partition is pending.
    pub fn holder_of_offsets(&self, partition: PartitionId) -> Option<&Arc<str>> {
        let holds = |offsets: &Offsets| offsets.keys().any(|key| key.0 == partition);
        let is_pending = |producer: &ProducerState| {
            holds(&producer.hanging) || producer.open.as_ref().is_some_and(|open| holds(&open.offsets))
        };
        self.producers.iter().find(|(_, producer)| is_pending(producer)).map(|(id, _)| id)
    }

    /// The ids that have something open in this changelog partition, or in the offsets of its partition.
    pub fn open_writers(&self, changelog: LogId) -> impl Iterator<Item = &Arc<str>> {
        let holds = move |offsets: &Offsets| offsets.keys().any(|key| key.0 == changelog.partition);
        let writes = move |open: &OpenTransaction| open.logs.contains(&changelog) || holds(&open.offsets);
        let is_open =
            move |producer: &ProducerState| holds(&producer.hanging) || producer.open.as_ref().is_some_and(writes);
        self.producers.iter().filter(move |(_, producer)| is_open(producer)).map(|(id, _)| id)
    }

    /// Commits or aborts what `id` has open, if anything, and what hangs of its offsets with it. After an error it is
    /// open still.
    pub fn end(&mut self, id: &Arc<str>, commit: bool) -> io::Result<()> {
        let Some(producer) = self.producers.get_mut(id) else { return Ok(()) };
        let Some(mut open) = producer.open.take() else { return Ok(()) };
        if open.joins_offsets {
            let own = std::mem::replace(&mut open.offsets, std::mem::take(&mut producer.hanging));
            open.offsets.extend(own);
            if !open.offsets.is_empty() && self.faults.take(Operation::End).is_some() {
                producer.hanging = std::mem::take(&mut open.offsets);
            }
        }
        let has_outputs = open.logs.iter().any(|&log| self.logs.is_output(log));
        let outputs_hang = has_outputs && self.faults.take(Operation::EndOutputs).is_some();
        let mut ends = EndedTransactions::new();
        for &log in &open.logs {
            let hangs = outputs_hang && self.logs.is_output(log);
            let mut numbers = producer.stuck.remove(&log).unwrap_or_default();
            numbers.push(open.number);
            if hangs { &mut producer.stuck } else { &mut ends }.insert(log, numbers);
        }
        if let Err(error) = self.write(|logs| frame_of(logs, &open, &ends, commit)) {
            if let Some(producer) = self.producers.get_mut(id) {
                producer.open = Some(open);
            }
            return Err(error);
        }
        for (&log, numbers) in &ends {
            numbers.iter().for_each(|&number| self.logs[log].end_transaction(number, commit));
        }
        if commit {
            self.offsets.extend(open.offsets);
        }
        open.logs.iter().for_each(|&log| self.tidy(log));
        Ok(())
    }

    /// Whether a partition holds more than its own bytes and one whole transaction: something keeps it from being
    /// tidied.
    pub fn is_stuffed(&self, id: LogId) -> bool {
        let limit = self.settings.partition_bytes.saturating_add(self.settings.transaction_bytes);
        self.logs[id].cleanup() == Cleanup::Delete && self.logs[id].bytes() > limit
    }

    pub fn tidy(&mut self, id: LogId) {
        let unread_from = self.logs.as_input(id).map_or(Offset::MAX, |input| {
            self.offsets.get(&(id.partition, input)).map_or(0, |committed| committed.offset)
        });
        self.dropped += self.logs.tidy(id, self.settings.partition_bytes, unread_from);
    }

    /// After a replay: what was dropped before comes back with the journal, and goes again, uncounted.
    pub fn tidy_all(&mut self) {
        self.logs.ids().for_each(|id| self.tidy(id));
        self.dropped = Dropped::default();
    }

    /// Takes over a frame of the journal, if it can be of these logs.
    pub fn restore(&mut self, frame: Frame) -> Result<(), Misplaced> {
        for part in frame.parts {
            if !self.logs.contains(part.log) {
                return Err(Misplaced("it names a partition that is not there"));
            }
            let within = |record: &MemoryMessage| (0..part.next).contains(&record.offset);
            if !(0..=MAX_OFFSET).contains(&part.next) || !part.records.iter().all(within) {
                return Err(Misplaced("an offset is out of range"));
            }
            self.logs[part.log].restore(part.start, part.next, part.records);
        }
        if frame.offsets.iter().any(|((partition, input), _)| self.logs.input(*input, *partition).is_none()) {
            return Err(Misplaced("it names an input that is not there"));
        }
        self.offsets.extend(frame.offsets);
        Ok(())
    }

    /// Appends to the journal, if there is one, and begins a new one when that pays.
    fn write(&mut self, frame: impl FnOnce(&Logs) -> Frame) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.wants_rewrite() {
            journal.rewrite(snapshot(&self.logs, &self.offsets))?;
        }
        journal.append(&frame(&self.logs))
    }

    fn open(&mut self, (id, epoch): (&Arc<str>, Epoch)) -> Result<&mut OpenTransaction, Fenced> {
        let producer = self.producers.get_mut(id).filter(|producer| producer.epoch == epoch).ok_or(Fenced)?;
        if producer.open.is_none() {
            self.next_transaction += 1;
        }
        let number = TransactionNumber(self.next_transaction);
        Ok(producer.open.get_or_insert_with(|| OpenTransaction {
            number,
            logs: BTreeSet::new(),
            offsets: BTreeMap::new(),
            joins_offsets: false,
            bytes: 0,
        }))
    }
}

/// Everything committed, as the frames that a fresh journal begins with: one a partition log, then the offsets.
fn snapshot<'a>(logs: &'a Logs, offsets: &'a Offsets) -> impl Iterator<Item = Frame> + 'a {
    let part = |id| Part {
        log: id,
        start: logs[id].start(),
        next: logs[id].high_watermark(),
        records: logs[id].committed_records().collect(),
    };
    let offsets = || offsets.iter().map(|(&key, stored)| (key, stored.clone())).collect();
    logs.ids()
        .map(move |id| Frame { parts: vec![part(id)], offsets: vec![] })
        .chain(std::iter::once_with(move || Frame { parts: vec![], offsets: offsets() }))
}

/// What the journal must know of the end of a transaction: of an abort only that it burned offsets.
fn frame_of(logs: &Logs, open: &OpenTransaction, ends: &EndedTransactions, commit: bool) -> Frame {
    let parts = ends.iter().map(|(&id, numbers)| Part {
        log: id,
        start: 0,
        next: logs[id].high_watermark() + numbers.len() as Offset,
        records: numbers.iter().filter(|_| commit).flat_map(|&number| logs[id].of_transaction(number)).collect(),
    });
    let offsets = open.offsets.iter().filter(|_| commit).map(|(&key, stored)| (key, stored.clone()));
    Frame { parts: parts.collect(), offsets: offsets.collect() }
}
