//! How many HTTP connections may be open, and for how long: decided here, carried out by `server`.
//!
//! The port may be reached by anybody, and its descriptors are those that the broker's connections need. So there is a
//! cap, and a connection that sends nothing is closed: at once in favour of a new one where the cap is reached, after a
//! time-out in any case.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::settings::ServerSettings;

/// What a connection is doing; at the cap those that come first here are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionPhase {
    /// Its request isn't whole yet.
    ReadingRequest,
    /// Between two requests.
    Idle,
    /// Its request is being answered.
    Answering,
}

#[derive(Debug)]
struct Connection {
    phase: ConnectionPhase,
    since: Instant,
    /// It can be closed once its task is known.
    task: Option<JoinHandle<()>>,
}

/// All that are open, by number: the oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    limits: ServerSettings,
    next: u64,
    open: BTreeMap<u64, Connection>,
}

impl Connections {
    pub const fn new(limits: ServerSettings) -> Self {
        Self { limits, next: 0, open: BTreeMap::new() }
    }

    /// Adds a connection, and gives its number. At the cap another is closed for it: of the least phase the oldest. The
    /// task of that one is to be waited for, for it holds its descriptor until it has ended.
    pub fn admit(&mut self, now: Instant) -> (u64, Option<JoinHandle<()>>) {
        let mut ended = None;
        if self.open.len() >= self.limits.max_connections {
            let least = self.open.iter().min_by_key(|(number, connection)| (connection.phase, **number));
            ended = least.map(|(number, _)| *number).and_then(|number| self.close(number));
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Connection { phase: ConnectionPhase::ReadingRequest, since: now, task: None });
        (number, ended)
    }

    pub fn runs_as(&mut self, number: u64, task: JoinHandle<()>) {
        match self.open.get_mut(&number) {
            Some(connection) => connection.task = Some(task),
            None => task.abort(),
        }
    }

    /// Bytes have come on a connection: between two requests they are the next request's first.
    pub fn received(&mut self, number: u64, now: Instant) {
        if self.open.get(&number).is_some_and(|connection| connection.phase == ConnectionPhase::Idle) {
            self.enter(number, ConnectionPhase::ReadingRequest, now);
        }
    }

    pub fn enter(&mut self, number: u64, phase: ConnectionPhase, now: Instant) {
        if let Some(connection) = self.open.get_mut(&number) {
            (connection.phase, connection.since) = (phase, now);
        }
    }

    pub fn closed(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Closes those whose time is over; says when to look again.
    pub fn sweep(&mut self, now: Instant) -> Instant {
        let late: Vec<_> =
            self.open.iter().filter(|(_, it)| self.deadline(it) <= now).map(|(number, _)| *number).collect();
        late.into_iter().for_each(|number| drop(self.close(number)));
        // A connection may come, or begin to ask, in between: its deadline isn't missed by more than it is long.
        let soon = now + self.limits.header_timeout.min(self.limits.idle_timeout).duration();
        self.open.values().map(|connection| self.deadline(connection)).chain([soon]).min().unwrap_or(soon)
    }

    fn deadline(&self, connection: &Connection) -> Instant {
        connection.since
            + match connection.phase {
                ConnectionPhase::ReadingRequest => self.limits.header_timeout.duration(),
                ConnectionPhase::Idle | ConnectionPhase::Answering => self.limits.idle_timeout.duration(),
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
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbers(connections: &Connections) -> Vec<u64> {
        connections.open.keys().copied().collect()
    }

    #[test]
    fn a_new_connection_takes_the_place_of_the_one_of_the_least_phase() {
        let now = Instant::now();
        let mut connections = Connections::new(ServerSettings { max_connections: 3, ..ServerSettings::default() });
        for _ in 0..3 {
            connections.admit(now);
        }
        connections.enter(0, ConnectionPhase::Answering, now);
        connections.enter(1, ConnectionPhase::Idle, now);
        for (admitted, open) in [(3, [0, 1, 3]), (4, [0, 1, 4])] {
            assert_eq!(connections.admit(now).0, admitted);
            assert_eq!(numbers(&connections), open, "whose request isn't whole goes first");
        }
        connections.enter(4, ConnectionPhase::Answering, now);
        connections.admit(now);
        assert_eq!(numbers(&connections), [0, 4, 5], "then who is between two requests");
        connections.enter(5, ConnectionPhase::Answering, now);
        connections.admit(now);
        assert_eq!(numbers(&connections), [4, 5, 6], "then the oldest");
    }

    #[test]
    fn a_connection_that_sends_nothing_for_too_long_is_closed() {
        let start = Instant::now();
        let mut connections = Connections::new(ServerSettings::default());
        for _ in 0..3 {
            connections.admit(start);
        }
        connections.enter(1, ConnectionPhase::Idle, start);
        connections.enter(2, ConnectionPhase::Answering, start);
        assert_eq!(connections.sweep(start), start + 5 * SECOND);
        connections.sweep(start + 5 * SECOND);
        assert_eq!(numbers(&connections), [1, 2], "its headers never came");
        connections.received(1, start + 10 * SECOND);
        connections.received(1, start + 14 * SECOND);
        connections.sweep(start + 15 * SECOND);
        assert_eq!(numbers(&connections), [2], "a byte every now and then makes no request");
        connections.sweep(start + 60 * SECOND);
        assert_eq!(numbers(&connections), [0u64; 0], "nobody reads its answer");
    }
}
