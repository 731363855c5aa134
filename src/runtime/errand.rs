//! Work that may block for long, done beside a lane, which only asks between polls what has come of it.
//!
//! On the machine's clock an errand is away on a thread of its own; on a simulated one it is done inline, a step at a time,
//! so that a run of lanes stays repeatable. Nothing is ever joined: who lets an errand go tells it to stop at the end of its
//! step, and does not wait for that.
//!
//! Must not know: what the work is. May break it: work that is taken up again as if nothing had happened in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use crate::runtime::LaneError;

/// What is done, in steps: between two of them it can be stopped and taken back.
pub(super) trait Work: Send + 'static {
    type Output: Send;

    /// None: there is more to do. After an error the work may be gone on with.
    fn step(&mut self) -> Result<Option<Self::Output>, LaneError>;

    /// Turns back into what must be begun with, because the world has gone on meanwhile. `output`: it had come to an end.
    fn take_back(&mut self, output: Option<Self::Output>);
}

/// How errands are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// By whoever asks for them, a step each time.
    Inline,
    Threads,
}

/// One piece of work, here or away.
pub(super) struct Errand<W: Work> {
    /// `None` only while it is away, or after its thread has panicked.
    here: Option<W>,
    away: Option<Away<W>>,
    /// It must be taken back before it is gone on with.
    is_recalled: bool,
}

struct Away<W: Work> {
    is_cancelled: Arc<AtomicBool>,
    back: Receiver<Back<W>>,
}

/// The work, and what its last step came to: nothing if it was cancelled.
type Back<W> = (W, Result<Option<<W as Work>::Output>, LaneError>);

impl<W: Work> Errand<W> {
    pub fn new(work: W) -> Self {
        Self { here: Some(work), away: None, is_recalled: false }
    }

    /// The work, unless it is away.
    pub fn here(&mut self) -> Option<&mut W> {
        self.here.as_mut()
    }

    /// Goes on with it, or asks what has come of it. Does not block unless done inline.
    pub fn advance(&mut self, manner: Manner, thread: impl FnOnce() -> String) -> Result<Option<W::Output>, LaneError> {
        if let Some(away) = &self.away {
            let outcome = match away.back.try_recv() {
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(LaneError::WorkPanicked(thread())),
                Ok((work, outcome)) => {
                    self.here = Some(work);
                    outcome
                }
            };
            self.away = None;
            if !self.is_recalled {
                return outcome;
            }
            // What it came to was true of a world that is no more.
            self.take_back(outcome.ok().flatten());
            return Ok(None);
        }
        if std::mem::take(&mut self.is_recalled) {
            self.take_back(None);
        }
        let Some(work) = &mut self.here else { return Err(LaneError::WorkPanicked(thread())) };
        if manner == Manner::Inline {
            return work.step();
        }
        self.send_away(thread()).map(|()| None)
    }

    /// Stops it at the end of its step. When it is gone on with, it begins with what it was taken back to.
    pub fn recall(&mut self) {
        self.is_recalled = true;
        if let Some(away) = &self.away {
            away.is_cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn take_back(&mut self, output: Option<W::Output>) {
        self.is_recalled = false;
        if let Some(work) = &mut self.here {
            work.take_back(output);
        }
    }

    fn send_away(&mut self, name: String) -> Result<(), LaneError> {
        let Some(mut work) = self.here.take() else { return Ok(()) };
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let (give, back) = sync_channel(1);
        let cancelled = is_cancelled.clone();
        let run = move || {
            let outcome = loop {
                if cancelled.load(Ordering::Relaxed) {
                    break Ok(None);
                }
                match work.step() {
                    Ok(None) => {}
                    outcome => break outcome,
                }
            };
            // Nobody may be waiting any more: then it ends here.
            let _ = give.send((work, outcome));
        };
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(run);
        spawned.map_err(|source| LaneError::WorkThread { name, source })?;
        self.away = Some(Away { is_cancelled, back });
        Ok(())
    }
}

impl<W: Work> Drop for Errand<W> {
    fn drop(&mut self) {
        self.recall();
    }
}

/// How many of a kind may be under way at once in a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<AtomicUsize>);

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    pub fn take(&self) -> Option<Slot> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Slot(self.0.clone()))
    }
}

impl Drop for Slot {
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

    impl Work for Waits {
        type Output = &'static str;

        fn step(&mut self) -> Result<Option<&'static str>, LaneError> {
            // Whoever does not listen is not told.
            let _ = self.begun.send(());
            let is_last = self.word.recv().unwrap_or(true);
            self.deeds.push("stepped");
            Ok(is_last.then_some("done"))
        }

        fn take_back(&mut self, output: Option<&'static str>) {
            self.deeds.push(output.unwrap_or("taken back"));
        }
    }

    /// How to say the word, how to hear of a beginning, and the errand.
    fn errand() -> (Sender<bool>, Receiver<()>, Errand<Waits>) {
        let ((say, word), (begun, hear)) = (channel(), channel());
        (say, hear, Errand::new(Waits { begun, word, deeds: Vec::new() }))
    }

    fn ask(errand: &mut Errand<Waits>, manner: Manner) -> Option<&'static str> {
        errand.advance(manner, || "test".to_owned()).unwrap()
    }

    /// Asks until the work is back.
    fn await_back(errand: &mut Errand<Waits>) -> Option<&'static str> {
        loop {
            let outcome = ask_back(errand);
            if errand.here().is_some() {
                return outcome;
            }
            std::thread::yield_now();
        }
    }

    fn ask_back(errand: &mut Errand<Waits>) -> Option<&'static str> {
        assert!(errand.away.is_some());
        ask(errand, Manner::Threads)
    }

    #[test]
    fn inline_each_question_is_a_step() {
        let (say, _hear, mut errand) = errand();
        say.send(false).unwrap();
        say.send(true).unwrap();
        assert_eq!(ask(&mut errand, Manner::Inline), None);
        assert_eq!(ask(&mut errand, Manner::Inline), Some("done"));
    }

    #[test]
    fn away_it_keeps_nobody_waiting_and_comes_back_with_its_output() {
        let (say, _hear, mut errand) = errand();
        assert_eq!(ask(&mut errand, Manner::Threads), None);
        assert_eq!(ask(&mut errand, Manner::Threads), None, "it waits for a word, we do not");
        assert!(errand.here().is_none());
        say.send(false).unwrap();
        say.send(true).unwrap();
        assert_eq!(await_back(&mut errand), Some("done"));
    }

    #[test]
    fn what_is_recalled_stops_between_steps_and_its_output_is_not_handed_over() {
        for is_last in [false, true] {
            let (say, hear, mut errand) = errand();
            assert_eq!(ask(&mut errand, Manner::Threads), None);
            hear.recv().unwrap();
            errand.recall();
            say.send(is_last).unwrap();
            assert_eq!(await_back(&mut errand), None);
            let last = if is_last { "done" } else { "taken back" };
            assert_eq!(errand.here().unwrap().deeds, ["stepped", last]);
        }
    }

    #[test]
    fn slots_are_given_back_when_dropped() {
        let slots = Slots::new(1);
        let slot = slots.take();
        assert!(slot.is_some() && slots.clone().take().is_none());
        drop(slot);
        assert!(slots.take().is_some());
    }
}
