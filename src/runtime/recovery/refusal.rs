//! Why a partition is refused: each reason with the way on that an operator has.
//!
//! Must not know: who judges. A text that names no way on leaves an operator with a partition that stalls.

use std::sync::Arc;

use crate::broker::LogRange;
use crate::domain::{Timestamp, TopicId};
use crate::record::Offset;
use crate::state::partition_record::UnreadableRecord;

/// Why a partition's state can't be gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each variant says what its fields are")]
pub enum Refusal {
    #[error("its changelog holds {users} users but no partition record; `tideline reset` starts it anew")]
    StateWithoutRecord { users: usize },
    #[error(
        "the group has committed offsets but its changelog has no partition record: the changelog was deleted, made \
         anew or cut; `tideline reset` starts it anew"
    )]
    OffsetsWithoutRecord,
    #[error(
        "the group's offset of {topic} is {committed}, ahead of the partition record's {recorded}: somebody else has \
         moved it, or the changelog was cut; `tideline reset --offsets-only` goes on from the record, `tideline \
         reset` starts anew"
    )]
    OffsetsAhead { topic: Arc<str>, committed: Offset, recorded: Offset },
    #[error(
        "the group's offset of {topic} is {committed}, behind the partition record's {recorded}: somebody has moved \
         it back, but what lies between is folded already; `tideline reset --offsets-only` goes on from the record, \
         `tideline reset` folds the past anew"
    )]
    OffsetsBehind { topic: Arc<str>, committed: Offset, recorded: Offset },
    #[error(
        "its state was written at offset {recorded} of {topic}, where the group has none: the topic was deleted \
         since, or the offset has expired (the brokers' `offsets.retention.minutes`, counted while the group has no \
         member); which, can't be told, for no record holds the topic's id yet. If {topic} is surely the \
         same, `tideline reset --offsets-only --accept-loss` goes on from the record; else `tideline reset` starts anew"
    )]
    OffsetsGone { topic: Arc<str>, recorded: Offset },
    #[error(
        "{topic} begins at offset {earliest}, behind {recorded}, the next to be read, and ends at {end}: retention or \
         DeleteRecords took what lay between before it was read. (Aborted records at the end of an input are no loss; \
         after a kill they can't be told from one.) `tideline reset --offsets-only --accept-loss` goes on without it"
    )]
    InputTruncated { topic: Arc<str>, recorded: Offset, earliest: Offset, end: Offset },
    #[error(
        "{topic} ends at offset {end}, before {recorded}, the next to be read (it begins at {earliest}): it was cut, \
         as by an unclean election of a leader, or made anew, and what is written until it reaches {recorded} would \
         be lost; `tideline reset` folds what it holds, `tideline reset --offsets-only --accept-loss` keeps the users \
         and says where it goes on"
    )]
    BeyondTheEnd { topic: Arc<str>, recorded: Offset, earliest: Offset, end: Offset },
    #[error(
        "the broker has refused offset {recorded} of {topic} as out of range, though it holds {earliest} to {end} \
         now: it was cut and has grown since; `tideline reset --offsets-only --accept-loss` goes on at {recorded}, \
         `tideline reset` folds what it holds"
    )]
    OutOfRange { topic: Arc<str>, recorded: Offset, earliest: Offset, end: Offset },
    #[error(
        "{topic} was deleted and made anew: its id is {found}, its state was read from {recorded}{}. `tideline reset` \
         folds what the new one holds, `tideline reset --offsets-only --accept-loss` keeps the users and reads it \
         from its start",
        place.as_ref().map(|place| format!("; {place}")).unwrap_or_default()
    )]
    TopicRecreated { topic: Arc<str>, recorded: TopicId, found: TopicId, place: Option<Place> },
    #[error(
        "{topic} was deleted and made anew: its id is {found}, its state was written to {recorded}, which held the \
         rest of it; `tideline reset` starts it anew"
    )]
    ChangelogRecreated { topic: Arc<str>, recorded: TopicId, found: TopicId },
    #[error(
        "there is no topic {topic}: it was deleted, or this client may not see it; make it (`tideline topics \
         --create`), then start: a run says what follows"
    )]
    TopicGone { topic: Arc<str> },
    #[error(
        "{topic} has {found} partitions, {configured} are configured, and keys lie elsewhere now: give every input, \
         rekey and the changelog {found}, set topics.partitions to that (of an input that is not keyed: \
         inputs[].partitions alone), then `tideline reset` folds anew what the inputs still hold"
    )]
    PartitionsChanged { topic: Arc<str>, configured: i32, found: i32 },
    #[error("its state was written with {what} {recorded}, now it is {configured}; `tideline reset` starts it anew")]
    Changed { what: &'static str, recorded: String, configured: String },
    #[error("its state was written with an input {0:?} that is configured no longer; `tideline reset` starts it anew")]
    InputGone(String),
    #[error(
        "the rules of generation {generation} are {configured}, but its state was written with {recorded}: other \
         rules under one generation{of}; raise rules.generation to apply them, or configure the rules of that \
         state", of = of_sections(sections)
    )]
    OtherRules {
        generation: u32,
        recorded: String,
        configured: String,
        /// Those that differ, as far as the state says.
        sections: Vec<&'static str>,
    },
    #[error(
        "its state was written with rules of generation {recorded}, this member's are of generation {configured}: \
         give it those rules, or stop it"
    )]
    RulesBehind { recorded: u32, configured: u32 },
    #[error(
        "its changelog holds {found} users where its record counts {recorded}: it was cut (its cleanup.policy must be \
         compact alone); put the lost records back, or `tideline reset` starts it anew"
    )]
    Cut { recorded: u64, found: u64 },
    #[error(
        "its stream time is {stream_time}, ahead of {clock_name} ({now}) by more than stream.max_skew: a wrong clock, \
         or `run --until`, has moved it there, or this machine's clock is behind; set the clock right, wait until \
         then, or `tideline reset` starts it anew"
    )]
    AheadOfClock { stream_time: Timestamp, now: Timestamp, clock_name: &'static str },
    #[error("{0}")]
    Unreadable(String),
}

impl Refusal {
    /// Whether the rest of the process may go on: a member with older rules leaves the partition unserved.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::RulesBehind { .. })
    }

    /// Whether it is about topics that changed under the application: a run that serves lives on, to say so.
    pub fn is_of_topics(&self) -> bool {
        matches!(
            self,
            Self::InputTruncated { .. }
                | Self::BeyondTheEnd { .. }
                | Self::OutOfRange { .. }
                | Self::TopicRecreated { .. }
                | Self::ChangelogRecreated { .. }
                | Self::TopicGone { .. }
                | Self::PartitionsChanged { .. }
        )
    }

    /// The topic that it is about, where it is about one.
    pub fn topic(&self) -> Option<&Arc<str>> {
        match self {
            Self::InputTruncated { topic, .. }
            | Self::BeyondTheEnd { topic, .. }
            | Self::OutOfRange { topic, .. }
            | Self::TopicRecreated { topic, .. }
            | Self::ChangelogRecreated { topic, .. }
            | Self::TopicGone { topic }
            | Self::PartitionsChanged { topic, .. } => Some(topic),
            _ => None,
        }
    }
}

impl From<UnreadableRecord> for Refusal {
    fn from(error: UnreadableRecord) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Where reading was, and what the topic holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The next offset to be read; none: it was never read.
    pub position: Option<Offset>,
    /// What the topic holds now.
    pub bounds: LogRange,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, bounds: LogRange { earliest, end } } = *self;
        write!(f, "it begins at offset {earliest} and ends at {end}")?;
        match position {
            Some(position) if position > end => write!(f, ", before {position}, the next to be read"),
            Some(position) => write!(f, ", the next to be read was {position}"),
            None => Ok(()),
        }
    }
}

/// In which sections rules differ, where that is known.
fn of_sections(sections: &[&str]) -> String {
    if sections.is_empty() { String::new() } else { format!(", in {}", sections.join(" and ")) }
}
