//! Turns: whose is next, so that none waits for ever.

use crate::domain::PartitionId;

/// The partitions in order, beginning after `last`, so that none waits for ever.
pub(super) fn after(partitions: impl Iterator<Item = PartitionId>, last: PartitionId) -> Vec<PartitionId> {
    let mut all: Vec<_> = partitions.collect();
    let split = all.partition_point(|&partition| partition <= last);
    all.rotate_left(split);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_after_the_last_comes_first() {
        let order = |last| after([1, 3, 5].map(PartitionId).into_iter(), PartitionId(last)).into_iter().map(|it| it.0);
        for (last, expected) in [(-1, [1, 3, 5]), (1, [3, 5, 1]), (4, [5, 1, 3]), (5, [1, 3, 5])] {
            assert!(order(last).eq(expected), "after {last}");
        }
    }
}
