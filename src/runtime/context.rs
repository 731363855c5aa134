//! What lanes of one process share besides the job: the clock, the board, the stop, what they ask of each other.
//!
//! Must not know: lanes, who watches over them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::board::published::TableRegistry;
use crate::runtime::board::status::Board;
use crate::runtime::board::topic_faults::TopicFaults;
use crate::runtime::clock::Clock;
use crate::runtime::end_barrier::EndBarrier;

/// Tells lanes to commit what is uncommitted and leave. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on they leave.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they are to leave.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Transactional ids of this process that their lanes must initialise again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReinitRequests(Arc<Mutex<BTreeSet<Arc<str>>>>);

impl ReinitRequests {
    /// A lane of this process is to initialise that id again, which ends what is open under it.
    pub(super) fn request(&self, id: Arc<str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Whether that was requested; then it is no longer.
    pub(super) fn take(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// What lanes of one process share besides the job.
#[derive(Debug, Clone)]
pub struct LaneContext {
    /// The one clock.
    pub clock: Clock,
    /// Where they report.
    pub board: Board,
    /// Where the tables of served partitions are published.
    pub tables: Arc<dyn TableRegistry>,
    /// Asks all of them to leave.
    pub stop: Stop,
    /// How they agree that everything is at its end.
    pub end_barrier: Arc<EndBarrier>,
    /// What the watchdog asks of them.
    pub reinit_requests: ReinitRequests,
    /// What was found of the topics.
    pub faults: TopicFaults,
}
