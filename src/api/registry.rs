//! The committed tables of the partitions that this process serves, for readers on other threads.
//!
//! A [`DashMap`]: lanes write it at assignments, each for itself, while readers look tables up. What is inside a table
//! is another matter, see `engine/table_slice.rs`: a reader takes the table out of the map and lets go of the map at
//! once, so that no shard is locked while a table is read.
//!
//! Must not know: lanes, users.

use std::sync::Arc;

use dashmap::DashMap;

use crate::domain::PartitionId;
use crate::engine::Users;
use crate::runtime::TableRegistry;

/// From partition to its committed table. Shared as an [`Arc`] by the lanes of a process and their readers.
#[derive(Debug, Default)]
pub struct Registry {
    tables: DashMap<PartitionId, Arc<Users>>,
}

impl Registry {
    /// The table of a partition, if this process serves it. It stays readable for as long as it is held, also when the
    /// partition has gone to another member meanwhile: take it anew for each answer, and hold it for none.
    pub fn table(&self, partition: PartitionId) -> Option<Arc<Users>> {
        self.tables.get(&partition).map(|table| table.clone())
    }

    /// Those that are served, in order. Not of one moment: partitions may come and go meanwhile.
    pub fn partitions(&self) -> Vec<PartitionId> {
        let mut all: Vec<_> = self.tables.iter().map(|entry| *entry.key()).collect();
        all.sort_unstable();
        all
    }
}

impl TableRegistry for Registry {
    fn publish(&self, partition: PartitionId, table: &Arc<Users>) {
        self.tables.insert(partition, table.clone());
    }

    fn withdraw(&self, partition: PartitionId, table: &Arc<Users>) {
        self.tables.remove_if(&partition, |_, published| Arc::ptr_eq(published, table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_withdraws_only_what_it_has_published() {
        let registry = Registry::default();
        let (of_lane_0, of_lane_1) = (Arc::new(Users::default()), Arc::new(Users::default()));
        let p = PartitionId(3);
        registry.publish(p, &of_lane_0);
        assert_eq!(registry.partitions(), [p]);
        // Lane 1 was assigned the partition before lane 0 heard of its loss.
        registry.publish(p, &of_lane_1);
        registry.withdraw(p, &of_lane_0);
        assert!(Arc::ptr_eq(&registry.table(p).unwrap(), &of_lane_1));
        registry.withdraw(p, &of_lane_1);
        assert!(registry.table(p).is_none() && registry.partitions().is_empty());
    }
}
