//! What lanes of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::runtime::clock::Clock;
use crate::runtime::finish::Finish;
use crate::runtime::status::Board;
use crate::runtime::topic_faults::TopicFaults;
use crate::runtime::watchdog::Orders;

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
pub struct Company {
    pub clock: Clock,
    pub board: Board,
    pub stop: Stop,
    pub finish: Arc<Finish>,
    pub orders: Orders,
    pub faults: TopicFaults,
}
