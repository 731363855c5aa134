//! Lanes: poll, merge, fold, one transaction, install; restore, rebalance, shutdown; the one clock.
//!
//! Files, in the order of a batch: `lane` (the loop, over the tasks of [`crate::pipeline`]),
//! `fronts` and `look` (how far a partition may go while others forward), `commit` (the transaction and its outcomes),
//! `recover` (outcomes in doubt), `failures` and `pace` (what is tried again: when, and how much of it); then `assignment` (what the group gives and takes), `restore` (the machine) and
//! `restoring` (the lane's side of it), `panics` (over one record), `errand` (what is done beside a lane), `ownership` (pure judgements of what may be
//! trusted) with `identity` (of topics), `topic_watch`, `topic_faults` and `unserved` (topics that change under a run), [`reset`] and [`skip`] (a way on where they refuse), `finish` (runs that end), [`status`] and `calls` (what is told), `stall` and `watchdog` (what stands still, and why),
//! `settings` (every bound), `clock`, `timekeeper` (whom to believe about the time), `idle` (where nothing comes).
//!
//! Must not know: rdkafka, metrics, HTTP. May break exactly once: a poll between the capture of a generation and the
//! install of its batch that is not handled as `assignment` does it.

mod assignment;
mod calls;
mod clock;
mod commit;
mod company;
mod errand;
mod error;
mod examine;
mod failures;
mod finish;
pub(crate) mod fronts;
pub(crate) mod identity;
pub(crate) mod idle;
pub(crate) mod job;
mod lane;
mod look;
mod misrouted;
mod ownership;
pub(crate) mod pace;
mod panics;
pub mod reset;
mod recover;
mod restore;
mod restoring;
pub(crate) mod settings;
pub mod skip;
mod stall;
pub mod status;
mod timekeeper;
mod topic_faults;
mod topic_watch;
mod unserved;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

pub use calls::{Call, OpenCall};
pub use clock::{Clock, SimulatedTime};
pub use company::{Company, Stop};
pub use error::LaneError;
pub use examine::examine;
pub use finish::Finish;
pub use identity::{Identities, Identity, Place};
pub use idle::IdleWait;
pub use job::Job;
pub use lane::{Lane, Stepped};
pub use ownership::Refusal;
pub use settings::{Mode, Settings};
pub use stall::{Cause, Stall};
pub use status::{Board, Status};
pub use timekeeper::ClockStanding;
pub use topic_faults::TopicFaults;
pub use topic_watch::TopicWatch;
pub use watchdog::{Orders, Watchdog};

use crate::broker::Broker;

/// Runs `lanes` lanes, each on a thread of its own, until they are done, told to stop, or one of them fails; then all
/// stop, and the first failure is returned.
///
/// A call to the client that never returns can't be ended. After [`LaneError::Hung`] its thread is still in it: the process
/// must end.
pub fn run<B: Broker>(
    broker: &B,
    job: &Arc<Job>,
    lanes: usize,
    clock: &Clock,
    board: &Board,
    stop: &Stop,
) -> Result<(), LaneError> {
    let finish = Arc::new(Finish::new(lanes));
    let (clock, board, orders, faults) = (clock.clone(), board.clone(), Orders::default(), TopicFaults::default());
    let company = Company { clock, board, stop: stop.clone(), finish, orders, faults };
    let (tell, told) = mpsc::channel();
    let watchdog = Watchdog::new(broker.clone(), job.clone(), company.clone());
    let tell_hung = tell.clone();
    let watching = Watching::start("watchdog", move |is_over| {
        if let Some(error) = watchdog.watch(is_over) {
            // Nobody listens any more: the lanes have ended after all.
            let _ = tell_hung.send(Told::Hung(error));
        }
    })?;
    let topic_watch = TopicWatch::new(broker.clone(), job.clone(), company.clone());
    let watching_topics = Watching::start("topic-watch", move |is_over| topic_watch.watch(is_over))?;
    let mut threads = BTreeMap::new();
    let mut failure = None;
    for index in 0..lanes {
        let (broker, job, company, tell) = (broker.clone(), job.clone(), company.clone(), tell.clone());
        let thread = std::thread::Builder::new().name(format!("lane-{index}"));
        match thread.spawn(move || run_lane(broker, job, company, index, tell)) {
            Ok(handle) => _ = threads.insert(index, handle),
            Err(source) => {
                stop.stop();
                failure = Some(LaneError::Thread { lane: index, source });
                break;
            }
        }
    }
    while !threads.is_empty() {
        let thread = match told.recv().expect("this function holds a sender") {
            Told::Ended(index) => threads.remove(&index).map(|thread| (index, thread)),
            Told::Hung(error) => {
                stop.stop();
                return Err(error);
            }
        };
        match thread.map(|(index, thread)| (index, thread.join())) {
            None | Some((_, Ok(Ok(())))) => {}
            // A lane that fails stops the others, so that all of these end.
            Some((_, Ok(Err(error)))) => _ = failure.get_or_insert(error),
            Some((index, Err(_))) => _ = failure.get_or_insert(LaneError::Panicked(index)),
        }
    }
    drop((watching, watching_topics));
    failure.map_or(Ok(()), Err)
}

/// What a run waits for.
enum Told {
    Ended(usize),
    Hung(LaneError),
}

/// Who watches, on a thread of its own; dropped, it ends.
struct Watching {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    fn start(name: &str, watch: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<Self, LaneError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || watch(&over));
        let thread = thread.map_err(|source| LaneError::WorkThread { name: name.to_owned(), source })?;
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked watches no more; the lanes have ended.
            let _ = thread.join();
        }
    }
}

fn run_lane<B: Broker>(
    broker: B,
    job: Arc<Job>,
    company: Company,
    index: usize,
    tell: Sender<Told>,
) -> Result<(), LaneError> {
    /// However the lane ends, it says so, and the others don't go on without it, unless it was done.
    struct Ending {
        index: usize,
        is_done: bool,
        stop: Stop,
        tell: Sender<Told>,
    }
    impl Drop for Ending {
        fn drop(&mut self) {
            if !self.is_done {
                self.stop.stop();
            }
            // Nobody listens any more after a call has hung.
            let _ = self.tell.send(Told::Ended(self.index));
        }
    }
    let mut ending = Ending { index, is_done: false, stop: company.stop.clone(), tell };
    let mut lane = Lane::new(broker, job, company, index)?;
    loop {
        match lane.step() {
            Ok(Stepped::GoOn) => {}
            Ok(Stepped::Done) => break,
            Err(error) => {
                tracing::error!(lane = index, error = &error as &(dyn std::error::Error + 'static), "the lane ends");
                return Err(error);
            }
        }
    }
    lane.close();
    ending.is_done = true;
    Ok(())
}
