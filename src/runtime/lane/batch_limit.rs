//! How much a batch may hold: after one that the broker did not take in time, half as much; then slowly more again.
//!
//! Pure. Must not know: why it was not taken.

use crate::pipeline::BatchSize;

/// Commits in a row after which a batch may hold twice as much again.
const COMMITS_TO_GROW: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct BatchLimit {
    /// Less than the settings let a batch hold.
    limit: Option<BatchSize>,
    commits: u32,
}

impl BatchLimit {
    pub fn records(&self, most: usize) -> usize {
        self.limit.map_or(most, |limit| limit.records.min(most))
    }

    pub fn bytes(&self, most: usize) -> usize {
        self.limit.map_or(most, |limit| limit.bytes.min(most))
    }

    pub fn effects(&self, most: usize) -> usize {
        self.limit.map_or(most, |limit| limit.effects.min(most))
    }

    /// A batch that held that much was not taken in time.
    pub fn timed_out(&mut self, held: BatchSize) {
        const ANY: BatchSize = BatchSize { records: usize::MAX, bytes: usize::MAX, effects: usize::MAX };
        // What it held none of was not too much.
        let half = |held: usize, limit: usize| if held == 0 { limit } else { held.min(limit).div_ceil(2) };
        self.limit = Some(held.with(self.limit.unwrap_or(ANY), half));
        self.commits = 0;
    }

    /// A batch was committed. `most`: what the settings let it hold; beyond that there is no limit any more.
    pub fn committed(&mut self, most: BatchSize) {
        let Some(limit) = &mut self.limit else { return };
        self.commits += 1;
        if self.commits < COMMITS_TO_GROW {
            return;
        }
        self.commits = 0;
        *limit = limit.plus(*limit);
        if limit.records >= most.records && limit.bytes >= most.bytes && limit.effects >= most.effects {
            self.limit = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: BatchSize = BatchSize { records: 1_000, bytes: 10_000, effects: 500 };

    fn size(records: usize, bytes: usize, effects: usize) -> BatchSize {
        BatchSize { records, bytes, effects }
    }

    fn may_hold(batch_limit: &BatchLimit) -> BatchSize {
        size(batch_limit.records(MOST.records), batch_limit.bytes(MOST.bytes), batch_limit.effects(MOST.effects))
    }

    #[test]
    fn a_batch_is_halved_from_what_it_held_down_to_one_of_each_and_grows_again_slowly() {
        let mut batch_limit = BatchLimit::default();
        assert_eq!(may_hold(&batch_limit), MOST);
        for (held, expected) in [
            (size(600, 900, 0), size(300, 450, 500)),
            (size(300, 450, 0), size(150, 225, 500)),
            (size(0, 200, 80), size(150, 100, 40)),
            (size(1, 1, 1), size(1, 1, 1)),
            (size(1, 1, 1), size(1, 1, 1)),
        ] {
            batch_limit.timed_out(held);
            assert_eq!(may_hold(&batch_limit), expected, "after {held:?}");
        }
        for grown in 1..=14 {
            (1..COMMITS_TO_GROW).for_each(|_| batch_limit.committed(MOST));
            assert_eq!(may_hold(&batch_limit).records, (1 << (grown - 1)).min(MOST.records), "not yet");
            batch_limit.committed(MOST);
            assert_eq!(may_hold(&batch_limit).records, (1 << grown).min(MOST.records));
        }
        assert_eq!((may_hold(&batch_limit), batch_limit.limit), (MOST, None));
    }
}
