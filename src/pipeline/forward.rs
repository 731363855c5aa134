//! Forwarding, and how far a partition may go while others forward.
//!
//! The protocol is that of `runtime/lane/progress.rs`. Here a partition holds itself to it: the least forward watermark
//! counts only once `rekey` was read to where it ended after the watermarks were looked at. A rewind forgets that: what
//! was read of `rekey` is read again.

use crate::domain::{Input, Timestamp};
use crate::emit;
use crate::merge::FlowControl;
use crate::pipeline::commit_metadata::{ForwardProgress, ForwardWatermark};
use crate::pipeline::limit::{END_OF_TIME, Limit};
use crate::pipeline::progress::MisplacedRecord;
use crate::pipeline::shared::Pipeline;
use crate::pipeline::staged::StagedRecord;
use crate::pipeline::task::PartitionTask;
use crate::record::{Message, Offset};

impl<M: Message> PartitionTask<M> {
    /// No event may be handled yet: it is before all times.
    pub(super) const NOTHING: Timestamp = Timestamp::of_millis(i64::MIN);

    /// Forwards the next misplaced record of an input.
    pub(super) fn forward(&mut self, input: Input, pipeline: &Pipeline) -> FlowControl {
        let Some(record) = self.progress.forward(input) else { return FlowControl::Unchanged };
        let MisplacedRecord { message, offset, event, to, shape, bytes } = record;
        let at = pipeline.coordinates(input, self.id, offset);
        let forwarded = emit::rekey(&message, &event, to, shape, &at, &pipeline.topic(pipeline.rekey()));
        self.staged.tally[input.index()].count_forwarded(pipeline.placed_by(message.key(), self.id));
        self.staged.consumed += 1;
        let size = forwarded.size();
        self.staged.push(StagedRecord::Forwarded(forwarded), size);
        self.merge.unreserve(input, bytes)
    }

    /// Whether the head of an input lies beyond what others have forwarded, or beyond what was read of that.
    pub(super) fn is_beyond(&self, input: Input, limit: Limit) -> bool {
        let Some(time) = self.merge.time(input) else { return false };
        match limit {
            Limit::Open { .. } => return false,
            Limit::Closed { .. } => return true,
            Limit::Through(_) => {}
        }
        let rekey = self.progress.rekey();
        // More of them than can lie ahead of any other: the first is before all that is still to come.
        let is_sorted = self.merge.len(rekey) > self.in_flight.of_all || self.merge.is_paused(rekey);
        let sorted = if is_sorted { self.merge.time(rekey) } else { None };
        Some(time) > Some(self.handle_through).max(sorted)
    }

    /// Events up to `through` may be handled once all of `rekey` before `end` was read.
    pub fn allow_through(&mut self, through: Timestamp, end: Offset) {
        // One that is awaited is not replaced: `rekey` may grow as fast as it is read.
        if self.next_handle_through.is_none() && through != self.handle_through {
            self.next_handle_through = Some((through, end));
        }
    }

    /// Goes as far as what was read of `rekey` allows. What was allowed before nothing was forwarded says nothing.
    pub(super) fn advance_limit(&mut self, limit: Limit) {
        if matches!(limit, Limit::Open { .. }) {
            (self.handle_through, self.next_handle_through) = (Self::NOTHING, None);
            return;
        }
        if let Limit::Through(least) = limit {
            self.progress.settle(least);
        }
        let rekey = self.progress.rekey();
        let end = self.ends.get(rekey.index()).copied().flatten().unwrap_or_default();
        let read_to = self.progress.read_to(rekey).max(end);
        if let Some((through, _)) = self.next_handle_through.take_if(|(_, end)| *end <= read_to) {
            self.handle_through = through;
        }
    }

    /// Whether nobody has anything left to forward here.
    pub fn is_unlimited(&self, limit: Limit) -> bool {
        match limit {
            Limit::Open { .. } => true,
            Limit::Through(_) => self.handle_through == END_OF_TIME,
            Limit::Closed { .. } => false,
        }
    }

    /// Whether something waits for others to forward.
    pub fn waits_for_others(&self) -> bool {
        self.waits_for_others
    }

    /// Whether, since this was last asked, something came that is being forwarded.
    pub fn take_saw_forwarding(&mut self) -> bool {
        std::mem::take(&mut self.saw_forwarding)
    }

    /// The input whose misplaced record is to be forwarded next.
    pub(super) fn next_misplaced(&self, limit: Limit) -> Option<Input> {
        if !self.progress.has_misplaced() {
            return None;
        }
        self.progress.next_misplaced(limit, self.in_flight.of_one, self.forward_progress().watermark)
    }

    /// Whether something that was forwarded is uncommitted.
    pub fn has_uncommitted_forwards(&self) -> bool {
        self.progress.has_uncommitted_forwards()
    }

    /// How far it has forwarded what is another's, uncommitted records included.
    pub fn forward_progress(&self) -> ForwardProgress {
        self.progress.forward_progress(|input| self.merge.is_read(input), |input| self.merge.is_paused(input))
    }

    /// Whether the batch tells others how far it has forwarded.
    pub(super) fn tells_progress(&self) -> bool {
        self.staged.tells_progress && !self.staged.is_open
    }

    /// Whether others can't begin before they hear of its progress.
    pub fn is_awaited(&self) -> bool {
        self.tells_progress() && self.committed_progress.is_none()
    }

    /// Whether others wait to hear how far this partition is. Of one that is at its end they must not think for ever
    /// that it has something left.
    pub(super) fn has_progress_to_tell(&self, limit: Limit) -> bool {
        let progress = self.forward_progress();
        let is_known = progress.watermark != ForwardWatermark::Unknown;
        let is_asked = match limit {
            Limit::Through(_) => is_known,
            Limit::Closed { tells } => tells && is_known,
            Limit::Open { was_ever } if self.written.is_some() => {
                was_ever && progress.watermark == ForwardWatermark::End
            }
            // Whoever starts beside it would wait for a partition of which nothing was ever committed.
            Limit::Open { .. } => self.is_endless && is_known,
        };
        is_asked && self.committed_progress != Some(progress)
    }
}
