//! Taking the lane's transactional id, and learning what became of a transaction that was left in doubt.
//!
//! Both may take long, so they are an errand: the lane polls on and answers the group. Meanwhile nothing is handled, written
//! or restored. A partition that is revoked leaves the doubt with it: whoever owns it next restores it.
//!
//! The order: take the id (what an earlier holder had open is aborted, and nothing of it can come any more), only then ask
//! for the offsets; their notes tell which transaction was the last. What still hangs of it (see [`Broker::release`]) the next
//! transaction would commit or abort as itself: so it is ended first, as it was for its coordinator. Where that was an
//! abort, without looking: outputs that hang can't be told from those of others.

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
    /// Those that it wrote about.
    pub written: BTreeSet<PartitionId>,
    /// Those of them that the lane still owns.
    pub partitions: BTreeSet<PartitionId>,
}

pub(super) struct Recovery<B: Broker> {
    tools: Tools<B>,
    producer: Option<B::Producer>,
    /// The transaction in doubt, and all partitions that it wrote about.
    doubt: Option<(CommitNote, BTreeSet<PartitionId>)>,
    /// Partitions that the last transaction which is known as committed wrote about.
    committed: BTreeSet<PartitionId>,
    /// Whose offsets are still to be read, and those that were.
    unread: BTreeSet<PartitionId>,
    found: Found,
    /// Partitions in which something of ours may still be open, by how it must end; none before the offsets are known.
    hanging: Option<Vec<(Ending, BTreeSet<PartitionId>)>>,
}

/// By partition the group's offsets; none where somebody else keeps them from being read.
type Found = BTreeMap<PartitionId, Option<Vec<Committed>>>;

impl<B: Broker> Work for Recovery<B> {
    type Output = (B::Producer, Found);

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        let Some(producer) = self.producer.take() else {
            let _calling = self.tools.calling(None, Call::TakeId);
            self.producer = Some(self.tools.broker.producer(&self.tools.own_id)?);
            return Ok(None);
        };
        if let Some(&partition) = self.unread.first() {
            self.producer = Some(producer);
            let found = self.committed(partition)?;
            self.unread.remove(&partition);
            self.found.insert(partition, found);
            return Ok(None);
        }
        let hanging = match self.hanging.take() {
            Some(hanging) => hanging,
            None => self.find_hanging()?,
        };
        let Some((ending, partitions)) = hanging.last() else {
            return Ok(Some((producer, std::mem::take(&mut self.found))));
        };
        // To end it takes the id; it is taken anew afterwards.
        drop(producer);
        self.end(partitions, *ending)?;
        self.hanging = Some(hanging[..hanging.len() - 1].to_vec());
        Ok(None)
    }

    /// Recoveries are not recalled: whatever the group does, the lane needs its id.
    fn take_back(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Recovery<B> {
    fn committed(&self, partition: PartitionId) -> Result<Option<Vec<Committed>>, LaneError> {
        let _calling = self.tools.calling(None, Call::CommittedOffsets);
        match self.tools.broker.committed(partition) {
            Ok(found) => Ok(Some(found)),
            // Another has something open there: whatever it is, memory can't be trusted.
            Err(BrokerError::NoProgress { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn find_hanging(&self) -> Result<Vec<(Ending, BTreeSet<PartitionId>)>, LaneError> {
        let mut committed = self.committed.clone();
        let mut aborted = BTreeSet::new();
        let found: Vec<_> = self.found.values().flatten().collect();
        if let Some((note, written)) = self.doubt.as_ref().filter(|_| !found.is_empty()) {
            if found.iter().any(|found| verdict(note, None, found) == Verdict::Committed) {
                committed.extend(written);
            } else {
                // It could not write where the one before it was not over.
                committed.retain(|partition| !written.contains(partition));
                aborted.clone_from(written);
            }
        }
        let mut hanging = BTreeSet::new();
        for partition in committed {
            let _calling = self.tools.calling(Some(partition), Call::OpenWriters);
            if self.tools.broker.open_writers(partition)?.contains(&self.tools.own_id) {
                hanging.insert(partition);
            }
        }
        let all = [(Ending::Commit, hanging), (Ending::Abort, aborted)];
        Ok(all.into_iter().filter(|(_, partitions)| !partitions.is_empty()).collect())
    }

    fn end(&self, partitions: &BTreeSet<PartitionId>, ending: Ending) -> Result<(), LaneError> {
        tracing::info!(?partitions, ?ending, "end what may hang under our id, as its coordinator has");
        let _calling = self.tools.calling(None, Call::Fence);
        Ok(self.tools.broker.release(&self.tools.own_id, partitions, ending)?)
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
                doubt: doubt.map(|it| (it.note.clone(), it.written.clone())),
                committed: self.last_written.clone(),
                unread: doubt.map(|it| it.written.clone()).unwrap_or_default(),
                found: Found::new(),
                hanging: None,
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
        let Some(Unsettled { note, written, partitions }) = self.unsettled.take() else { return Ok(()) };
        for partition in partitions {
            let found = found.remove(&partition).flatten();
            let Some(serving) = self.serving(partition) else { continue };
            let before = serving.written.clone();
            let verdict = found.map_or(Verdict::Unknown, |found| verdict(&note, before.as_ref(), &found));
            tracing::info!(partition = partition.0, number = note.number, ?verdict, "settled");
            let only = BTreeSet::from([partition]);
            match verdict {
                Verdict::Committed => {
                    self.last_written.clone_from(&written);
                    self.install(&only, &note);
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
