//! One partition at work: its inputs merged before its engine, and a batch staged on top of what is committed.
//!
//! The order that exactly once depends on, for every batch:
//! 1. *stage*: [`handle`](PartitionTask::handle) folds records into the overlay and stages what follows from them;
//! 2. *write*: [`write`](PartitionTask::write) gives all of it to a sink, positions included, and installs nothing;
//! 3. *commit*: the caller's, such as a transaction with those positions as offsets;
//! 4. *install*: only then [`install`](PartitionTask::install) makes what is staged what is committed.
//!
//! If 2 or 3 fails, or the task panicked, [`discard`](PartitionTask::discard) drops the batch and all that was read,
//! and the caller rewinds its source to [`positions`](PartitionTask::positions). Nothing else ends a batch: positions,
//! staged records, counts and overlay live and die together. A commit whose outcome is unknown waits between 3 and 4.
//!
//! Must not know: the broker, other partitions, any clock: `now_ms` is the merge's, `now` an argument.

use crate::domain::{Event, EventWithTexts, Input, NoTexts, PartitionId, Texts, Timestamp};
use crate::emit::Emitter;
use crate::engine::{self, Disposition, Partition, Slice};
use crate::guard::{Panicked, guarded};
use crate::ingest::{Decoded, Reject};
use crate::merge::{FlowControl, Merge, NextHead, Rank};
use crate::pipeline::commit_metadata::{CommitMetadata, ForwardProgress};
use crate::pipeline::identities::Identities;
use crate::pipeline::limit::{InFlight, Limit};
use crate::pipeline::outcome::{HandleOutcome, Received};
use crate::pipeline::poison::{HandlingPanic, PoisonRecords};
use crate::pipeline::progress::{InputProgress, MisplacedRecord};
use crate::pipeline::shared::{Judged, Pipeline};
use crate::pipeline::sink::{DeadLetter, HandledRecord};
use crate::pipeline::staged::{BatchCounts, StagedBatch, StagedRecord};
use crate::pipeline::tally::Tally;
use crate::record::{Coordinates, Message, Offset};
use crate::state::{PartitionRecord, StateError};

/// A record that waits in the merge.
#[derive(Debug)]
pub(super) struct QueuedRecord<M> {
    message: M,
    pub offset: Offset,
    /// The event, and where it was first read if it was forwarded; or why there is none.
    event: Result<(Event, Option<Coordinates>), Reject>,
    /// What it counts for in the buffer of its input.
    bytes: usize,
    /// Whether the program has panicked over it: then it is a reject.
    is_poison: bool,
}

/// A request to move stream time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeRequest {
    None,
    /// To at least that time, if one is given; and what is due fires, in slices.
    Pending(Option<Timestamp>),
    /// All of it is staged.
    Staged(Option<Timestamp>),
}

/// What became of the head of an input.
enum HeadOutcome {
    /// A slice of timers must be committed before it.
    TimersFirst,
    Done(FlowControl),
}

/// One partition at work. See the module for the order of its calls.
#[derive(Debug)]
pub struct PartitionTask<M> {
    /// Its number.
    pub id: PartitionId,
    /// Its users, timers and clocks.
    pub engine: Partition,
    /// The transaction that last wrote the partition.
    pub written: Option<CommitMetadata>,
    /// The transaction that the group's offsets are from, where that was before `written`: the next commit must send
    /// them again, though nothing else changes.
    pub offsets_behind: Option<CommitMetadata>,
    /// The group has lost an offset that the record has: as above.
    pub has_expired_offset: bool,
    /// The topics that its state is made from.
    pub identities: Identities,
    pub(super) merge: Merge<QueuedRecord<M>>,
    pub(super) progress: InputProgress<M>,
    /// How far events may be handled, by what was read of `rekey`.
    pub(super) handle_through: Timestamp,
    /// How far they may be once `rekey` is read up to an offset.
    pub(super) next_handle_through: Option<(Timestamp, Offset)>,
    /// The progress of forwarding as it was last committed.
    pub(super) committed_progress: Option<ForwardProgress>,
    /// Whether something waits for others to forward.
    pub(super) waits_for_others: bool,
    /// Whether something came that is being forwarded.
    pub(super) saw_forwarding: bool,
    pub(super) in_flight: InFlight,
    /// Whether it goes on when it is at its end.
    pub(super) is_endless: bool,
    /// By input: its end, as it was last told.
    pub(super) ends: Vec<Option<Offset>>,
    /// By input: the next offset to read, as committed.
    pub(super) committed: Vec<Offset>,
    /// By input: behind the last record that came.
    pub(super) read: Vec<Offset>,
    pub(super) staged: StagedBatch<M>,
    pub(super) poison: PoisonRecords,
    pub(super) time: TimeRequest,
}

impl<M: Message> PartitionTask<M> {
    /// A partition of which nothing was read yet. `engine`: its state as it was restored. `committed`: by input,
    /// `rekey` last, the next offset to read. `record`: the partition record, if there is one, with its inputs in that
    /// order; `written`: who wrote it.
    pub fn new(
        id: PartitionId,
        engine: Partition,
        committed: Vec<Offset>,
        record: Option<&PartitionRecord>,
        written: Option<CommitMetadata>,
        pipeline: &Pipeline,
    ) -> Self {
        let settings = pipeline.settings();
        let progress = InputProgress::new(&committed, record, settings.in_flight.of_one);
        Self {
            id,
            engine,
            written,
            offsets_behind: None,
            has_expired_offset: false,
            identities: Identities::default(),
            merge: Merge::new(pipeline.inputs(), settings.merge).sorting(progress.rekey()),
            progress,
            handle_through: Self::NOTHING,
            next_handle_through: None,
            committed_progress: None,
            waits_for_others: false,
            saw_forwarding: false,
            in_flight: settings.in_flight,
            is_endless: settings.is_endless,
            ends: vec![None; pipeline.inputs()],
            read: committed.clone(),
            staged: StagedBatch::new(committed.clone()),
            committed,
            poison: PoisonRecords::default(),
            // Users whose state older rules wrote wait for the engine's first call.
            time: TimeRequest::Pending(None),
        }
    }

    /// Decodes a record that was read, and queues it. `now`: the clock at poll, by which events too far ahead are
    /// rejected.
    pub fn receive(&mut self, input: Input, message: M, pipeline: &Pipeline, now: Option<Timestamp>) -> Received {
        let judged = match self.poison.find(input, message.offset()) {
            Some(panicked) => Pipeline::poisoned(&message, panicked),
            None => pipeline.decode(input, &message, self.id, now),
        };
        self.receive_judged(input, message, judged, pipeline)
    }

    /// Queues a record that was read and decoded.
    pub fn receive_judged(&mut self, input: Input, message: M, judged: Judged, pipeline: &Pipeline) -> Received {
        let Judged { decoded, footprint, is_poison } = judged;
        let offset = message.offset();
        if let Some(read) = self.read.get_mut(input.index()) {
            *read = offset + 1;
        }
        let poison = match &decoded {
            Decoded::Reject(reject) if is_poison => Some(reject.detail.to_string()),
            _ => None,
        };
        let (time, is_misplaced) = match &decoded {
            Decoded::Event { event, .. } => (Some(event.time), false),
            Decoded::Rekey { event, .. } => (Some(event.time), true),
            Decoded::Reject(_) => (None, false),
        };
        self.saw_forwarding |= is_misplaced || input == self.progress.rekey();
        if !self.progress.receive(input, offset, is_misplaced, time) {
            self.merge.skip(input);
            return Received { flow: FlowControl::Unchanged, poison };
        }
        let bytes = size_of::<QueuedRecord<M>>() + footprint;
        let (event, rank) = match decoded {
            Decoded::Rekey { event, to, shape } => {
                self.progress.keep(input, MisplacedRecord { message, offset, event, to, shape, bytes });
                return Received { flow: self.merge.reserve(input, bytes), poison };
            }
            Decoded::Event { event, origin } => {
                // Events of one time in the order that their own inputs would have given them.
                let rank = origin.as_ref().map(|from| (pipeline.originating_input(input, Some(from)).0, from.offset));
                (Ok((event, origin)), rank.unwrap_or_default())
            }
            Decoded::Reject(reject) => (Err(reject), Rank::default()),
        };
        let record = QueuedRecord { message, offset, event, bytes, is_poison };
        Received { flow: self.merge.push_ranked(input, time, rank, bytes, record), poison }
    }

    /// Forwards and handles what is ready, `room` records at most, within the limit. `now_ms`: the merge's clock.
    /// `resumed` is given the inputs to be fetched again, `observe` each record that was handled.
    ///
    /// # Errors
    /// A user's state can't be decoded. The partition can't go on.
    pub fn handle(
        &mut self,
        pipeline: &Pipeline,
        room: usize,
        (now_ms, limit): (u64, Limit),
        resumed: &mut Vec<(Input, PartitionId)>,
        mut observe: impl FnMut(&HandledRecord<'_, M>),
    ) -> Result<HandleOutcome, StateError> {
        self.staged.renews_offsets = self.owes_offsets();
        self.staged.tells_progress |= self.has_progress_to_tell(limit);
        self.waits_for_others = false;
        self.staged.is_open = matches!(limit, Limit::Open { .. });
        self.advance_limit(limit);
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
                let offset = self.progress.next_misplaced_offset(input);
                match guarded(|| self.forward(input, pipeline)) {
                    Ok(FlowControl::Resume) => resumed.push((input, self.id)),
                    Ok(_) => {}
                    Err(panicked) => return Ok(HandleOutcome::Panicked(self.blame(input, offset, panicked))),
                }
                continue;
            }
            self.waits_for_others = self.progress.has_misplaced();
            let input = match self.next_head(now_ms) {
                NextHead::Ready(input) => input,
                NextHead::Waiting { until_ms } => return Ok(HandleOutcome::Waiting { until_ms: Some(until_ms) }),
                NextHead::Empty => return Ok(HandleOutcome::Waiting { until_ms: None }),
            };
            if self.is_beyond(input, limit) {
                self.waits_for_others = true;
                return Ok(HandleOutcome::Waiting { until_ms: None });
            }
            let offset = self.merge.head(input).map(|record| record.offset);
            match guarded(|| self.take_head(input, pipeline, &mut observe)) {
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

    /// Handles the head of an input, and takes it away; or leaves it where it is, for timers that must be committed
    /// before it.
    fn take_head(
        &mut self,
        input: Input,
        pipeline: &Pipeline,
        observe: &mut impl FnMut(&HandledRecord<'_, M>),
    ) -> Result<HeadOutcome, StateError> {
        // The caller was told that this head is ready.
        let Some(head) = self.merge.head(input) else { return Ok(HeadOutcome::Done(FlowControl::Unchanged)) };
        let at = pipeline.coordinates(input, self.id, head.offset);
        let disposition = match &head.event {
            Ok((event, origin)) => {
                let before = self.engine.watermark();
                let counted_for = pipeline.originating_input(input, origin.as_ref());
                let cause = origin.as_ref().unwrap_or(&at);
                let record = pipeline.texts(input, &head.message);
                let texts = record.as_ref().map_or(&NoTexts as &dyn Texts, |record| record);
                let event = EventWithTexts { event, texts };
                match self.engine.handle_event(counted_for, event, cause, &mut self.staged.effects)? {
                    engine::Handled::Done(disposition) => disposition,
                    engine::Handled::TimersFirst => {
                        self.staged.event_moved_time |= self.engine.watermark() > before;
                        return Ok(HeadOutcome::TimersFirst);
                    }
                }
            }
            Err(reject) => Disposition::Rejected(reject.clone()),
        };
        let Some((record, flow)) = self.merge.pop(input) else { return Ok(HeadOutcome::Done(FlowControl::Unchanged)) };
        let QueuedRecord { message, offset, bytes, is_poison, .. } = record;
        let tally = &mut self.staged.tally[input.index()];
        tally.count(&disposition);
        tally.panicked += u64::from(is_poison);
        self.staged.consumed += 1;
        self.staged.is_urgent |= is_poison;
        if input == self.progress.rekey() {
            self.progress.handled(offset);
        }
        observe(&HandledRecord { input, message: &message, disposition: &disposition });
        if let Disposition::Rejected(reject) = disposition {
            self.staged.push(StagedRecord::DeadLetter(DeadLetter { message, at, reject }), bytes);
        }
        Ok(HeadOutcome::Done(flow))
    }

    /// Names the record that a panic in handling came over, if it was none of the timers': it is poison.
    fn blame(&mut self, input: Input, offset: Option<Offset>, panicked: Panicked) -> HandlingPanic {
        let record = offset.filter(|_| !self.engine.is_firing()).map(|offset| (input, offset));
        if let Some((input, offset)) = record {
            self.poison.add(input, offset, panicked.clone());
        }
        self.engine.distrust();
        HandlingPanic { record, panicked }
    }

    /// Moves time as was requested; false when a slice must be committed first.
    fn move_time(&mut self) -> Result<bool, StateError> {
        let TimeRequest::Pending(to) = self.time else { return Ok(true) };
        let slice = self.engine.handle_time(to, &mut self.staged.effects)?;
        match slice {
            Slice::Complete => self.time = TimeRequest::Staged(to),
            Slice::Full => self.staged.is_slice = true,
        }
        Ok(slice == Slice::Complete)
    }

    /// Requests that stream time moves to at least `to`, before anything else is handled.
    pub fn request_time(&mut self, to: Timestamp) {
        self.time = TimeRequest::Pending(Some(to));
    }

    /// Whether a transaction must write something of this partition.
    pub fn has_uncommitted(&self) -> bool {
        self.staged.is_any() || self.engine.is_dirty()
    }

    /// Whether a slice of timers is staged.
    pub fn is_slice(&self) -> bool {
        self.staged.is_slice
    }

    /// Whether what is staged must be committed before anything else is handled.
    pub fn must_commit(&self) -> bool {
        self.staged.is_slice || self.staged.is_urgent
    }

    /// Records that the batch has consumed.
    pub fn consumed(&self) -> usize {
        self.staged.consumed
    }

    /// Bytes of what a transaction must write besides the changelog, about.
    pub fn staged_bytes(&self) -> usize {
        self.staged.bytes + self.staged.effects.len() * Emitter::TYPICAL_BYTES
    }

    /// Whether a call of [`Self::handle`] would do anything but wait.
    pub fn has_work(&mut self, now_ms: u64, limit: Limit) -> bool {
        self.advance_limit(limit);
        let renews = self.owes_offsets() && !self.staged.renews_offsets;
        renews
            || matches!(self.time, TimeRequest::Pending(_))
            || self.next_misplaced(limit).is_some()
            || !self.staged.tells_progress && self.has_progress_to_tell(limit)
            || self.is_something_ready(now_ms, limit)
    }

    fn next_head(&mut self, now_ms: u64) -> NextHead {
        let progress = &self.progress;
        self.merge.next_of(now_ms, |input, record| progress.is_clear(input, record.offset))
    }

    fn is_something_ready(&mut self, now_ms: u64, limit: Limit) -> bool {
        let has_misplaced = self.progress.has_misplaced();
        let ready = if let NextHead::Ready(input) = self.next_head(now_ms) { Some(input) } else { None };
        let is_beyond = ready.is_some_and(|input| self.is_beyond(input, limit));
        self.waits_for_others = is_beyond || has_misplaced;
        ready.is_some() && !is_beyond
    }

    /// What is staged becomes what is committed. Call after the commit of what [`Self::write`] wrote, by the
    /// transaction that `written` names.
    pub fn install(&mut self, written: CommitMetadata) -> BatchCounts {
        let fired_before = self.engine.timers_fired();
        self.engine.install();
        self.progress.install(&mut self.staged.tally);
        self.committed_progress = Some(self.staged.progress);
        self.written = Some(written);
        (self.offsets_behind, self.has_expired_offset) = (None, false);
        self.committed.clone_from(&self.staged.positions);
        self.poison.settle(&self.committed);
        if matches!(self.time, TimeRequest::Staged(_)) {
            self.time = TimeRequest::None;
        }
        let none = vec![Tally::default(); self.committed.len()];
        let counts = BatchCounts {
            tally: std::mem::replace(&mut self.staged.tally, none),
            outputs: std::mem::take(&mut self.staged.outputs),
            timers_fired: self.engine.timers_fired() - fired_before,
        };
        self.staged.clear();
        counts
    }

    /// What is staged is forgotten, and so is what was read: the source must be rewound to [`Self::positions`].
    pub fn discard(&mut self) {
        self.engine.discard();
        self.merge.clear();
        self.ends.fill(None);
        self.staged.positions.clone_from(&self.committed);
        self.read.clone_from(&self.committed);
        self.progress.discard(&self.committed);
        (self.handle_through, self.next_handle_through) = (Self::NOTHING, None);
        self.waits_for_others = false;
        self.staged.tally.fill(Tally::default());
        if let TimeRequest::Staged(to) = self.time {
            self.time = TimeRequest::Pending(to);
        }
        self.staged.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{DAY_MS, Origin, Source};
    use crate::emit::{Output, OutputFormat};
    use crate::engine::{Announcement, Change, Engine, EngineSettings};
    use crate::ingest::{Format, InputSpec};
    use crate::pipeline::shared::TaskSettings;
    use crate::pipeline::sink::Sink;
    use crate::record::{Header, Outgoing};

    const APP: Input = Input(0);
    const REKEY: Input = Input(1);
    const START_MS: i64 = 1_767_571_200_000;

    struct Paid(Offset, Vec<u8>);

    impl Message for Paid {
        fn offset(&self) -> Offset {
            self.0
        }

        fn timestamp(&self) -> Option<i64> {
            None
        }

        fn key(&self) -> Option<&[u8]> {
            None
        }

        fn value(&self) -> Option<&[u8]> {
            Some(&self.1)
        }

        fn headers(&self) -> impl Iterator<Item = Header<'_>> {
            std::iter::empty()
        }
    }

    fn paid(offset: Offset) -> Paid {
        let time = START_MS + offset * DAY_MS;
        let value = format!(
            r#"{{"id":"e{offset}","user_id":"u","type":"payment.completed","time":{time},"data":{{"amount":1}}}}"#
        );
        Paid(offset, value.into_bytes())
    }

    fn pipeline() -> Pipeline {
        let settings =
            EngineSettings { silent_after_ms: vec![None; 2], retention_ms: DAY_MS, ..EngineSettings::default() };
        let spec = |(topic, source): (&str, Option<Source>)| InputSpec {
            topic: topic.into(),
            source,
            origin: Origin::default(),
            format: Format::Json,
            keyed: true,
            max_record: 1 << 20,
            earliest: Timestamp::MIN,
        };
        let inputs = [("app", Some(Source::App)), ("rekey", None)].map(spec).to_vec();
        let output = Output { topics: Default::default(), format: OutputFormat::Json, source: "tideline".to_owned() };
        Pipeline::new(Engine::new(settings).unwrap(), inputs, output, TaskSettings::of_one(0))
    }

    fn task(pipeline: &Pipeline) -> PartitionTask<Paid> {
        let engine = Partition::new(Arc::clone(pipeline.engine()));
        PartitionTask::new(PartitionId(0), engine, vec![0; 2], None, None, pipeline)
    }

    /// Reads so many, and handles what can be.
    fn fill(task: &mut PartitionTask<Paid>, pipeline: &Pipeline, offsets: std::ops::Range<Offset>) {
        for offset in offsets {
            task.receive(APP, paid(offset), pipeline, None);
        }
        task.receive_end(REKEY, 0);
        task.receive_end(APP, 10);
        let open = (0, Limit::Open { was_ever: false });
        task.handle(pipeline, usize::MAX, open, &mut Vec::new(), |_| {}).unwrap();
    }

    /// Writes down what it takes, and refuses the first output if it is told to.
    #[derive(Default)]
    struct Log {
        lines: Vec<String>,
        is_full: bool,
    }

    impl Sink<Paid> for Log {
        type Error = &'static str;

        fn state(&mut self, change: Change<'_>) -> Result<(), &'static str> {
            let is_record = change.key == PartitionRecord::KEY;
            self.lines.push(if is_record { "record" } else { "user" }.to_owned());
            Ok(())
        }

        fn output(&mut self, announcement: &Announcement) -> Result<(), &'static str> {
            if self.is_full {
                return Err("full");
            }
            self.lines.push(format!("output {}", announcement.sequence));
            Ok(())
        }

        fn dead_letter(&mut self, letter: &DeadLetter<Paid>) -> Result<(), &'static str> {
            self.lines.push(format!("dead letter {}", letter.at.offset));
            Ok(())
        }

        fn forward(&mut self, _record: &Outgoing) -> Result<(), &'static str> {
            Ok(())
        }
    }

    fn written(number: u64) -> CommitMetadata {
        CommitMetadata { transactional_id: "writer".into(), number }
    }

    #[test]
    fn a_batch_is_staged_written_and_only_then_installed() {
        let pipeline = pipeline();
        let mut task = task(&pipeline);
        fill(&mut task, &pipeline, 0..2);
        assert!(task.has_uncommitted());
        assert_eq!((task.consumed(), task.committed()), (2, &[0, 0][..]));

        let mut log = Log::default();
        task.write(&written(1), &pipeline, &mut log).unwrap();
        assert_eq!(log.lines, ["record", "user", "output 1"], "the record says first who writes");
        assert_eq!((task.staged_positions(), task.committed()), (&[10, 0][..], &[0, 0][..]));
        assert_eq!(task.engine.user_count(), 0, "nothing is installed by writing");

        let counts = task.install(written(1));
        assert_eq!((counts.tally[0].applied, counts.outputs.len()), (2, 1));
        assert_eq!((task.committed(), task.engine.user_count()), (&[10, 0][..], 1));
        assert!(!task.has_uncommitted());
    }

    #[test]
    fn a_batch_that_could_not_be_written_is_discarded_and_read_again_to_the_same() {
        let pipeline = pipeline();
        let mut task = task(&pipeline);
        fill(&mut task, &pipeline, 0..3);
        let mut full = Log { is_full: true, ..Log::default() };
        assert_eq!(task.write(&written(1), &pipeline, &mut full), Err("full"));
        task.discard();
        assert_eq!(task.positions(), [(APP, 0), (REKEY, 0)], "from where it must be read again");
        assert!(!task.has_uncommitted());

        fill(&mut task, &pipeline, 0..3);
        let mut log = Log::default();
        task.write(&written(2), &pipeline, &mut log).unwrap();
        assert_eq!(log.lines, ["record", "user", "output 1"]);
        assert_eq!(task.install(written(2)).tally[0].applied, 3, "each counts once");
    }

    #[test]
    fn what_cannot_be_used_is_a_dead_letter_of_the_batch() {
        let pipeline = pipeline();
        let mut task = task(&pipeline);
        task.receive(APP, Paid(0, b"no json".to_vec()), &pipeline, None);
        fill(&mut task, &pipeline, 1..2);
        let mut log = Log::default();
        task.write(&written(1), &pipeline, &mut log).unwrap();
        assert_eq!(log.lines, ["record", "user", "output 1", "dead letter 0"]);
        let tally = task.install(written(1)).tally[0];
        assert_eq!((tally.consumed, tally.applied, tally.dead_lettered()), (2, 1, 1));
        assert!(tally.balances());
    }

    #[test]
    fn a_task_names_the_inputs_without_which_it_cannot_go_on() {
        let pipeline = pipeline();
        let mut task = task(&pipeline);
        assert_eq!(task.starved().collect::<Vec<_>>(), [APP, REKEY]);
        task.receive_end(REKEY, 0);
        task.receive(APP, paid(0), &pipeline, None);
        assert_eq!(task.starved().count(), 0);
    }
}
