//! Notes a call to the client on the board for as long as it lasts, so that one that does not return is seen from
//! outside.

use crate::domain::PartitionId;
use crate::runtime::board::calls::{Call, OpenCall};
use crate::runtime::board::status::Board;
use crate::runtime::clock::Clock;

/// Notes a call for as long as it is held.
#[must_use]
pub(in crate::runtime) struct Calling {
    board: Board,
    number: u64,
}

impl Calling {
    /// Notes a call that begins now.
    pub fn note(board: &Board, clock: &Clock, lane: usize, partition: Option<PartitionId>, call: Call) -> Self {
        let open = OpenCall { call, lane, partition, since_ms: clock.monotonic_ms() };
        let number = board.write(|status| {
            status.calls_made += 1;
            status.calls.insert(status.calls_made, open);
            status.calls_made
        });
        Self { board: board.clone(), number }
    }

    /// The call has returned, and another follows.
    pub fn goes_on_with(&mut self, call: Call, clock: &Clock) {
        let since_ms = clock.monotonic_ms();
        self.board.write(|status| {
            if let Some(open) = status.calls.get_mut(&self.number) {
                (open.call, open.since_ms) = (call, since_ms);
            }
        });
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.board.write(|status| status.calls.remove(&self.number));
    }
}
