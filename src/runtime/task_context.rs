//! What the background tasks of a lane work with.

use std::sync::Arc;

use crate::domain::PartitionId;
use crate::runtime::board::calling::Calling;
use crate::runtime::board::calls::Call;
use crate::runtime::board::status::Board;
use crate::runtime::clock::Clock;
use crate::runtime::job::Job;

/// What background tasks of a lane work with.
#[derive(Clone)]
pub(super) struct TaskContext<B> {
    pub broker: B,
    pub job: Arc<Job>,
    pub clock: Clock,
    pub board: Board,
    pub lane: usize,
    /// The lane's transactional id.
    pub own_id: Arc<str>,
}

impl<B> TaskContext<B> {
    /// Notes a call for as long as it is held.
    pub fn calling(&self, partition: Option<PartitionId>, call: Call) -> Calling {
        Calling::note(&self.board, &self.clock, self.lane, partition, call)
    }
}
