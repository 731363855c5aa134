//! Which partitions are ours as a whole. Pure: the group's changes go in, what the lane must be told comes out.
//!
//! A partition is owned when it is owned of every input. The classic protocol gives all at once; under the consumer
//! protocol the inputs of one partition may come in several steps, so a part of one is waited for, but not for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Input, PartitionId};

use crate::broker::kafka::client::context::TopicPartition;

/// What is assigned to this member.
#[derive(Debug)]
pub(in crate::broker::kafka) struct Assignment {
    /// Those that the group shares out.
    inputs: Vec<(Input, Arc<str>)>,
    /// Of each; those beyond belong to nobody: a topic that was given more is found by its count.
    partitions: i32,
    held: BTreeMap<PartitionId, BTreeSet<Input>>,
}

impl Assignment {
    pub fn new(inputs: impl IntoIterator<Item = (Input, Arc<str>)>, partitions: i32) -> Self {
        Self { inputs: inputs.into_iter().collect(), partitions, held: BTreeMap::new() }
    }

    /// The partitions that are whole by this, in order.
    pub fn assign(&mut self, partitions: &[TopicPartition]) -> Vec<PartitionId> {
        let mut touched = BTreeSet::new();
        for (input, partition) in self.ours(partitions) {
            self.held.entry(partition).or_default().insert(input);
            touched.insert(partition);
        }
        touched.into_iter().filter(|&partition| self.is_whole(partition)).collect()
    }

    /// The partitions that were whole and are no more, in order.
    pub fn revoke(&mut self, partitions: &[TopicPartition]) -> Vec<PartitionId> {
        let mut broken = BTreeSet::new();
        for (input, partition) in self.ours(partitions) {
            if self.is_whole(partition) {
                broken.insert(partition);
            }
            if let Some(held) = self.held.get_mut(&partition) {
                held.remove(&input);
                if held.is_empty() {
                    self.held.remove(&partition);
                }
            }
        }
        broken.into_iter().collect()
    }

    pub fn is_whole(&self, partition: PartitionId) -> bool {
        self.held.get(&partition).is_some_and(|held| held.len() == self.inputs.len())
    }

    /// The first partition of which only a part is held, in words.
    pub fn split(&self) -> Option<String> {
        let (partition, held) = self.held.iter().find(|(_, held)| held.len() != self.inputs.len())?;
        let names = |wanted: bool| {
            let named = self.inputs.iter().filter(|(input, _)| held.contains(input) == wanted);
            named.map(|(_, topic)| &**topic).collect::<Vec<_>>().join(", ")
        };
        Some(format!("partition {partition} of {} without {}", names(true), names(false)))
    }

    fn ours(&self, partitions: &[TopicPartition]) -> Vec<(Input, PartitionId)> {
        let input_of = |topic: &str| self.inputs.iter().find(|(_, name)| **name == *topic);
        let known = partitions.iter().filter(|(_, partition)| *partition < self.partitions);
        known.filter_map(|(topic, partition)| Some((input_of(topic)?.0, PartitionId(*partition)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, i32)]) -> Vec<TopicPartition> {
        pairs.iter().map(|&(topic, partition)| (topic.to_owned(), partition)).collect()
    }

    fn assignment() -> Assignment {
        Assignment::new([(Input(0), "a".into()), (Input(2), "b".into())], 4)
    }

    #[test]
    fn a_partition_is_owned_when_it_is_owned_of_every_input() {
        let mut assignment = assignment();
        assert_eq!(assignment.assign(&of(&[("a", 0), ("b", 0), ("a", 1), ("b", 1)])), [PartitionId(0), PartitionId(1)]);
        assert_eq!(assignment.split(), None);
        assert_eq!(assignment.revoke(&of(&[("a", 0), ("b", 0)])), [PartitionId(0)]);
        assert_eq!(assignment.split(), None);
        assert!(assignment.is_whole(PartitionId(1)));
    }

    #[test]
    fn a_partition_that_only_one_topic_was_given_is_nobodys() {
        let mut assignment = assignment();
        assert_eq!(assignment.assign(&of(&[("a", 3), ("b", 3), ("a", 4)])), [PartitionId(3)]);
        assert_eq!(assignment.split(), None);
        assert_eq!(assignment.revoke(&of(&[("a", 4)])), []);
    }

    #[test]
    fn a_part_is_split_until_the_rest_comes() {
        let mut assignment = assignment();
        assert_eq!(assignment.assign(&of(&[("a", 3)])), []);
        assert_eq!(assignment.split().as_deref(), Some("partition 3 of a without b"));
        assert_eq!(assignment.assign(&of(&[("b", 3)])), [PartitionId(3)]);
        assert_eq!(assignment.split(), None);
    }

    #[test]
    fn losing_one_input_loses_the_partition_once() {
        let mut assignment = assignment();
        assignment.assign(&of(&[("a", 0), ("b", 0)]));
        assert_eq!(assignment.revoke(&of(&[("a", 0)])), [PartitionId(0)]);
        assert_eq!(assignment.revoke(&of(&[("b", 0)])), []);
        assert_eq!(assignment.split(), None);
    }

    #[test]
    fn an_empty_change_changes_nothing() {
        let mut assignment = assignment();
        assert_eq!(assignment.assign(&[]), []);
        assert_eq!(assignment.revoke(&[]), []);
    }
}
