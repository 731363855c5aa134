//! A group member that does what a lane does about assignments, and keeps what it saw.

use std::collections::BTreeSet;
use std::time::Instant;

use tideline::broker::{Broker, Polled, Source};
use tideline::domain::{Input, PartitionId};
use tideline::record::{Message, Offset, OwnedHeader, owned};

use super::{Harness, patiently, text};

pub struct Member<H: Harness> {
    pub source: <H::Broker as Broker>::Source,
    broker: H::Broker,
    pub owned: BTreeSet<PartitionId>,
    pub seen: Vec<Seen>,
    /// In the order in which they were told.
    pub ends: Vec<(Input, PartitionId, Offset)>,
    /// Inputs whose position was told as lost.
    pub out_of_range: Vec<(Input, PartitionId)>,
    pub revocations: Vec<(Vec<PartitionId>, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub input: Input,
    pub partition: PartitionId,
    pub offset: Offset,
    pub key: String,
    pub value: String,
    pub headers: Vec<OwnedHeader>,
    pub timestamp: Option<i64>,
}

impl<H: Harness> Member<H> {
    /// Joins the group; [`Self::turn`] does the rest.
    pub fn join(harness: &H, name: &str) -> Self {
        let broker = harness.broker().clone();
        let source = patiently::<H, _>("a source", || broker.source(name));
        Self {
            source,
            broker,
            owned: BTreeSet::new(),
            seen: vec![],
            ends: vec![],
            out_of_range: vec![],
            revocations: vec![],
        }
    }

    /// Joins alone and owns everything.
    pub fn alone(harness: &H) -> Self {
        let mut member = Self::join(harness, "alone");
        let partitions = harness.broker().topics().partitions as usize;
        member.until("the whole assignment", |member| member.owned.len() == partitions);
        member
    }

    /// One poll, handled: what is assigned starts from the committed offsets, else from the earliest.
    pub fn turn(&mut self) {
        let mut polled = Vec::new();
        self.source.poll(H::POLL, &mut polled).expect("poll");
        for item in polled {
            match item {
                Polled::Record { input, partition, message } => self.seen.push(Seen {
                    input,
                    partition,
                    offset: message.offset(),
                    key: text(message.key()),
                    value: text(message.value()),
                    headers: message.headers().map(|header| owned(&header)).collect(),
                    timestamp: message.timestamp(),
                }),
                Polled::End { input, partition, offset } => self.ends.push((input, partition, offset)),
                Polled::OutOfRange { input, partition } => self.out_of_range.push((input, partition)),
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        assert!(self.owned.insert(partition), "{partition} is assigned twice");
                        self.start(partition);
                    }
                }
                Polled::Revoked { partitions, lost } => {
                    for partition in &partitions {
                        assert!(self.owned.remove(partition), "{partition} is revoked and was not owned");
                    }
                    self.revocations.push((partitions, lost));
                }
            }
        }
    }

    fn start(&mut self, partition: PartitionId) {
        let earliest = patiently::<H, _>("earliest offsets", || self.broker.earliest(partition));
        let committed = patiently::<H, _>("committed offsets", || self.broker.committed(partition));
        let positions: Vec<_> = earliest
            .into_iter()
            .map(|(input, earliest)| {
                let committed = committed.iter().find(|committed| committed.input == input);
                (input, committed.map_or(earliest, |committed| committed.offset))
            })
            .collect();
        self.source.start(partition, &positions).expect("start");
    }

    /// Turns until `done`, within the law's patience.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        wait_for(&mut [self], what, |members| done(members[0]));
    }

    /// Turns until exactly these values have come, in this order, since the last take.
    pub fn takes(&mut self, expected: &[&str]) -> Vec<Seen> {
        self.until(&format!("{expected:?}"), |member| member.seen.len() >= expected.len());
        let seen = std::mem::take(&mut self.seen);
        assert_eq!(seen.iter().map(|seen| seen.value.as_str()).collect::<Vec<_>>(), expected);
        seen
    }

    /// Turns until this end of an input has been told, since `ends` was cleared last.
    pub fn reaches(&mut self, input: Input, partition: PartitionId, end: Offset) {
        self.until(&format!("end {end} of input {}", input.0), |member| member.ends.contains(&(input, partition, end)));
    }

    pub fn values_of(&self, input: Input, partition: PartitionId) -> Vec<&str> {
        let of = |seen: &&Seen| (seen.input, seen.partition) == (input, partition);
        self.seen.iter().filter(of).map(|seen| seen.value.as_str()).collect()
    }
}

/// Gives each member its turn until `done`, within the law's patience.
pub fn wait_for<H: Harness>(
    members: &mut [&mut Member<H>],
    what: &str,
    mut done: impl FnMut(&[&mut Member<H>]) -> bool,
) {
    let deadline = Instant::now() + H::PATIENCE;
    while !done(members) {
        assert!(Instant::now() < deadline, "never came: {what}; {}", describe(members));
        for member in members.iter_mut() {
            member.turn();
        }
    }
}

fn describe<H: Harness>(members: &[&mut Member<H>]) -> String {
    let one =
        |member: &&mut Member<H>| format!("owns {:?}, saw {:?}, ends {:?}", member.owned, member.seen, member.ends);
    members.iter().map(one).collect::<Vec<_>>().join("; ")
}
