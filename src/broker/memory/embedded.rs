//! A connection to an embedded log, and what tests, `demo` and `replay` do with it beyond the seam.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::fault::Fault;
use super::journal::{Journal, JournalError};
use super::log::{Dropped, MemoryMessage};
use super::settings::MemorySettings;
use super::shared::{LogClock, Shared, journal_failed};
use super::transaction::LogState;
use crate::broker::{BrokerError, BrokerTime, ErrorClass, Isolation, Topics};
use crate::domain::{Input, PartitionId};
use crate::record::{Offset, Outgoing};

/// A connection to an embedded log; clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    pub(super) topics: Arc<Topics>,
    pub(super) shared: Arc<Shared>,
}

impl Memory {
    /// An empty log that ends with the process.
    pub fn new(topics: Topics, settings: MemorySettings) -> Self {
        let state = LogState::new(&topics, settings);
        Self {
            topics: Arc::new(topics),
            shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), time: LogClock::default() }),
        }
    }

    /// A log whose commits are journalled in `directory`, and that begins with what is journalled there.
    ///
    /// # Errors
    ///
    /// As [`JournalError`] tells them apart.
    pub fn open(topics: Topics, settings: MemorySettings, directory: &Path) -> Result<Self, JournalError> {
        let memory = Self::new(topics, settings);
        let mut state = memory.shared.lock();
        let journal = Journal::open(directory, identity(&memory.topics, settings), settings.journal_bytes, |frame| {
            state.restore(frame)
        })?;
        state.journal = Some(journal);
        state.tidy_all();
        drop(state);
        Ok(memory)
    }

    /// A plain record, committed at once: where it was put. Refused, retriable, while an open transaction keeps a full
    /// partition from dropping anything.
    ///
    /// # Errors
    ///
    /// Where there is no such topic or partition, the partition is full (retriable), or the journal can't be written.
    pub fn produce(&self, record: Outgoing) -> Result<(PartitionId, Offset), BrokerError> {
        let mut state = self.shared.lock();
        let (id, contents) = record.lend(|record| state.logs.place(record))?;
        if state.is_stuffed(id) {
            let what = format!("embedded log, {}", state.logs.name(id));
            let source = "the partition is full, and an open transaction holds all of it";
            return Err(BrokerError::client(what, ErrorClass::Retriable, source));
        }
        let offset = state.append_plain(id, contents).map_err(journal_failed)?;
        drop(state);
        self.shared.changed.notify_all();
        Ok((id.partition, offset))
    }

    /// From now on the log has a clock of its own.
    pub fn keep_time(&self, tell: impl Fn() -> BrokerTime + Send + 'static) {
        *self.shared.time.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    }

    /// Up to `limit` records of a partition from an offset on.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn read(
        &self,
        topic: &str,
        partition: PartitionId,
        from: Offset,
        isolation: Isolation,
        limit: usize,
    ) -> Result<Vec<MemoryMessage>, BrokerError> {
        let state = self.shared.lock();
        let id = state.logs.id(topic, partition)?;
        Ok(state.logs[id].fetch(from, isolation, limit).messages)
    }

    /// The next record's offset.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn high_watermark(&self, topic: &str, partition: PartitionId) -> Result<Offset, BrokerError> {
        let state = self.shared.lock();
        state.logs.id(topic, partition).map(|id| state.logs[id].high_watermark())
    }

    /// Everything before it is committed or aborted.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn last_stable_offset(&self, topic: &str, partition: PartitionId) -> Result<Offset, BrokerError> {
        let state = self.shared.lock();
        state.logs.id(topic, partition).map(|id| state.logs[id].last_stable_offset())
    }

    /// Offsets of an input that lie before its end and that the group has not committed: how far it is behind.
    pub fn lag(&self, input: Input, partition: PartitionId) -> u64 {
        let state = self.shared.lock();
        let Some(id) = state.logs.input(input, partition) else { return 0 };
        let log = &state.logs[id];
        let committed = state.offsets.get(&(partition, input)).map_or(0, |committed| committed.offset);
        log.last_stable_offset().saturating_sub(committed.max(log.start())).max(0) as u64
    }

    /// Compacts every partition of a topic now. A tombstone goes with the second compaction that sees it.
    ///
    /// # Errors
    ///
    /// Where there is no such topic.
    pub fn compact(&self, topic: &str) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        for partition in 0..state.logs.partitions_of(topic) {
            let id = state.logs.id(topic, PartitionId(partition))?;
            state.logs[id].compact();
        }
        Ok(())
    }

    /// What retention took away so far, over all topics.
    pub fn dropped(&self) -> Dropped {
        self.shared.lock().dropped
    }

    /// Bytes held in all topics.
    pub fn bytes(&self) -> u64 {
        let state = self.shared.lock();
        state.logs.ids().map(|id| state.logs[id].bytes()).sum()
    }

    /// Queues a fault for the next operation that it fits.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
        self.shared.changed.notify_all();
    }

    /// Faults that no operation has met yet.
    pub fn waiting_faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.waiting()
    }

    /// Forgets the faults that no operation has met yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// The group revokes everything and hands it out anew.
    pub fn rebalance(&self) {
        self.shared.lock().group.rebalance();
        self.shared.changed.notify_all();
    }

    /// The members of that name are taken for dead, as after a session timeout. One that lives finds its partitions
    /// lost.
    pub fn expire(&self, member: &str) {
        let mut state = self.shared.lock();
        for id in state.group.named(member) {
            state.group.remove(id);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The group's offsets of a partition are gone, as after their retention. A journal is not told.
    pub fn forget_offsets(&self, partition: PartitionId) {
        self.shared.lock().offsets.retain(|key, _| key.0 != partition);
    }
}

/// What a journal must agree with: names, order and partitions of the topics.
fn identity(topics: &Topics, settings: MemorySettings) -> String {
    let (inputs, outputs) = (topics.inputs.join(", "), topics.outputs.all().join(", "));
    let Topics { changelog, partitions, .. } = topics;
    let of_outputs = settings.output_partitions.map(|count| format!(", {count} of outputs")).unwrap_or_default();
    format!("inputs {inputs}; changelog {changelog}; {outputs}; {partitions} partitions{of_outputs}")
}
