//! `kill -9` in the middle of transactions, proved by the log.
//!
//! A kill counts when a transaction stands open once the process is gone: its first record is written, its end is not.
//! Where the kill came too late, it is tried again.

use std::thread::park_timeout;
use std::time::Duration;

use crate::application::Application;
use crate::verdict::Events;
use crate::watch::{Fate, Open, Watch};

/// Attempts for each kill that counts, at most.
const ATTEMPTS: usize = 10;

/// What was killed, and what became of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Kills {
    /// Transactions that a kill cut, by what they came to in the end.
    pub aborted: usize,
    pub committed: usize,
    /// Kills that fell between two transactions.
    pub missed: usize,
    /// The numbers of the cut transactions, in order.
    pub numbers: Vec<u64>,
}

/// Kills instance `a` of an application that was fed `events`, so many times in the middle of a transaction; then
/// finishes, and judges. Panics unless promise 1 held.
pub fn kill_in_transactions(application: &Application, events: &Events, kills: usize) -> Kills {
    let mut watch = Watch::new(application);
    let (mut cut, mut told) = (Vec::<Open>::new(), Kills::default());
    for attempt in 0..kills * ATTEMPTS {
        if cut.len() >= kills {
            break;
        }
        let mut process = application.start("a");
        // Not always in the first one after a start, or nothing would come forward; nor always at the same place.
        watch.await_begun(1 + attempt % 4, || assert!(process.ended().is_none(), "{}", process.log()));
        park_timeout(Duration::from_millis(3 * (attempt as u64 % 5)));
        process.kill_now();
        match watch.open() {
            open if open.is_empty() => told.missed += 1,
            open => cut.extend(open),
        }
    }
    assert!(cut.len() >= kills, "of {} kills only {} cut a transaction", cut.len() + told.missed, cut.len());
    events.finish(application, "a");
    for transaction in &cut {
        told.numbers.push(transaction.number);
        match transaction.fate(application) {
            Fate::Aborted => told.aborted += 1,
            Fate::Committed => told.committed += 1,
        }
    }
    told
}
