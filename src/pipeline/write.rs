//! What a transaction writes of a partition being served: its record first, then all that is staged, then its offsets.

use crate::broker::{CommitMetadata, ForwardWatermark, OffsetCommit};
use crate::domain::{Input, Timestamp};
use crate::emit::OutputType;
use crate::engine::Effect;
use crate::pipeline::staged::StagedBatch;
use crate::pipeline::task::PartitionTask;
use crate::record::{Lent, Message};
use crate::runtime::job::Job;
use crate::state::{InputPosition, PartitionRecord};

impl<M: Message> PartitionTask<M> {
    /// Lends `write` what a transaction must write for this partition: the partition record first, so that whoever finds
    /// the transaction open can tell whose it is. How many records that were. `stamp`: of the changelog's, where its topic
    /// keeps it.
    pub fn write<E>(
        &mut self,
        note: &CommitMetadata,
        job: &Job,
        stamp: Timestamp,
        mut write: impl FnMut(Lent<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.settle_positions();
        let record = self.record(note, job).encode();
        let timestamp = Some(stamp.millis());
        write(Lent { timestamp, ..job.topics.to_changelog(self.id, PartitionRecord::KEY, Some(&record)) })?;
        let mut count = 1;
        for change in self.engine.changes() {
            write(Lent { timestamp, ..job.topics.to_changelog(self.id, change.key, change.value) })?;
            count += 1;
        }
        let StagedBatch { effects, outputs, records, room, .. } = &mut self.staged;
        outputs.clear();
        for effect in &*effects {
            match effect {
                Effect::Announce(announcement) => {
                    job.emitter.lend(announcement, room, &mut write)?;
                    outputs.push((OutputType::of(&announcement.kind), announcement.reason));
                }
            }
        }
        count += outputs.len() as u64;
        for record in &*records {
            record.lend(&mut write)?;
        }
        Ok(count + records.len() as u64)
    }

    /// Where to go on, and how far all is forwarded. Where an input was read to its end, that end is the position: markers of
    /// transactions behind its last record are no lag.
    fn settle_positions(&mut self) {
        for (index, position) in self.staged.positions.iter_mut().enumerate() {
            let input = Input(index as u8);
            let head = self.merge.head(input).map(|item| item.offset);
            *position = self.reading.position(input, head).max(self.committed[index]);
            if self.merge.is_input_at_end(input) {
                *position = (*position).max(self.ends[index].unwrap_or(*position));
            }
        }
        self.staged.front = self.front();
        if self.staged.is_open && self.staged.front.watermark == ForwardWatermark::Unknown {
            // Nobody waits, and nobody shall begin to: it may stand so for long.
            self.staged.front.watermark = ForwardWatermark::End;
        }
    }

    fn record(&mut self, note: &CommitMetadata, job: &Job) -> PartitionRecord {
        let inputs = job.topics.inputs.iter().zip(&self.staged.positions).enumerate();
        let known = |index: usize| self.identities.inputs.get(index).copied().unwrap_or_default();
        let mut record = PartitionRecord {
            inputs: inputs
                .map(|(index, (topic, &next_offset))| InputPosition {
                    topic: topic.as_ref().to_owned(),
                    next_offset,
                    topic_id: known(index).id,
                    partitions: known(index).partitions,
                    ..InputPosition::default()
                })
                .collect(),
            changelog_topic_id: self.identities.changelog,
            transactional_id: note.transactional_id.as_ref().to_owned(),
            transaction_number: note.number,
            partitioner: job.settings.partitioner,
            ..PartitionRecord::default()
        };
        self.engine.fill_record(&mut record);
        self.reading.fill_record(&mut record);
        record
    }

    /// The offsets of all inputs, those that did not move too: they are what fences a stale owner. Call after
    /// [`Self::write`].
    pub fn offsets(&self, note: &CommitMetadata) -> impl Iterator<Item = OffsetCommit> {
        note.offsets(self.id, &self.staged.positions, self.staged.front)
    }
}
