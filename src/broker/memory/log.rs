//! One partition of a topic: records in offset order, of which some belong to transactions that are open or aborted.
//!
//! As on the real broker a commit and an abort each burn one offset (the marker), a read_committed reader stops at the
//! last stable offset, and compaction keeps the last committed value of a key. Nothing here knows groups or producers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::broker::{Isolation, LogOffsets};
use crate::record::{Header, Lent, Message, Offset, Outgoing, OwnedHeader, borrowed};

/// What a record costs besides its own bytes; so that a flood of empty ones is bounded, too.
const RECORD_OVERHEAD_BYTES: u64 = 64;

/// The contents of a record; shared by the log and whoever reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<OwnedHeader>,
    pub timestamp: Option<i64>,
}

impl Contents {
    pub fn bytes(&self) -> u64 {
        let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + of(value)).sum();
        RECORD_OVERHEAD_BYTES + (of(&self.key) + of(&self.value) + headers) as u64
    }
}

impl From<Lent<'_>> for Contents {
    fn from(record: Lent<'_>) -> Self {
        let Outgoing { key, value, headers, timestamp, .. } = record.into();
        Self { key, value, headers, timestamp }
    }
}

/// A record as it was read. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMessage {
    pub(super) offset: Offset,
    pub(super) contents: Arc<Contents>,
}

impl Message for MemoryMessage {
    fn offset(&self) -> Offset {
        self.offset
    }

    /// None where the writer gave none: the embedded log has no clock.
    fn timestamp(&self) -> Option<i64> {
        self.contents.timestamp
    }

    fn key(&self) -> Option<&[u8]> {
        self.contents.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.contents.value.as_deref()
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.contents.headers.iter().map(borrowed)
    }
}

/// Whether a topic keeps the last value of each key, or the newest bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleanup {
    Compact,
    Delete,
}

/// Numbers a transaction over all producers and their epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TransactionNumber(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Committed,
    Open(TransactionNumber),
    Aborted,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    decision: Decision,
    /// A tombstone outlives one compaction, so that a reader on its way sees it.
    was_compacted: bool,
    contents: Arc<Contents>,
}

/// What retention took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many records were deleted.
    pub records: u64,
    /// Bytes of their keys, values and headers, and an overhead for each.
    pub bytes: u64,
    /// Of `records`: those of an input that the group had not committed yet. Input that is lost.
    pub unread: u64,
}

impl std::ops::AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.unread += other.unread;
    }
}

/// The answer to a fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    pub messages: Vec<MemoryMessage>,
    /// Where to read on: behind the last message, or at the end of what may be read.
    pub position: Offset,
    pub at_end: bool,
}

#[derive(Debug)]
pub(super) struct PartitionLog {
    cleanup: Cleanup,
    entries: VecDeque<Entry>,
    start: Offset,
    /// The high watermark: the next record's offset.
    next: Offset,
    /// First offset of each open transaction.
    open: BTreeMap<TransactionNumber, Offset>,
    bytes: u64,
    /// What was left by the last compaction.
    compacted_bytes: u64,
}

impl PartitionLog {
    pub fn new(cleanup: Cleanup) -> Self {
        Self {
            cleanup,
            entries: VecDeque::new(),
            start: 0,
            next: 0,
            open: BTreeMap::new(),
            bytes: 0,
            compacted_bytes: 0,
        }
    }

    pub fn cleanup(&self) -> Cleanup {
        self.cleanup
    }

    pub fn start(&self) -> Offset {
        self.start
    }

    pub fn high_watermark(&self) -> Offset {
        self.next
    }

    /// Everything before it is decided: committed or aborted.
    pub fn last_stable_offset(&self) -> Offset {
        self.open.values().copied().min().unwrap_or(self.next)
    }

    pub fn marks(&self) -> LogOffsets {
        LogOffsets { start: self.start, last_stable: self.last_stable_offset(), high_watermark: self.next }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where a reader of this isolation stops.
    pub fn end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadCommitted => self.last_stable_offset(),
            Isolation::ReadUncommitted => self.next,
        }
    }

    pub fn append(&mut self, contents: Arc<Contents>, transaction: Option<TransactionNumber>) -> Offset {
        let offset = self.next;
        if let Some(number) = transaction {
            self.open.entry(number).or_insert(offset);
        }
        self.bytes += contents.bytes();
        let decision = transaction.map_or(Decision::Committed, Decision::Open);
        self.entries.push_back(Entry { offset, decision, was_compacted: false, contents });
        self.next += 1;
        offset
    }

    /// The records of an open transaction.
    pub fn of_transaction(&self, number: TransactionNumber) -> Vec<MemoryMessage> {
        let Some(&first) = self.open.get(&number) else { return Vec::new() };
        self.entries
            .range(self.index_of(first)..)
            .filter(|entry| entry.decision == Decision::Open(number))
            .map(Entry::message)
            .collect()
    }

    /// Decides an open transaction; the marker burns an offset.
    pub fn end_transaction(&mut self, number: TransactionNumber, commit: bool) {
        let Some(first) = self.open.remove(&number) else { return };
        let from = self.index_of(first);
        for entry in self.entries.range_mut(from..).filter(|entry| entry.decision == Decision::Open(number)) {
            entry.decision = if commit { Decision::Committed } else { Decision::Aborted };
        }
        self.next += 1;
    }

    /// Reads on from `from`; what lies before the start of the log is gone, so reading goes on at the start.
    pub fn fetch(&self, from: Offset, isolation: Isolation, limit: usize) -> Fetched {
        let end = self.end(isolation);
        let mut shown = self
            .entries
            .range(self.index_of(from)..)
            .take_while(|entry| entry.offset < end)
            .filter(|entry| isolation == Isolation::ReadUncommitted || entry.decision == Decision::Committed)
            .map(Entry::message);
        let messages: Vec<_> = shown.by_ref().take(limit).collect();
        let position = match messages.last() {
            Some(last) if shown.next().is_some() => last.offset + 1,
            _ => end.max(from),
        };
        Fetched { messages, position, at_end: position >= end }
    }

    /// Drops the oldest decided records until at most `limit` bytes are left. `unread_from`: the first offset that the
    /// group has not committed.
    pub fn retain(&mut self, limit: u64, unread_from: Offset) -> Dropped {
        let stable = self.last_stable_offset();
        let mut dropped = Dropped::default();
        while self.bytes > limit {
            let Some(oldest) = self.entries.pop_front_if(|entry| entry.offset < stable) else { break };
            let bytes = oldest.contents.bytes();
            let unread = oldest.decision == Decision::Committed && oldest.offset >= unread_from;
            self.bytes -= bytes;
            self.start = oldest.offset + 1;
            dropped += Dropped { records: 1, bytes, unread: unread.into() };
        }
        dropped
    }

    /// Drops all records before an offset, whoever has something open there; no further than to the end.
    pub fn delete_before(&mut self, offset: Offset) -> Dropped {
        let mut dropped = Dropped::default();
        while let Some(oldest) = self.entries.pop_front_if(|entry| entry.offset < offset) {
            let bytes = oldest.contents.bytes();
            self.bytes -= bytes;
            dropped += Dropped { records: 1, bytes, unread: 0 };
        }
        self.start = self.start.max(offset.min(self.next));
        dropped
    }

    /// Drops all records from an offset on: the next is written there.
    pub fn cut_from(&mut self, offset: Offset) {
        while let Some(newest) = self.entries.pop_back_if(|entry| entry.offset >= offset) {
            self.bytes -= newest.contents.bytes();
        }
        self.open.retain(|_, first| *first < offset);
        self.next = self.next.min(offset.max(self.start));
    }

    /// Whether an offset can be read from: it is neither before the first record nor behind the end.
    pub fn holds(&self, offset: Offset) -> bool {
        (self.start..=self.next).contains(&offset)
    }

    /// Whether a compaction would pay: half of the bytes, or more, came since the last one.
    pub fn wants_compaction(&self, slack: u64) -> bool {
        self.cleanup == Cleanup::Compact && self.bytes > 2 * self.compacted_bytes + slack
    }

    /// Keeps the last committed record of each key, and what is not decided yet.
    pub fn compact(&mut self) {
        let stable = self.last_stable_offset();
        let mut last: HashMap<&[u8], Offset> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_decided(stable)) {
            if let (Decision::Committed, Some(key)) = (entry.decision, &entry.contents.key) {
                last.insert(key, entry.offset);
            }
        }
        let keep: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| {
                let key = entry.contents.key.as_deref().unwrap_or_default();
                let is_last = entry.decision == Decision::Committed && last.get(key) == Some(&entry.offset);
                let is_spent = entry.contents.value.is_none() && entry.was_compacted;
                !entry.is_decided(stable) || (is_last && !is_spent)
            })
            .collect();
        let mut keep = keep.into_iter();
        self.entries.retain(|_| keep.next().unwrap_or(true));
        self.entries.iter_mut().filter(|entry| entry.is_decided(stable)).for_each(|entry| entry.was_compacted = true);
        self.bytes = self.entries.iter().map(|entry| entry.contents.bytes()).sum();
        self.compacted_bytes = self.bytes;
    }

    /// Everything committed, as a snapshot holds it.
    pub fn committed_records(&self) -> impl Iterator<Item = MemoryMessage> {
        self.entries.iter().filter(|entry| entry.decision == Decision::Committed).map(Entry::message)
    }

    /// Puts back what a journal tells: committed records, in any order between the frames, and where the log stood.
    pub fn restore(&mut self, start: Offset, next: Offset, records: impl IntoIterator<Item = MemoryMessage>) {
        for MemoryMessage { offset, contents } in records {
            self.bytes += contents.bytes();
            let at = self.index_of(offset);
            self.entries.insert(at, Entry { offset, decision: Decision::Committed, was_compacted: false, contents });
        }
        self.start = self.start.max(start);
        self.next = self.next.max(next);
    }

    fn index_of(&self, offset: Offset) -> usize {
        self.entries.partition_point(|entry| entry.offset < offset)
    }
}

impl Entry {
    fn message(&self) -> MemoryMessage {
        MemoryMessage { offset: self.offset, contents: self.contents.clone() }
    }

    fn is_decided(&self, stable: Offset) -> bool {
        self.offset < stable
    }
}
