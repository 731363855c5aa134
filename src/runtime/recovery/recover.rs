//! Initialises the lane's transactional id, and learns what became of a transaction that was left in doubt.
//!
//! Both may take long, so this is a background task: the lane polls on and answers the group. The order:
//! 1. initialise the id: what an earlier holder had open is aborted, and nothing of it can come any more;
//! 2. read the group's offsets, whose metadata names the last transaction; or the partition record, if they were
//!    pending and had to be aborted;
//! 3. close what is still open of a transaction *before* the next one, which would otherwise give it its own outcome.
//!    Where that is an abort, without looking: hanging outputs can't be distinguished from those of others.
//!
//! Must not know: lanes.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::{Broker, BrokerError, CommitMetadata, Committed, Ending};
use crate::domain::PartitionId;
use crate::runtime::board::calls::Call;
use crate::runtime::error::LaneError;
use crate::runtime::recovery::entries::read_all;
use crate::runtime::recovery::outcome::{Verdict, note_of, verdict};
use crate::runtime::recovery::takeover;
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::Task;
use crate::state::{ChangelogEntry, PartitionRecord};

/// A transaction whose outcome must be learnt before anything of its partitions is handled.
#[derive(Debug)]
pub(in crate::runtime) struct Unsettled {
    pub note: CommitMetadata,
    /// Those that it wrote about.
    pub written: BTreeSet<PartitionId>,
    /// Those of them that the lane still owns.
    pub partitions: BTreeSet<PartitionId>,
}

pub(in crate::runtime) struct Recovery<B: Broker> {
    context: TaskContext<B>,
    producer: Option<B::Producer>,
    /// The transaction in doubt, and all partitions that it wrote about.
    doubt: Option<(CommitMetadata, BTreeSet<PartitionId>)>,
    /// Partitions that transactions which are known as committed wrote about.
    committed: BTreeSet<PartitionId>,
    /// Whether offsets of the transaction in doubt were pending, and so say nothing of it; none before that was asked.
    was_pending: Option<bool>,
    /// Whose offsets are still to be read, and those that were.
    unread: BTreeSet<PartitionId>,
    found: CommittedOffsets,
    /// Whether the transaction in doubt is known as committed.
    is_committed: bool,
    /// Partitions in which something of ours may still be open, by how it must end; none before the offsets are known.
    hanging: Option<Vec<(Ending, BTreeSet<PartitionId>)>>,
}

/// By partition the group's offsets; none where somebody else keeps them from being read.
pub(in crate::runtime) type CommittedOffsets = BTreeMap<PartitionId, Option<Vec<Committed>>>;

/// The id, the offsets, and whether the transaction in doubt was committed.
type Recovered<P> = (P, CommittedOffsets, bool);

impl<B: Broker> Task for Recovery<B> {
    type Output = Recovered<B::Producer>;

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        let Some(producer) = self.producer.take() else {
            self.producer = Some(self.take_id()?);
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
            return Ok(Some((producer, std::mem::take(&mut self.found), self.is_committed)));
        };
        // To end them initialises the id; it is initialised again afterwards.
        drop(producer);
        self.end(partitions, *ending)?;
        self.hanging = Some(hanging[..hanging.len() - 1].to_vec());
        Ok(None)
    }

    /// Recoveries are not recalled: whatever the group does, the lane needs its id.
    fn reset(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Recovery<B> {
    /// `committed`: partitions that transactions which are known as committed wrote about since the id was initialised.
    pub fn new(context: TaskContext<B>, doubt: Option<&Unsettled>, committed: BTreeSet<PartitionId>) -> Self {
        Self {
            context,
            producer: None,
            doubt: doubt.map(|it| (it.note.clone(), it.written.clone())),
            committed,
            was_pending: None,
            unread: doubt.map(|it| it.written.clone()).unwrap_or_default(),
            found: CommittedOffsets::new(),
            is_committed: false,
            hanging: None,
        }
    }

    /// Initialises the id. Whether offsets are pending can be asked only then, when the coordinator is done with all
    /// that came before, and before they are dropped.
    fn take_id(&mut self) -> Result<B::Producer, LaneError> {
        let _calling = self.context.calling(None, Call::TakeId);
        let broker = &self.context.broker;
        let mut producer = broker.producer(&self.context.own_id)?;
        if let (None, Some(&partition)) =
            (self.was_pending, self.doubt.as_ref().and_then(|(_, written)| written.first()))
        {
            self.was_pending = Some(broker.partition_offsets(partition)?.is_pending);
        }
        takeover::abort_pending_offsets(&mut producer)?;
        Ok(producer)
    }

    fn committed(&self, partition: PartitionId) -> Result<Option<Vec<Committed>>, LaneError> {
        let _calling = self.context.calling(None, Call::CommittedOffsets);
        match self.context.broker.committed(partition) {
            Ok(found) => Ok(Some(found)),
            // Another has something open there: whatever it is, memory can't be trusted.
            Err(BrokerError::NoProgress { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn find_hanging(&mut self) -> Result<Vec<(Ending, BTreeSet<PartitionId>)>, LaneError> {
        let mut committed = self.committed.clone();
        let mut aborted = BTreeSet::new();
        if let Some((note, written)) = self.doubt.as_ref().filter(|_| self.found.values().any(Option::is_some)) {
            let is_committed = self.was_committed(note, written)?;
            if is_committed {
                committed.extend(written);
            } else {
                // Where an earlier one is hanging as well, both end alike: they can't be told apart.
                committed.retain(|partition| !written.contains(partition));
                aborted.clone_from(written);
            }
            self.is_committed = is_committed;
        }
        let mut hanging = BTreeSet::new();
        let outputs_hang = !committed.is_empty() && self.outputs_are_open()?;
        for partition in committed {
            if outputs_hang || self.is_open(partition)? {
                hanging.insert(partition);
            }
        }
        let all = [(Ending::Abort, aborted), (Ending::Commit, hanging)];
        Ok(all.into_iter().filter(|(_, partitions)| !partitions.is_empty()).collect())
    }

    /// Of the transaction in doubt: its offsets say so, or if they were pending, the record of a partition that it
    /// wrote about.
    fn was_committed(&self, note: &CommitMetadata, written: &BTreeSet<PartitionId>) -> Result<bool, LaneError> {
        let mut found = self.found.values().flatten();
        if found.any(|found| verdict(note, None, found) == Verdict::Committed) {
            return Ok(true);
        }
        for &partition in written.iter().filter(|_| self.was_pending == Some(true)) {
            if !self.is_open(partition)? && self.last_written(partition)?.as_ref() == Some(note) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a transaction of ours is open in a partition of the changelog.
    fn is_open(&self, partition: PartitionId) -> Result<bool, LaneError> {
        let _calling = self.context.calling(Some(partition), Call::OpenWriters);
        Ok(self.context.broker.open_writers(partition)?.contains(&self.context.own_id))
    }

    /// Whether any transaction is open in an output, whoever's it is.
    fn outputs_are_open(&self) -> Result<bool, LaneError> {
        let _calling = self.context.calling(None, Call::OpenWriters);
        let broker = &self.context.broker;
        for topic in broker.topics().outputs.all() {
            if !broker.open_partitions(topic)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last transaction that shows in a partition of the changelog.
    fn last_written(&self, partition: PartitionId) -> Result<Option<CommitMetadata>, LaneError> {
        let _calling = self.context.calling(Some(partition), Call::ReadChangelog);
        let mut changelog = self.context.broker.changelog(partition)?;
        let timeout = self.context.clock.wait(self.context.job.settings.restore_timeout.duration());
        let mut record = None;
        read_all(&mut changelog, timeout, |entry| {
            if let ChangelogEntry::Partition(value) = entry {
                record = value.map(PartitionRecord::decode);
            }
            Ok::<_, LaneError>(())
        })?;
        // One that can't be read is the restore's to name.
        Ok(record.and_then(Result::ok).map(|record| note_of(&record)))
    }

    fn end(&self, partitions: &BTreeSet<PartitionId>, ending: Ending) -> Result<(), LaneError> {
        tracing::info!(?partitions, ?ending, "end what may be hanging under our id, as its coordinator has");
        let _calling = self.context.calling(None, Call::Fence);
        Ok(takeover::resolve_hanging(&self.context.broker, &self.context.own_id, partitions, ending)?)
    }
}
