//! The lane's side of a recovery: it runs while the lane has no producer, or a transaction is in doubt.
//!
//! Meanwhile nothing is handled, written or restored. A partition that is revoked leaves the doubt with it: whoever owns it
//! next restores it.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, LoopTurn};
use crate::runtime::recovery::outcome::{Verdict, verdict};
use crate::runtime::recovery::recover::{CommittedOffsets, Recovery, Unsettled};
use crate::runtime::tasks::BackgroundTask;

impl<B: Broker> Lane<B> {
    /// Whether nothing may be written, since the id is not held or an outcome is in doubt.
    pub(in crate::runtime) fn must_recover(&self) -> bool {
        self.unsettled.is_some() || self.producer.is_none()
    }

    /// Goes on with taking the id and asking for offsets; with both in hand it settles what was in doubt.
    pub(in crate::runtime) fn recover(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let (execution, index) = (self.execution, self.index);
        let mut task = self.recovery.take().unwrap_or_else(|| {
            let recovery = Recovery::new(self.task_context(), self.unsettled.as_ref(), self.committed_to.clone());
            BackgroundTask::new(recovery)
        });
        match task.advance(execution, || format!("recover-{index}")) {
            Ok(None) => {
                self.recovery = Some(task);
                Ok(())
            }
            Err(error) => {
                self.recovery = Some(task);
                self.failed(Activity::Recover, error, now_ms)
            }
            Ok(Some((producer, found, is_committed))) => {
                self.producer = Some(producer);
                self.committed_to.clear();
                self.succeeded(Activity::Recover);
                // Whatever is decided: first hear whether the partitions are still ours.
                self.next = LoopTurn::Poll;
                self.settle(found, is_committed, now_ms)
            }
        }
    }

    /// Installs what was committed, rolls back what was not, and restores where somebody else has written.
    fn settle(&mut self, mut found: CommittedOffsets, is_committed: bool, now_ms: u64) -> Result<(), LaneError> {
        // Without those that were revoked since the offsets were asked for.
        let Some(Unsettled { note, written, partitions }) = self.unsettled.take() else { return Ok(()) };
        for partition in partitions {
            let found = found.remove(&partition).flatten();
            let Some(serving) = self.serving(partition) else { continue };
            let before = serving.written.clone();
            let mut verdict = found.map_or(Verdict::Unknown, |found| verdict(&note, before.as_ref(), &found));
            // Its offsets hung, and were dropped.
            let offsets_lag = is_committed && verdict == Verdict::NotCommitted;
            if offsets_lag {
                verdict = Verdict::Committed;
            }
            tracing::info!(partition = partition.0, number = note.number, ?verdict, "settled");
            let only = BTreeSet::from([partition]);
            match verdict {
                Verdict::Committed => {
                    self.committed_to.extend(&written);
                    self.install(&only, &note);
                    self.succeeded(Activity::Commit);
                    if let Some(serving) = self.serving(partition) {
                        serving.overtaken = offsets_lag.then(|| before.unwrap_or(note.clone()));
                    }
                }
                Verdict::NotCommitted => self.roll_back(&only, now_ms)?,
                Verdict::Unknown => {
                    let restoring = self.restoring(partition, None, now_ms);
                    self.hold_restoring(partition, restoring);
                }
            }
        }
        Ok(())
    }
}
