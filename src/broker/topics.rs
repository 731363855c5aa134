//! The topics of one application, by what they are for.
//!
//! Must not know: what stands in them, and the broker that keeps them.

use std::sync::Arc;

use crate::domain::{Input, PartitionId};
use crate::record::Lent;

/// The topics of one application. All but the [outputs](Self::outputs) are
/// co-partitioned: they have `partitions` partitions, and partition p of each belongs to one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// By [`Input`]: the configured inputs in order, then `rekey`.
    pub inputs: Vec<Arc<str>>,
    pub changelog: Arc<str>,
    pub tier_changes: Arc<str>,
    pub dormancy_risk: Arc<str>,
    pub user_profiles: Arc<str>,
    pub dead_letters: Arc<str>,
    pub partitions: i32,
}

impl Topics {
    /// For unit tests: with these inputs.
    #[cfg(test)]
    pub(crate) fn of(inputs: &[&str], partitions: i32) -> Self {
        Self {
            inputs: inputs.iter().map(|&input| input.into()).collect(),
            changelog: "changelog".into(),
            tier_changes: "tiers".into(),
            dormancy_risk: "risks".into(),
            user_profiles: "profiles".into(),
            dead_letters: "dead".into(),
            partitions,
        }
    }

    /// The input that carries records of other partitions: the last.
    pub fn rekey_input(&self) -> Input {
        Input((self.inputs.len() - 1) as u8)
    }

    pub fn rekey(&self) -> &Arc<str> {
        &self.inputs[self.inputs.len() - 1]
    }

    pub fn input(&self, input: Input) -> &Arc<str> {
        &self.inputs[input.index()]
    }

    /// The key of records that only touch a compacted topic: no UTF-8, so no user's.
    pub const TOUCH_KEY: &'static [u8] = b"\xfftouch";

    /// A record that says nothing, and names nobody. What it does is to be appended: only an append closes a segment of a log,
    /// and only closed ones are compacted.
    pub fn touch<'a>(&self, topic: &'a str, partition: PartitionId, timestamp: Option<i64>) -> Lent<'a> {
        let (key, partition) = (Some(Self::TOUCH_KEY), Some(partition));
        Lent { topic, partition, key, value: None, headers: &[], timestamp }
    }

    /// The partitions of a topic of `count` that the owner of a partition of the inputs touches: each has one owner.
    pub fn touched_by(&self, partition: PartitionId, count: i32) -> impl Iterator<Item = PartitionId> + use<> {
        let step = usize::try_from(self.partitions.max(1)).unwrap_or(1);
        (partition.0..count).step_by(step).map(PartitionId)
    }

    /// Those that others read. Each has a number of partitions of its own, and a record of any partition of the inputs may
    /// stand in any partition of theirs.
    pub fn outputs(&self) -> [&Arc<str>; 4] {
        [&self.tier_changes, &self.dormancy_risk, &self.user_profiles, &self.dead_letters]
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
