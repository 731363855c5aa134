//! When a lane may do what: whose turn it is between polls, what rests after a failure, and how long it was busy.
//!
//! Pure: time comes in as a value, in milliseconds of the monotonic clock.

/// Between two reports of the state of its partitions to the board, besides those at each commit.
const SHOW_EVERY_MS: u64 = 500;

/// Whose turn it is: between any two polls each gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopTurn {
    Poll,
    Restore,
    Handle,
    Finish,
}

#[derive(Debug)]
pub(super) struct Schedule {
    turn: LoopTurn,
    /// After a failure nothing but polls until then.
    polls_only_until_ms: u64,
    /// After a commit that failed nothing is handled until then.
    no_batch_until_ms: u64,
    shown_ms: u64,
    /// Milliseconds spent working, subtracted from the merge's wait clock.
    busy_ms: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { turn: LoopTurn::Poll, polls_only_until_ms: 0, no_batch_until_ms: 0, shown_ms: 0, busy_ms: 0 }
    }
}

impl Schedule {
    pub fn turn(&self) -> LoopTurn {
        self.turn
    }

    /// Whose turn is next.
    pub fn pass_to(&mut self, turn: LoopTurn) {
        self.turn = turn;
    }

    /// While the lane recovers: whether that is next, or a poll. One follows the other, so that the group is answered.
    pub fn is_recoverys_turn(&mut self) -> bool {
        let is_turn = self.turn != LoopTurn::Poll;
        self.turn = if is_turn { LoopTurn::Poll } else { LoopTurn::Restore };
        is_turn
    }

    /// For how long nothing but polls may be done.
    pub fn rest_ms(&self, now_ms: u64) -> u64 {
        self.polls_only_until_ms.saturating_sub(now_ms)
    }

    pub fn poll_only_until(&mut self, ms: u64) {
        self.polls_only_until_ms = ms;
    }

    /// For how long nothing may be handled.
    pub fn batch_rest_ms(&self, now_ms: u64) -> u64 {
        self.no_batch_until_ms.saturating_sub(now_ms)
    }

    pub fn no_batch_until(&mut self, ms: u64) {
        self.no_batch_until_ms = ms;
    }

    pub fn no_batch_until_at_least(&mut self, ms: u64) {
        self.no_batch_until_ms = self.no_batch_until_ms.max(ms);
    }

    /// Time went by in which the lane worked: inputs were not waited for.
    pub fn was_busy(&mut self, ms: u64) {
        self.busy_ms += ms;
    }

    /// The merge's wait clock: it counts only the time that was spent waiting for inputs.
    pub fn wait_clock_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.busy_ms)
    }

    /// Whether it is time to report the state of partitions; then it counts as done.
    pub fn take_show(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms.saturating_sub(self.shown_ms) >= SHOW_EVERY_MS;
        if is_due {
            self.shown_ms = now_ms;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_steps_of_a_recovery_the_group_is_answered() {
        let mut schedule = Schedule::default();
        let turns: Vec<bool> = (0..5).map(|_| schedule.is_recoverys_turn()).collect();
        assert_eq!(turns, [false, true, false, true, false]);
    }

    #[test]
    fn a_longer_rest_is_not_cut_short_and_work_does_not_count_as_waiting() {
        let mut schedule = Schedule::default();
        schedule.no_batch_until(100);
        schedule.no_batch_until_at_least(50);
        assert_eq!((schedule.batch_rest_ms(30), schedule.batch_rest_ms(100), schedule.rest_ms(0)), (70, 0, 0));
        schedule.was_busy(40);
        assert_eq!(schedule.wait_clock_ms(100), 60);
    }
}
