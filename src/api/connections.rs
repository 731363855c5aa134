//! Who is connected to the telemetry port, and for how long: decided here, carried out by `server`.
//!
//! The port may be reached by anybody, and its descriptors are those that the broker's connections need. So there is a cap,
//! and whoever says nothing is let go: at once for somebody new where the cap is reached, after a while in any case.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How many may be connected, and for how long they may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_connections: usize,
    /// From the first byte of a request, or from the connection's begin, to the end of the request's headers.
    pub header_timeout: Duration,
    /// From a request to the next one, the time that its answer takes to be read included.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_connections: 64, header_timeout: Duration::from_secs(5), idle_timeout: Duration::from_secs(60) }
    }
}

/// What a connection is about; those that are closed first come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Its request isn't whole yet.
    Asking,
    /// Between two requests.
    Idle,
    /// Its request is being answered.
    Answering,
}

#[derive(Debug)]
struct Connection {
    phase: Phase,
    since: Instant,
    /// Until its task is known it can't be closed.
    task: Option<JoinHandle<()>>,
}

/// All that are open, by number: the oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    next: u64,
    open: BTreeMap<u64, Connection>,
}

impl Connections {
    pub const fn new(limits: Limits) -> Self {
        Self { limits, next: 0, open: BTreeMap::new() }
    }

    /// One more. Where there is no room the one that has least to lose is closed, the oldest of them: its task, to be waited
    /// for, for until it has ended it holds its descriptor.
    pub fn admit(&mut self, now: Instant) -> (u64, Option<JoinHandle<()>>) {
        let mut ended = None;
        if self.open.len() >= self.limits.max_connections {
            let least = self.open.iter().min_by_key(|(number, connection)| (connection.phase, **number));
            ended = least.map(|(number, _)| *number).and_then(|number| self.close(number));
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Connection { phase: Phase::Asking, since: now, task: None });
        (number, ended)
    }

    pub fn runs_as(&mut self, number: u64, task: JoinHandle<()>) {
        match self.open.get_mut(&number) {
            Some(connection) => connection.task = Some(task),
            None => task.abort(),
        }
    }

    /// Bytes of it have come: between two requests they are the next one's first.
    pub fn heard(&mut self, number: u64, now: Instant) {
        if self.open.get(&number).is_some_and(|connection| connection.phase == Phase::Idle) {
            self.enter(number, Phase::Asking, now);
        }
    }

    pub fn enter(&mut self, number: u64, phase: Phase, now: Instant) {
        if let Some(connection) = self.open.get_mut(&number) {
            (connection.phase, connection.since) = (phase, now);
        }
    }

    pub fn left(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Closes those whose time is over; says when to look again.
    pub fn sweep(&mut self, now: Instant) -> Instant {
        let late: Vec<_> =
            self.open.iter().filter(|(_, it)| self.deadline(it) <= now).map(|(number, _)| *number).collect();
        late.into_iter().for_each(|number| drop(self.close(number)));
        // A connection may come, or begin to ask, in between: its deadline isn't missed by more than it is long.
        let soon = now + self.limits.header_timeout.min(self.limits.idle_timeout);
        self.open.values().map(|connection| self.deadline(connection)).chain([soon]).min().unwrap_or(soon)
    }

    fn deadline(&self, connection: &Connection) -> Instant {
        connection.since
            + match connection.phase {
                Phase::Asking => self.limits.header_timeout,
                Phase::Idle | Phase::Answering => self.limits.idle_timeout,
            }
    }

    fn close(&mut self, number: u64) -> Option<JoinHandle<()>> {
        let task = self.open.remove(&number)?.task?;
        task.abort();
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbers(connections: &Connections) -> Vec<u64> {
        connections.open.keys().copied().collect()
    }

    #[test]
    fn a_new_one_takes_the_place_of_who_has_least_to_lose() {
        let now = Instant::now();
        let mut connections = Connections::new(Limits { max_connections: 3, ..Limits::default() });
        for _ in 0..3 {
            connections.admit(now);
        }
        connections.enter(0, Phase::Answering, now);
        connections.enter(1, Phase::Idle, now);
        for (admitted, open) in [(3, [0, 1, 3]), (4, [0, 1, 4])] {
            assert_eq!(connections.admit(now).0, admitted);
            assert_eq!(numbers(&connections), open, "whose request isn't whole goes first");
        }
        connections.enter(4, Phase::Answering, now);
        connections.admit(now);
        assert_eq!(numbers(&connections), [0, 4, 5], "then who is between two requests");
        connections.enter(5, Phase::Answering, now);
        connections.admit(now);
        assert_eq!(numbers(&connections), [4, 5, 6], "then the oldest");
    }

    #[test]
    fn who_says_nothing_for_too_long_is_let_go() {
        let start = Instant::now();
        let mut connections = Connections::new(Limits::default());
        for _ in 0..3 {
            connections.admit(start);
        }
        connections.enter(1, Phase::Idle, start);
        connections.enter(2, Phase::Answering, start);
        assert_eq!(connections.sweep(start), start + 5 * SECOND);
        connections.sweep(start + 5 * SECOND);
        assert_eq!(numbers(&connections), [1, 2], "its headers never came");
        connections.heard(1, start + 10 * SECOND);
        connections.heard(1, start + 14 * SECOND);
        connections.sweep(start + 15 * SECOND);
        assert_eq!(numbers(&connections), [2], "a byte every now and then makes no request");
        connections.sweep(start + 60 * SECOND);
        assert_eq!(numbers(&connections), [0u64; 0], "nobody reads its answer");
    }
}
