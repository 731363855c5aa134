//! The topics of one application, by what they are for.
//!
//! Must not know: what stands in them, and the broker that keeps them.

use std::sync::Arc;

use crate::domain::{Input, OutputNames, OutputTopic, PartitionId};
use crate::record::Lent;

/// The topics of one application. All but the [outputs](Self::outputs) are co-partitioned:
/// they have `partitions` partitions, and partition p of each belongs to one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// By [`Input`]: the configured inputs in order, then `rekey`.
    pub inputs: Vec<Arc<str>>,
    /// The state of users and partitions, compacted.
    pub changelog: Arc<str>,
    /// Those that others read. Each has a number of partitions of its own, and a record of any partition of the
    /// inputs may stand in any partition of theirs.
    pub outputs: OutputNames,
    /// Of each but the outputs.
    pub partitions: i32,
}

impl Topics {
    /// For unit tests: with these inputs.
    #[cfg(test)]
    pub(crate) fn of(inputs: &[&str], partitions: i32) -> Self {
        Self {
            inputs: inputs.iter().map(|&input| input.into()).collect(),
            changelog: "changelog".into(),
            outputs: OutputNames::default(),
            partitions,
        }
    }

    /// The input that carries records of other partitions: the last.
    pub fn rekey_input(&self) -> Input {
        Input((self.inputs.len() - 1) as u8)
    }

    /// The name of the topic that carries records of other partitions.
    pub fn rekey(&self) -> &Arc<str> {
        &self.inputs[self.inputs.len() - 1]
    }

    /// The name of an input.
    pub fn input(&self, input: Input) -> &Arc<str> {
        &self.inputs[input.index()]
    }

    /// The key of records that only touch a compacted topic: no UTF-8, so no user's.
    pub const TOUCH_KEY: &'static [u8] = b"\xfftouch";

    /// A record that says nothing, and names nobody. What it does is to be appended: only an append closes a segment
    /// of a log, and only closed ones are compacted.
    pub fn touch<'a>(&self, topic: &'a str, partition: PartitionId, timestamp: Option<i64>) -> Lent<'a> {
        let (key, partition) = (Some(Self::TOUCH_KEY), Some(partition));
        Lent { topic, partition, key, value: None, headers: &[], timestamp }
    }

    /// The partitions of a topic of `count` that the owner of a partition of the inputs touches: each has one owner.
    pub fn touched_by(&self, partition: PartitionId, count: i32) -> impl Iterator<Item = PartitionId> + use<> {
        let step = usize::try_from(self.partitions.max(1)).unwrap_or(1);
        (partition.0..count).step_by(step).map(PartitionId)
    }

    /// What an output is called.
    pub fn output(&self, output: OutputTopic) -> &Arc<str> {
        &self.outputs[output]
    }

    /// The topics of which the broker keeps the latest record of each key: where one can be forgotten by a tombstone
    /// only.
    pub fn compacted(&self) -> impl Iterator<Item = &Arc<str>> {
        [&self.changelog].into_iter().chain(self.compacted_outputs())
    }

    /// As above, of the outputs.
    pub fn compacted_outputs(&self) -> impl Iterator<Item = &Arc<str>> {
        OutputTopic::compacted().map(|output| self.output(output))
    }

    /// A tombstone of a user in a topic that is keyed by them.
    pub fn tombstone<'a>(&self, topic: &'a str, user: &'a [u8]) -> Lent<'a> {
        Lent { topic, partition: None, key: Some(user), value: None, headers: &[], timestamp: None }
    }

    /// A record of a partition's changelog; without a value it is a tombstone.
    pub fn to_changelog<'a>(&'a self, partition: PartitionId, key: &'a [u8], value: Option<&'a [u8]>) -> Lent<'a> {
        Lent {
            topic: &self.changelog,
            partition: Some(partition),
            key: Some(key),
            value,
            headers: &[],
            timestamp: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_of_a_compacted_topic_is_touched_by_one_owner() {
        for (count, all) in [(8, 8), (3, 8), (20, 8), (1, 1), (0, 4)] {
            let topics = Topics::of(&["rekey"], all);
            let touched = (0..all).flat_map(|own| topics.touched_by(PartitionId(own), count));
            let mut touched: Vec<i32> = touched.map(|place| place.0).collect();
            touched.sort_unstable();
            assert_eq!(touched, (0..count).collect::<Vec<_>>(), "{count} of {all}");
        }
    }
}
