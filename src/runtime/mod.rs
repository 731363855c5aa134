//! The shell that runs partitions on a broker: a lane a thread, and what is done beside the lanes.
//!
//! - `lane`: the loop of one group member with one transactional producer, over the tasks of [`crate::pipeline`].
//! - `recovery`: how a partition or a transactional id is taken over.
//! - `board`: what the process tells of itself, as data. `watch`: who judges it, and the topics, and the clocks.
//! - `operator`: what commands do to partitions that no lane serves.
//! - `tasks` (background work), `clock` (the one clock), `settings` (every bound), `job` and `context` (what lanes
//!   share).
//!
//! Must not know: rdkafka, metrics, HTTP. May break exactly once: a poll between the capture of a generation and the
//! install of its batch that is not handled as `lane/assignment.rs` does it.

pub mod board;
mod clock;
mod active;
mod context;
mod end_barrier;
mod error;
pub(crate) mod job;
pub(crate) mod lane;
pub mod operator;
pub(crate) mod recovery;
mod round_robin;
pub(crate) mod settings;
mod task_context;
mod tasks;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

pub use board::calls::{Call, OpenCall};
pub use board::clock_agreement::ClockAgreement;
pub use board::idle_wait::IdleWait;
pub use board::published::TableRegistry;
pub use board::stall::{Cause, Stall};
pub use board::status::{Board, Status};
pub use board::topic_faults::TopicFaults;
pub use clock::{Clock, SimulatedTime};
pub use context::{LaneContext, ReinitRequests, Stop};
pub use end_barrier::EndBarrier;
pub use error::LaneError;
pub use job::Job;
pub use lane::{Lane, StepOutcome};
pub use operator::examine;
pub use recovery::refusal::{Place, Refusal};
pub use recovery::{entries, takeover};
pub use settings::{LaneSettings, Mode};
pub use watch::topic_watch::TopicWatch;
pub use watch::watchdog::Watchdog;

use crate::broker::Broker;
use crate::chain::Chain;

/// Runs `lanes` lanes, each on a thread of its own, until they are done, asked to stop, or one of them fails; then all
/// stop, and the first failure is returned.
///
/// A call to the client that never returns can't be ended. After [`LaneError::CallTimedOut`] its thread is still in it:
/// the process must end.
///
/// # Errors
///
/// The first failure of a lane; [`LaneError::CallTimedOut`] of the watchdog; threads that can't be started.
pub fn run<B: Broker>(
    broker: &B,
    job: &Arc<Job>,
    lanes: usize,
    clock: &Clock,
    board: &Board,
    tables: Arc<dyn TableRegistry>,
    stop: &Stop,
) -> Result<(), LaneError> {
    let end_barrier = Arc::new(EndBarrier::new(lanes));
    let (clock, board, reinit_requests, faults) =
        (clock.clone(), board.clone(), ReinitRequests::default(), TopicFaults::default());
    let context = LaneContext { clock, board, tables, stop: stop.clone(), end_barrier, reinit_requests, faults };
    let (send, events) = mpsc::channel();
    let watchdog = Watchdog::new(broker.clone(), job.clone(), context.clone());
    let send_timed_out = send.clone();
    let watching = Watching::start("watchdog", move |is_over| {
        if let Some(error) = watchdog.watch(is_over) {
            // Nobody listens any more: the lanes have ended after all.
            let _ = send_timed_out.send(LaneEvent::CallTimedOut(error));
        }
    })?;
    let topic_watch = TopicWatch::new(broker.clone(), job.clone(), context.clone());
    let watching_topics = Watching::start("topic-watch", move |is_over| topic_watch.watch(is_over))?;
    let mut threads = BTreeMap::new();
    let mut failure = None;
    for index in 0..lanes {
        let (broker, job, context, send) = (broker.clone(), job.clone(), context.clone(), send.clone());
        let thread = std::thread::Builder::new().name(format!("lane-{index}"));
        match thread.spawn(move || run_lane(broker, job, context, index, send)) {
            Ok(handle) => _ = threads.insert(index, handle),
            Err(source) => {
                stop.stop();
                failure = Some(LaneError::Thread { lane: index, source });
                break;
            }
        }
    }
    while !threads.is_empty() {
        let thread = match events.recv().expect("this function holds a sender") {
            LaneEvent::Ended(index) => threads.remove(&index).map(|thread| (index, thread)),
            LaneEvent::CallTimedOut(error) => {
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
enum LaneEvent {
    Ended(usize),
    CallTimedOut(LaneError),
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
    context: LaneContext,
    index: usize,
    send: Sender<LaneEvent>,
) -> Result<(), LaneError> {
    /// However the lane ends, it says so, and the others don't go on without it, unless it was done.
    struct Ending {
        index: usize,
        is_done: bool,
        stop: Stop,
        send: Sender<LaneEvent>,
    }
    impl Drop for Ending {
        fn drop(&mut self) {
            if !self.is_done {
                self.stop.stop();
            }
            // Nobody listens any more after a call that never returned.
            let _ = self.send.send(LaneEvent::Ended(self.index));
        }
    }
    let mut ending = Ending { index, is_done: false, stop: context.stop.clone(), send };
    let mut lane = Lane::new(broker, job, context, index)?;
    loop {
        match lane.step() {
            Ok(StepOutcome::Continue) => {}
            Ok(StepOutcome::Done) => break,
            Err(error) => {
                tracing::error!(lane = index, error = %Chain(&error), "the lane ends");
                return Err(error);
            }
        }
    }
    lane.close();
    ending.is_done = true;
    Ok(())
}
