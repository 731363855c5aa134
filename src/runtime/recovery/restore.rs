//! How a partition that was assigned comes to be served: a background task of bounded steps.
//!
//! The order matters:
//! 1. whoever has something open in the partition is fenced (nobody has after a planned hand-over);
//! 2. the group's offsets are read: they can't change behind us any more;
//! 3. state that was parked here is reused, if the offsets say that it was written last;
//! 4. else the changelog is read to its high watermark, and judged; the partition starts from its record's offsets.
//!
//! Either way its topics must be those that it was made from, and hold what is next to be read. After a failure it
//! begins again. A restore interrupted by a revocation restarts at step 1 but keeps the changelog records already read:
//! a changelog only grows at its end. (A tombstone outlives its key by `delete.retention.ms`, a day; a parked restore
//! waits for the next assignment only.) Memory: the partition's own state, and what its reader has queued.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::{
    Broker, BrokerError, ChangelogReader, Committed, ErrorClass, LogRange, ReadProgress, TopicDescription,
};
use crate::domain::{Input, PartitionId};
use crate::engine::Partition;
use crate::pipeline::PartitionTask;
use crate::record::Message;
use crate::runtime::active::ActivePartition;
use crate::runtime::board::calls::Call;
use crate::runtime::board::status::RestoreStage;
use crate::runtime::error::LaneError;
use crate::runtime::recovery::entries::read_entries;
use crate::runtime::recovery::identity;
use crate::runtime::recovery::outcome;
use crate::runtime::recovery::refusal::Refusal;
use crate::runtime::recovery::start::{self, Now};
use crate::runtime::recovery::takeover;
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{Permit, Task};
use crate::state::partition_record::UnreadableRecord;
use crate::state::{ChangelogEntry, PartitionRecord, StateError};

pub(in crate::runtime) struct Restore<B: Broker> {
    context: TaskContext<B>,
    partition: PartitionId,
    step: Step,
    committed: Vec<Committed>,
    /// State of this partition from before it was revoked.
    parked: Option<Box<ActivePartition<B::Message>>>,
    /// What was read of the changelog so far.
    partial: Option<PartialRead<B>>,
    /// LogRange how many are under way at once, with their threads and readers.
    permit: Option<Permit>,
    /// The partition record before the place where nothing came any more, though whoever had something open was fenced.
    stalled_after: Option<Option<PartitionRecord>>,
    /// The group's offsets could not be read, though whoever had some pending was fenced.
    offsets_are_pending: bool,
    /// The input of which the broker said that its position is out of range.
    suspect: Option<Input>,
    /// A topic was not there when it was asked for. Once may be a broker that has not heard of it.
    was_gone: bool,
    shared: Arc<SharedProgress>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    AskWriters,
    Fence(Vec<Arc<str>>),
    AskOffsets,
    Open,
    Read,
    Judge,
}

struct PartialRead<B: Broker> {
    changelog: B::Changelog,
    found: RestoredState,
}

/// What was read of a changelog so far.
struct RestoredState {
    engine: Partition,
    record: Option<Vec<u8>>,
}

/// How far a restore is, shared with its lane.
#[derive(Debug, Default)]
pub(in crate::runtime) struct SharedProgress(Mutex<RestoreProgress>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::runtime) struct RestoreProgress {
    /// What it is about.
    pub stage: RestoreStage,
    /// Records read so far, and left to read, at most.
    pub records: u64,
    /// Records left to read, at most.
    pub remaining: u64,
}

impl SharedProgress {
    /// How far it is now.
    pub fn now(&self) -> RestoreProgress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut RestoreProgress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What a restore has come to.
pub(in crate::runtime) enum Restored<M> {
    /// Taken up where it was left.
    Returned(Box<ActivePartition<M>>),
    Read(Box<ActivePartition<M>>),
    Refused(Refusal),
}

impl<B: Broker> Restore<B> {
    pub fn new(
        context: TaskContext<B>,
        partition: PartitionId,
        parked: Option<Box<ActivePartition<B::Message>>>,
    ) -> Self {
        let shared = Arc::default();
        Self {
            context,
            partition,
            step: Step::default(),
            committed: Vec::new(),
            parked,
            partial: None,
            permit: None,
            stalled_after: None,
            offsets_are_pending: false,
            suspect: None,
            was_gone: false,
            shared,
        }
    }

    /// Refuses the partition if its position in an input is as out of range as the broker has said, whatever is found
    /// now.
    pub fn suspecting(mut self, suspect: Option<Input>) -> Self {
        self.suspect = suspect;
        self
    }

    /// Whether it may be gone on with. Else it must wait until another has come to an end.
    pub fn has_permit(&mut self) -> bool {
        self.permit = self.permit.take().or_else(|| self.context.job.restore_permits.take());
        self.permit.is_some()
    }

    pub fn progress(&self) -> Arc<SharedProgress> {
        self.shared.clone()
    }

    /// Fences a predecessor, or finds that there is none left.
    fn fence(&mut self, mut writers: Vec<Arc<str>>) -> Result<Step, LaneError> {
        let Some(writer) = writers.pop() else { return Ok(Step::AskOffsets) };
        // Our own earlier self was fenced when the producer was made. What is open all the same is a hanging
        // transaction (KIP-664).
        if writer != self.context.own_id || self.stalled_after.is_some() || self.offsets_are_pending {
            let (partition, predecessor) = (self.partition.0, &*writer);
            let _calling = self.context.calling(Some(self.partition), Call::Fence);
            if let Some(record) = &self.stalled_after {
                let ending = outcome::ending_of_hanging(record.as_ref(), &writer, &self.committed);
                tracing::warn!(partition, predecessor, ?ending, "end a hanging transaction as its coordinator has");
                takeover::resolve_hanging(&self.context.broker, &writer, &BTreeSet::from([self.partition]), ending)?;
            } else if self.offsets_are_pending {
                tracing::warn!(partition, predecessor, "abort pending offsets");
                takeover::abort_pending_offsets(&mut self.context.broker.producer(&writer)?)?;
            } else {
                tracing::warn!(partition, predecessor, "fence what was left open");
                takeover::fence(&self.context.broker, &writer)?;
            }
            self.context.board.lane(self.context.lane, |lane| lane.fenced += 1);
        }
        Ok(Step::Fence(writers))
    }

    /// Opens the changelog; one that was partial read is read on, to where it ends now.
    fn open(&mut self) -> Result<Step, LaneError> {
        if let Some(partial) = &mut self.partial {
            let calling = self.context.calling(Some(self.partition), Call::OpenChangelog);
            partial.changelog.extend()?;
            drop(calling);
            return Ok(Step::Read);
        }
        let calling = self.context.calling(Some(self.partition), Call::OpenChangelog);
        let changelog = self.context.broker.changelog(self.partition)?;
        drop(calling);
        let found = RestoredState { engine: Partition::new(self.context.job.engine.clone()), record: None };
        self.shared.tell(|it| it.records = 0);
        self.partial = Some(PartialRead { changelog, found });
        Ok(Step::Read)
    }

    fn read(&mut self) -> Result<Step, LaneError> {
        let Some(PartialRead { changelog, found, .. }) = &mut self.partial else { return Ok(Step::AskWriters) };
        let timeout = self.context.clock.wait(self.context.job.settings.restore_timeout.duration());
        let (partition, mut records) = (self.partition, 0);
        let calling = self.context.calling(Some(partition), Call::ReadChangelog);
        let read = read_entries(changelog, timeout, |entry| {
            records += 1;
            found.take(entry).map_err(|source| LaneError::State { partition, source })
        });
        drop(calling);
        let read = read?;
        self.shared.tell(|it| {
            it.records += records;
            it.remaining = read.remaining();
        });
        Ok(if read == ReadProgress::Done { Step::Judge } else { Step::Read })
    }

    /// The topics as they are, and what they hold. One that is gone is asked for twice.
    fn ask_topics(&mut self) -> Result<(Vec<TopicDescription>, Vec<LogRange>), LaneError> {
        let mut calling = self.context.calling(Some(self.partition), Call::DescribeTopics);
        let topics = self.context.broker.describe_topics()?;
        if let Some(gone) = topics.iter().find(|topic| topic.is_gone()) {
            if !std::mem::replace(&mut self.was_gone, true) {
                let what = format!("find the topic {}", gone.topic);
                return Err(BrokerError::client(what, ErrorClass::Retriable, "there is none").into());
            }
            // It holds nothing that could be asked for.
            return Ok((topics, Vec::new()));
        }
        calling.goes_on_with(Call::LogRange, &self.context.clock);
        let bounds = self.context.broker.log_ranges(self.partition)?;
        Ok((topics, bounds))
    }

    /// Why parked state, which is the truth still, can't be gone on from.
    fn object_to_parked(&mut self) -> Result<Option<Refusal>, LaneError> {
        let (found, bounds) = self.ask_topics()?;
        let Some(parked) = &self.parked else { return Ok(None) };
        let positions: Vec<_> = parked.committed().iter().copied().map(Some).collect();
        let topics = &self.context.job.topics;
        let refusal = identity::unfit(&found)
            .or_else(|| identity::recreated(&parked.identities, &found, &positions, &bounds))
            .or_else(|| identity::out_of_bounds(&positions, &bounds, topics));
        let suspected = || {
            let input = self.suspect?;
            let (&recorded, bounds) = (parked.committed().get(input.index())?, bounds.get(input.index())?);
            let (topic, LogRange { earliest, end }) = (topics.input(input).clone(), *bounds);
            Some(Refusal::OutOfRange { topic, recorded, earliest, end })
        };
        Ok(refusal.or_else(suspected))
    }

    /// All has been read: judges it, and makes the partition.
    fn judge(&mut self) -> Result<Restored<B::Message>, LaneError> {
        let (topics, bounds) = self.ask_topics()?;
        let Some(PartialRead { found, .. }) = self.partial.take() else {
            return Ok(Restored::Refused(Refusal::Unreadable("nothing was read".to_owned())));
        };
        let record = match found.record() {
            Ok(record) => record,
            Err(error) => return Ok(Restored::Refused(error.into())),
        };
        let mut engine = found.engine;
        let job = &self.context.job;
        let now = Now { topics: &topics, bounds: &bounds };
        let judged = start::judge(record, engine.user_count(), &self.committed, now, job.expected());
        let start = match judged {
            Ok(start) => start,
            Err(refusal) => return Ok(Restored::Refused(refusal)),
        };
        self.compare_clocks();
        let keeper = &job.timekeeper;
        let (now, clock_name) = (keeper.now(&self.context.clock), keeper.clock_name());
        if let Err(refusal) = start::not_ahead(start.record.as_ref(), now, keeper.max_skew_ms(), clock_name) {
            return Ok(Restored::Refused(refusal));
        }
        let positions = start::positions(&start, &bounds);
        if let Some(record) = &start.record {
            let damaged = |source| LaneError::State { partition: self.partition, source };
            engine.restore_position(record).map_err(damaged)?;
        }
        if let Some(refusal) = start.record.as_ref().and_then(|record| start::cut(record, engine.population())) {
            return Ok(Restored::Refused(refusal));
        }
        let now_ms = self.context.clock.monotonic_ms();
        let mut serving =
            PartitionTask::new(self.partition, engine, positions, start.record.as_ref(), start.written, &job.pipeline);
        (serving.offsets_behind, serving.has_expired_offset) = (start.overtaken, start.has_expired);
        serving.identities = start.identities;
        Ok(Restored::Read(Box::new(ActivePartition::new(serving, now_ms))))
    }

    /// Before the partition's first event is judged, and before its stream time follows a clock.
    fn compare_clocks(&self) {
        let TaskContext { broker, job, clock, board, .. } = &self.context;
        let _calling = self.context.calling(Some(self.partition), Call::Time);
        job.timekeeper.compare_first(broker, self.partition, clock, board);
    }

    fn tell(&self, step: &Step) {
        let stage = match step {
            Step::AskWriters | Step::Fence(_) => RestoreStage::Fencing,
            Step::AskOffsets => RestoreStage::Offsets,
            Step::Open | Step::Read | Step::Judge => RestoreStage::Reading,
        };
        self.shared.tell(|it| it.stage = stage);
    }
}

impl<B: Broker> Restore<B> {
    fn go_on(&mut self) -> Result<Option<Restored<B::Message>>, LaneError> {
        // Whatever fails begins again from the start.
        let step = std::mem::take(&mut self.step);
        self.tell(&step);
        self.step = match step {
            Step::AskWriters => {
                let _calling = self.context.calling(Some(self.partition), Call::OpenWriters);
                Step::Fence(self.context.broker.open_writers(self.partition)?)
            }
            Step::Fence(writers) => self.fence(writers)?,
            Step::AskOffsets => {
                let calling = self.context.calling(Some(self.partition), Call::CommittedOffsets);
                let committed = self.context.broker.committed(self.partition);
                drop(calling);
                self.offsets_are_pending = matches!(committed, Err(BrokerError::NoProgress { .. }));
                self.committed = committed?;
                if self.parked.as_deref().is_some_and(|parked| is_current(parked, &self.committed)) {
                    if let Some(refusal) = self.object_to_parked()? {
                        return Ok(Some(Restored::Refused(refusal)));
                    }
                    if let Some(mut parked) = self.parked.take() {
                        parked.last_record_ms = self.context.clock.monotonic_ms();
                        return Ok(Some(Restored::Returned(parked)));
                    }
                }
                self.parked = None;
                Step::Open
            }
            Step::Open => self.open()?,
            Step::Read => self.read()?,
            Step::Judge => return self.judge().map(Some),
        };
        Ok(None)
    }
}

impl<B: Broker> Task for Restore<B> {
    type Output = Restored<B::Message>;

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        let outcome = self.go_on();
        if let (Err(LaneError::Broker(BrokerError::NoProgress { .. })), Some(partial)) = (&outcome, &self.partial) {
            self.stalled_after = partial.found.record().ok();
        }
        if !matches!(outcome, Ok(None)) {
            // One that failed and rests must not keep others from being restored.
            (self.partial, self.permit) = (None, None);
        }
        outcome
    }

    /// The partition was not ours for a while: others may have written. What came out of it is parked state now.
    fn reset(&mut self, output: Option<Self::Output>) {
        self.step = Step::default();
        match output {
            Some(Restored::Returned(serving) | Restored::Read(serving)) => self.parked = Some(serving),
            Some(Restored::Refused(_)) | None => {}
        }
    }
}

impl RestoredState {
    fn take(&mut self, entry: ChangelogEntry<'_>) -> Result<(), StateError> {
        match entry {
            ChangelogEntry::Partition(record) => {
                self.record = record.map(<[u8]>::to_vec);
                Ok(())
            }
            ChangelogEntry::User { key, value } | ChangelogEntry::Erasure { key, value } => {
                self.engine.restore_user(key, Some(value))
            }
            ChangelogEntry::Tombstone { key } => self.engine.restore_user(key, None),
        }
    }

    fn record(&self) -> Result<Option<PartitionRecord>, UnreadableRecord> {
        self.record.as_deref().map(PartitionRecord::decode).transpose()
    }
}

fn is_current<M: Message>(parked: &ActivePartition<M>, committed: &[Committed]) -> bool {
    outcome::is_current(parked.written.as_ref(), parked.committed(), committed)
}
