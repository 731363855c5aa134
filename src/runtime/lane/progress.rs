//! How far all partitions of the application have forwarded misrouted records, and how far one may therefore handle.
//!
//! A record on a wrong partition must find the timers of its user where a rightly placed one would have found them. So
//! while records are being forwarded, nobody handles an event beyond the *low watermark*: the least, across all
//! partitions, of the event times up to which each has forwarded all that is another's.
//! 1. A partition commits its forward watermark in the metadata of the group's offsets, with what was forwarded up to
//!    it.
//! 2. A lane reads the watermarks of all, and only then asks where its partitions of `rekey` end. What was read that
//!    far holds all that was forwarded up to the low watermark; handled in order of time up to it, it is a history.
//! 3. A partition runs ahead only so far: few records may be forwarded beyond the low watermark. So `rekey` is nearly
//!    in order, and a bounded buffer sorts it.
//! 4. The partition that holds the low watermark never waits: what it has to forward may go, and what waits in the
//!    input that holds it back lies before it.
//!
//! Pure: answers of the broker come in as values. Must not know: lanes, the broker, the clock.

use std::collections::BTreeMap;

use crate::broker::{ForwardProgress, ForwardWatermark};
use crate::domain::PartitionId;
use crate::pipeline::{END_OF_TIME, Limit};

/// With nothing forwarded for that long nobody waits.
const QUIET_MS: u64 = 60_000;
/// Between two queries, while somebody waits and while nobody does.
pub(super) const LOOK_HELD_MS: u64 = 20;
const LOOK_MS: u64 = 1_000;
/// What a query that came late counts for at most: while nobody could ask, nothing was seen to be quiet.
const MAX_GAP_MS: u64 = 2 * LOOK_MS;

/// What one lane knows of all partitions.
#[derive(Debug, Default)]
pub(super) struct GroupProgress {
    looked_ms: Option<u64>,
    /// Whether it has asked since there was something to ask for.
    is_known: bool,
    /// How long nothing was forwarded; none: nothing is.
    quiet_ms: Option<u64>,
    /// Whether all partitions are this lane's.
    is_alone: bool,
    /// Records forwarded by all partitions.
    forwarded: u64,
    /// As last found, by partition.
    found: Vec<Option<ForwardProgress>>,
    least: ForwardWatermark,
    waits: Option<Waits>,
    /// Those that are not waited for any more, with the watermark that did not advance.
    passed_over: BTreeMap<PartitionId, ForwardWatermark>,
}

/// Which partition holds the low watermark, and since when it has not advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waits {
    partition: PartitionId,
    reach: ForwardWatermark,
    since_ms: u64,
}

impl GroupProgress {
    /// Something was forwarded, or is to be.
    pub fn stir(&mut self) {
        if matches!(self.limit(), Limit::Open { .. }) {
            (self.is_known, self.looked_ms) = (false, None);
        }
        self.quiet_ms = Some(0);
    }

    pub fn limit(&self) -> Limit {
        match self.least {
            _ if !self.is_known => Limit::Closed { tells: false },
            ForwardWatermark::Unknown => Limit::Closed { tells: !self.is_alone },
            _ if self.quiet_ms.is_none() => Limit::Open { was_ever: self.forwarded > 0 },
            ForwardWatermark::Through(time) => Limit::Through(time),
            ForwardWatermark::End => Limit::Through(END_OF_TIME),
        }
    }

    /// Whether it is time to ask; `is_held`: something waits for it.
    pub fn is_look_due(&self, now_ms: u64, is_held: bool) -> bool {
        let pause = if is_held { LOOK_HELD_MS } else { LOOK_MS };
        let is_open = matches!(self.limit(), Limit::Open { .. });
        !is_open && self.looked_ms.is_none_or(|looked| now_ms.saturating_sub(looked) >= pause)
    }

    /// Takes over what was found, by partition. Says whom nobody waits for from now on, since its front has not moved
    /// for `patience_ms`.
    pub fn looked(&mut self, found: &[Option<ForwardProgress>], now_ms: u64, patience_ms: u64) -> Vec<PartitionId> {
        let forwarded = found.iter().flatten().map(|front| front.forwarded).sum();
        let gap_ms = self.looked_ms.map_or(0, |looked| now_ms.saturating_sub(looked)).min(MAX_GAP_MS);
        self.quiet_ms = match self.quiet_ms {
            _ if forwarded > self.forwarded => Some(0),
            Some(quiet_ms) if quiet_ms + gap_ms < QUIET_MS => Some(quiet_ms + gap_ms),
            _ => None,
        };
        self.forwarded = forwarded;
        (self.looked_ms, self.is_known) = (Some(now_ms), true);
        found.clone_into(&mut self.found);
        self.judge(now_ms, patience_ms)
    }

    /// Until all know what they must forward, nobody need wait to read from the broker that its own partitions do.
    /// `own`: those of which nothing that was forwarded is still to be committed.
    pub fn begin_with(
        &mut self,
        own: impl Iterator<Item = (PartitionId, ForwardProgress)>,
        is_alone: bool,
        now_ms: u64,
        patience_ms: u64,
    ) -> Vec<PartitionId> {
        self.is_alone = is_alone;
        if !self.is_known || self.least != ForwardWatermark::Unknown {
            return Vec::new();
        }
        for (partition, front) in own.filter(|(_, front)| front.watermark > ForwardWatermark::Unknown) {
            let found = self.found.get_mut(partition.0 as usize);
            if let Some(found) = found.filter(|found| found.is_none_or(|it| it.watermark == ForwardWatermark::Unknown))
            {
                *found = Some(front);
            }
        }
        self.judge(now_ms, patience_ms)
    }

    fn judge(&mut self, now_ms: u64, patience_ms: u64) -> Vec<PartitionId> {
        let found = &self.found;
        let reach = |partition: usize| found[partition].map_or(ForwardWatermark::Unknown, |front| front.watermark);
        self.passed_over.retain(|partition, stood| {
            found.get(partition.0 as usize).is_some() && reach(partition.0 as usize) == *stood
        });
        let mut tired_of = Vec::new();
        loop {
            let all = (0..found.len()).map(|index| (reach(index), PartitionId(index as i32)));
            let least = all.filter(|(_, partition)| !self.passed_over.contains_key(partition)).min();
            let (reach, partition) = least.unwrap_or((ForwardWatermark::End, PartitionId(0)));
            self.least = reach;
            if reach == ForwardWatermark::End {
                self.waits = None;
                break;
            }
            let same = self.waits.filter(|waits| (waits.partition, waits.reach) == (partition, reach));
            let waits = same.unwrap_or(Waits { partition, reach, since_ms: now_ms });
            self.waits = Some(waits);
            if now_ms.saturating_sub(waits.since_ms) < patience_ms {
                break;
            }
            self.passed_over.insert(partition, reach);
            tired_of.push(partition);
        }
        tired_of
    }

    /// The partition that holds the low watermark.
    pub fn waits_for(&self) -> Option<PartitionId> {
        self.waits.map(|waits| waits.partition)
    }

    pub fn passed_over(&self) -> impl Iterator<Item = PartitionId> {
        self.passed_over.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const PATIENCE_MS: u64 = 120_000;

    fn at(ms: i64, forwarded: u64) -> Option<ForwardProgress> {
        Some(ForwardProgress { watermark: ForwardWatermark::Through(Timestamp::of_millis(ms)), forwarded })
    }

    fn at_end(forwarded: u64) -> Option<ForwardProgress> {
        Some(ForwardProgress { watermark: ForwardWatermark::End, forwarded })
    }

    fn through(ms: i64) -> Limit {
        Limit::Through(Timestamp::of_millis(ms))
    }

    #[test]
    fn nobody_goes_on_before_it_has_looked() {
        let mut fronts = GroupProgress::default();
        assert_eq!(fronts.limit(), Limit::Closed { tells: false });
        assert!(fronts.is_look_due(0, false));
        fronts.looked(&[at(5, 0), at_end(0)], 0, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Open { was_ever: false }, "nothing was ever forwarded");
        assert!(!fronts.is_look_due(1_000_000, true));
    }

    #[test]
    fn nobody_goes_on_before_every_partition_has_looked_what_it_must_forward() {
        let mut fronts = GroupProgress::default();
        for unknown in [None, Some(ForwardProgress::default())] {
            fronts.looked(&[at(5, 0), unknown], 0, PATIENCE_MS);
            assert_eq!(fronts.limit(), Limit::Closed { tells: true });
            assert_eq!(fronts.waits_for(), Some(PartitionId(1)));
        }
        fronts.looked(&[at(5, 0), at(9, 0)], 1, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Open { was_ever: false });
    }

    #[test]
    fn of_its_own_partitions_a_lane_need_not_read_that_they_have_nothing_to_forward() {
        let own = [(PartitionId(0), at(5, 0)), (PartitionId(1), at_end(0))];
        let own = || own.into_iter().filter_map(|(partition, front)| Some((partition, front?)));
        let mut fronts = GroupProgress::default();
        fronts.looked(&[None, None], 0, PATIENCE_MS);
        fronts.begin_with(own().take(1), true, 0, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Closed { tells: false }, "it hears of its own soon");
        fronts.begin_with(own(), true, 0, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Open { was_ever: false });
        let mut fronts = GroupProgress::default();
        let reset = Some(ForwardProgress { watermark: ForwardWatermark::Unknown, forwarded: 3 });
        fronts.looked(&[reset, reset], 0, PATIENCE_MS);
        fronts.begin_with(own(), true, 0, PATIENCE_MS);
        assert_eq!(fronts.limit(), through(5), "after a reset");
        let unknown = [(PartitionId(0), ForwardProgress::default())];
        let mut fronts = GroupProgress::default();
        fronts.looked(&[None], 0, PATIENCE_MS);
        fronts.begin_with(unknown.into_iter(), true, 0, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Closed { tells: false });
    }

    #[test]
    fn while_records_are_forwarded_the_least_front_is_the_limit_and_one_at_its_end_holds_nobody() {
        let mut fronts = GroupProgress::default();
        for (found, limit) in [
            ([at(5, 1), at(9, 0), at_end(0)], through(5)),
            ([at(20, 2), at(9, 0), at_end(0)], through(9)),
            ([at_end(2), at_end(0), at_end(0)], through(i64::MAX)),
        ] {
            fronts.looked(&found, 0, PATIENCE_MS);
            assert_eq!(fronts.limit(), limit, "{found:?}");
        }
    }

    #[test]
    fn with_nothing_forwarded_for_a_minute_nobody_waits() {
        let mut fronts = GroupProgress::default();
        fronts.looked(&[at(5, 1)], 0, PATIENCE_MS);
        for second in 1..60 {
            fronts.looked(&[at(5, 1)], second * 1_000, PATIENCE_MS);
            assert_eq!(fronts.limit(), through(5), "after {second} s");
        }
        fronts.looked(&[at(5, 1)], 60_000, PATIENCE_MS);
        assert_eq!(fronts.limit(), Limit::Open { was_ever: true });
        fronts.stir();
        assert_eq!(fronts.limit(), Limit::Closed { tells: false }, "it must look first");
        fronts.looked(&[at(7, 2)], 61_000, PATIENCE_MS);
        assert_eq!(fronts.limit(), through(7));
    }

    #[test]
    fn a_time_in_which_nobody_could_look_was_not_quiet() {
        let mut fronts = GroupProgress::default();
        fronts.looked(&[at(5, 1)], 0, PATIENCE_MS);
        fronts.looked(&[at(5, 1)], 90_000, PATIENCE_MS);
        assert_eq!(fronts.limit(), through(5));
    }

    #[test]
    fn a_front_that_does_not_move_is_waited_for_with_patience_and_again_once_it_moves() {
        let mut fronts = GroupProgress::default();
        let look = |fronts: &mut GroupProgress, first, count, now_ms| {
            let tired_of = fronts.looked(&[at(first, count), at(9, 0), at(9, 0)], now_ms, PATIENCE_MS);
            (fronts.limit(), tired_of)
        };
        assert_eq!(look(&mut fronts, 5, 1, 0), (through(5), vec![]));
        assert_eq!(look(&mut fronts, 5, 2, 119_999), (through(5), vec![]));
        assert_eq!(look(&mut fronts, 5, 3, 120_000), (through(9), vec![PartitionId(0)]), "it is passed over");
        assert_eq!(fronts.passed_over().collect::<Vec<_>>(), [PartitionId(0)]);
        // Who waited for it had no reason to move: its patience begins anew.
        assert_eq!(look(&mut fronts, 5, 4, 239_999), (through(9), vec![]));
        assert_eq!(look(&mut fronts, 6, 5, 240_000), (through(6), vec![]), "it lives");
        assert_eq!(fronts.passed_over().count(), 0);
    }
}
