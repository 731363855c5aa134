//! Which committed tables others may read: a lane says so when it begins to serve a partition, and when it no longer
//! does.
//!
//! A table is published exactly as long as its partition is served: not while it is restored, parked or left unserved.
//! That follows from ownership: [`Published`] withdraws when it is dropped, with its lane if need be.
//!
//! Must not know: who reads.

use std::fmt;
use std::sync::Arc;

use crate::domain::PartitionId;
use crate::engine::Users;

/// Keeps the tables that may be read (`api::Registry`). Called by lanes, a few times an assignment; it must not block.
pub trait TableRegistry: fmt::Debug + Send + Sync {
    /// From now on `table` is what is committed of the partition.
    fn publish(&self, partition: PartitionId, table: &Arc<Users>);

    /// `table` is served no longer. Another lane of the process may have published its own of the same partition by
    /// then, which stays.
    fn withdraw(&self, partition: PartitionId, table: &Arc<Users>);
}

/// A table that may be read until this is dropped.
#[derive(Debug)]
pub(in crate::runtime) struct Published {
    registry: Arc<dyn TableRegistry>,
    partition: PartitionId,
    table: Arc<Users>,
}

impl Published {
    pub fn new(registry: &Arc<dyn TableRegistry>, partition: PartitionId, table: &Arc<Users>) -> Self {
        registry.publish(partition, table);
        Self { registry: registry.clone(), partition, table: table.clone() }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.registry.withdraw(self.partition, &self.table);
    }
}
