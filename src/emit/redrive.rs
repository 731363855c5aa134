//! A dead letter's way back: which letters can be sent again, where to, and as what.
//!
//! That a letter was sent again is noted where it lies: the transaction that sends it also writes a note to the dead
//! letters, of the same partition, with the offsets of all that it has sent. So any choice of letters can be sent
//! once, in whatever order choices are made; a position could only tell that all before it was.
//!
//! A letter has the headers that its producer gave it, so no header alone makes a note: what tells it is that it lies
//! among the dead letters without what every letter is given there, and without a key.

use std::sync::Arc;

use super::dead_letter::header as dead;
use crate::domain::{PartitionId, Timestamp};
use crate::ingest::{self, RejectReason};
use crate::record::{Message, Offset, Outgoing, is_named, owned, text_header};

/// The headers of a record that was sent again, and of a note.
pub mod header {
    /// How many times the record was sent again.
    pub const TIMES: &str = "tideline-redriven";
    /// What was wrong with it, the last time.
    pub const REASON: &str = "tideline-redriven-reason";
    pub const ERROR: &str = "tideline-redriven-error";
    /// Where it lay in the dead letters.
    pub const PARTITION: &str = "tideline-redriven-partition";
    pub const OFFSET: &str = "tideline-redriven-offset";

    pub const ALL: [&str; 5] = [TIMES, REASON, ERROR, PARTITION, OFFSET];

    /// Of a note in the dead letters: how many offsets its value names. Means nothing in a letter, or in an input.
    pub const NOTE: &str = "tideline-redriven-note";
}

/// What is to be sent again. An empty list is all of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    pub reasons: Vec<RejectReason>,
    /// Of the topics that records were first written to.
    pub topics: Vec<Arc<str>>,
    /// When they died: from `since` on, before `until`.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Why a record of the dead letters is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Not what was asked for.
    NotSelected,
    /// It was sent again before.
    Redriven,
    /// More than the limit.
    OverLimit,
    /// Some of it was cut when it died, or couldn't be read: what is left isn't what was sent.
    Cut,
    /// It came from a topic that is no input now.
    NoInput,
    /// It lacks the headers of a dead letter: somebody else's.
    NoLetter,
}

impl Skip {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSelected => "not selected",
            Self::Redriven => "sent again before (--again sends them once more)",
            Self::OverLimit => "over the limit",
            Self::Cut => "cut when they died: not whole",
            Self::NoInput => "from a topic that is no input",
            Self::NoLetter => "no dead letters of tideline's",
        }
    }
}

/// A dead letter that can be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub reason: RejectReason,
    /// The topic that the record was first written to.
    pub topic: Arc<str>,
    error: String,
    /// How many times it was sent again before.
    times: u32,
    /// It died in `rekey`, and still has the headers of a forwarded record.
    is_forwarded: bool,
}

impl Letter {
    /// `inputs`: the topics of all inputs, `rekey` last.
    pub fn read(message: &impl Message, inputs: &[Arc<str>]) -> Result<Self, Skip> {
        let text = |name| message.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let reason = text(dead::REASON).and_then(|told| RejectReason::ALL.into_iter().find(|it| it.as_str() == told));
        let (Some(reason), Some(died_in)) = (reason, text(dead::TOPIC)) else { return Err(Skip::NoLetter) };
        if dead::NOT_WHOLE.into_iter().any(|name| message.header(name).is_some()) {
            return Err(Skip::Cut);
        }
        let is_forwarded = inputs.last().is_some_and(|rekey| **rekey == *died_in);
        // Elsewhere that header is the producer's own, and means nothing.
        let first = if is_forwarded { text(ingest::header::TOPIC) } else { Some(died_in) };
        let outer = inputs.split_last().map_or(inputs, |(_, outer)| outer);
        let topic = outer.iter().find(|topic| Some(&***topic) == first).ok_or(Skip::NoInput)?.clone();
        let times = text(header::TIMES).and_then(|times| times.parse().ok()).unwrap_or(0);
        Ok(Self { reason, topic, error: text(dead::ERROR).unwrap_or_default().to_owned(), times, is_forwarded })
    }

    /// The record to be written: key, value and headers as they were, and what was wrong. Where it lands is its key's
    /// partition; its timestamp is that of sending.
    pub fn again(&self, message: &impl Message, partition: PartitionId) -> Outgoing {
        let of_rekey: &[&str] = if self.is_forwarded { &ingest::header::ALL } else { &[] };
        let ours = [of_rekey, &dead::ALL, &header::ALL].concat();
        let kept = message.headers().filter(|(name, _)| !is_named(name, &ours));
        let mut headers: Vec<_> = kept.map(|header| owned(&header)).collect();
        let mut add = |name: &str, value: String| headers.push(text_header(name, value));
        add(header::TIMES, self.times.saturating_add(1).to_string());
        add(header::REASON, self.reason.as_str().to_owned());
        add(header::ERROR, self.error.clone());
        add(header::PARTITION, partition.to_string());
        add(header::OFFSET, message.offset().to_string());
        Outgoing {
            topic: self.topic.clone(),
            partition: None,
            key: message.key().map(<[u8]>::to_vec),
            value: message.value().map(<[u8]>::to_vec),
            headers,
            timestamp: None,
        }
    }
}

impl Selection {
    pub fn has(&self, letter: &Letter, died: Option<Timestamp>) -> bool {
        let within = |died: Timestamp| {
            self.since.is_none_or(|since| since <= died) && self.until.is_none_or(|until| died < until)
        };
        let is_timeless = self.since.is_none() && self.until.is_none();
        (self.reasons.is_empty() || self.reasons.contains(&letter.reason))
            && (self.topics.is_empty() || self.topics.contains(&letter.topic))
            && died.map_or(is_timeless, within)
    }
}

/// The note that these letters of a partition were sent again.
pub fn note(dead_letters: &Arc<str>, partition: PartitionId, offsets: &[Offset]) -> Outgoing {
    let listed: Vec<_> = offsets.iter().map(Offset::to_string).collect();
    Outgoing {
        topic: dead_letters.clone(),
        partition: Some(partition),
        key: None,
        value: Some(listed.join(",").into_bytes()),
        headers: vec![
            text_header(header::NOTE, offsets.len().to_string()),
            text_header(header::PARTITION, partition.to_string()),
        ],
        timestamp: None,
    }
}

/// The offsets that a record of that partition of the dead letters names, if it is a note.
pub fn noted(message: &impl Message, partition: PartitionId) -> Option<Vec<Offset>> {
    let text = |value| std::str::from_utf8(value).ok();
    let count: usize = message.header(header::NOTE).and_then(text)?.parse().ok()?;
    if message.key().is_some() || message.headers().any(|(name, _)| is_named(name, &dead::ALL)) {
        return None;
    }
    // Notes of an earlier release don't name their partition.
    let place = message.header(header::PARTITION).map(text);
    if place.is_some_and(|place| place != Some(&partition.to_string())) {
        return None;
    }
    let offsets: Vec<Offset> = text(message.value()?)?.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let are_before = offsets.iter().all(|offset| (0..message.offset()).contains(offset));
    (offsets.len() == count && are_before).then_some(offsets)
}
