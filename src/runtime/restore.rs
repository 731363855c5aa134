//! How a partition that was assigned comes to be served, one bounded step at a time, while the lane goes on with others.
//!
//! The order matters:
//! 1. whoever has something open in the partition is fenced (nobody has after a planned hand-over);
//! 2. the group's offsets are read: they can't change behind us any more;
//! 3. state that was parked here is taken up again, if the offsets say that it was written last;
//! 4. else the changelog is read to its high watermark, and judged; the partition starts from its record's offsets.
//!
//! A step that finds no progress begins again at 1. Memory is bounded by the partition's own state.

use std::time::Duration;

use crate::broker::{Broker, ChangelogReader, ChangelogRecord, Committed, Source};
use crate::domain::PartitionId;
use crate::engine::Partition;
use crate::record::Message;
use crate::runtime::LaneError;
use crate::runtime::failures::Doing;
use crate::runtime::job::Job;
use crate::runtime::lane::{Held, Lane};
use crate::runtime::ownership::{self, Refusal};
use crate::runtime::serving::Serving;
use crate::runtime::settings::{Mode, millis};
use crate::runtime::status::Phase;
use crate::state::{PartitionRecord, StateError};

pub(super) struct Restore<B: Broker> {
    pub partition: PartitionId,
    stage: Stage<B>,
    /// State of this partition from before it was revoked.
    parked: Option<Box<Serving<B::Message>>>,
    /// Since when it has been under way, and records read so far.
    since_ms: u64,
    records: u64,
    /// After a failure it rests until then.
    pub not_before_ms: u64,
}

enum Stage<B: Broker> {
    Fence,
    Read { committed: Vec<Committed>, changelog: B::Changelog, found: Box<Found> },
}

/// What a changelog has told so far.
struct Found {
    engine: Partition,
    record: Option<Vec<u8>>,
}

/// What a step has come to.
pub(super) enum Step<M> {
    /// Records left to read, at most, if that is known yet.
    UnderWay {
        remaining: Option<u64>,
    },
    /// Taken up where it was left.
    Returned(Box<Serving<M>>),
    Restored(Box<Serving<M>>),
    Refused(Refusal),
}

impl<B: Broker> Restore<B> {
    pub fn new(partition: PartitionId, parked: Option<Box<Serving<B::Message>>>, now_ms: u64) -> Self {
        Self { partition, stage: Stage::Fence, parked, since_ms: now_ms, records: 0, not_before_ms: 0 }
    }

    /// One step. Errors of the broker may be tried again: the restore begins anew where it must.
    pub fn step(
        &mut self,
        broker: &B,
        job: &Job,
        own_id: &str,
        timeout: Duration,
        now_ms: u64,
        fenced: &mut u64,
    ) -> Result<Step<B::Message>, LaneError> {
        match &mut self.stage {
            Stage::Fence => self.fence(broker, job, own_id, now_ms, fenced),
            Stage::Read { committed, changelog, found } => {
                let mut damage = None;
                let read = changelog.read(timeout, &mut |record| {
                    self.records += 1;
                    if damage.is_none() {
                        damage = found.take(record).err();
                    }
                });
                if let Some(source) = damage {
                    return Err(LaneError::State { partition: self.partition, source });
                }
                match read {
                    Err(error) => {
                        // Somebody may have opened a transaction since: fence again, read again.
                        self.stage = Stage::Fence;
                        Err(error.into())
                    }
                    Ok(progress) if !progress.done => Ok(Step::UnderWay { remaining: Some(progress.remaining) }),
                    Ok(_) => {
                        let committed = std::mem::take(committed);
                        self.finish(broker, job, &committed, now_ms)
                    }
                }
            }
        }
    }

    fn fence(
        &mut self,
        broker: &B,
        job: &Job,
        own_id: &str,
        now_ms: u64,
        fenced: &mut u64,
    ) -> Result<Step<B::Message>, LaneError> {
        for writer in broker.open_writers(self.partition)? {
            // Our own earlier self was fenced when the producer was made.
            if &*writer != own_id {
                tracing::warn!(partition = self.partition.0, predecessor = &*writer, "fence what was left open");
                broker.fence(&writer)?;
                *fenced += 1;
            }
        }
        let committed = broker.committed(self.partition)?;
        if let Some(mut parked) = self.parked.take_if(|parked| is_current(parked, &committed)) {
            parked.last_record_ms = now_ms;
            return Ok(Step::Returned(parked));
        }
        self.parked = None;
        let changelog = broker.changelog(self.partition)?;
        let found = Found { engine: Partition::new(job.engine.clone()), record: None };
        self.stage = Stage::Read { committed, changelog, found: Box::new(found) };
        Ok(Step::UnderWay { remaining: None })
    }

    /// All has been read: judges it, and makes the partition.
    fn finish(
        &mut self,
        broker: &B,
        job: &Job,
        committed: &[Committed],
        now_ms: u64,
    ) -> Result<Step<B::Message>, LaneError> {
        let Stage::Read { found, .. } = std::mem::replace(&mut self.stage, Stage::Fence) else {
            return Ok(Step::UnderWay { remaining: None });
        };
        let Found { mut engine, record } = *found;
        let record = match record.as_deref().map(PartitionRecord::decode).transpose() {
            Ok(record) => record,
            Err(error) => return Ok(Step::Refused(error.into())),
        };
        let earliest = broker.earliest(self.partition)?;
        let judged = ownership::judge(record, engine.user_count(), committed, job.expected())
            .and_then(|start| Ok((ownership::positions(&start, &earliest, &job.topics)?, start)));
        let (positions, start) = match judged {
            Ok(judged) => judged,
            Err(refusal) => return Ok(Step::Refused(refusal)),
        };
        if let Some(record) = &start.record {
            let damaged = |source| LaneError::State { partition: self.partition, source };
            engine.restore_position(record).map_err(damaged)?;
        }
        let serving = Serving::new(self.partition, engine, positions, start.written, job, now_ms);
        Ok(Step::Restored(Box::new(serving)))
    }
}

impl<B: Broker> Lane<B> {
    /// One step of a partition's restore.
    pub(super) fn restore(&mut self, partition: PartitionId, now_ms: u64) -> Result<(), LaneError> {
        let backoff_ms = millis(self.job.settings.retry_backoff);
        self.last_restored = partition;
        let Some(Held::Restoring(restore)) = self.partitions.get_mut(&partition) else { return Ok(()) };
        let mut fenced = 0;
        let timeout = self.company.clock.wait(self.job.settings.restore_timeout);
        let step = restore.step(&self.broker, &self.job, &self.transactional_id, timeout, now_ms, &mut fenced);
        let (since_ms, records) = (restore.since_ms, restore.records);
        self.company.board.lane(self.index, |lane| lane.fenced += fenced);
        let serving = match step {
            Err(error) => {
                restore.not_before_ms = now_ms + backoff_ms;
                return self.failed(Doing::Restore(partition), error, now_ms);
            }
            Ok(Step::UnderWay { remaining }) => {
                if remaining.is_some() {
                    self.succeeded(Doing::Restore(partition));
                }
                let remaining = remaining.unwrap_or_default();
                let phase = Phase::Restoring { remaining };
                self.company.board.partition(partition, |status| status.phase = phase);
                return Ok(());
            }
            Ok(Step::Refused(refusal)) => {
                if !refusal.is_local() || self.job.settings.mode != Mode::Endless {
                    return Err(LaneError::Refused { partition, refusal });
                }
                tracing::error!(partition = partition.0, "left unserved: {refusal}");
                let phase = Phase::Unserved(refusal.to_string());
                self.company.board.partition(partition, |status| status.phase = phase);
                self.partitions.insert(partition, Held::Unserved);
                return Ok(());
            }
            Ok(Step::Returned(serving)) => {
                self.company.board.lane(self.index, |lane| lane.returns += 1);
                serving
            }
            Ok(Step::Restored(serving)) => {
                let took_ms = self.company.clock.monotonic_ms().saturating_sub(since_ms);
                let users = serving.engine.user_count();
                tracing::info!(partition = partition.0, users, records, took_ms, "restored");
                self.company.board.lane(self.index, |lane| {
                    lane.restores += 1;
                    lane.restored_records += records;
                    lane.restore_ms += took_ms;
                });
                serving
            }
        };
        self.succeeded(Doing::Restore(partition));
        self.serve(serving)
    }

    /// Lets a partition flow from what is committed.
    fn serve(&mut self, serving: Box<Serving<B::Message>>) -> Result<(), LaneError> {
        let partition = serving.id;
        if let Some(written) = serving.written.as_ref().filter(|it| it.transactional_id == self.transactional_id) {
            // Numbers must not come twice, or an old note could pass for a new one's.
            self.next_number = self.next_number.max(written.number + 1);
        }
        self.source.start(partition, &serving.positions())?;
        let index = self.index;
        self.company.board.partition(partition, |status| {
            status.lane = index;
            serving.show(status);
        });
        self.partitions.insert(partition, Held::Serving(serving));
        Ok(())
    }
}

impl Found {
    fn take(&mut self, record: ChangelogRecord<'_>) -> Result<(), StateError> {
        if record.key == PartitionRecord::KEY {
            self.record = record.value.map(<[u8]>::to_vec);
            return Ok(());
        }
        self.engine.restore_user(record.key, record.value)
    }
}

fn is_current<M: Message>(parked: &Serving<M>, committed: &[Committed]) -> bool {
    ownership::is_current(parked.written.as_ref(), parked.committed(), committed)
}
