//! All partition logs of an application by topic and partition, and how they are kept within their bounds.

use std::collections::HashMap;
use std::sync::Arc;

use super::log::{Cleanup, Contents, Dropped, PartitionLog};
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
    partitions: i32,
    inputs: u16,
    /// By topic, then partition.
    logs: Vec<PartitionLog>,
}

impl Logs {
    pub fn new(topics: &Topics) -> Self {
        let compacted = [&topics.changelog, &topics.user_profiles];
        let mut names = topics.inputs.clone();
        names.extend(compacted.map(Arc::clone));
        names.extend([&topics.tier_changes, &topics.dormancy_risk, &topics.dead_letters].map(Arc::clone));
        let cleanup = |name: &Arc<str>| if compacted.contains(&name) { Cleanup::Compact } else { Cleanup::Delete };
        let logs = names.iter().flat_map(|name| (0..topics.partitions).map(move |_| PartitionLog::new(cleanup(name))));
        Self {
            logs: logs.collect(),
            by_name: names.iter().enumerate().map(|(at, name)| (name.clone(), at as u16)).collect(),
            names,
            partitions: topics.partitions,
            inputs: topics.inputs.len() as u16,
        }
    }

    /// For messages.
    pub fn name(&self, id: LogId) -> String {
        format!("{}/{}", self.names[usize::from(id.topic)], id.partition)
    }

    pub fn ids(&self) -> impl Iterator<Item = LogId> + use<> {
        let partitions = self.partitions;
        let topics = 0..self.names.len() as u16;
        topics.flat_map(move |topic| (0..partitions).map(move |p| LogId { topic, partition: PartitionId(p) }))
    }

    pub fn contains(&self, id: LogId) -> bool {
        usize::from(id.topic) < self.names.len() && (0..self.partitions).contains(&id.partition.0)
    }

    pub fn id(&self, topic: &str, partition: PartitionId) -> Result<LogId, BrokerError> {
        match self.by_name.get(topic) {
            Some(&topic) if (0..self.partitions).contains(&partition.0) => Ok(LogId { topic, partition }),
            Some(_) => Err(refused(topic, format!("it has no partition {partition}"))),
            None => Err(refused(topic, "there is no such topic".to_owned())),
        }
    }

    pub fn input(&self, input: Input, partition: PartitionId) -> Option<LogId> {
        let exists = u16::from(input.0) < self.inputs && (0..self.partitions).contains(&partition.0);
        exists.then_some(LogId { topic: input.0.into(), partition })
    }

    /// Where a record belongs, and what of it is stored. A record of a compacted topic needs a key.
    pub fn place(&self, record: Lent<'_>) -> Result<(LogId, Arc<Contents>), BrokerError> {
        let of_key = || partition_of(record.key.unwrap_or_default(), self.partitions);
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

    fn index(&self, id: LogId) -> usize {
        usize::from(id.topic) * self.partitions as usize + id.partition.0 as usize
    }
}

impl std::ops::Index<LogId> for Logs {
    type Output = PartitionLog;

    fn index(&self, id: LogId) -> &PartitionLog {
        &self.logs[self.index(id)]
    }
}

impl std::ops::IndexMut<LogId> for Logs {
    fn index_mut(&mut self, id: LogId) -> &mut PartitionLog {
        let index = self.index(id);
        &mut self.logs[index]
    }
}

fn refused(topic: &str, reason: String) -> BrokerError {
    BrokerError::Client { what: format!("embedded log, topic {topic}"), reason, class: ErrorClass::Fatal }
}
