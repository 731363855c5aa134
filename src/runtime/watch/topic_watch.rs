//! Watches over the topics under a running process: which they are, how many partitions they have, what they hold.
//!
//! A consumer does not learn that a topic was deleted and created again: it reads on at its old offset. Only the
//! topic's id tells. What is found goes to `topic_faults`, where lanes find it before their next step, and to the board
//! at once, so that it shows even while a lane is blocked in a call. Asking may block, so it is a background task;
//! the readers' clients are never asked.
//!
//! Must not know: a lane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::broker::{Broker, LogRange, TopicDescription};
use crate::chain::Chain;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::board::status::{PartitionStatus, Phase, UnservedInput};
use crate::runtime::board::topic_faults::TopicFault;
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::job::Job;
use crate::runtime::recovery::identity::{self, outside};
use crate::runtime::recovery::refusal::Refusal;
use crate::runtime::round_robin::after;
use crate::runtime::settings::millis;
use crate::runtime::tasks::{BackgroundTask, Execution, Task};

/// Partitions whose bounds one look asks for, in turn: each is a look-up an input.
const BOUNDS_A_LOOK: usize = 16;
/// A topic that is gone so often in a row is: once may be a broker that has not heard of it.
const GONE_LOOKS: u32 = 2;

/// Call [`Self::look`] now and then.
pub struct TopicWatch<B: Broker> {
    broker: B,
    job: Arc<Job>,
    context: LaneContext,
    execution: Execution,
    look: Option<BackgroundTask<TopicQuery<B>>>,
    next_ms: u64,
    /// Looks in a row at which a topic was gone.
    gone: u32,
    /// The partition whose bounds were asked for last.
    last: PartitionId,
    /// What was committed of each partition when all was last as it should be.
    confirmed: BTreeMap<PartitionId, Vec<Offset>>,
    /// Inputs whose position lay outside of their log at the last look, and where that was.
    outside: BTreeMap<(PartitionId, Input), Offset>,
    /// The last look failed, and it was said.
    is_blind: bool,
}

impl<B: Broker> TopicWatch<B> {
    /// Watches the topics of a process.
    pub fn new(broker: B, job: Arc<Job>, context: LaneContext) -> Self {
        let execution = if context.clock.is_simulated() { Execution::Inline } else { Execution::Thread };
        Self {
            broker,
            job,
            context,
            execution,
            look: None,
            next_ms: 0,
            gone: 0,
            last: PartitionId(-1),
            confirmed: BTreeMap::new(),
            outside: BTreeMap::new(),
            is_blind: false,
        }
    }

    /// Looks now and then until it is over.
    pub(in crate::runtime) fn watch(mut self, is_over: &AtomicBool) {
        let pause =
            (self.job.settings.topic_check.duration() / 4).clamp(Duration::from_millis(5), Duration::from_millis(500));
        while !is_over.load(Ordering::Relaxed) {
            self.look();
            std::thread::park_timeout(pause);
        }
    }

    /// Takes in what the broker has answered, and asks again when it is time.
    pub fn look(&mut self) {
        let now_ms = self.context.clock.monotonic_ms();
        if self.look.is_none() && now_ms >= self.next_ms {
            self.next_ms = now_ms.saturating_add(millis(self.job.settings.topic_check));
            self.look = Some(BackgroundTask::new(self.begin()));
        }
        while let Some(look) = &mut self.look {
            match look.advance(self.execution, || "topic-look".to_owned()) {
                Ok(None) if self.execution == Execution::Inline => continue,
                Ok(None) => return,
                Ok(Some(seen)) => self.take_in(seen),
                Err(error) => self.say_blind(&Chain(&error).to_string()),
            }
            self.look = None;
        }
    }

    /// What the next look is about: the board is read before the broker is asked, so that what it says was true then.
    fn begin(&mut self) -> TopicQuery<B> {
        let partitions = self.context.board.read(|status| {
            let ours = status.partitions.iter().filter(|(_, it)| is_watched(it));
            ours.map(|(&id, it)| (id, it.clone())).collect::<BTreeMap<_, _>>()
        });
        let ids: Vec<_> = partitions.keys().copied().collect();
        let bounded: Vec<_> = after(ids.into_iter(), self.last).into_iter().take(BOUNDS_A_LOOK).collect();
        self.last = bounded.last().copied().unwrap_or(self.last);
        TopicQuery { broker: self.broker.clone(), partitions, unasked: bounded, topics: None, bounds: BTreeMap::new() }
    }

    fn say_blind(&mut self, error: &str) {
        if !std::mem::replace(&mut self.is_blind, true) {
            tracing::warn!("the topics can't be looked at: {error}; what becomes of them is not noticed meanwhile");
        }
    }

    fn take_in(&mut self, seen: TopicReport) {
        let TopicReport { partitions, topics, bounds } = seen;
        if std::mem::take(&mut self.is_blind) {
            tracing::info!("the topics can be looked at again");
        }
        self.gone = if topics.iter().any(TopicDescription::is_gone) { self.gone + 1 } else { 0 };
        let unfit = identity::unfit(&topics).filter(|_| self.gone == 0 || self.gone >= GONE_LOOKS);
        self.confirmed.retain(|partition, _| partitions.contains_key(partition));
        self.outside.retain(|(partition, _), _| partitions.contains_key(partition));
        for (&partition, status) in &partitions {
            let positions: Vec<_> = status.inputs.iter().map(|input| Some(input.next_offset)).collect();
            let held = bounds.get(&partition).map_or(&[][..], Vec::as_slice);
            let recreated = identity::recreated(&status.identities, &topics, &positions, held);
            if let Some(refusal) = recreated.or_else(|| unfit.clone()) {
                self.found(partition, refusal);
            } else if self.gone == 0 && status.phase == Phase::Serving {
                let committed = status.inputs.iter().map(|input| input.next_offset).collect();
                self.confirmed.insert(partition, committed);
                self.doubt(partition, status, held);
            }
            self.tell_what_is_left(partition, status, &topics, held);
        }
    }

    fn found(&self, partition: PartitionId, refusal: Refusal) {
        let known = self.context.faults.of(partition);
        let confirmed = self.confirmed.get(&partition).cloned().unwrap_or_default();
        if known.is_none() {
            tracing::error!(partition = partition.0, "it can't be gone on with: {refusal}");
        }
        let phase = Phase::Unserved(refusal.to_string());
        self.context.faults.find(partition, TopicFault { refusal, confirmed });
        if known.is_none() && self.context.faults.has_begun() {
            // Its lane, which may be blocked in a call, does the same.
            self.context.board.partition(partition, |status| status.phase = phase);
        }
    }

    /// TopicReport twice at the same place, its lane is to say whether it is only slow.
    fn doubt(&mut self, partition: PartitionId, status: &PartitionStatus, bounds: &[LogRange]) {
        for ((input, reading), &bounds) in (0u8..).map(Input).zip(&status.inputs).zip(bounds) {
            let key = (partition, input);
            let topic = self.job.topics.input(input).clone();
            if outside(topic, reading.read_to, bounds).is_none() {
                self.outside.remove(&key);
            } else if self.outside.insert(key, reading.read_to) == Some(reading.read_to) {
                self.context.faults.doubt(partition, input, reading.read_to);
            }
        }
    }

    /// Of a partition that was left: how much this process doesn't read, for the metrics.
    fn tell_what_is_left(
        &self,
        partition: PartitionId,
        status: &PartitionStatus,
        topics: &[TopicDescription],
        bounds: &[LogRange],
    ) {
        if !matches!(status.phase, Phase::Unserved(_)) || bounds.is_empty() {
            return;
        }
        let unread: Vec<_> = (0u8..)
            .map(Input)
            .zip(status.inputs.iter().zip(bounds))
            .map(|(input, (reading, &bounds))| {
                let from = reading.unserved.map_or(reading.next_offset, |unserved| unserved.doubtful_from);
                let is_other = matches!(status.identities.sameness(input, topics), identity::Sameness::Other(..));
                UnservedInput { doubtful_from: from, unread: unread(from, reading.next_offset, bounds, is_other) }
            })
            .collect();
        let was_told = status.inputs.iter().any(|input| input.unserved.is_some_and(|unserved| unserved.unread > 0));
        if !was_told && unread.iter().any(|left| left.unread > 0) {
            for (topic, UnservedInput { unread, .. }) in
                self.job.topics.inputs.iter().zip(&unread).filter(|(_, it)| it.unread > 0)
            {
                tracing::error!(
                    partition = partition.0,
                    input = &**topic,
                    unread,
                    "records that nobody reads, at most"
                );
            }
        }
        self.context.board.partition(partition, |status| {
            status.inputs.iter_mut().zip(unread).for_each(|(input, unserved)| input.unserved = Some(unserved));
        });
    }
}

/// Those whose state is held, and those that were left.
fn is_watched(status: &PartitionStatus) -> bool {
    matches!(status.phase, Phase::Serving | Phase::Unserved(_))
}

/// Records of a log that are not read by who stopped at `to`, and saw the topic change somewhere since `from`, at most.
/// Of a position beyond the end those that are still to be written.
fn unread(from: Offset, to: Offset, bounds: LogRange, is_other: bool) -> u64 {
    let LogRange { earliest, end } = bounds;
    let count = if is_other {
        (from.min(end) - earliest).max(0) + (end - to.max(earliest)).max(0)
    } else if to > end {
        to - end
    } else {
        end - to
    };
    count.max(0).unsigned_abs()
}

/// One look, away from everybody else.
struct TopicQuery<B> {
    broker: B,
    partitions: BTreeMap<PartitionId, PartitionStatus>,
    unasked: Vec<PartitionId>,
    topics: Option<Vec<TopicDescription>>,
    bounds: BTreeMap<PartitionId, Vec<LogRange>>,
}

struct TopicReport {
    partitions: BTreeMap<PartitionId, PartitionStatus>,
    topics: Vec<TopicDescription>,
    bounds: BTreeMap<PartitionId, Vec<LogRange>>,
}

impl<B: Broker> Task for TopicQuery<B> {
    type Output = TopicReport;

    fn step(&mut self) -> Result<Option<TopicReport>, LaneError> {
        let Some(topics) = &self.topics else {
            self.topics = Some(self.broker.describe_topics()?);
            return Ok(None);
        };
        // One that is gone holds nothing that could be asked for.
        let is_gone = topics.iter().any(TopicDescription::is_gone);
        if let Some(partition) = self.unasked.pop().filter(|_| !is_gone) {
            match self.broker.log_ranges(partition) {
                Ok(bounds) => _ = self.bounds.insert(partition, bounds),
                // The ids count for more: the next look at them must not wait for bounds that can't be had.
                Err(error) => {
                    tracing::debug!(partition = partition.0, "its bounds can't be had: {}", Chain(&error));
                    self.unasked.clear();
                }
            }
            return Ok(None);
        }
        let (partitions, bounds) = (std::mem::take(&mut self.partitions), std::mem::take(&mut self.bounds));
        Ok(Some(TopicReport { partitions, topics: self.topics.take().unwrap_or_default(), bounds }))
    }

    fn reset(&mut self, _output: Option<TopicReport>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_never_be_read_is_never_none() {
        let held = |earliest, end| LogRange { earliest, end };
        for (case, from, to, bounds, is_other, expected) in [
            ("made anew, shorter than the position", 5, 5, held(0, 3), true, 3),
            ("made anew and grown past it, read on for a while", 5, 7, held(0, 9), true, 5 + 2),
            ("made anew, and nothing in it yet", 5, 5, held(0, 0), true, 0),
            ("cut before the position: what is written up to it", 5, 5, held(0, 3), false, 2),
            ("deleted unread, and the rest", 5, 5, held(8, 9), false, 4),
            ("all read", 5, 5, held(0, 5), false, 0),
        ] {
            assert_eq!(unread(from, to, bounds, is_other), expected, "{case}");
        }
    }
}
