//! All partition logs of an application by topic and partition, and how they are kept within their bounds.

use std::collections::HashMap;
use std::sync::Arc;

use super::log::{Cleanup, Contents, Dropped, PartitionLog};
use super::topic_state::TopicState;
use crate::broker::{BrokerError, ErrorClass, Topics};
use crate::domain::{Input, PartitionId, partition_of};
use crate::record::{Lent, Offset};

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogId {
    /// Place in [`Logs::names`].
    pub topic: u16,
    pub partition: PartitionId,
}

#[derive(Debug)]
pub(super) struct Logs {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u16>,
    inputs: u16,
    /// After the inputs; what comes after it are outputs.
    changelog: u16,
    /// By topic, then partition.
    logs: Vec<Vec<PartitionLog>>,
    /// By topic.
    pub(super) topic_states: Vec<TopicState>,
}

impl Logs {
    /// `output_partitions`: of each output; none: as many as the inputs have.
    pub fn new(topics: &Topics, output_partitions: Option<i32>) -> Self {
        let (compacted, outputs) = (topics.compacted().collect::<Vec<_>>(), topics.outputs.all());
        let mut names = topics.inputs.clone();
        // In this order: a journal tells topics by their place.
        names.extend(compacted.iter().copied().cloned());
        names.extend(outputs.iter().filter(|output| !compacted.contains(output)).cloned());
        let logs_of = |name: &Arc<str>| {
            let own = output_partitions.filter(|_| outputs.contains(name));
            let cleanup = if compacted.contains(&name) { Cleanup::Compact } else { Cleanup::Delete };
            (0..own.unwrap_or(topics.partitions)).map(|_| PartitionLog::new(cleanup)).collect()
        };
        Self {
            topic_states: vec![TopicState::new(topics.partitions); names.len()],
            logs: names.iter().map(logs_of).collect(),
            by_name: names.iter().enumerate().map(|(at, name)| (name.clone(), at as u16)).collect(),
            names,
            inputs: topics.inputs.len() as u16,
            changelog: topics.inputs.len() as u16,
        }
    }

    pub fn is_output(&self, id: LogId) -> bool {
        id.topic > self.changelog
    }

    /// None if there is no such topic.
    pub fn partitions_of(&self, topic: &str) -> i32 {
        self.by_name.get(topic).map_or(0, |&topic| self.count(topic))
    }

    /// The place of a topic, if there is one of that name.
    pub fn index_of(&self, topic: &str) -> Option<usize> {
        self.by_name.get(topic).map(|&at| usize::from(at))
    }

    fn count(&self, topic: u16) -> i32 {
        self.logs[usize::from(topic)].len() as i32
    }

    /// For messages.
    pub fn name(&self, id: LogId) -> String {
        format!("{}/{}", self.names[usize::from(id.topic)], id.partition)
    }

    pub fn ids(&self) -> impl Iterator<Item = LogId> + use<> {
        let of = |topic| (0..self.count(topic)).map(move |p| LogId { topic, partition: PartitionId(p) });
        (0..self.names.len() as u16).flat_map(of).collect::<Vec<_>>().into_iter()
    }

    pub fn contains(&self, id: LogId) -> bool {
        usize::from(id.topic) < self.names.len() && (0..self.count(id.topic)).contains(&id.partition.0)
    }

    pub fn id(&self, topic: &str, partition: PartitionId) -> Result<LogId, BrokerError> {
        match self.by_name.get(topic) {
            Some(&topic) if (0..self.count(topic)).contains(&partition.0) => Ok(LogId { topic, partition }),
            Some(_) => Err(refused(topic, format!("it has no partition {partition}"))),
            None => Err(refused(topic, "there is no such topic".to_owned())),
        }
    }

    pub fn input(&self, input: Input, partition: PartitionId) -> Option<LogId> {
        let exists = u16::from(input.0) < self.inputs && (0..self.count(input.0.into())).contains(&partition.0);
        exists.then_some(LogId { topic: input.0.into(), partition })
    }

    /// Where a record belongs, and what of it is stored. A record of a compacted topic needs a key.
    pub fn place(&self, record: Lent<'_>) -> Result<(LogId, Arc<Contents>), BrokerError> {
        let of_key = || partition_of(record.key.unwrap_or_default(), self.partitions_of(record.topic).max(1));
        let id = self.id(record.topic, record.partition.unwrap_or_else(of_key))?;
        if self[id].cleanup() == Cleanup::Compact && record.key.is_none() {
            return Err(refused(record.topic, "a compacted topic takes no record without a key".to_owned()));
        }
        Ok((id, Arc::new(record.into())))
    }

    /// Drops or compacts what is over the bound. `unread_from`: the first offset that the group has not read.
    pub fn tidy(&mut self, id: LogId, retention_bytes: u64, unread_from: Offset) -> Dropped {
        let log = &mut self[id];
        match log.cleanup() {
            Cleanup::Delete => log.retain(retention_bytes, unread_from),
            Cleanup::Compact => {
                if log.wants_compaction(retention_bytes) {
                    log.compact();
                }
                Dropped::default()
            }
        }
    }

    /// The input that a topic is, if it is one.
    pub fn as_input(&self, id: LogId) -> Option<Input> {
        (id.topic < self.inputs).then_some(Input(id.topic as u8))
    }
}

impl std::ops::Index<LogId> for Logs {
    type Output = PartitionLog;

    fn index(&self, id: LogId) -> &PartitionLog {
        &self.logs[usize::from(id.topic)][id.partition.0 as usize]
    }
}

impl std::ops::IndexMut<LogId> for Logs {
    fn index_mut(&mut self, id: LogId) -> &mut PartitionLog {
        &mut self.logs[usize::from(id.topic)][id.partition.0 as usize]
    }
}

fn refused(topic: &str, reason: String) -> BrokerError {
    BrokerError::client(format_args!("embedded log, topic {topic}"), ErrorClass::Fatal, reason)
}
