//! A partition as an operator's command finds it, and where it goes on from there. Reads, and changes nothing.
//!
//! Must not know: rdkafka, the command line.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, BrokerError, Committed, LogRange, TopicDescription, Topics};
use crate::domain::{Input, PartitionId};
use crate::pipeline::Identities;
use crate::record::Offset;
use crate::runtime::operator::error::Impossible;
use crate::runtime::recovery::entries::read_all;
use crate::runtime::recovery::identity::{self, Sameness};
use crate::runtime::recovery::refusal::Place;
use crate::runtime::recovery::start::in_order;
use crate::state::ChangelogEntry;
use crate::state::{InputPosition, PartitionRecord};

/// How partitions go on after a reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Users are forgotten; all that the inputs still hold is folded anew.
    Earliest,
    /// Users are forgotten; the inputs are read from these offsets on, by partition.
    From(BTreeMap<PartitionId, Vec<(Input, Offset)>>),
    /// Users stay; only the group's offsets are set, to the partition record's. With `accept_loss` an input that lost
    /// records before they were read goes on behind them, and one that was made anew at its start.
    Recorded {
        /// Whether to go on without what is lost.
        accept_loss: bool,
    },
}

impl Target {
    /// Whether users are tombstoned.
    pub fn forgets_users(&self) -> bool {
        !matches!(self, Self::Recorded { .. })
    }
}

/// A partition as it is.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Which.
    pub partition: PartitionId,
    pub(super) users: HashSet<Box<[u8]>>,
    /// The partition record, if there is one; or why it can't be read.
    pub record: Result<Option<PartitionRecord>, String>,
    /// The group's offsets.
    pub committed: Vec<Committed>,
    /// By input, the first offset that can still be read, and where it ends now.
    pub earliest: Vec<(Input, Offset)>,
    /// By input, where it ends now.
    pub ends: Vec<(Input, Offset)>,
    /// The topics as they are: by input, then the changelog.
    pub topics: Vec<TopicDescription>,
    bounds: Vec<LogRange>,
}

impl Survey {
    /// Reads all of a partition's changelog. `timeout`: of one look at it.
    ///
    /// # Errors
    ///
    /// The broker's; of a record that can't be read, [`Self::record`] says why.
    pub fn of<B: Broker>(broker: &B, partition: PartitionId, timeout: Duration) -> Result<Self, BrokerError> {
        let committed = broker.committed(partition)?;
        let (topics, bounds, ends) =
            (broker.describe_topics()?, broker.log_ranges(partition)?, broker.ends(partition)?);
        let earliest = (0u8..).map(Input).zip(bounds.iter().map(|bounds| bounds.earliest)).collect();
        let (mut users, mut record) = (HashSet::new(), None);
        let mut changelog = broker.changelog(partition)?;
        read_all(&mut changelog, timeout, |entry| {
            match entry {
                ChangelogEntry::Partition(value) => record = value.map(<[u8]>::to_vec),
                ChangelogEntry::User { key, .. } => _ = users.insert(key.into()),
                ChangelogEntry::Erasure { key, .. } | ChangelogEntry::Tombstone { key } => _ = users.remove(key),
            }
            Ok::<_, BrokerError>(())
        })?;
        let record = record.as_deref().map(PartitionRecord::decode).transpose().map_err(|error| error.to_string());
        Ok(Self { partition, users, record, committed, earliest, ends, topics, bounds })
    }

    /// Users in its changelog.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The record, if it is there and can be read.
    pub fn readable(&self) -> Option<&PartitionRecord> {
        self.record.as_ref().ok()?.as_ref()
    }

    /// By input, where the partition goes on. `whole`: every partition of the application is reset.
    ///
    /// # Errors
    ///
    /// Why the partition can't go on so.
    pub fn positions(&self, target: &Target, whole: bool, topics: &Topics) -> Result<Vec<Offset>, Impossible> {
        let inputs = (0u8..).map(Input).take(topics.inputs.len());
        let of = |offsets: &[(Input, Offset)], input| {
            offsets.iter().find(|(of, _)| *of == input).map_or(0, |(_, offset)| *offset)
        };
        let restarted = |input: Input, from: Option<&Vec<(Input, Offset)>>| {
            let (earliest, end) = (of(&self.earliest, input), of(&self.ends, input));
            match from {
                // What it holds was forwarded from inputs that are read again, and forwarded again.
                _ if whole && input == topics.rekey_input() => end,
                None => earliest,
                Some(from) => of(from, input).clamp(earliest, end.max(earliest)),
            }
        };
        identity::unfit(&self.topics).map_or(Ok(()), Err)?;
        match target {
            Target::Earliest => Ok(inputs.map(|input| restarted(input, None)).collect()),
            Target::From(by_partition) => {
                Ok(inputs.map(|input| restarted(input, by_partition.get(&self.partition))).collect())
            }
            Target::Recorded { .. } if self.is_untouched() => {
                Ok(inputs.map(|input| of(&self.earliest, input)).collect())
            }
            Target::Recorded { accept_loss } => {
                let losses = self.judge_recorded(topics)?;
                losses.into_iter().map(|place| place.accept(*accept_loss)).collect()
            }
        }
    }

    /// What `--accept-loss` gives up, in words: of each input that can't be gone on with where the record says.
    pub fn losses(&self, target: &Target, topics: &Topics) -> Vec<String> {
        if *target != (Target::Recorded { accept_loss: true }) || self.is_untouched() {
            return Vec::new();
        }
        let judged = self.judge_recorded(topics).unwrap_or_default();
        judged.into_iter().filter_map(|place| Some(place.lost?.1)).collect()
    }

    /// By input, where the record says that reading goes on; and where it can't, what is lost by going on elsewhere.
    fn judge_recorded(&self, topics: &Topics) -> Result<Vec<GoesOn>, Impossible> {
        let inputs = self.recorded(topics)?;
        let known =
            Identities { changelog: self.readable().and_then(|it| it.changelog_topic_id), ..Identities::default() };
        if let Some(refusal) = identity::recreated(&known, &self.topics, &[], &[]) {
            // It held the users, which nothing brings back.
            return Err(refusal.into());
        }
        let record = PartitionRecord { inputs, ..PartitionRecord::default() };
        let known = Identities::of(&record);
        let judge = |(input, position): (Input, &InputPosition)| {
            let sameness = known.sameness(input, &self.topics);
            self.judge_input(topics.input(input), input, position.next_offset, sameness)
        };
        Ok((0u8..).map(Input).zip(&record.inputs).map(judge).collect())
    }

    fn judge_input(&self, topic: &Arc<str>, input: Input, recorded: Offset, sameness: Sameness) -> GoesOn {
        let bounds = self.bounds.get(input.index()).copied().unwrap_or_default();
        let (topic, LogRange { earliest, end }) = (topic.clone(), bounds);
        let lost = |at, why, what| GoesOn { at, lost: Some((why, what)) };
        if recorded < 0 {
            // An input that was never read.
            return GoesOn { at: earliest, lost: None };
        }
        if let Sameness::Other(old, found) = sameness {
            let what =
                format!("{topic}: what the topic that was deleted held from {recorded} on; the new one is read whole");
            let place = Place { position: Some(recorded), bounds };
            return lost(earliest, Impossible::Recreated { topic, recorded: old, found, place }, what);
        }
        if recorded > end {
            // What it holds was read, if it is the same; else none of it was.
            let at = if sameness == Sameness::Same { end } else { earliest };
            let what = format!("{topic}: what lay before {recorded} and is gone; it goes on at {at}");
            return lost(at, Impossible::BeyondTheEnd { topic, recorded, end, goes_on: at }, what);
        }
        if recorded < earliest {
            let what =
                format!("{topic}: offsets {recorded} to {}, which were deleted before they were read", earliest - 1);
            return lost(earliest, Impossible::Truncated { topic, recorded, earliest }, what);
        }
        let has_offset = self.committed.iter().any(|committed| committed.input == input);
        if sameness == Sameness::Unknown && !has_offset {
            let what = format!("{topic}: what lies before {recorded}, if the topic was made anew since");
            return lost(recorded, Impossible::MayBeAnother { topic, recorded }, what);
        }
        GoesOn { at: recorded, lost: None }
    }

    /// Nobody has ever read anything of it, whatever offsets somebody has set.
    fn is_untouched(&self) -> bool {
        let is_at_start = |committed: &Committed| {
            self.earliest.iter().any(|&(input, earliest)| input == committed.input && committed.offset <= earliest)
        };
        matches!(self.record, Ok(None)) && self.users.is_empty() && self.committed.iter().all(is_at_start)
    }

    fn recorded(&self, topics: &Topics) -> Result<Vec<InputPosition>, Impossible> {
        match &self.record {
            Ok(Some(record)) => Ok(in_order(&record.inputs, topics)?),
            Ok(None) => Err(Impossible::NoRecord),
            Err(why) => Err(Impossible::Unreadable(why.clone())),
        }
    }

    /// The last transaction of that id that the partition knows of.
    pub(super) fn last_number(&self, id: &str) -> u64 {
        let notes = self.committed.iter().filter_map(|committed| committed.note.as_ref());
        let of_record = self.readable().map(|it| (it.transactional_id.as_str(), it.transaction_number));
        let all = notes.map(|note| (&*note.transactional_id, note.number)).chain(of_record);
        all.filter(|(writer, _)| *writer == id).map(|(_, number)| number).max().unwrap_or(0)
    }
}

/// Where an input goes on, and what is lost by that, with the words for it.
struct GoesOn {
    at: Offset,
    lost: Option<(Impossible, String)>,
}

impl GoesOn {
    fn accept(self, accepts_loss: bool) -> Result<Offset, Impossible> {
        match self.lost {
            Some((why, _)) if !accepts_loss => Err(why),
            _ => Ok(self.at),
        }
    }
}
