//! Whether a run could go on with a partition, without taking part: what `check --online` asks beside a living group.

use std::time::Duration;

use crate::broker::{Broker, BrokerError};
use crate::domain::PartitionId;
use crate::pipeline::Identities;
use crate::runtime::recovery::entries::read_all;
use crate::runtime::recovery::identity;
use crate::runtime::recovery::{refusal::Refusal, start::in_order};
use crate::state::{ChangelogEntry, PartitionRecord};

/// What is wrong with the topics under a partition, beside what its record says of them. Reads all of its changelog, a
/// look at a time for at most `timeout`, and keeps the record alone.
///
/// # Errors
/// Where the changelog can't be read to its end, or the topics can't be asked about.
pub fn examine<B: Broker>(
    broker: &B,
    partition: PartitionId,
    timeout: Duration,
) -> Result<Option<Refusal>, BrokerError> {
    let mut record = None;
    let mut changelog = broker.changelog(partition)?;
    read_all(&mut changelog, timeout, |entry| {
        if let ChangelogEntry::Partition(value) = entry {
            record = value.map(<[u8]>::to_vec);
        }
        Ok::<_, BrokerError>(())
    })?;
    let Some(record) = record else { return Ok(None) };
    let record = match PartitionRecord::decode(&record) {
        Ok(record) => record,
        Err(error) => return Ok(Some(error.into())),
    };
    let inputs = match in_order(&record.inputs, broker.topics()) {
        Ok(inputs) => inputs,
        Err(refusal) => return Ok(Some(refusal)),
    };
    let positions: Vec<_> = inputs.iter().map(|input| (input.next_offset >= 0).then_some(input.next_offset)).collect();
    let known = Identities::of(&PartitionRecord { inputs, ..record });
    // After the record: a member that lives may have moved on, and its inputs with it, but no bound moves back.
    let (found, bounds) = (broker.describe_topics()?, broker.log_ranges(partition)?);
    Ok(identity::recreated(&known, &found, &positions, &bounds)
        .or_else(|| identity::out_of_bounds(&positions, &bounds, broker.topics())))
}
