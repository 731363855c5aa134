//! The seam's broker on the embedded log.

use std::sync::{Arc, PoisonError};

use super::changelog::MemoryChangelog;
use super::embedded::Memory;
use super::group::MemoryGeneration;
use super::log::{MemoryMessage, PartitionLog};
use super::producer::MemoryProducer;
use super::source::MemorySource;
use super::transaction::LogState;
use crate::broker::{
    Broker, BrokerError, BrokerTime, CommitMetadata, Committed, ForwardProgress, Isolation, LogRange, PartitionOffsets,
    RecordLookup, TopicDescription, Topics,
};
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

impl Memory {
    fn of_inputs<T>(
        &self,
        partition: PartitionId,
        of_log: impl Fn(Input, &PartitionLog) -> T,
    ) -> Result<Vec<(Input, T)>, BrokerError> {
        let state = self.shared.lock();
        let inputs = (0u8..).map(Input).zip(&self.topics.inputs);
        let of = |input, topic: &str| Ok((input, of_log(input, &state.logs[state.logs.id(topic, partition)?])));
        inputs.map(|(input, topic)| of(input, topic)).collect()
    }
}

impl RecordLookup for Memory {
    fn first_between(
        &self,
        input: Input,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Option<MemoryMessage>, BrokerError> {
        let found = self.read(self.topics.input(input), partition, from, Isolation::ReadCommitted, 1)?;
        Ok(found.into_iter().next().filter(|message| message.offset < end))
    }
}

impl Broker for Memory {
    type Message = MemoryMessage;
    type Generation = MemoryGeneration;
    type Source = MemorySource;
    type Producer = MemoryProducer;
    type Changelog = MemoryChangelog;

    fn topics(&self) -> &Topics {
        &self.topics
    }

    fn source(&self, member: &str) -> Result<MemorySource, BrokerError> {
        Ok(MemorySource::join(self.shared.clone(), member.into()))
    }

    fn producer(&self, transactional_id: &str) -> Result<MemoryProducer, BrokerError> {
        MemoryProducer::take(self.shared.clone(), transactional_id.into())
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        let mut state = self.shared.lock();
        let patience = state.settings.patience;
        state = self.shared.wait(state, patience, |state| state.holder_of_offsets(partition).is_some());
        if let Some(holder) = state.holder_of_offsets(partition) {
            return Err(BrokerError::NoProgress {
                what: format!("committed offsets of partition {partition}"),
                waited: patience,
                source: format!("an open transaction of {holder} holds them").into(),
            });
        }
        Ok(committed_in(&state, partition))
    }

    fn changelog(&self, partition: PartitionId) -> Result<MemoryChangelog, BrokerError> {
        MemoryChangelog::open(self.shared.clone(), &self.topics.changelog, partition)
    }

    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError> {
        Ok(self.shared.lock().logs.partitions_of(topic))
    }

    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError> {
        let state = self.shared.lock();
        let mut open = Vec::new();
        for partition in (0..state.logs.partitions_of(topic)).map(PartitionId) {
            let marks = state.logs[state.logs.id(topic, partition)?].marks();
            open.extend((marks.last_stable < marks.high_watermark).then_some(partition));
        }
        Ok(open)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        let state = self.shared.lock();
        let changelog = state.logs.id(&self.topics.changelog, partition)?;
        Ok(state.open_writers(changelog).cloned().collect())
    }

    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError> {
        let bounds = |_, log: &PartitionLog| LogRange { earliest: log.start(), end: log.high_watermark() };
        Ok(self.of_inputs(partition, bounds)?.into_iter().map(|(_, bounds)| bounds).collect())
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let rekey = self.topics.rekey_input();
        self.of_inputs(partition, |input, log| match input == rekey {
            true => log.high_watermark(),
            false => log.last_stable_offset(),
        })
    }

    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError> {
        Ok(self.describe())
    }

    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError> {
        let state = self.shared.lock();
        let rekey = self.topics.rekey_input();
        let of = |partition| state.offsets.get(&(PartitionId(partition), rekey));
        Ok((0..self.topics.partitions)
            .map(|it| of(it).map(|stored| ForwardProgress::parse(&stored.metadata)))
            .collect())
    }

    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError> {
        self.high_watermark(self.topics.rekey(), partition)
    }

    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError> {
        let state = self.shared.lock();
        let marks = |topic: &str| state.logs.id(topic, partition).map(|id| state.logs[id].marks());
        Ok(PartitionOffsets {
            changelog: marks(&self.topics.changelog)?,
            inputs: self.topics.inputs.iter().map(|topic| marks(topic)).collect::<Result<_, _>>()?,
            committed: committed_in(&state, partition),
            is_pending: state.holder_of_offsets(partition).is_some(),
        })
    }

    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError> {
        let told = self.shared.time.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|tell| tell());
        let Some(told) = told else { return Ok(BrokerTime::Ours) };
        self.produce(self.topics.touch(&self.topics.changelog, partition, None).into())?;
        Ok(told)
    }

    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError> {
        self.produce(self.topics.touch(&self.topics.changelog, partition, None).into())?;
        for topic in self.topics.compacted_outputs() {
            let count = self.shared.lock().logs.partitions_of(topic);
            for place in self.topics.touched_by(partition, count) {
                self.produce(self.topics.touch(topic, place, None).into())?;
            }
        }
        Ok(())
    }
}

fn committed_in(state: &LogState, partition: PartitionId) -> Vec<Committed> {
    let of_partition = state.offsets.range((partition, Input(0))..=(partition, Input(u8::MAX)));
    let committed = of_partition.map(|(&(_, input), stored)| Committed {
        input,
        offset: stored.offset,
        note: CommitMetadata::parse(&stored.metadata),
    });
    committed.collect()
}
