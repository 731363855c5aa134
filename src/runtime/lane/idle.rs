//! Where nothing comes: stream time follows the clock, if the clock may be believed and the partition isn't a history that is
//! still being loaded; and logs are touched, so that what was written last is compacted all the same.
//!
//! Must not know: rdkafka, metrics. May break it: S moved by a clock that is wrong, which nothing takes back.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::domain::{PartitionId, Timestamp};
use crate::runtime::board::calls::Call;
use crate::runtime::board::idle_wait::IdleWait;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::settings::{Mode, millis};
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Task};
use crate::runtime::watch::timekeeper::ClockDoubt;

/// Where an idle partition's stream time goes; none: nothing was ever seen, so there is nobody for whom time could go by.
fn follow(
    stream_time: Option<Timestamp>,
    now: Result<Timestamp, ClockDoubt>,
    reach_ms: i64,
) -> Option<Result<Timestamp, IdleWait>> {
    let stream_time = stream_time?;
    let now = match now {
        Ok(now) => now,
        Err(ClockDoubt::Apart) => return Some(Err(IdleWait::ClockApart)),
        Err(ClockDoubt::Unknown) => return Some(Err(IdleWait::ClockUnknown)),
    };
    let behind_ms = now.since(stream_time);
    Some(if behind_ms > reach_ms { Err(IdleWait::BeyondReach { behind_ms, reach_ms }) } else { Ok(now) })
}

/// What a lane does beside its batches, and when it last did.
pub(in crate::runtime) struct Upkeep<B: Broker> {
    task: Option<BackgroundTask<UpkeepTask<B>>>,
    /// When a partition's logs were touched, on the monotonic clock.
    touched: BTreeMap<PartitionId, u64>,
}

impl<B: Broker> Default for Upkeep<B> {
    fn default() -> Self {
        Self { task: None, touched: BTreeMap::new() }
    }
}

/// Questions and touches, away from the lane: each may block. What fails is logged, and is due again later.
struct UpkeepTask<B> {
    context: TaskContext<B>,
    compare: Option<PartitionId>,
    touch: Vec<PartitionId>,
}

impl<B: Broker> Task for UpkeepTask<B> {
    type Output = ();

    fn step(&mut self) -> Result<Option<()>, LaneError> {
        let TaskContext { broker, job, clock, board, .. } = &self.context;
        if let Some(partition) = self.compare.take() {
            let _calling = self.context.calling(Some(partition), Call::Time);
            job.timekeeper.compare(broker, partition, clock, board);
            return Ok(None);
        }
        let Some(partition) = self.touch.pop() else { return Ok(Some(())) };
        let _calling = self.context.calling(Some(partition), Call::Touch);
        if let Err(error) = broker.touch(partition) {
            tracing::warn!(
                partition = partition.0,
                "what was erased stays on disk for longer: no touch of its log: {error}"
            );
        }
        Ok(None)
    }

    fn reset(&mut self, _output: Option<()>) {}
}

impl<B: Broker> Lane<B> {
    /// Stream time follows the clock where nothing came for a while.
    pub(in crate::runtime) fn tick(&mut self, partition: PartitionId, now_ms: u64) {
        let job = self.job.clone();
        let settings = &job.settings;
        if settings.mode != Mode::Endless {
            return;
        }
        let clock = self.context.clock.clone();
        let limit = self.progress.limit();
        let Some(serving) = self.serving(partition).filter(|serving| serving.is_free(limit)) else { return };
        let is_idle =
            serving.is_at_end() && now_ms.saturating_sub(serving.last_record_ms) >= millis(settings.idle_after);
        if !is_idle {
            serving.idle_wait = None;
            return;
        }
        if now_ms.saturating_sub(serving.last_tick_ms) < millis(settings.idle_tick) {
            return;
        }
        serving.last_tick_ms = now_ms;
        let reach_ms = i64::try_from(millis(settings.idle_reach)).unwrap_or(i64::MAX);
        let waited = serving.idle_wait.take();
        match follow(serving.engine.stream_time(), job.timekeeper.idle_now(&clock), reach_ms) {
            None => {}
            Some(Ok(now)) => serving.ask_time(now),
            Some(Err(wait)) => {
                serving.idle_wait = Some(wait);
                if waited.map(IdleWait::as_str) != Some(wait.as_str()) {
                    let cause = wait.as_str();
                    tracing::warn!(partition = partition.0, cause, "stream time does not follow the clock: {wait}");
                }
            }
        }
    }

    /// Sees to it that the clock is compared, and logs are touched, as often as they should be.
    pub(in crate::runtime) fn run_upkeep(&mut self, now_ms: u64) {
        let (execution, index) = (self.execution, self.index);
        if let Some(task) = &mut self.upkeep.task {
            match task.advance(execution, || format!("upkeep-{index}")) {
                Ok(None) => return,
                Ok(Some(())) => {}
                Err(error) => {
                    tracing::warn!(
                        lane = index,
                        error = &error as &(dyn std::error::Error + 'static),
                        "upkeep failed; it is due again later"
                    );
                }
            }
            self.upkeep.task = None;
        }
        let served: Vec<PartitionId> =
            self.partitions.iter().filter(|(_, held)| held.as_active().is_some()).map(|(&id, _)| id).collect();
        let Some(&first) = served.first() else { return };
        let compare = self.job.timekeeper.is_due(&self.context.clock).then_some(first);
        let touch = self.take_due_touches(&served, now_ms);
        if compare.is_some() || !touch.is_empty() {
            self.upkeep.task = Some(BackgroundTask::new(UpkeepTask { context: self.task_context(), compare, touch }));
        }
    }

    /// Those whose turn it is. A partition is touched when it is first served, too: whoever had it before may have been about to.
    fn take_due_touches(&mut self, served: &[PartitionId], now_ms: u64) -> Vec<PartitionId> {
        if self.job.settings.mode != Mode::Endless {
            return Vec::new();
        }
        let every_ms = millis(self.job.settings.touch_every);
        let touched = &mut self.upkeep.touched;
        touched.retain(|partition, _| served.contains(partition));
        let is_due = |partition: &PartitionId| {
            touched.get(partition).is_none_or(|touched_ms| now_ms.saturating_sub(*touched_ms) >= every_ms)
        };
        let due: Vec<PartitionId> = served.iter().copied().filter(is_due).collect();
        touched.extend(due.iter().map(|&partition| (partition, now_ms)));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DAY_MS;

    #[test]
    fn stream_time_follows_no_further_than_its_reach_and_no_clock_that_is_not_believed() {
        let at = |days: i64| Timestamp::of_millis(days * DAY_MS);
        let reach_ms = 7 * DAY_MS;
        let beyond = |days: i64| IdleWait::BeyondReach { behind_ms: days * DAY_MS, reach_ms };
        for (stream_time, now, expected) in [
            (None, Ok(at(9)), None),
            (Some(at(2)), Ok(at(9)), Some(Ok(at(9)))),
            (Some(at(1)), Ok(at(9)), Some(Err(beyond(8)))),
            (Some(at(9)), Err(ClockDoubt::Apart), Some(Err(IdleWait::ClockApart))),
            (Some(at(9)), Err(ClockDoubt::Unknown), Some(Err(IdleWait::ClockUnknown))),
        ] {
            assert_eq!(follow(stream_time, now, reach_ms), expected, "{stream_time:?}, {now:?}");
        }
    }
}
