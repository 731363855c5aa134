//! A group member on the embedded log: what the group tells it, then committed records of what it owns and has started.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Operation;
use super::group::{GroupEvent, MemberId, MemoryGeneration};
use super::log::MemoryMessage;
use super::shared::Shared;
use super::transaction::LogState;
use crate::broker::Isolation;
use crate::broker::{BrokerError, ErrorClass, Polled, Source};
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

/// Records one input of a partition gives before it is the next one's turn.
const TURN_RECORDS: usize = 100;

/// One input of one partition that is being read.
#[derive(Debug)]
struct Flow {
    position: Offset,
    is_paused: bool,
    /// The end that was told last; it is told again when the position has moved on to another.
    told_end: Option<Offset>,
    /// The position is not in the log: nothing more is read, as the real client does it.
    is_lost: bool,
}

/// A member of the group of the embedded log. Dropped, it leaves the group.
#[derive(Debug)]
pub struct MemorySource {
    shared: Arc<Shared>,
    name: Arc<str>,
    member: MemberId,
    generation: Option<MemoryGeneration>,
    owned: Vec<PartitionId>,
    flows: BTreeMap<(PartitionId, Input), Flow>,
    /// Whose turn it is to be read first.
    turn: (PartitionId, Input),
    /// A revocation was told; the next poll tells the group.
    is_letting_go: bool,
}

impl MemorySource {
    pub(super) fn join(shared: Arc<Shared>, name: Arc<str>) -> Self {
        let member = shared.lock().group.join(name.clone());
        shared.changed.notify_all();
        Self {
            shared,
            name,
            member,
            generation: None,
            owned: Vec::new(),
            flows: BTreeMap::new(),
            turn: (PartitionId(0), Input(0)),
            is_letting_go: false,
        }
    }

    /// What the group has to say. True when it said something: then nothing is read in this poll.
    fn hear(&mut self, state: &mut LogState, into: &mut Vec<Polled<MemoryMessage>>) -> bool {
        if std::mem::take(&mut self.is_letting_go) {
            self.rejoin(state);
        }
        if !self.owned.is_empty() && state.faults.take(Operation::Poll).is_some() {
            state.group.remove(self.member);
        }
        loop {
            let lost = match state.group.next_event(self.member) {
                GroupEvent::Nothing => return false,
                GroupEvent::Assigned(partitions, generation) => {
                    self.generation = Some(generation);
                    self.owned.clone_from(&partitions);
                    into.push(Polled::Assigned(partitions));
                    return true;
                }
                GroupEvent::LetGo => false,
                GroupEvent::Expelled => true,
            };
            if !self.owned.is_empty() {
                self.flows.clear();
                self.is_letting_go = true;
                into.push(Polled::Revoked { partitions: std::mem::take(&mut self.owned), lost });
                return true;
            }
            self.rejoin(state);
        }
    }

    /// Tells the group that everything was let go.
    fn rejoin(&mut self, state: &mut LogState) {
        if state.group.next_event(self.member) == GroupEvent::Expelled {
            self.member = state.group.join(self.name.clone());
        } else {
            state.group.rejoin(self.member);
        }
        self.shared.changed.notify_all();
    }

    /// Reads what flows, in turns, until the poll's bound.
    fn read(&mut self, state: &LogState, into: &mut Vec<Polled<MemoryMessage>>) {
        let mut room = state.settings.poll_records;
        let later = self.flows.range(self.turn..).map(|(&key, _)| key);
        let earlier = self.flows.range(..self.turn).map(|(&key, _)| key);
        let order: Vec<_> = later.chain(earlier).collect();
        for key @ (partition, input) in order {
            if room == 0 {
                self.turn = key;
                return;
            }
            let (Some(id), Some(flow)) = (state.logs.input(input, partition), self.flows.get_mut(&key)) else {
                continue;
            };
            if flow.is_paused || flow.is_lost {
                continue;
            }
            if !state.logs[id].holds(flow.position) {
                flow.is_lost = true;
                into.push(Polled::OutOfRange { input, partition });
                continue;
            }
            let fetched = state.logs[id].fetch(flow.position, Isolation::ReadCommitted, room.min(TURN_RECORDS));
            room -= fetched.messages.len();
            flow.position = fetched.position;
            into.extend(fetched.messages.into_iter().map(|message| Polled::Record { input, partition, message }));
            if fetched.at_end && flow.told_end != Some(flow.position) {
                flow.told_end = Some(flow.position);
                into.push(Polled::End { input, partition, offset: flow.position });
            }
        }
        // Everyone had a turn; the next poll begins one further, so that a bound too small for all starves none.
        let next = self.flows.range((Bound::Excluded(self.turn), Bound::Unbounded)).next();
        self.turn = next.or(self.flows.first_key_value()).map_or(self.turn, |(&key, _)| key);
    }

    /// Whether a poll would bring something.
    fn has_news(&self, state: &LogState) -> bool {
        state.group.has_news(self.member)
            || (!self.owned.is_empty() && state.faults.has(Operation::Poll))
            || self.flows.iter().any(|(&(partition, input), flow)| {
                let Some(id) = state.logs.input(input, partition) else { return false };
                let is_behind = state.logs[id].last_stable_offset() > flow.position || flow.told_end.is_none();
                !flow.is_paused && !flow.is_lost && (is_behind || !state.logs[id].holds(flow.position))
            })
    }

    fn flow(&mut self, input: Input, partition: PartitionId, what: &str) -> Result<&mut Flow, BrokerError> {
        self.flows
            .get_mut(&(partition, input))
            .ok_or_else(|| refused(format!("{what} input {} of partition {partition}", input.0), "it does not flow"))
    }
}

impl Source for MemorySource {
    type Message = MemoryMessage;
    type Generation = MemoryGeneration;

    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<MemoryMessage>>) -> Result<(), BrokerError> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let before = into.len();
        if !self.hear(&mut state, into) {
            self.read(&state, into);
        }
        if into.len() == before && !timeout.is_zero() {
            state = shared.wait(state, timeout, |state| !self.has_news(state));
            if !self.hear(&mut state, into) {
                self.read(&state, into);
            }
        }
        Ok(())
    }

    fn generation(&self) -> Result<MemoryGeneration, BrokerError> {
        self.generation.ok_or_else(|| refused("generation".to_owned(), "the group has not assigned anything yet"))
    }

    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError> {
        let what = || format!("start partition {partition}");
        if !self.owned.contains(&partition) {
            return Err(refused(what(), "it is not owned"));
        }
        let shared = self.shared.clone();
        let state = shared.lock();
        if positions.iter().any(|&(input, _)| state.logs.input(input, partition).is_none()) {
            return Err(refused(what(), "there is no such input"));
        }
        self.flows.retain(|key, _| key.0 != partition);
        for &(input, position) in positions {
            self.flows.insert((partition, input), Flow { position, is_paused: false, told_end: None, is_lost: false });
        }
        Ok(())
    }

    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.flow(input, partition, "pause").map(|flow| flow.is_paused = true)
    }

    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        let flow = self.flow(input, partition, "resume")?;
        flow.is_paused = false;
        // As the real client does: where it stands is told anew.
        flow.told_end = None;
        Ok(())
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        self.shared.lock().group.remove(self.member);
        self.shared.changed.notify_all();
    }
}

fn refused(what: String, reason: &str) -> BrokerError {
    BrokerError::client(what, ErrorClass::Fatal, reason)
}
