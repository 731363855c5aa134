//! One partition being served: the merge before its engine, and what a batch has staged of it.
//!
//! Whatever is uncommitted (positions, staged records, counts, the engine's overlay) lives and dies together: [`PartitionTask::install`]
//! after the transaction that wrote it, [`PartitionTask::discard`] after one that failed. Nothing else ends a batch.
//!
//! Must not know: the broker, other partitions, the clock.

use crate::broker::{CommitMetadata, ForwardProgress};
use crate::domain::{EventWithTexts, Input, NoTexts, OutputTopic, PartitionId, Texts, Timestamp};
use crate::emit::{self, Emitter};
use crate::engine::{Disposition, Handled, Partition, Slice};
use crate::guard::{Panicked, guarded};
use crate::ingest::{Decoded, Reject, RejectReason};
use crate::merge::{FlowControl, Merge, NextHead, Rank};
use crate::pipeline::forward::NOWHERE;
use crate::pipeline::poison::{HandlingPanic, PoisonRecords};
use crate::pipeline::progress::{InFlight, InputProgress, Misplaced};
use crate::pipeline::staged::{BatchCounts, StagedBatch};
use crate::pipeline::tally::Tally;
use crate::record::{Coordinates, Message, Offset, Outgoing, Unread};
use crate::runtime::board::idle_wait::IdleWait;
use crate::runtime::job::{Fits, Job};
use crate::runtime::lane::progress::Limit;
use crate::runtime::recovery::identity::Identities;
use crate::runtime::settings::Mode;
use crate::state::{PartitionRecord, StateError};

/// A record that waits in the merge.
#[derive(Debug)]
pub(crate) struct QueuedRecord<M> {
    message: M,
    pub(crate) offset: Offset,
    decoded: Decoded,
    /// Whether the program has panicked over it: then it is a reject.
    is_poison: bool,
}

/// A request to move stream time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeRequest {
    None,
    /// To at least that time, if one is given; and what is due fires, in slices.
    Asked(Option<Timestamp>),
    /// All of it is staged.
    Staged(Option<Timestamp>),
}

/// What a turn of handling ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HandleOutcome {
    /// Nothing is ready; what waits may go at this time of the merge's clock.
    Waiting { until_ms: Option<u64> },
    /// The room was used up.
    RoomUsed,
    /// A slice of timers is staged and must be committed before anything else.
    TimerSlice,
    /// The program panicked, and what is staged may be half changed: it must be rolled back.
    Panicked(HandlingPanic),
}

#[derive(Debug)]
pub(crate) struct PartitionTask<M> {
    pub id: PartitionId,
    pub engine: Partition,
    pub(crate) merge: Merge<QueuedRecord<M>>,
    pub(crate) reading: InputProgress<M>,
    /// How far events may be handled, by what was read of `rekey`; and how far once it is read up to an offset.
    pub(crate) reach: Timestamp,
    pub(crate) next_reach: Option<(Timestamp, Offset)>,
    /// The front as it was last committed.
    pub(crate) told: Option<ForwardProgress>,
    /// Whether something waits for fronts to move.
    pub(crate) is_held: bool,
    /// Whether something came that is being forwarded.
    pub(crate) is_stirred: bool,
    pub(crate) in_flight: InFlight,
    /// Whether it runs on when it is at its end.
    pub(crate) is_endless: bool,
    /// By input: where its end was last told.
    pub(crate) ends: Vec<Option<Offset>>,
    /// By input: the next offset to read, as committed.
    pub(crate) committed: Vec<Offset>,
    /// By input: behind the last that came.
    pub(crate) read: Vec<Offset>,
    /// The transaction that last wrote the partition.
    pub written: Option<CommitMetadata>,
    /// Who committed the group's offsets, where that was before `written`: they must be sent again, though nothing else changes.
    pub overtaken: Option<CommitMetadata>,
    /// The group has lost an offset that the record has: as above.
    pub has_expired: bool,
    /// The topics that its state is made from, as each record that it writes says.
    pub identities: Identities,
    /// By input, what was committed when these were last compared before it was served.
    pub confirmed: Vec<Offset>,
    pub(crate) staged: StagedBatch,
    poison: PoisonRecords,
    pub(crate) time: TimeRequest,
    /// Whether the last move of a run until the end was asked for.
    pub is_finishing: bool,
    /// When something last came, on the monotonic clock.
    pub last_record_ms: u64,
    /// When its clock was last moved for want of input.
    pub last_tick_ms: u64,
    /// Why stream time did not follow the clock then.
    pub idle_wait: Option<IdleWait>,
}

impl<M: Message> PartitionTask<M> {
    pub fn new(
        id: PartitionId,
        engine: Partition,
        committed: Vec<Offset>,
        record: Option<&PartitionRecord>,
        written: Option<CommitMetadata>,
        job: &Job,
        now_ms: u64,
    ) -> Self {
        let in_flight = job.settings.in_flight(job.topics.partitions);
        let reading = InputProgress::new(&committed, record, in_flight.of_one);
        let staged = StagedBatch {
            positions: committed.clone(),
            tally: vec![Tally::default(); job.inputs()],
            ..StagedBatch::default()
        };
        Self {
            id,
            engine,
            merge: Merge::new(job.inputs(), job.settings.merge_bounds()).sorting(reading.rekey()),
            reading,
            reach: NOWHERE,
            next_reach: None,
            told: None,
            is_held: false,
            is_stirred: false,
            in_flight,
            is_endless: job.settings.mode == Mode::Endless,
            ends: vec![None; job.inputs()],
            read: committed.clone(),
            committed,
            written,
            overtaken: None,
            has_expired: false,
            identities: Identities::default(),
            confirmed: Vec::new(),
            staged,
            poison: PoisonRecords::default(),
            // Users whose state older rules wrote wait for the engine's first call.
            time: TimeRequest::Asked(None),
            is_finishing: false,
            last_record_ms: now_ms,
            last_tick_ms: now_ms,
            idle_wait: None,
        }
    }

    pub fn receive(&mut self, input: Input, message: M, job: &Job, now: Timestamp, now_ms: u64) -> FlowControl {
        self.last_record_ms = now_ms;
        if let Some(read) = self.read.get_mut(input.index()) {
            *read = message.offset() + 1;
        }
        let Some(decoder) = job.decoders.get(input.index()) else { return FlowControl::Unchanged };
        let (offset, id) = (message.offset(), self.id);
        let judged = match self.poison.find(input, offset) {
            Some(panicked) => Err(panicked.clone()),
            None => guarded(|| (decoder.decode(&message, id, Some(now)), message.footprint())),
        };
        let is_poison = judged.is_err() || message.damage().is_some_and(|damage| damage.unread == Unread::All);
        let (decoded, bytes) = judged.unwrap_or_else(|panicked| {
            let reject = Reject::new(RejectReason::Malformed, panicked.to_string());
            (Decoded::Reject(reject), guarded(|| message.footprint()).unwrap_or_default())
        });
        if let (true, Decoded::Reject(reject)) = (is_poison, &decoded) {
            let topic = &**job.topics.input(input);
            tracing::error!(topic, partition = id.0, offset, "{}; it goes to the dead letters", reject.detail);
        }
        let (time, is_misplaced) = match &decoded {
            Decoded::Event { event, .. } => (Some(event.time), false),
            Decoded::Rekey { event, .. } => (Some(event.time), true),
            Decoded::Reject(_) => (None, false),
        };
        self.is_stirred |= is_misplaced || input == self.reading.rekey();
        if !self.reading.receive(input, offset, is_misplaced, time) {
            self.merge.skip(input);
            return FlowControl::Unchanged;
        }
        let bytes = size_of::<QueuedRecord<M>>() + bytes;
        let rank = match decoded {
            Decoded::Rekey { event, to, shape } => {
                self.reading.keep(input, Misplaced { message, offset, event, to, shape, bytes });
                return self.merge.reserve(input, bytes);
            }
            // Events of one time as their own inputs would have had them.
            Decoded::Event { origin: Some(ref from), .. } => (job.originating_input(input, Some(from)).0, from.offset),
            Decoded::Event { .. } | Decoded::Reject(_) => Rank::default(),
        };
        self.merge.push_ranked(input, time, rank, bytes, QueuedRecord { message, offset, decoded, is_poison })
    }

    /// Forwards and handles what is ready, `room` records at most, within the limit. `flow_ms`: the merge's clock. Reports
    /// inputs to be resumed.
    pub fn handle(
        &mut self,
        job: &Job,
        room: usize,
        (flow_ms, limit): (u64, Limit),
        resumed: &mut Vec<(Input, PartitionId)>,
    ) -> Result<HandleOutcome, StateError> {
        self.staged.renews_offsets = self.owes_offsets();
        self.staged.tells_front |= self.has_front_to_tell(limit);
        self.is_held = false;
        self.staged.is_open = matches!(limit, Limit::Open { .. });
        self.take_reach(limit);
        if self.staged.is_slice {
            return Ok(HandleOutcome::TimerSlice);
        }
        match guarded(|| self.move_time()) {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Ok(HandleOutcome::TimerSlice),
            Ok(Err(error)) => return Err(error),
            Err(panicked) => {
                self.engine.distrust();
                return Ok(HandleOutcome::Panicked(HandlingPanic { record: None, panicked }));
            }
        }
        for _ in 0..room {
            if let Some(input) = self.next_misplaced(limit) {
                let offset = self.reading.next_misplaced_offset(input);
                match guarded(|| self.forward(input, job)) {
                    Ok(FlowControl::Resume) => resumed.push((input, self.id)),
                    Ok(_) => {}
                    Err(panicked) => return Ok(HandleOutcome::Panicked(self.blame(input, offset, panicked))),
                }
                continue;
            }
            self.is_held = self.reading.has_misplaced();
            let input = match self.next_head(flow_ms) {
                NextHead::Ready(input) => input,
                NextHead::Waiting { until_ms } => return Ok(HandleOutcome::Waiting { until_ms: Some(until_ms) }),
                NextHead::Empty => return Ok(HandleOutcome::Waiting { until_ms: None }),
            };
            if self.is_beyond(input, limit) {
                self.is_held = true;
                return Ok(HandleOutcome::Waiting { until_ms: None });
            }
            let offset = self.merge.head(input).map(|item| item.offset);
            match guarded(|| self.take_head(input, job)) {
                Ok(taken) => match taken? {
                    HeadOutcome::TimersFirst => {
                        self.staged.is_slice = true;
                        return Ok(HandleOutcome::TimerSlice);
                    }
                    HeadOutcome::Done(FlowControl::Resume) => resumed.push((input, self.id)),
                    HeadOutcome::Done(_) => {}
                },
                Err(panicked) => return Ok(HandleOutcome::Panicked(self.blame(input, offset, panicked))),
            }
            if self.staged.is_urgent {
                break;
            }
        }
        Ok(HandleOutcome::RoomUsed)
    }

    /// Deals with the head of an input, and takes it away.
    fn take_head(&mut self, input: Input, job: &Job) -> Result<HeadOutcome, StateError> {
        let before = self.engine.watermark();
        if !self.handle_head(input, job)? {
            self.staged.event_moved_time |= self.engine.watermark() > before;
            return Ok(HeadOutcome::TimersFirst);
        }
        Ok(HeadOutcome::Done(self.merge.pop(input).map_or(FlowControl::Unchanged, |(_, flow)| flow)))
    }

    /// Condemns a record for a panic in handling it, if that was none of the timers'.
    fn blame(&mut self, input: Input, offset: Option<Offset>, panicked: Panicked) -> HandlingPanic {
        let record = offset.filter(|_| !self.engine.is_firing()).map(|offset| (input, offset));
        if let Some((input, offset)) = record {
            self.poison.add(input, offset, panicked.clone());
        }
        self.engine.distrust();
        HandlingPanic { record, panicked }
    }

    /// Moves time as was asked; false when a slice must be committed first.
    fn move_time(&mut self) -> Result<bool, StateError> {
        let TimeRequest::Asked(to) = self.time else { return Ok(true) };
        let slice = self.engine.handle_time(to, &mut self.staged.effects)?;
        match slice {
            Slice::Complete => self.time = TimeRequest::Staged(to),
            Slice::Full => self.staged.is_slice = true,
        }
        Ok(slice == Slice::Complete)
    }

    /// Deals with the head of an input, which stays where it is; false when timers must be committed before it.
    fn handle_head(&mut self, input: Input, job: &Job) -> Result<bool, StateError> {
        // The caller was told that this head is ready.
        let Some(&QueuedRecord { ref message, offset, ref decoded, is_poison }) = self.merge.head(input) else {
            return Ok(true);
        };
        let tally = &mut self.staged.tally[input.index()];
        let at = job.coordinates(input, self.id, offset);
        let dead_letter = |reject: &Reject, at: &Coordinates| {
            let (topic, limit) = (job.topics.output(OutputTopic::DeadLetters), job.settings.dead_letter_limit.bytes());
            // What can't be read to decode it may be as hard to read here.
            guarded(|| emit::dead_letter(message, reject, at, topic, limit))
                .unwrap_or_else(|_| emit::bare_letter(reject, at, topic))
        };
        let mut letter = None;
        match decoded {
            Decoded::Event { event, origin } => {
                let counted_for = job.originating_input(input, origin.as_ref());
                let cause = origin.as_ref().unwrap_or(&at);
                let record = job.decoders.get(input.index()).map(|decoder| decoder.texts(message));
                let texts = record.as_ref().map_or(&NoTexts as &dyn Texts, |record| record);
                let told = EventWithTexts { event, texts };
                match self.engine.handle_event(counted_for, told, cause, &mut self.staged.effects)? {
                    Handled::TimersFirst => return Ok(false),
                    Handled::Done(Disposition::Applied) => tally.applied += 1,
                    Handled::Done(Disposition::Skipped) => tally.skipped += 1,
                    Handled::Done(Disposition::Duplicate) => tally.duplicate += 1,
                    Handled::Done(Disposition::Suppressed) => tally.suppressed += 1,
                    Handled::Done(Disposition::Rejected(reject)) => {
                        tally.count_dead(reject.reason);
                        letter = Some(dead_letter(&reject, &at));
                    }
                }
            }
            // It is kept elsewhere.
            Decoded::Rekey { .. } => {}
            Decoded::Reject(reject) => {
                tally.count_dead(reject.reason);
                letter = Some(dead_letter(reject, &at));
            }
        }
        tally.panicked += u64::from(is_poison);
        tally.consumed += 1;
        self.staged.is_urgent |= is_poison;
        self.staged.consumed += 1;
        if input == self.reading.rekey() {
            self.reading.handled(offset);
        }
        if let Some(record) = letter {
            self.keep(record);
        }
        Ok(true)
    }

    /// A record that is forwarded; `fits`: see [`Tally`].
    pub(crate) fn stage(&mut self, input: Input, record: Outgoing, fits: Fits) {
        let tally = &mut self.staged.tally[input.index()];
        tally.rekeyed += 1;
        tally.consumed += 1;
        tally.fits.iter_mut().zip(fits).for_each(|(count, fits)| *count += u64::from(fits));
        self.staged.consumed += 1;
        self.keep(record);
    }

    fn keep(&mut self, record: Outgoing) {
        self.staged.bytes += record.size();
        self.staged.records.push(record);
    }

    /// Asks for stream time to move to at least `to`, before anything else is handled.
    pub fn ask_time(&mut self, to: Timestamp) {
        self.time = TimeRequest::Asked(Some(to));
    }

    /// Whether a transaction must write something of this partition.
    pub fn has_uncommitted(&self) -> bool {
        let StagedBatch { consumed, is_slice, renews_offsets, commits_ends, tells_front, .. } = &self.staged;
        *consumed > 0 || *is_slice || *renews_offsets || *commits_ends || *tells_front || self.engine.is_dirty()
    }

    pub(crate) fn tells_front(&self) -> bool {
        self.staged.tells_front && !self.staged.is_open
    }

    pub fn is_slice(&self) -> bool {
        self.staged.is_slice
    }

    /// Whether what is staged must be committed before anything else is handled.
    pub fn must_commit(&self) -> bool {
        self.staged.is_slice || self.staged.is_urgent
    }

    pub fn consumed(&self) -> usize {
        self.staged.consumed
    }

    /// Bytes of what a transaction must write besides the changelog, about.
    pub fn staged_bytes(&self) -> usize {
        self.staged.bytes + self.staged.effects.len() * Emitter::TYPICAL_BYTES
    }

    /// Whether a call of [`Self::handle`] would do anything but wait.
    pub fn has_work(&mut self, flow_ms: u64, limit: Limit) -> bool {
        self.take_reach(limit);
        let renews = self.owes_offsets() && !self.staged.renews_offsets;
        renews
            || matches!(self.time, TimeRequest::Asked(_))
            || self.next_misplaced(limit).is_some()
            || !self.staged.tells_front && self.has_front_to_tell(limit)
            || self.is_something_ready(flow_ms, limit)
    }

    fn next_head(&mut self, flow_ms: u64) -> NextHead {
        let reading = &self.reading;
        self.merge.next_of(flow_ms, |input, item| reading.is_clear(input, item.offset))
    }

    fn is_something_ready(&mut self, flow_ms: u64, limit: Limit) -> bool {
        let has_misplaced = self.reading.has_misplaced();
        let ready = if let NextHead::Ready(input) = self.next_head(flow_ms) { Some(input) } else { None };
        let is_beyond = ready.is_some_and(|input| self.is_beyond(input, limit));
        self.is_held = is_beyond || has_misplaced;
        ready.is_some() && !is_beyond
    }

    /// What is staged becomes what is committed, by the transaction that `note` names.
    pub fn install(&mut self, note: CommitMetadata) -> BatchCounts {
        let fired_before = self.engine.timers_fired();
        self.engine.install();
        self.reading.install(&mut self.staged.tally);
        self.told = Some(self.staged.front);
        self.written = Some(note);
        (self.overtaken, self.has_expired) = (None, false);
        self.committed.clone_from(&self.staged.positions);
        self.poison.settle(&self.committed);
        if matches!(self.time, TimeRequest::Staged(_)) {
            self.time = TimeRequest::None;
        }
        let none = vec![Tally::default(); self.committed.len()];
        let installed = BatchCounts {
            tally: std::mem::replace(&mut self.staged.tally, none),
            outputs: std::mem::take(&mut self.staged.outputs),
            timers_fired: self.engine.timers_fired() - fired_before,
        };
        self.clear_staged();
        installed
    }

    /// What is staged is forgotten, and so is what was read: the source must be rewound to [`Self::positions`].
    pub fn discard(&mut self) {
        self.engine.discard();
        self.merge.clear();
        self.ends.fill(None);
        self.staged.positions.clone_from(&self.committed);
        self.read.clone_from(&self.committed);
        self.reading.discard(&self.committed);
        (self.reach, self.next_reach, self.is_held) = (NOWHERE, None, false);
        self.staged.tally.fill(Tally::default());
        if let TimeRequest::Staged(to) = self.time {
            self.time = TimeRequest::Asked(to);
        }
        self.clear_staged();
    }

    fn clear_staged(&mut self) {
        self.staged.effects.clear();
        self.staged.outputs.clear();
        self.staged.records.clear();
        self.staged.bytes = 0;
        self.staged.consumed = 0;
        self.staged.is_slice = false;
        self.staged.is_urgent = false;
        self.staged.event_moved_time = false;
        self.staged.renews_offsets = false;
        self.staged.commits_ends = false;
        self.staged.tells_front = false;
    }
}

/// What became of the head of an input.
enum HeadOutcome {
    /// A slice of timers must be committed before it.
    TimersFirst,
    Done(FlowControl),
}
