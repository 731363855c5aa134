//! Taking the lane's transactional id, and learning what became of a transaction that was left in doubt.
//!
//! Both may take long, so they are an errand: the lane polls on and answers the group. Meanwhile nothing is handled, written
//! or restored. A partition that is revoked leaves the doubt with it: whoever owns it next restores it.
//!
//! The order: take the id (what an earlier holder had open is aborted, and nothing of it can come any more), only then ask
//! for the offsets; their notes tell which transaction was the last. What stands open under the id all the same hangs, and
//! the next commit would show it: it is ended first, as the offsets say that its transaction was.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::{Broker, BrokerError, CommitNote, Committed, Ending};
use crate::domain::PartitionId;
use crate::runtime::LaneError;
use crate::runtime::calls::Call;
use crate::runtime::errand::{Errand, Work};
use crate::runtime::failures::Doing;
use crate::runtime::lane::{Lane, Next};
use crate::runtime::ownership::{Verdict, verdict};
use crate::runtime::restore::Tools;

/// A transaction whose outcome must be learnt before anything of its partitions is handled.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub note: CommitNote,
    /// Those of it that the lane still owns.
    pub partitions: BTreeSet<PartitionId>,
}

pub(super) struct Recovery<B: Broker> {
    tools: Tools<B>,
    producer: Option<B::Producer>,
    /// The transaction in doubt.
    note: Option<CommitNote>,
    /// Whose offsets are still to be read, and those that were.
    unread: BTreeSet<PartitionId>,
    found: Found,
    /// Partitions in which something of ours is still open, and how it must end.
    hanging: BTreeMap<PartitionId, Ending>,
}

/// By partition the group's offsets; none where somebody else keeps them from being read.
type Found = BTreeMap<PartitionId, Option<Vec<Committed>>>;

impl<B: Broker> Work for Recovery<B> {
    type Output = (B::Producer, Found);

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        if let Some((&partition, &ending)) = self.hanging.first_key_value() {
            return self.end(partition, ending).map(|()| None);
        }
        let Some(producer) = self.producer.take() else {
            let _calling = self.tools.calling(None, Call::TakeId);
            self.producer = Some(self.tools.broker.producer(&self.tools.own_id)?);
            return Ok(None);
        };
        let Some(&partition) = self.unread.first() else {
            return Ok(Some((producer, std::mem::take(&mut self.found))));
        };
        self.producer = Some(producer);
        let calling = self.tools.calling(None, Call::CommittedOffsets);
        let found = match self.tools.broker.committed(partition) {
            Ok(found) => Some(found),
            // Another has something open there: whatever it is, memory can't be trusted.
            Err(BrokerError::NoProgress { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        drop(calling);
        if let (Some(note), Some(found)) = (&self.note, &found)
            && self.hangs(partition)?
        {
            let is_committed = verdict(note, None, found) == Verdict::Committed;
            self.hanging.insert(partition, if is_committed { Ending::Commit } else { Ending::Abort });
        }
        self.unread.remove(&partition);
        self.found.insert(partition, found);
        Ok(None)
    }

    /// Recoveries are not recalled: whatever the group does, the lane needs its id.
    fn take_back(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Recovery<B> {
    fn hangs(&self, partition: PartitionId) -> Result<bool, LaneError> {
        let _calling = self.tools.calling(Some(partition), Call::OpenWriters);
        Ok(self.tools.broker.open_writers(partition)?.contains(&self.tools.own_id))
    }

    /// Takes the id to do so: the producer is made anew afterwards.
    fn end(&mut self, partition: PartitionId, ending: Ending) -> Result<(), LaneError> {
        self.producer = None;
        tracing::warn!(partition = partition.0, ?ending, "end what hangs under our id, as its coordinator has");
        let _calling = self.tools.calling(Some(partition), Call::Fence);
        self.tools.broker.release(&self.tools.own_id, partition, ending)?;
        self.hanging.remove(&partition);
        Ok(())
    }
}

impl<B: Broker> Lane<B> {
    /// Whether nothing may be written, since the id is not held or an outcome is in doubt.
    pub(super) fn must_recover(&self) -> bool {
        self.unsettled.is_some() || self.producer.is_none()
    }

    /// Goes on with taking the id and asking for offsets; with both in hand it settles what was in doubt.
    pub(super) fn recover(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let (manner, index) = (self.manner, self.index);
        let mut errand = self.recovery.take().unwrap_or_else(|| {
            let doubt = self.unsettled.as_ref();
            Errand::new(Recovery {
                tools: self.tools(),
                producer: None,
                note: doubt.map(|it| it.note.clone()),
                unread: doubt.map(|it| it.partitions.clone()).unwrap_or_default(),
                found: Found::new(),
                hanging: BTreeMap::new(),
            })
        });
        match errand.advance(manner, || format!("recover-{index}")) {
            Ok(None) => {
                self.recovery = Some(errand);
                Ok(())
            }
            Err(error) => {
                self.recovery = Some(errand);
                self.failed(Doing::Recover, error, now_ms)
            }
            Ok(Some((producer, found))) => {
                self.producer = Some(producer);
                self.succeeded(Doing::Recover);
                // Whatever is decided: first hear whether the partitions are still ours.
                self.next = Next::Poll;
                self.settle(found, now_ms)
            }
        }
    }

    /// Installs what was committed, rolls back what was not, and restores where somebody else has written.
    fn settle(&mut self, mut found: Found, now_ms: u64) -> Result<(), LaneError> {
        // Without those that were revoked since the offsets were asked for.
        let Some(Unsettled { note, partitions }) = self.unsettled.take() else { return Ok(()) };
        for partition in partitions {
            let found = found.remove(&partition).flatten();
            let Some(serving) = self.serving(partition) else { continue };
            let before = serving.written.clone();
            let verdict = found.map_or(Verdict::Unknown, |found| verdict(&note, before.as_ref(), &found));
            tracing::info!(partition = partition.0, number = note.number, ?verdict, "settled");
            let only = BTreeSet::from([partition]);
            match verdict {
                Verdict::Committed => self.install(&only, &note),
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
