//! The partition record: how far a partition has come, as one record of its changelog.

use prost::Message as _;

use super::{Dimension, Population, StateError, event_time, instant};
use crate::domain::{Partitioner, Timestamp, TopicId};
use crate::record::Offset;

/// The generated protobuf of `proto/state/v1`.
mod proto {
    include!(concat!(env!("OUT_DIR"), "/tideline.state.v1.rs"));
}

/// One record a partition in the changelog, written by every transaction that touches the partition. It is the truth:
/// restore starts from its offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionRecord {
    /// S: the greatest event time seen.
    pub stream_time: Option<Timestamp>,
    /// W: what timers obey.
    pub watermark: Option<Timestamp>,
    /// The partition's first S, from which an input without any event is silent.
    pub first_stream_time: Option<Timestamp>,
    /// By input, `rekey` last.
    pub inputs: Vec<InputPosition>,
    /// The rules' zone.
    pub zone: String,
    /// How many days of history the rules look at.
    pub horizon_days: u32,
    /// Of every co-partitioned topic.
    pub partitions: i32,
    /// The generation of the rules.
    pub rules_generation: u32,
    /// What stands for the rules.
    pub rules_digest: String,
    /// How that was made; 0 where the record doesn't say.
    pub digest_scheme: u32,
    /// A digest of each section of the rules; empty where the record doesn't say.
    pub rules_sections: Vec<SectionDigest>,
    /// The first generation whose sections that decide outputs are those of this record; 0: `rules_generation`.
    pub judged_since: u32,
    /// Who wrote the record.
    pub transactional_id: String,
    /// In which of its transactions.
    pub transaction_number: u64,
    /// The users, counted.
    pub population: Population,
    /// The present ladder, and older ones while users are numbered by them.
    pub ladders: Vec<Ladder>,
    /// What puts users on partitions.
    pub partitioner: Partitioner,
    /// Records forwarded to `rekey`, and the newest time of one.
    pub forwarded: u64,
    /// The newest time of a forwarded record.
    pub newest_forwarded: Option<Timestamp>,
    /// The changelog that this was written to. None: not known.
    pub changelog_topic_id: Option<TopicId>,
}

/// What stands for a section of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionDigest {
    /// As [`crate::state::PartitionRecord::rules_sections`] names it.
    pub name: String,
    /// Eight hex digits.
    pub digest: String,
}

/// The names that tiers went by under a generation of rules: users hold numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// The generation of the rules.
    pub generation: u32,
    /// From the lowest.
    pub rungs: Vec<String>,
}

/// How far an input has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputPosition {
    /// Its topic.
    pub topic: String,
    /// The next offset to read.
    pub next_offset: Offset,
    /// The newest event time of the input.
    pub newest: Option<Timestamp>,
    /// Whether it is silent, and so holds W.
    pub silent: bool,
    /// What is another partition's was forwarded before this offset, ahead of what waits from `next_offset` on.
    pub forwarded_to: Offset,
    /// Offsets from `next_offset` on that were handled before it, from the lowest.
    pub handled: Vec<Offset>,
    /// The topic that the offset is one of, whatever bears its name now. None: not known.
    pub topic_id: Option<TopicId>,
    /// How many partitions it has; 0: not known.
    pub partitions: i32,
}

/// A partition record that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the partition record is not readable: {0}")]
pub enum UnreadableRecord {
    /// No protobuf.
    NotProtobuf(#[from] prost::DecodeError),
    /// A value that no program writes.
    OutOfRange(#[from] StateError),
}

impl PartitionRecord {
    /// Its key in the changelog: no UTF-8, so no user's.
    pub const KEY: &'static [u8] = b"\xffpartition";

    /// Its bytes, protobuf of `proto/state/v1`.
    pub fn encode(&self) -> Vec<u8> {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
        proto::PartitionRecord {
            stream_time: millis(self.stream_time),
            watermark: millis(self.watermark),
            first_stream_time: millis(self.first_stream_time),
            inputs: self
                .inputs
                .iter()
                .map(|input| proto::InputPosition {
                    topic: input.topic.clone(),
                    next_offset: input.next_offset,
                    newest: millis(input.newest),
                    silent: input.silent,
                    forwarded_to: input.forwarded_to,
                    handled: distances(input),
                    topic_id: id_bytes(input.topic_id),
                    partitions: input.partitions,
                })
                .collect(),
            zone: self.zone.clone(),
            horizon_days: self.horizon_days,
            partitions: self.partitions,
            rules_generation: self.rules_generation,
            rules_digest: self.rules_digest.clone(),
            digest_scheme: self.digest_scheme,
            rules_sections: self
                .rules_sections
                .iter()
                .map(|section| proto::RulesSection { name: section.name.clone(), digest: section.digest.clone() })
                .collect(),
            judged_since: self.judged_since,
            transactional_id: self.transactional_id.clone(),
            transaction_number: self.transaction_number,
            population: Some(stored_population(&self.population)),
            ladders: self
                .ladders
                .iter()
                .map(|ladder| proto::Ladder { rules_generation: ladder.generation, rungs: ladder.rungs.clone() })
                .collect(),
            partitioner: self.partitioner.as_str().to_owned(),
            forwarded: self.forwarded,
            newest_forwarded: millis(self.newest_forwarded),
            changelog_topic_id: id_bytes(self.changelog_topic_id),
        }
        .encode_to_vec()
    }

    /// Reads what this program or an earlier one wrote.
    ///
    /// # Errors
    /// The bytes are no protobuf, or a time, an offset or the partitioner is none that can be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let record = proto::PartitionRecord::decode(bytes)?;
        let at = |millis: Option<i64>| millis.map(event_time).transpose();
        Ok(Self {
            stream_time: at(record.stream_time)?,
            watermark: record.watermark.map(instant).transpose()?,
            first_stream_time: at(record.first_stream_time)?,
            inputs: record
                .inputs
                .into_iter()
                .map(|input| {
                    let handled = offsets(input.next_offset, &input.handled)?;
                    Ok(InputPosition {
                        handled,
                        forwarded_to: input.forwarded_to,
                        topic: input.topic,
                        next_offset: input.next_offset,
                        newest: at(input.newest)?,
                        silent: input.silent,
                        topic_id: TopicId::new(&input.topic_id),
                        partitions: input.partitions,
                    })
                })
                .collect::<Result<_, StateError>>()?,
            zone: record.zone,
            horizon_days: record.horizon_days,
            partitions: record.partitions,
            rules_generation: record.rules_generation,
            rules_digest: record.rules_digest,
            digest_scheme: record.digest_scheme,
            rules_sections: record
                .rules_sections
                .into_iter()
                .map(|section| SectionDigest { name: section.name, digest: section.digest })
                .collect(),
            judged_since: record.judged_since,
            transactional_id: record.transactional_id,
            transaction_number: record.transaction_number,
            population: record.population.map(population).unwrap_or_default(),
            ladders: record
                .ladders
                .into_iter()
                .map(|ladder| Ladder { generation: ladder.rules_generation, rungs: ladder.rungs })
                .collect(),
            partitioner: partitioner(&record.partitioner)?,
            forwarded: record.forwarded,
            newest_forwarded: at(record.newest_forwarded)?,
            changelog_topic_id: TopicId::new(&record.changelog_topic_id),
        })
    }
}

/// Records from before it could be chosen name none.
fn partitioner(name: &str) -> Result<Partitioner, StateError> {
    let known = Partitioner::ALL.into_iter().find(|it| it.as_str() == name);
    known.or(name.is_empty().then(Partitioner::default)).ok_or(StateError::Damaged("a partitioner that is not known"))
}

fn stored_population(population: &Population) -> proto::Population {
    let dimension = |dimension: Dimension| proto::Dimension {
        name: dimension.as_str().to_owned(),
        cells: population.cells(dimension).to_vec(),
    };
    proto::Population { dimensions: Dimension::ALL.map(dimension).to_vec(), ..proto::Population::default() }
}

/// A dimension that this program doesn't know is passed over. Records up to 2026-12-01 have two, which they don't name.
fn population(stored: proto::Population) -> Population {
    let mut population = Population::default();
    population.set(Dimension::Tier, stored.by_tier);
    population.set(Dimension::Stage, stored.by_stage);
    for cells in stored.dimensions {
        if let Some(dimension) = Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == cells.name) {
            population.set(dimension, cells.cells);
        }
    }
    population
}

/// The offsets handled behind the next, each as its distance from the one before.
fn distances(input: &InputPosition) -> Vec<u64> {
    let before = std::iter::once(input.next_offset).chain(input.handled.iter().copied());
    input.handled.iter().zip(before).map(|(offset, before)| offset.abs_diff(before)).collect()
}

fn offsets(next: Offset, distances: &[u64]) -> Result<Vec<Offset>, StateError> {
    let mut before = next;
    let each = distances.iter().map(|&distance| {
        before = before.checked_add_unsigned(distance).ok_or(StateError::Damaged("an offset too large"))?;
        Ok(before)
    });
    each.collect()
}

fn id_bytes(id: Option<TopicId>) -> Vec<u8> {
    id.map(|id| id.bytes().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_population_reads_back_and_one_that_names_no_dimension_is_the_earlier_programs() {
        let mut population = Population::default();
        population.set(Dimension::Tier, vec![1, 2, 3]);
        population.set(Dimension::Stage, vec![4, 0, 1, 1]);
        let record = PartitionRecord { population, ..PartitionRecord::default() };
        assert_eq!(PartitionRecord::decode(&record.encode()).unwrap(), record);
        let counts = proto::Population { by_tier: vec![1, 2, 3], by_stage: vec![4, 0, 1, 1], dimensions: Vec::new() };
        let earlier = proto::PartitionRecord { population: Some(counts), ..proto::PartitionRecord::default() };
        assert_eq!(PartitionRecord::decode(&earlier.encode_to_vec()).unwrap().population, record.population);
    }

    #[test]
    fn what_was_handled_out_of_its_order_reads_back() {
        let handled = vec![7, 9, 300];
        let inputs = vec![InputPosition { next_offset: 7, forwarded_to: 40, handled, ..InputPosition::default() }];
        let (partitioner, newest_forwarded) = (Partitioner::Fnv1a, Some(Timestamp::of_millis(5)));
        let record =
            PartitionRecord { inputs, partitioner, forwarded: 3, newest_forwarded, ..PartitionRecord::default() };
        assert_eq!(PartitionRecord::decode(&record.encode()).ok(), Some(record));
    }

    #[test]
    fn the_ids_of_topics_survive_and_a_record_without_them_says_that_they_are_not_known() {
        let id = TopicId::new(&[7; 16]);
        let input = InputPosition { topic: "app".to_owned(), topic_id: id, partitions: 8, ..InputPosition::default() };
        let record = PartitionRecord { inputs: vec![input], changelog_topic_id: id, ..PartitionRecord::default() };
        assert_eq!(PartitionRecord::decode(&record.encode()).unwrap(), record);
        let older = PartitionRecord::decode(&PartitionRecord::default().encode()).unwrap();
        assert_eq!(older.changelog_topic_id, None);
    }

    #[test]
    fn a_time_that_cannot_be_reckoned_with_is_refused() {
        for (millis, is_read) in [(0, true), (-3_600_000, true), (i64::MAX, false), (i64::MIN, false)] {
            let watermark = Some(Timestamp::of_millis(millis));
            let record = PartitionRecord { watermark, ..PartitionRecord::default() };
            let read = PartitionRecord::decode(&record.encode());
            assert_eq!(read.as_ref().ok(), is_read.then_some(&record), "{millis}: {read:?}");
        }
    }
}
