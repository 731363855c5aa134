//! Why a partition stalls: a judgement over what its lane has reported, and what the broker says of it.
//!
//! Pure: time comes in as a value. The root cause wins: an open transaction before a call blocked by it, a blocked call
//! before anything else. Must not know: how the broker is asked.

use std::sync::Arc;

use crate::broker::{LogOffsets, PartitionOffsets};
use crate::record::Offset;
use crate::runtime::board::calls::OpenCall;
use crate::runtime::board::stall::Cause;
use crate::runtime::board::status::{PartitionStatus, Phase, RestoreStage};

/// What is known of one partition.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) struct PartitionSnapshot<'a> {
    pub status: &'a PartitionStatus,
    /// The oldest call that it waits for.
    pub call: Option<&'a OpenCall>,
    /// What its lane tries again and again.
    pub trouble: Option<&'a str>,
    /// What the broker said of it the last two times, the latest first.
    pub offsets: [Option<&'a PartitionOffsets>; 2],
    /// When nothing was last waiting to be handled.
    pub idle_ms: u64,
    /// When the broker last said that there is nothing more, and nothing open.
    pub clear_ms: u64,
    /// Topics by input.
    pub topics: &'a [Arc<str>],
}

impl PartitionSnapshot<'_> {
    /// How long it has not advanced though there is something to be done, in milliseconds.
    pub fn stalled_ms(&self, now_ms: u64) -> Option<u64> {
        let since = match self.status.phase {
            Phase::Away => return None,
            // It has not begun: those that it waits for are named, if they stall.
            Phase::Restoring { stage: RestoreStage::Waiting, .. } => return None,
            Phase::Restoring { .. } | Phase::Unserved(_) => self.advanced_ms(),
            Phase::Serving if is_waiting(self.status) => self.advanced_ms().max(self.idle_ms),
            Phase::Serving if self.has_more() => self.advanced_ms().max(self.clear_ms),
            Phase::Serving => return None,
        };
        Some(now_ms.saturating_sub(since))
    }

    pub fn advanced_ms(&self) -> u64 {
        self.status.assigned_ms.max(self.status.moved_ms)
    }

    fn has_more(&self) -> bool {
        left_open(self.offsets).is_some() || self.undelivered().is_some()
    }

    /// The first input that has more than was read of it, and how much, at most.
    fn undelivered(&self) -> Option<(usize, Offset)> {
        undelivered(self.status, self.offsets[0]?)
    }

    /// What keeps it, and the names that belong to it.
    pub fn cause(&self, now_ms: u64, after_ms: u64) -> (Cause, String) {
        if let Phase::Unserved(reason) = &self.status.phase {
            return (Cause::Unserved, reason.clone());
        }
        if let Some(left_open) = left_open(self.offsets) {
            return self.name(left_open);
        }
        if let Some(open) = self.call.filter(|open| now_ms.saturating_sub(open.since_ms) >= after_ms) {
            return (Cause::HungCall, open.call.as_str().to_owned());
        }
        let topic = |index: usize| self.topics.get(index).map_or("an input", |topic| &**topic).to_owned();
        if self.status.is_truncated {
            return (Cause::TruncatedChangelog, "it was cut while it was read".to_owned());
        }
        if let Some(trouble) = self.trouble {
            return (Cause::Failing, trouble.to_owned());
        }
        if let Phase::Restoring { stage, remaining } = &self.status.phase {
            return (Cause::Restoring, format!("{}, at most {remaining} records left", stage.as_str()));
        }
        if let Some(partition) = self.status.held_by {
            return (Cause::AwaitsPartition, format!("partition {partition} has still to forward what may come first"));
        }
        if let Some(input) = self.status.waits_for {
            return (Cause::MergeWait, format!("for {}", topic(input)));
        }
        if let Some(input) = self.status.inputs.iter().position(|input| input.is_paused) {
            return (Cause::Paused, topic(input));
        }
        let (input, behind) = self.undelivered().unwrap_or_default();
        (Cause::Undelivered, format!("at most {behind} records of {}", topic(input)))
    }

    fn name(&self, left_open: LeftOpen) -> (Cause, String) {
        let writers = |offsets: &PartitionOffsets| {
            let ids = offsets.committed.iter().filter_map(|it| it.note.as_ref()).map(|note| &*note.transactional_id);
            let ids: std::collections::BTreeSet<_> = ids.collect();
            if ids.is_empty() { "nobody of ours".to_owned() } else { Vec::from_iter(ids).join(", ") }
        };
        let last = self.offsets[0].map(writers).unwrap_or_default();
        match left_open {
            LeftOpen::Offsets => (Cause::PendingOffsets, format!("the last to commit was {last}")),
            LeftOpen::Changelog(marks) => {
                let LogOffsets { last_stable, high_watermark, .. } = marks;
                (
                    Cause::OpenTransaction,
                    format!("in its changelog, from {last_stable} to {high_watermark}; the last to commit was {last}"),
                )
            }
            LeftOpen::Input(index, LogOffsets { last_stable, high_watermark, .. }) => {
                let topic = self.topics.get(index).map_or("an input", |topic| topic);
                (Cause::OpenTransaction, format!("in {topic}, from {last_stable} to {high_watermark}"))
            }
        }
    }
}

/// Whether records wait to be handled.
pub(in crate::runtime) fn is_waiting(status: &PartitionStatus) -> bool {
    status.inputs.iter().any(|input| input.waiting > 0)
}

/// Whether all was read that there is, as far as the client has reported.
pub(in crate::runtime) fn is_at_end(status: &PartitionStatus) -> bool {
    status.phase == Phase::Serving && status.inputs.iter().all(|input| input.is_at_end)
}

/// The first input that has more than was read of it. For an input read to its end use the end offset, since only
/// transaction markers lie beyond its last record.
pub(in crate::runtime) fn undelivered(status: &PartitionStatus, offsets: &PartitionOffsets) -> Option<(usize, Offset)> {
    let inputs = status.inputs.iter().zip(&offsets.inputs).enumerate();
    inputs.into_iter().find_map(|(index, (input, marks))| {
        let reported = input.end_offset.filter(|_| input.is_at_end);
        let read_to = reported.unwrap_or(input.next_offset).max(marks.start);
        (marks.last_stable > read_to).then(|| (index, marks.last_stable - read_to))
    })
}

/// What somebody has left open in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum LeftOpen {
    Offsets,
    Changelog(LogOffsets),
    Input(usize, LogOffsets),
}

impl LeftOpen {
    /// Whether it can only be an earlier owner of the partition, or ourselves: whom we may fence.
    pub fn is_ours_to_end(self) -> bool {
        matches!(self, Self::Offsets | Self::Changelog(_))
    }
}

/// Seen twice, at the same place: what is open for a moment is a transaction like any other.
pub(in crate::runtime) fn left_open([now, before]: [Option<&PartitionOffsets>; 2]) -> Option<LeftOpen> {
    let (now, before) = (now?, before?);
    if now.is_pending && before.is_pending {
        return Some(LeftOpen::Offsets);
    }
    let is_stuck = |now: &LogOffsets, before: &LogOffsets| {
        now.last_stable < now.high_watermark
            && now.last_stable == before.last_stable
            && before.last_stable < before.high_watermark
    };
    if is_stuck(&now.changelog, &before.changelog) {
        return Some(LeftOpen::Changelog(now.changelog));
    }
    let mut inputs = now.inputs.iter().zip(&before.inputs).enumerate();
    inputs.find(|(_, (now, before))| is_stuck(now, before)).map(|(index, (now, _))| LeftOpen::Input(index, *now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{CommitMetadata, Committed};
    use crate::domain::Input;
    use crate::runtime::board::calls::Call;
    use crate::runtime::board::status::InputStatus;

    const AFTER: u64 = 30_000;
    const NOW: u64 = 100_000;

    fn marks(stable: Offset, end: Offset) -> LogOffsets {
        LogOffsets { start: 0, last_stable: stable, high_watermark: end }
    }

    fn offsets() -> PartitionOffsets {
        let note = Some(CommitMetadata { transactional_id: "lane-7".into(), number: 3 });
        let committed = vec![Committed { input: Input(0), offset: 5, note }];
        PartitionOffsets {
            changelog: marks(9, 9),
            inputs: vec![marks(8, 8), marks(0, 0)],
            committed,
            is_pending: false,
        }
    }

    fn serving() -> PartitionStatus {
        let behind = InputStatus { next_offset: 5, end_offset: Some(5), ..InputStatus::default() };
        PartitionStatus {
            phase: Phase::Serving,
            assigned_ms: 10_000,
            moved_ms: 20_000,
            inputs: vec![behind, InputStatus::default()],
            ..PartitionStatus::default()
        }
    }

    #[test]
    fn what_lies_deepest_is_named() {
        type Change =
            fn(&mut PartitionStatus, &mut [PartitionOffsets; 2], &mut Option<OpenCall>, &mut Option<&'static str>);
        let cases: [(Change, Cause, &str); 13] = [
            (|_, _, _, _| {}, Cause::Undelivered, "at most 3 records of app"),
            (|it, _, _, _| it.inputs[1].is_paused = true, Cause::Paused, "merchant"),
            (|it, _, _, _| (it.waits_for, it.inputs[0].is_paused) = (Some(1), true), Cause::MergeWait, "for merchant"),
            (
                |it, _, _, _| it.phase = Phase::Restoring { stage: RestoreStage::Fencing, remaining: 4 },
                Cause::Restoring,
                "fencing predecessors, at most 4 records left",
            ),
            (
                |it, _, _, trouble| (it.waits_for, *trouble) = (Some(1), Some("commit: no")),
                Cause::Failing,
                "commit: no",
            ),
            (
                |it, _, _, trouble| (it.is_truncated, *trouble) = (true, Some("restore: no")),
                Cause::TruncatedChangelog,
                "it was cut while it was read",
            ),
            (
                |it, offsets, _, _| {
                    it.waits_for = Some(1);
                    offsets.iter_mut().for_each(|it| it.inputs[1] = marks(2, 4));
                },
                Cause::OpenTransaction,
                "in merchant, from 2 to 4",
            ),
            (
                |_, offsets, _, _| offsets.iter_mut().for_each(|it| it.changelog = marks(9, 12)),
                Cause::OpenTransaction,
                "in its changelog, from 9 to 12; the last to commit was lane-7",
            ),
            (|_, offsets, _, _| offsets[0].changelog = marks(9, 12), Cause::Undelivered, "at most 3 records of app"),
            (
                |_, offsets, _, _| (offsets[0].changelog, offsets[1].changelog) = (marks(11, 12), marks(9, 10)),
                Cause::Undelivered,
                "at most 3 records of app",
            ),
            (
                |_, offsets, call, _| {
                    offsets.iter_mut().for_each(|it| it.is_pending = true);
                    let open = OpenCall { call: Call::CommittedOffsets, lane: 0, partition: None, since_ms: 0 };
                    *call = Some(open);
                },
                Cause::PendingOffsets,
                "the last to commit was lane-7",
            ),
            (
                |it, _, call, trouble| {
                    (it.waits_for, *trouble) = (Some(1), Some("commit: no"));
                    let open = OpenCall { call: Call::Fence, lane: 0, partition: None, since_ms: NOW - AFTER };
                    *call = Some(open);
                },
                Cause::HungCall,
                "fence",
            ),
            (|it, _, _, _| it.phase = Phase::Unserved("older rules".to_owned()), Cause::Unserved, "older rules"),
        ];
        let topics: [Arc<str>; 2] = ["app".into(), "merchant".into()];
        for (change, cause, detail) in cases {
            let (mut status, mut offsets, mut call, mut trouble) = (serving(), [offsets(), offsets()], None, None);
            change(&mut status, &mut offsets, &mut call, &mut trouble);
            let known = PartitionSnapshot {
                status: &status,
                call: call.as_ref(),
                trouble,
                offsets: [Some(&offsets[0]), Some(&offsets[1])],
                idle_ms: 0,
                clear_ms: 0,
                topics: &topics,
            };
            assert_eq!(known.stalled_ms(NOW), Some(80_000));
            assert_eq!(known.cause(NOW, AFTER), (cause, detail.to_owned()));
        }
    }

    fn known<'a>(status: &'a PartitionStatus, offsets: Option<&'a PartitionOffsets>) -> PartitionSnapshot<'a> {
        let offsets = [offsets, offsets];
        PartitionSnapshot { status, call: None, trouble: None, offsets, idle_ms: 30_000, clear_ms: 90_000, topics: &[] }
    }

    #[test]
    fn it_stands_still_since_it_came_forward_or_had_nothing_to_do() {
        let at_end = InputStatus { next_offset: 5, end_offset: Some(6), is_at_end: true, ..InputStatus::default() };
        let read = PartitionStatus { inputs: vec![at_end.clone()], ..serving() };
        let waiting = PartitionStatus { inputs: vec![InputStatus { waiting: 1, ..at_end }], ..serving() };
        let of_input = |marks| PartitionOffsets { inputs: vec![marks], ..offsets() };
        let (nothing, more, hidden) = (of_input(marks(6, 6)), of_input(marks(7, 7)), of_input(marks(6, 8)));
        for (case, status, offsets, expected) in [
            ("nothing is known of the broker", &read, None, None),
            ("behind the last record is a marker", &read, Some(&nothing), None),
            ("more has come, and is not delivered", &read, Some(&more), Some(10_000)),
            ("a transaction hides the end", &read, Some(&hidden), Some(10_000)),
            ("something waits to be handled", &waiting, Some(&nothing), Some(70_000)),
        ] {
            assert_eq!(known(status, offsets).stalled_ms(NOW), expected, "{case}");
        }
        let restoring =
            PartitionStatus { phase: Phase::Restoring { stage: RestoreStage::Reading, remaining: 1 }, ..read };
        assert_eq!(known(&restoring, Some(&nothing)).stalled_ms(NOW), Some(80_000));
    }

    #[test]
    fn only_what_owners_of_the_partition_write_is_ours_to_end() {
        assert!(LeftOpen::Offsets.is_ours_to_end() && LeftOpen::Changelog(marks(1, 2)).is_ours_to_end());
        assert!(!LeftOpen::Input(0, marks(1, 2)).is_ours_to_end(), "an input's producer is not ours");
    }
}
