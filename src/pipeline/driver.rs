//! The loop over one task: what a feed has, read in order, to the end, and written to a sink.
//!
//! A lane runs many tasks between the polls of a group, and commits them together. Whatever else goes through the core
//! runs one task by itself, over all that there is: `replay` from files to files, and what fits, tests or explains the
//! rules from a history to a report. Those are this loop, with other ends.
//!
//! Must not know: where records come from, and where anything goes. Nothing is read twice: what a feed gave can't be
//! read again, so the first thing that fails ends the run.

use std::sync::Arc;

use crate::domain::{Input, PartitionId, Timestamp};
use crate::engine::Partition;
use crate::guard::Panicked;
use crate::ingest::Decoded;
use crate::pipeline::commit_metadata::CommitMetadata;
use crate::pipeline::limit::Limit;
use crate::pipeline::outcome::HandleOutcome;
use crate::pipeline::shared::{Judged, Pipeline};
use crate::pipeline::sink::Sink;
use crate::pipeline::staged::BatchCounts;
use crate::pipeline::tally::{OutputCounts, Tally};
use crate::pipeline::task::PartitionTask;
use crate::record::{Message, Offset};
use crate::state::StateError;

/// The partition that a driver runs, unless it is given another: the only one there is.
pub const ONLY_PARTITION: PartitionId = PartitionId(0);

/// Where a driver reads.
pub trait RecordFeed {
    /// A record as it is read.
    type Message: Message;
    /// Why something could not be read.
    type Error;

    /// The next record of an input, decoded by [`Pipeline::decode`]; none at its end, after which it isn't asked again.
    /// Asked of an input only when its last record was handled, or nothing can be handled without one.
    ///
    /// # Errors
    /// The input can't be read on. That ends the run, once what was handled is written.
    fn next(&mut self, input: Input, pipeline: &Pipeline) -> Result<Option<(Self::Message, Judged)>, Self::Error>;
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum DriverError<E> {
    /// The feed can't be read, or the sink not be written.
    #[error("cannot read or write what is driven")]
    Ends(E),
    /// A user's state can't be decoded.
    #[error(transparent)]
    State(#[from] StateError),
    /// In handling. What was read can't be read again, so the record can't be left out.
    #[error(transparent)]
    Panicked(Panicked),
}

/// What a run has come to, as installed.
#[derive(Debug, Clone, Default)]
pub struct RunCounts {
    /// By input, `rekey` last.
    pub inputs: Vec<Tally>,
    /// By type and reason.
    pub outputs: OutputCounts,
    /// Deadlines that fired.
    pub timers_fired: u64,
}

/// Runs a task over a feed, into a sink.
#[derive(Debug)]
pub struct Driver<F: RecordFeed, S> {
    pipeline: Arc<Pipeline>,
    task: PartitionTask<F::Message>,
    feed: F,
    sink: S,
    /// A batch is written once it has consumed that many records.
    batch_records: usize,
    next_batch: CommitMetadata,
    counts: RunCounts,
}

impl<F, S> Driver<F, S>
where
    F: RecordFeed,
    S: Sink<F::Message, Error = F::Error>,
{
    /// `engine`: where it starts, new or restored. `name`: who writes, as partition records say. A batch holds
    /// `batch_records` records at most.
    pub fn new(pipeline: Arc<Pipeline>, engine: Partition, name: &str, batch_records: usize, feed: F, sink: S) -> Self {
        let start: Vec<Offset> = vec![0; pipeline.inputs()];
        Self {
            task: PartitionTask::new(ONLY_PARTITION, engine, start, None, None, &pipeline),
            counts: RunCounts { inputs: vec![Tally::default(); pipeline.inputs()], ..RunCounts::default() },
            pipeline,
            feed,
            sink,
            batch_records: batch_records.max(1),
            next_batch: CommitMetadata { transactional_id: name.into(), number: 1 },
        }
    }

    /// Reads and handles all of the feed.
    ///
    /// # Errors
    /// The feed can't be read, the sink not be written, a user's state not be decoded, or the program panicked.
    pub fn run(&mut self) -> Result<(), DriverError<F::Error>> {
        loop {
            self.read_starved()?;
            self.handle()?;
            if self.task.is_at_end() {
                return self.write();
            }
        }
    }

    /// Moves stream time to at least `to`, and W with it unless a silent input holds it: what is due by then follows.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn move_time(&mut self, to: Timestamp) -> Result<(), DriverError<F::Error>> {
        self.task.request_time(to);
        self.run()
    }

    /// The partition, as installed.
    pub fn engine(&self) -> &Partition {
        &self.task.engine
    }

    /// What has been installed so far.
    pub fn counts(&self) -> &RunCounts {
        &self.counts
    }

    /// The feed and the sink, as they were left.
    pub fn into_ends(self) -> (F, S) {
        (self.feed, self.sink)
    }

    /// Reads of each input without which it can't be told what is next. What was handled before one that can't be read
    /// is written all the same.
    fn read_starved(&mut self) -> Result<(), DriverError<F::Error>> {
        while let Some(input) = { self.task.starved().next() } {
            let next = match self.feed.next(input, &self.pipeline) {
                Ok(next) => next,
                Err(error) => {
                    self.write()?;
                    return Err(DriverError::Ends(error));
                }
            };
            let Some((message, judged)) = next else {
                let end = self.task.input(input).map_or(0, |view| view.read_to);
                self.task.receive_end(input, end);
                continue;
            };
            debug_assert!(!matches!(judged.decoded, Decoded::Rekey { .. }), "there is no other partition");
            self.task.receive_judged(input, message, judged, &self.pipeline);
        }
        Ok(())
    }

    /// Handles what is ready, and writes the batch if it is full.
    fn handle(&mut self) -> Result<(), DriverError<F::Error>> {
        let Self { task, sink, pipeline, .. } = self;
        let room = self.batch_records.saturating_sub(task.consumed());
        // Nobody forwards, and no input is waited for: each has its next record queued, or is at its end.
        let open = (0, Limit::Open { was_ever: false });
        // Nothing is paused, so nothing is resumed.
        let outcome = task.handle(pipeline, room, open, &mut Vec::new(), |handled| sink.observe(handled))?;
        match outcome {
            HandleOutcome::Panicked(panic) => Err(DriverError::Panicked(panic.panicked)),
            HandleOutcome::TimerSlice => self.write(),
            HandleOutcome::RoomUsed if task.must_commit() || task.consumed() >= self.batch_records => self.write(),
            HandleOutcome::RoomUsed | HandleOutcome::Waiting { .. } => Ok(()),
        }
    }

    /// Writes what is staged, and installs it: the sink has taken it.
    fn write(&mut self) -> Result<(), DriverError<F::Error>> {
        if !self.task.has_uncommitted() {
            return Ok(());
        }
        let number = self.next_batch.number;
        self.task.write(&self.next_batch, &self.pipeline, &mut self.sink).map_err(DriverError::Ends)?;
        let BatchCounts { tally, outputs, timers_fired } = self.task.install(self.next_batch.clone());
        self.next_batch.number = number + 1;
        self.counts.inputs.iter_mut().zip(tally).for_each(|(sum, tally)| *sum += tally);
        for output in outputs {
            *self.counts.outputs.entry(output).or_default() += 1;
        }
        self.counts.timers_fired += timers_fired;
        Ok(())
    }
}
