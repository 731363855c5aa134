//! How far a partition being served may go, and what it tells others of how far it is.
//!
//! The protocol is that of `fronts`. Here a partition holds itself to it: the least front counts only once `rekey` was read
//! to where it ended after fronts were looked at. A rewind forgets it: what was read of `rekey` is read again.

use crate::broker::{ForwardProgress, ForwardWatermark};
use crate::domain::{Input, Timestamp};
use crate::emit;
use crate::merge::FlowControl;
use crate::pipeline::progress::Misplaced;
use crate::pipeline::task::PartitionTask;
use crate::record::{Message, Offset};
use crate::runtime::job::Job;
use crate::runtime::lane::progress::{EVERYWHERE, Limit};

/// Nothing may be handled yet that has a time.
pub(crate) const NOWHERE: Timestamp = Timestamp::of_millis(i64::MIN);

impl<M: Message> PartitionTask<M> {
    /// Forwards the next misplaced record of an input.
    pub(crate) fn forward(&mut self, input: Input, job: &Job) -> FlowControl {
        let Some(record) = self.reading.forward(input) else { return FlowControl::Unchanged };
        let Misplaced { message, offset, event, to, shape, bytes } = record;
        let at = job.coordinates(input, self.id, offset);
        let fits = job.fits(message.key(), self.id);
        self.stage(input, emit::rekey(&message, &event, to, shape, &at, job.topics.rekey()), fits);
        self.merge.unreserve(input, bytes)
    }

    /// Whether the head of an input lies beyond what others have forwarded, or what was read of that.
    pub(crate) fn is_beyond(&self, input: Input, limit: Limit) -> bool {
        let Some(time) = self.merge.time(input) else { return false };
        match limit {
            Limit::Open { .. } => return false,
            Limit::Closed { .. } => return true,
            Limit::Through(_) => {}
        }
        let rekey = self.reading.rekey();
        // More of them than can lie ahead of any other: the first is before all that is still to come.
        let is_sorted = self.merge.len(rekey) > self.in_flight.of_all || self.merge.is_paused(rekey);
        let sorted = if is_sorted { self.merge.time(rekey) } else { None };
        Some(time) > Some(self.reach).max(sorted)
    }

    /// Events up to `through` may be handled once all of `rekey` before `end` was read.
    pub(crate) fn expect(&mut self, through: Timestamp, end: Offset) {
        // One that is awaited is not replaced: `rekey` may grow as fast as it is read.
        if self.next_reach.is_none() && through != self.reach {
            self.next_reach = Some((through, end));
        }
    }

    /// Goes as far as what was read of `rekey` allows. What was so before nothing was forwarded says nothing.
    pub(crate) fn take_reach(&mut self, limit: Limit) {
        if matches!(limit, Limit::Open { .. }) {
            (self.reach, self.next_reach) = (NOWHERE, None);
            return;
        }
        if let Limit::Through(least) = limit {
            self.reading.settle(least);
        }
        let rekey = self.reading.rekey();
        let told = self.ends.get(rekey.index()).copied().flatten().unwrap_or_default();
        let read_to = self.reading.read_to(rekey).max(told);
        if let Some((through, _)) = self.next_reach.take_if(|(_, end)| *end <= read_to) {
            self.reach = through;
        }
    }

    /// Whether nobody has anything left to forward here.
    pub(crate) fn is_free(&self, limit: Limit) -> bool {
        match limit {
            Limit::Open { .. } => true,
            Limit::Through(_) => self.reach == EVERYWHERE,
            Limit::Closed { .. } => false,
        }
    }

    /// Whether something waits for fronts to move.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether, since this was last asked, something came that is being forwarded.
    pub(crate) fn take_stir(&mut self) -> bool {
        std::mem::take(&mut self.is_stirred)
    }

    /// The input whose record is to be forwarded next.
    pub(crate) fn next_misplaced(&self, limit: Limit) -> Option<Input> {
        if !self.reading.has_misplaced() {
            return None;
        }
        self.reading.next_misplaced(limit, self.in_flight.of_one, self.front().watermark)
    }

    /// Whether something that was forwarded is uncommitted.
    pub(crate) fn has_forwarded(&self) -> bool {
        self.reading.has_sent()
    }

    pub(crate) fn front(&self) -> ForwardProgress {
        self.reading.front(|input| self.merge.is_read(input), |input| self.merge.is_paused(input))
    }

    /// Whether others can't begin before they hear of it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.tells_front() && self.told.is_none()
    }

    /// Whether others wait to hear how far this partition is. Of one that stands at its end they must not think for ever
    /// that it has something left.
    pub(crate) fn has_front_to_tell(&self, limit: Limit) -> bool {
        let front = self.front();
        let is_known = front.watermark != ForwardWatermark::Unknown;
        let is_asked = match limit {
            Limit::Through(_) => is_known,
            Limit::Closed { tells } => tells && is_known,
            Limit::Open { was_ever } if self.written.is_some() => was_ever && front.watermark == ForwardWatermark::End,
            // Whoever starts beside it would wait for a partition of which nothing was ever committed.
            Limit::Open { .. } => self.is_endless && is_known,
        };
        is_asked && self.told != Some(front)
    }
}
