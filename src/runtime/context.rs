//! What lanes of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::runtime::board::published::TableRegistry;
use crate::runtime::board::status::Board;
use crate::runtime::board::topic_faults::TopicFaults;
use crate::runtime::clock::Clock;
use crate::runtime::lane::end::EndBarrier;
use crate::runtime::watch::watchdog::ReinitRequests;

/// Tells lanes to commit what is in hand and leave. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What lanes of one process share besides the job.
#[derive(Debug, Clone)]
pub struct LaneContext {
    pub clock: Clock,
    pub board: Board,
    /// Where the tables of served partitions are published.
    pub tables: Arc<dyn TableRegistry>,
    pub stop: Stop,
    pub end_barrier: Arc<EndBarrier>,
    pub reinit_requests: ReinitRequests,
    pub faults: TopicFaults,
}
