//! The lane's side of a recovery: it runs while the lane has no producer, or a transaction is in doubt.
//!
//! Meanwhile nothing is handled, written or restored. A partition that is revoked leaves the doubt with it: whoever
//! owns it next restores it.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::schedule::LoopTurn;
use crate::runtime::lane::writer::Settlement;
use crate::runtime::recovery::outcome::{Verdict, verdict};
use crate::runtime::recovery::recover::Unsettled;

impl<B: Broker> Lane<B> {
    /// Advances the recovery; when it is done, what was in doubt is settled.
    pub(super) fn recover(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let (execution, index) = (self.execution, self.index);
        let context = self.task_context();
        match self.writer.advance_recovery(execution, || format!("recover-{index}"), || context) {
            Ok(None) => Ok(()),
            Err(error) => self.failed(Activity::Recover, error, now_ms),
            Ok(Some(settlement)) => {
                self.succeeded(Activity::Recover);
                // Whatever is decided: first hear whether the partitions are still ours.
                self.schedule.pass_to(LoopTurn::Poll);
                self.settle(settlement, now_ms)
            }
        }
    }

    /// Installs what was committed, rolls back what was not, and restores where somebody else has written.
    fn settle(&mut self, settlement: Settlement, now_ms: u64) -> Result<(), LaneError> {
        let Settlement { unsettled, mut found, is_committed } = settlement;
        // Without those that were revoked since the offsets were asked for.
        let Some(Unsettled { note, written, partitions }) = unsettled else { return Ok(()) };
        for partition in partitions {
            let found = found.remove(&partition).flatten();
            let Some(task) = self.partitions.task(partition) else { continue };
            let before = task.written.clone();
            let mut verdict = found.map_or(Verdict::Unknown, |found| verdict(&note, before.as_ref(), &found));
            // Its offsets were pending, and had to be aborted.
            let offsets_lag = is_committed && verdict == Verdict::NotCommitted;
            if offsets_lag {
                verdict = Verdict::Committed;
            }
            tracing::info!(partition = partition.0, number = note.number, ?verdict, "settled");
            let only = BTreeSet::from([partition]);
            match verdict {
                Verdict::Committed => {
                    self.writer.committed(written.iter().copied());
                    self.install(&only, &note);
                    self.succeeded(Activity::Commit);
                    if let Some(task) = self.partitions.task_mut(partition) {
                        task.offsets_behind = offsets_lag.then(|| before.unwrap_or(note.clone()));
                    }
                }
                Verdict::NotCommitted => self.roll_back(&only, now_ms)?,
                Verdict::Unknown => {
                    let restoring = self.new_restore(partition, None, None, now_ms);
                    self.begin_restore(partition, restoring);
                }
            }
        }
        Ok(())
    }
}
