//! Where nothing comes: stream time follows the clock, if the clock may be believed and the partition isn't a history
//! that is still being loaded; and the upkeep of quiet logs.
//!
//! Must not know: rdkafka, metrics. May break it: S moved by a clock that is wrong, which nothing takes back.

use crate::broker::Broker;
use crate::domain::{PartitionId, Timestamp};
use crate::runtime::board::idle_wait::IdleWait;
use crate::runtime::lane::Lane;
use crate::runtime::settings::{Mode, millis};
use crate::runtime::watch::timekeeper::ClockDoubt;

/// Where an idle partition's stream time goes; none: nothing was ever seen, so there is nobody for whom time could go
/// by.
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

impl<B: Broker> Lane<B> {
    /// Stream time follows the clock where nothing came for a while.
    pub(super) fn tick(&mut self, partition: PartitionId, now_ms: u64) {
        let settings = &self.job.settings;
        if settings.mode != Mode::Endless {
            return;
        }
        let limit = self.progress.limit();
        let Some(task) = self.partitions.task_mut(partition).filter(|task| task.is_unlimited(limit)) else { return };
        let is_idle = task.is_at_end() && now_ms.saturating_sub(task.last_record_ms) >= millis(settings.idle_after);
        if !is_idle {
            task.idle_wait = None;
            return;
        }
        if now_ms.saturating_sub(task.last_tick_ms) < millis(settings.idle_tick) {
            return;
        }
        task.last_tick_ms = now_ms;
        let reach_ms = i64::try_from(millis(settings.idle_reach)).unwrap_or(i64::MAX);
        let waited = task.idle_wait.take();
        match follow(task.engine.stream_time(), self.job.timekeeper.idle_now(&self.context.clock), reach_ms) {
            None => {}
            Some(Ok(now)) => task.request_time(now),
            Some(Err(wait)) => {
                task.idle_wait = Some(wait);
                if waited.map(IdleWait::as_str) != Some(wait.as_str()) {
                    let cause = wait.as_str();
                    tracing::warn!(partition = partition.0, cause, "stream time does not follow the clock: {wait}");
                }
            }
        }
    }

    /// Sees to it that the clock is compared, and logs are appended to, as often as they should be.
    pub(super) fn run_upkeep(&mut self, now_ms: u64) {
        if self.upkeep.is_busy(self.execution, self.index) {
            return;
        }
        let served: Vec<PartitionId> = self.partitions.active().map(|task| task.id).collect();
        let Some(&first) = served.first() else { return };
        let compare = self.job.timekeeper.is_due(&self.context.clock).then_some(first);
        let touch = if self.job.settings.mode == Mode::Endless {
            self.upkeep.take_due_touches(&served, millis(self.job.settings.touch_every), now_ms)
        } else {
            Vec::new()
        };
        if compare.is_some() || !touch.is_empty() {
            let context = self.task_context();
            self.upkeep.begin(context, compare, touch);
        }
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
