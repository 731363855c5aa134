//! The partitions of a lane: what each of them is to it, and whose turn it is.
//!
//! A partition has a slot or is parked, never both; its committed table is published exactly while its slot is active,
//! for the slot owns the publication. Must not know: the broker's answers, what is committed when.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::Broker;
use crate::domain::PartitionId;
use crate::runtime::active::ActivePartition;
use crate::runtime::board::published::Published;
use crate::runtime::lane::restoring::Restoring;
use crate::runtime::round_robin::after;

/// What a partition is to its lane.
pub(super) enum PartitionSlot<B: Broker> {
    Restoring(Box<Restoring<B>>),
    Active {
        task: Box<ActivePartition<B::Message>>,
        /// Withdraws the committed table when the partition is served no longer.
        _published: Published,
    },
    /// This member may not serve it: nothing of it is read or committed.
    Unserved,
}

pub(super) struct Partitions<B: Broker> {
    slots: BTreeMap<PartitionId, PartitionSlot<B>>,
    /// Of revoked partitions, until the next assignment shows which come back.
    parked: BTreeMap<PartitionId, Box<Restoring<B>>>,
    /// The partition that was handled, and the one that was restored, last.
    last_handled: PartitionId,
    last_restored: PartitionId,
}

impl<B: Broker> Default for Partitions<B> {
    fn default() -> Self {
        let none = PartitionId(-1);
        Self { slots: BTreeMap::new(), parked: BTreeMap::new(), last_handled: none, last_restored: none }
    }
}

impl<B: Broker> Partitions<B> {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn contains(&self, partition: PartitionId) -> bool {
        self.slots.contains_key(&partition)
    }

    pub fn ids(&self) -> Vec<PartitionId> {
        self.slots.keys().copied().collect()
    }

    pub fn slot_mut(&mut self, partition: PartitionId) -> Option<&mut PartitionSlot<B>> {
        self.slots.get_mut(&partition)
    }

    pub fn slots_mut(&mut self) -> impl Iterator<Item = &mut PartitionSlot<B>> {
        self.slots.values_mut()
    }

    /// Those that are served, in order.
    pub fn active(&self) -> impl Iterator<Item = &ActivePartition<B::Message>> {
        self.slots.values().filter_map(PartitionSlot::task)
    }

    pub fn active_mut(&mut self) -> impl Iterator<Item = &mut ActivePartition<B::Message>> {
        self.slots.values_mut().filter_map(PartitionSlot::task_mut)
    }

    /// Whether all are served, and the condition holds of each.
    pub fn all_active(&self, is_so: impl Fn(&ActivePartition<B::Message>) -> bool) -> bool {
        self.slots.values().all(|slot| slot.task().is_some_and(&is_so))
    }

    /// The task of a partition that is served.
    pub fn task(&self, partition: PartitionId) -> Option<&ActivePartition<B::Message>> {
        self.slots.get(&partition).and_then(PartitionSlot::task)
    }

    pub fn task_mut(&mut self, partition: PartitionId) -> Option<&mut ActivePartition<B::Message>> {
        self.slots.get_mut(&partition).and_then(PartitionSlot::task_mut)
    }

    pub fn is_active(&self, partition: PartitionId) -> bool {
        self.task(partition).is_some()
    }

    /// The restore of a partition that is being restored.
    pub fn restoring_mut(&mut self, partition: PartitionId) -> Option<&mut Restoring<B>> {
        match self.slots.get_mut(&partition) {
            Some(PartitionSlot::Restoring(restoring)) => Some(restoring),
            _ => None,
        }
    }

    pub fn is_any_restoring(&self) -> bool {
        self.slots.values().any(|slot| matches!(slot, PartitionSlot::Restoring(_)))
    }

    /// Whether there are any, and none of them may be served.
    pub fn is_all_unserved(&self) -> bool {
        !self.slots.is_empty() && self.slots.values().all(|slot| matches!(slot, PartitionSlot::Unserved))
    }

    /// Serves a partition, whose committed table is published.
    pub fn activate(&mut self, task: Box<ActivePartition<B::Message>>, published: Published) {
        self.slots.insert(task.id, PartitionSlot::Active { task, _published: published });
    }

    pub fn restore(&mut self, partition: PartitionId, restoring: Box<Restoring<B>>) {
        self.slots.insert(partition, PartitionSlot::Restoring(restoring));
    }

    pub fn leave_unserved(&mut self, partition: PartitionId) {
        self.slots.insert(partition, PartitionSlot::Unserved);
    }

    pub fn remove(&mut self, partition: PartitionId) -> Option<PartitionSlot<B>> {
        self.slots.remove(&partition)
    }

    /// Takes a partition out if it is served, with its task.
    pub fn remove_active(&mut self, partition: PartitionId) -> Option<Box<ActivePartition<B::Message>>> {
        if !self.is_active(partition) {
            return None;
        }
        match self.slots.remove(&partition) {
            Some(PartitionSlot::Active { task, .. }) => Some(task),
            _ => None,
        }
    }

    /// Keeps what there is of a partition that was taken out, until the next assignment.
    pub fn park(&mut self, partition: PartitionId, restoring: Box<Restoring<B>>) {
        self.parked.insert(partition, restoring);
    }

    pub fn take_parked(&mut self, partition: PartitionId) -> Option<Box<Restoring<B>>> {
        self.parked.remove(&partition)
    }

    pub fn drop_parked(&mut self) {
        self.parked.clear();
    }

    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// All, beginning after the one that was handled last.
    pub fn handle_order(&self) -> Vec<PartitionId> {
        after(self.slots.keys().copied(), self.last_handled)
    }

    pub fn handled(&mut self, partition: PartitionId) {
        self.last_handled = partition;
    }

    /// Those whose restore may be advanced, beginning after the one that was advanced last.
    pub fn restore_order(&self, now_ms: u64) -> Vec<PartitionId> {
        let is_due = |slot: &PartitionSlot<B>| matches!(slot, PartitionSlot::Restoring(it) if it.is_rested(now_ms));
        let due = self.slots.iter().filter(|(_, slot)| is_due(slot));
        after(due.map(|(&partition, _)| partition), self.last_restored)
    }

    pub fn restored(&mut self, partition: PartitionId) {
        self.last_restored = partition;
    }

    /// Those with something uncommitted.
    pub fn uncommitted(&self) -> BTreeSet<PartitionId> {
        self.active().filter(|task| task.has_uncommitted()).map(|task| task.id).collect()
    }

    pub fn has_uncommitted(&self) -> bool {
        self.active().any(|task| task.has_uncommitted())
    }

    /// Records consumed and not committed yet.
    pub fn consumed(&self) -> usize {
        self.active().map(|task| task.consumed()).sum()
    }

    /// Bytes staged, besides the changelog's, about.
    pub fn staged_bytes(&self) -> usize {
        self.active().map(|task| task.staged_bytes()).sum()
    }

    #[cfg(debug_assertions)]
    pub fn is_any_parked_in_a_slot(&self) -> bool {
        self.parked.keys().any(|partition| self.slots.contains_key(partition))
    }
}

impl<B: Broker> PartitionSlot<B> {
    fn task(&self) -> Option<&ActivePartition<B::Message>> {
        match self {
            Self::Active { task, .. } => Some(task),
            Self::Restoring(_) | Self::Unserved => None,
        }
    }

    fn task_mut(&mut self) -> Option<&mut ActivePartition<B::Message>> {
        match self {
            Self::Active { task, .. } => Some(task),
            Self::Restoring(_) | Self::Unserved => None,
        }
    }
}
