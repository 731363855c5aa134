//! What a process has found of the topics under it: which partitions it may not go on with until somebody acts, and
//! why.
//!
//! Written by the watch over topics and by lanes, read by lanes before each step. A fault is never taken back: a topic
//! that changed and looks whole again has lost something all the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::recovery::refusal::Refusal;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TopicFaults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    found: Mutex<Findings>,
    /// Counts what was found.
    changes: AtomicU64,
    /// Every lane has been assigned something or nothing, and has served it: what is refused from now on ends no run.
    has_begun: AtomicBool,
}

#[derive(Debug, Default)]
struct Findings {
    faults: BTreeMap<PartitionId, TopicFault>,
    doubts: BTreeMap<(PartitionId, Input), Offset>,
}

/// Why a partition is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct TopicFault {
    pub refusal: Refusal,
    /// By input, what was committed when all was last as it should be; nothing where that was not seen.
    pub confirmed: Vec<Offset>,
}

impl TopicFaults {
    pub(in crate::runtime) fn find(&self, partition: PartitionId, fault: TopicFault) {
        // The first is the cause; what comes after may follow from it. But of a topic that was gone it tells more.
        let mut found = self.lock();
        match found.faults.get_mut(&partition) {
            Some(known) if !matches!(known.refusal, Refusal::TopicGone { .. }) => return,
            Some(known) if known.refusal == fault.refusal => return,
            Some(known) => known.refusal = fault.refusal,
            None => _ = found.faults.insert(partition, fault),
        }
        drop(found);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    pub(in crate::runtime) fn of(&self, partition: PartitionId) -> Option<TopicFault> {
        self.lock().faults.get(&partition).cloned()
    }

    /// How often anything was found: asked for at each step of a lane.
    pub(in crate::runtime) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// The position of an input may lie outside of its log: whoever reads it must say whether it was only slow.
    pub(in crate::runtime) fn doubt(&self, partition: PartitionId, input: Input, read_to: Offset) {
        self.lock().doubts.insert((partition, input), read_to);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    pub(in crate::runtime) fn take_doubts(
        &self,
        is_ours: impl Fn(PartitionId) -> bool,
    ) -> Vec<(PartitionId, Input, Offset)> {
        let taken = self.lock().doubts.extract_if(.., |key, _| is_ours(key.0)).collect::<Vec<_>>();
        taken.into_iter().map(|((partition, input), read_to)| (partition, input, read_to)).collect()
    }

    pub(in crate::runtime) fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
    }

    pub(in crate::runtime) fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
