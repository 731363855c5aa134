//! What a batch writes, in the order that the order of a takeover depends on: the partition record first, then users,
//! then outputs, then dead letters and forwarded records.

use crate::domain::Input;
use crate::emit::OutputType;
use crate::engine::{Change, Effect};
use crate::pipeline::commit_metadata::{CommitMetadata, ForwardProgress, ForwardWatermark};
use crate::pipeline::shared::Pipeline;
use crate::pipeline::sink::Sink;
use crate::pipeline::staged::{StagedBatch, StagedRecord};
use crate::pipeline::task::PartitionTask;
use crate::record::{Message, Offset};
use crate::state::{InputPosition, PartitionRecord};

impl<M: Message> PartitionTask<M> {
    /// Gives a sink what is staged: the partition record first, so that whoever finds the transaction open can tell who
    /// has written it. `written`: who writes now, and in which transaction.
    ///
    /// # Errors
    /// Those of the sink. Nothing is committed then: [`Self::discard`].
    pub fn write<S: Sink<M>>(
        &mut self,
        written: &CommitMetadata,
        pipeline: &Pipeline,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        self.settle_positions();
        let record = self.record(written, pipeline).encode();
        sink.state(Change { key: PartitionRecord::KEY, value: Some(&record) })?;
        for change in self.engine.changes() {
            sink.state(change)?;
        }
        let StagedBatch { effects, outputs, records, .. } = &mut self.staged;
        outputs.clear();
        for effect in &*effects {
            match effect {
                Effect::Announce(announcement) => {
                    sink.output(announcement)?;
                    outputs.push((OutputType::of(&announcement.kind), announcement.reason));
                }
            }
        }
        for record in &*records {
            match record {
                StagedRecord::DeadLetter(letter) => sink.dead_letter(letter)?,
                StagedRecord::Forwarded(record) => sink.forward(record)?,
            }
        }
        Ok(())
    }

    /// By input, the next offset to be read once the batch is committed. Those that did not move are among them:
    /// committing them is what fences a stale owner. Call after [`Self::write`].
    pub fn staged_positions(&self) -> &[Offset] {
        &self.staged.positions
    }

    /// How far all is forwarded once the batch is committed. Call after [`Self::write`].
    pub fn staged_progress(&self) -> ForwardProgress {
        self.staged.progress
    }

    /// Where to go on, and how far all is forwarded. Where an input was read to its end, that end is the position:
    /// markers of transactions behind its last record are no lag.
    fn settle_positions(&mut self) {
        for (index, position) in self.staged.positions.iter_mut().enumerate() {
            let input = Input(index as u8);
            let head = self.merge.head(input).map(|record| record.offset);
            *position = self.progress.position(input, head).max(self.committed[index]);
            if self.merge.is_input_at_end(input) {
                *position = (*position).max(self.ends[index].unwrap_or(*position));
            }
        }
        self.staged.progress = self.forward_progress();
        if self.staged.is_open && self.staged.progress.watermark == ForwardWatermark::Unknown {
            // Nobody waits, and nobody shall begin to: it may stay so for long.
            self.staged.progress.watermark = ForwardWatermark::End;
        }
    }

    fn record(&mut self, written: &CommitMetadata, pipeline: &Pipeline) -> PartitionRecord {
        let known = |index: usize| self.identities.inputs.get(index).copied().unwrap_or_default();
        let position = |(index, &next_offset): (usize, &Offset)| InputPosition {
            topic: pipeline.topic(Input(index as u8)).as_ref().to_owned(),
            next_offset,
            topic_id: known(index).id,
            partitions: known(index).partitions,
            ..InputPosition::default()
        };
        let mut record = PartitionRecord {
            inputs: self.staged.positions.iter().enumerate().map(position).collect(),
            changelog_topic_id: self.identities.changelog,
            transactional_id: written.transactional_id.as_ref().to_owned(),
            transaction_number: written.number,
            partitioner: pipeline.settings().partitioner,
            ..PartitionRecord::default()
        };
        self.engine.fill_record(&mut record);
        self.progress.fill_record(&mut record);
        record
    }
}
