//! What a lane knows of the topics under it: how much of the process's findings it has taken in, and which positions
//! may lie outside of their logs.
//!
//! Must not know: how topics are watched.

use std::collections::BTreeMap;

use crate::domain::{Input, PartitionId};
use crate::pipeline::InputView;
use crate::record::Offset;

/// Polls that must bring nothing of an input before its position is taken for lost: what the client has read ahead
/// comes first.
const IDLE_POLLS: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct TopicHealth {
    /// How many of the findings it has taken in.
    seen: u64,
    /// Inputs whose position may be lost: where reading was, and the polls that have brought nothing since.
    doubts: BTreeMap<(PartitionId, Input), (Offset, u32)>,
    /// The ends that were read have been committed before leaving.
    has_taken_ends: bool,
}

impl TopicHealth {
    /// Whether there are findings that were not taken in; `changes` counts all.
    pub fn has_news(&mut self, changes: u64) -> bool {
        std::mem::replace(&mut self.seen, changes) != changes
    }

    /// All findings are taken in again before the next step.
    pub fn recheck(&mut self) {
        self.seen = 0;
    }

    /// The position of an input may be lost; reading was there.
    pub fn doubt(&mut self, partition: PartitionId, input: Input, read_to: Offset) {
        self.doubts.insert((partition, input), (read_to, 0));
    }

    /// After a poll: the partitions of which an input has brought nothing for so long that its position must be judged.
    /// `reading`: where an input is read to, and whether it is paused; none of a partition that is not served.
    pub fn judge(&mut self, reading: impl Fn(PartitionId, Input) -> Option<InputView>) -> Vec<PartitionId> {
        let mut lost = Vec::new();
        self.doubts.retain(|&(partition, input), (read_to, polls)| {
            let is_idle = |input: InputView| input.read_to == *read_to && !input.is_paused;
            if !reading(partition, input).is_some_and(is_idle) {
                return false;
            }
            *polls += 1;
            if *polls == IDLE_POLLS {
                lost.push(partition);
            }
            *polls < IDLE_POLLS
        });
        lost
    }

    /// True once, before leaving: whether the ends that were read are still to be committed must be looked at.
    pub fn may_take_ends(&mut self) -> bool {
        !std::mem::replace(&mut self.has_taken_ends, true)
    }
}
