//! Task that may block for long, done beside a lane, which polls for its result between polls of the consumer.
//!
//! On the system clock a task runs on its own thread; on a simulated one it runs inline, one step a call, so that a run
//! of lanes stays repeatable. Dropping a task requests cancellation, which takes effect between steps. It is never
//! joined.
//!
//! Must not know: what the work is. May break it: a task that is resumed as if nothing had happened in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use crate::runtime::error::LaneError;

/// Task in steps: between two of them it can be stopped and reset.
pub(super) trait Task: Send + 'static {
    type Output: Send;

    /// Does one step; none: there is more to do. After an error the task may be advanced again.
    ///
    /// # Errors
    ///
    /// Whatever the step failed with; the task stays usable.
    fn step(&mut self) -> Result<Option<Self::Output>, LaneError>;

    /// Resets the task to its first step, because its result may be stale. `output` is the result if it had finished.
    fn reset(&mut self, output: Option<Self::Output>);
}

/// How tasks are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    /// By whoever advances them, one step a call.
    Inline,
    /// On a thread of their own, until they end.
    Thread,
}

/// A task, idle or running on a thread.
pub(super) struct BackgroundTask<W: Task> {
    /// `None` only while it runs, or after its thread has panicked.
    idle: Option<W>,
    running: Option<Running<W>>,
    /// It must be reset before its next step.
    is_cancelled: bool,
}

struct Running<W: Task> {
    stop: Arc<AtomicBool>,
    back: Receiver<Returned<W>>,
}

/// The task, and the outcome of its last step: nothing if it was cancelled.
type Returned<W> = (W, Result<Option<<W as Task>::Output>, LaneError>);

impl<W: Task> BackgroundTask<W> {
    pub fn new(task: W) -> Self {
        Self { idle: Some(task), running: None, is_cancelled: false }
    }

    /// The task, unless it is running.
    pub fn idle(&mut self) -> Option<&mut W> {
        self.idle.as_mut()
    }

    /// Starts or continues the task, or asks for its result; none: not finished. Blocks only if executed inline.
    /// `thread`: a name for its thread.
    ///
    /// # Errors
    ///
    /// Those of [`Task::step`]; [`LaneError::WorkPanicked`] and [`LaneError::WorkThread`] of its thread.
    pub fn advance(
        &mut self,
        execution: Execution,
        thread: impl FnOnce() -> String,
    ) -> Result<Option<W::Output>, LaneError> {
        if let Some(running) = &self.running {
            let outcome = match running.back.try_recv() {
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(LaneError::WorkPanicked(thread())),
                Ok((task, outcome)) => {
                    self.idle = Some(task);
                    outcome
                }
            };
            self.running = None;
            if !self.is_cancelled {
                return outcome;
            }
            // What it came to was true of a world that is no more.
            self.reset(outcome.ok().flatten());
            return Ok(None);
        }
        if std::mem::take(&mut self.is_cancelled) {
            self.reset(None);
        }
        let Some(task) = &mut self.idle else { return Err(LaneError::WorkPanicked(thread())) };
        if execution == Execution::Inline {
            return task.step();
        }
        self.spawn(thread()).map(|()| None)
    }

    /// Requests that it stops at the end of its step. When it is advanced again, it begins with what it was reset to.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(running) = &self.running {
            running.stop.store(true, Ordering::Relaxed);
        }
    }

    fn reset(&mut self, output: Option<W::Output>) {
        self.is_cancelled = false;
        if let Some(task) = &mut self.idle {
            task.reset(output);
        }
    }

    fn spawn(&mut self, name: String) -> Result<(), LaneError> {
        let Some(mut task) = self.idle.take() else { return Ok(()) };
        let stop = Arc::new(AtomicBool::new(false));
        let (give, back) = sync_channel(1);
        let is_stopped = stop.clone();
        let run = move || {
            let outcome = loop {
                if is_stopped.load(Ordering::Relaxed) {
                    break Ok(None);
                }
                match task.step() {
                    Ok(None) => {}
                    outcome => break outcome,
                }
            };
            // Nobody may be waiting any more: then it ends here.
            let _ = give.send((task, outcome));
        };
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(run);
        spawned.map_err(|source| LaneError::WorkThread { name, source })?;
        self.running = Some(Running { stop, back });
        Ok(())
    }
}

impl<W: Task> Drop for BackgroundTask<W> {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// How many tasks of a kind may be under way at once in a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Permits(Arc<AtomicUsize>);

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl Permits {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// One of them; none: all are taken.
    pub fn take(&self) -> Option<Permit> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Permit(self.0.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Each step says that it has begun, and waits for a word: whether it is the last.
    struct Waits {
        begun: Sender<()>,
        word: Receiver<bool>,
        deeds: Vec<&'static str>,
    }

    impl Task for Waits {
        type Output = &'static str;

        fn step(&mut self) -> Result<Option<&'static str>, LaneError> {
            // Nobody may be listening.
            let _ = self.begun.send(());
            let is_last = self.word.recv().unwrap_or(true);
            self.deeds.push("stepped");
            Ok(is_last.then_some("done"))
        }

        fn reset(&mut self, output: Option<&'static str>) {
            self.deeds.push(output.unwrap_or("reset"));
        }
    }

    /// How to say the word, how to hear of a beginning, and the task.
    fn waiting_task() -> (Sender<bool>, Receiver<()>, BackgroundTask<Waits>) {
        let ((say, word), (begun, hear)) = (channel(), channel());
        (say, hear, BackgroundTask::new(Waits { begun, word, deeds: Vec::new() }))
    }

    fn ask(task: &mut BackgroundTask<Waits>, execution: Execution) -> Option<&'static str> {
        task.advance(execution, || "test".to_owned()).unwrap()
    }

    /// Asks until the work is back.
    fn await_back(task: &mut BackgroundTask<Waits>) -> Option<&'static str> {
        loop {
            let outcome = ask_back(task);
            if task.idle().is_some() {
                return outcome;
            }
            std::thread::yield_now();
        }
    }

    fn ask_back(task: &mut BackgroundTask<Waits>) -> Option<&'static str> {
        assert!(task.running.is_some());
        ask(task, Execution::Thread)
    }

    #[test]
    fn inline_each_question_is_a_step() {
        let (say, _hear, mut task) = waiting_task();
        say.send(false).unwrap();
        say.send(true).unwrap();
        assert_eq!(ask(&mut task, Execution::Inline), None);
        assert_eq!(ask(&mut task, Execution::Inline), Some("done"));
    }

    #[test]
    fn on_a_thread_it_keeps_nobody_waiting_and_comes_back_with_its_output() {
        let (say, _hear, mut task) = waiting_task();
        assert_eq!(ask(&mut task, Execution::Thread), None);
        assert_eq!(ask(&mut task, Execution::Thread), None, "it waits for a word, we do not");
        assert!(task.idle().is_none());
        say.send(false).unwrap();
        say.send(true).unwrap();
        assert_eq!(await_back(&mut task), Some("done"));
    }

    #[test]
    fn what_is_cancelled_stops_between_steps_and_its_output_is_not_handed_over() {
        for is_last in [false, true] {
            let (say, hear, mut task) = waiting_task();
            assert_eq!(ask(&mut task, Execution::Thread), None);
            hear.recv().unwrap();
            task.cancel();
            say.send(is_last).unwrap();
            assert_eq!(await_back(&mut task), None);
            let last = if is_last { "done" } else { "reset" };
            assert_eq!(task.idle().unwrap().deeds, ["stepped", last]);
        }
    }

    #[test]
    fn permits_are_given_back_when_dropped() {
        let permits = Permits::new(1);
        let permit = permits.take();
        assert!(permit.is_some() && permits.clone().take().is_none());
        drop(permit);
        assert!(permits.take().is_some());
    }
}
