//! What an operator may do to topics under a living application, for tests: delete, make anew, add partitions, cut.
//!
//! As on the real broker: a topic made anew has another id, and the group's offsets of a deleted one are dropped at
//! once. A journal is told nothing of all this, as of nothing that no commit did.

use super::embedded::Memory;
use super::log::{Dropped, PartitionLog};
use super::transaction::LogState;
use crate::broker::{BrokerError, TopicDescription};
use crate::domain::PartitionId;
use crate::record::Offset;

impl Memory {
    /// Deletes a topic and makes it anew, empty. What a transaction had open in it is gone.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn recreate_topic(&self, topic: &str) -> Result<(), BrokerError> {
        self.change_topic(topic, |state, index| {
            state.logs.topic_states[index].creations += 1;
            state.logs.topic_states[index].partitions = self.topics.partitions;
        })?;
        self.clear_topic(topic)
    }

    /// Deletes a topic. It can still be written to, as by who has not heard of it.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn delete_topic(&self, topic: &str) -> Result<(), BrokerError> {
        self.change_topic(topic, |state, index| state.logs.topic_states[index].partitions = 0)?;
        self.clear_topic(topic)
    }

    /// From now on it is said to have so many partitions. Those that are new hold nothing.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn add_partitions(&self, topic: &str, count: i32) -> Result<(), BrokerError> {
        self.change_topic(topic, |state, index| state.logs.topic_states[index].partitions = count)
    }

    /// Deletes what lies before an offset, read or not, committed or open.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn delete_records(&self, topic: &str, partition: PartitionId, before: Offset) -> Result<Dropped, BrokerError> {
        let mut state = self.shared.lock();
        let id = state.logs.id(topic, partition)?;
        let dropped = state.logs[id].delete_before(before);
        drop(state);
        self.shared.changed.notify_all();
        Ok(dropped)
    }

    /// Loses what lies at an offset or behind it, as an unclean election of a leader does.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or no such partition of it.
    pub fn cut_end(&self, topic: &str, partition: PartitionId, from: Offset) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        let id = state.logs.id(topic, partition)?;
        state.logs[id].cut_from(from);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    pub(super) fn describe(&self) -> Vec<TopicDescription> {
        let state = self.shared.lock();
        let topics = self.topics.inputs.iter().chain([&self.topics.changelog]);
        let described = topics.filter_map(|topic| {
            let told = state.logs.topic_states[state.logs.index_of(topic)?];
            let (id, partitions, configured) = (told.id(topic), told.partitions, self.topics.partitions);
            Some(TopicDescription { topic: topic.clone(), id, partitions, configured })
        });
        described.collect()
    }

    fn change_topic(&self, topic: &str, change: impl FnOnce(&mut LogState, usize)) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        let id = state.logs.id(topic, PartitionId(0))?;
        change(&mut state, usize::from(id.topic));
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn clear_topic(&self, topic: &str) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        for partition in (0..self.topics.partitions).map(PartitionId) {
            let id = state.logs.id(topic, partition)?;
            state.logs[id] = PartitionLog::new(state.logs[id].cleanup());
            if let Some(input) = state.logs.as_input(id) {
                state.offsets.remove(&(partition, input));
            }
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }
}
