//! What whoever replays files should hear of without asking: what died, what was skipped, what lies ahead, what holds
//! W.
//!
//! A line each, with the first place as file and line. It goes to standard error; outputs are the same with or without.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::Timestamp;
use crate::ingest::{Reject, RejectReason};
use crate::settings::Period;

/// Names of unknown types that are counted by themselves, and those that are told.
const MAX_NAMES: usize = 1_000;
const TOLD_NAMES: usize = 10;
/// Of a name, at most that many letters are told.
const TOLD_LETTERS: usize = 64;

/// A line of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileLine {
    pub file: String,
    pub line: u64,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How many, and where the first was.
#[derive(Debug, Default)]
struct Counted<T> {
    count: u64,
    first: Option<T>,
}

impl<T> Counted<T> {
    fn add(&mut self, first: impl FnOnce() -> T) {
        self.count += 1;
        self.first.get_or_insert_with(first);
    }
}

/// An input whose silence holds W at the end.
#[derive(Debug)]
pub(super) struct Holding {
    pub feed: String,
    pub watermark: Option<Timestamp>,
}

/// What there is to say.
#[derive(Debug)]
pub(super) struct Remarks {
    pub read: ReadRemarks,
    pub outcomes: OutcomeRemarks,
    pub holding: Vec<Holding>,
    /// Whether a time was given for W to move to.
    pub has_until: bool,
}

/// Of what was read.
#[derive(Debug, Default)]
pub(super) struct ReadRemarks {
    events: u64,
    ahead: Counted<FileLine>,
    machine: Option<Timestamp>,
    /// By file: events older than one before them, and by how much at most, in milliseconds.
    disorder: BTreeMap<String, (Counted<FileLine>, i64)>,
}

/// Of what became of it.
#[derive(Debug, Default)]
pub(super) struct OutcomeRemarks {
    dead: u64,
    by_reason: BTreeMap<RejectReason, Counted<(FileLine, String)>>,
    skipped: Counted<FileLine>,
    by_type: BTreeMap<String, u64>,
}

impl ReadRemarks {
    /// `machine`: what this machine's clock shows, where events aren't judged by one.
    pub fn new(machine: Option<Timestamp>) -> Self {
        Self { machine, ..Self::default() }
    }

    /// A line was read; `newest` is the newest event of its file before it.
    pub fn read(&mut self, time: Option<Timestamp>, newest: Option<Timestamp>, place: impl Fn() -> FileLine) {
        self.events += 1;
        let Some(time) = time else { return };
        if self.machine.is_some_and(|machine| time > machine) {
            self.ahead.add(&place);
        }
        if let Some(newest) = newest.filter(|newest| time < *newest) {
            let place = place();
            let (counted, most) = self.disorder.entry(place.file.clone()).or_default();
            counted.add(|| place);
            *most = newest.since(time).max(*most);
        }
    }
}

impl OutcomeRemarks {
    /// It is a dead letter.
    pub fn died(&mut self, reject: &Reject, place: FileLine) {
        self.dead += 1;
        self.by_reason.entry(reject.reason).or_default().add(|| (place, reject.to_string()));
    }

    /// Its type is unknown: `name`, if it can be read.
    pub fn skipped(&mut self, name: Option<&str>, place: FileLine) {
        self.skipped.add(|| place);
        let name: String = name.unwrap_or("?").chars().take(TOLD_LETTERS).collect();
        if self.by_type.len() < MAX_NAMES || self.by_type.contains_key(&name) {
            *self.by_type.entry(name).or_default() += 1;
        }
    }
}

impl Remarks {
    fn write_dead(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_reason = |(reason, dead): &(&RejectReason, &Counted<_>)| (dead.count, std::cmp::Reverse(**reason));
        let Some((reason, Counted { count, first })) = self.outcomes.by_reason.iter().max_by_key(of_reason) else {
            return Ok(());
        };
        let Some((place, why)) = first else { return Ok(()) };
        writeln!(
            f,
            "{} of {} died, {count} of them as {}; the first of those is {place}: {why}; --dead-letters FILE keeps them",
            events(self.outcomes.dead),
            self.read.events,
            reason.as_str(),
        )
    }

    fn write_skipped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.outcomes.skipped.first else { return Ok(()) };
        let mut types: Vec<_> = self.outcomes.by_type.iter().collect();
        types.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let told: Vec<_> = types.iter().take(TOLD_NAMES).map(|(name, count)| format!("{name:?} ({count})")).collect();
        let more = if types.len() > TOLD_NAMES { " and others" } else { "" };
        writeln!(
            f,
            "{} of {} skipped for an unknown type: {}{more}; the first is {place}",
            events(self.outcomes.skipped.count),
            self.read.events,
            told.join(", "),
        )
    }

    fn write_ahead(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(place), Some(machine)) = (&self.read.ahead.first, self.read.machine) else { return Ok(()) };
        writeln!(
            f,
            "{} ahead of this machine's clock, {machine}; the first is {place}; no event is judged by a clock without \
             --now TIME, which takes those beyond stream.max_skew for dead (future_time)",
            lie(self.read.ahead.count),
        )
    }

    fn write_holding(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Holding { feed, watermark } in &self.holding {
            let stands = watermark.map_or_else(String::new, |at| format!(": W stands at {at}"));
            let mend = if self.has_until { "; --ignore-silent lets --until move it all the same" } else { "" };
            writeln!(f, "{feed} is silent{stands}, and nothing follows from absence after it{mend}")?;
        }
        Ok(())
    }

    fn write_disorder(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, (counted, most)) in &self.read.disorder {
            let Some(FileLine { line, .. }) = &counted.first else { continue };
            let by = Period::of_millis((*most).max(0) as u64);
            writeln!(
                f,
                "{file} is not in the order of time: {} after newer ones, by {by} at most; the first is {file}:{line}; what \
                 comes later than stream.lateness counts late",
                if counted.count == 1 { "1 event comes".to_owned() } else { format!("{} events come", counted.count) },
            )?;
        }
        Ok(())
    }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

fn lie(count: u64) -> String {
    if count == 1 { "1 event lies".to_owned() } else { format!("{count} events lie") }
}

impl fmt::Display for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_dead(f)?;
        self.write_skipped(f)?;
        self.write_ahead(f)?;
        self.write_disorder(f)?;
        self.write_holding(f)
    }
}
