//! Files through the core: merge by event time, fold, write what follows.
//!
//! A source is one input of the engine, as in the configuration, however many files it has: their merge is its topic,
//! and an event's offset is its place there. So an event's line number is its offset where a source has one file.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::lines::Lines;
use super::remarks::{Holding, Place, Remarks};
use super::summary::Summary;
use crate::config::Config;
use crate::domain::{Event, Input, OutputTopic, PartitionId, Source, Timestamp};
use crate::emit::{self, Emitter, OutputFormat, OutputType};
use crate::engine::{Disposition, Effect, Engine, Handled, Partition, Slice};
use crate::ingest::{self, Decoded, Decoder, Reject};
use crate::merge::{Merge, MergeBounds, NextHead};
use crate::pipeline::tally::Tally;
use crate::record::{Coordinates, Header, Message, Offset};

/// The one partition that all files are.
const PARTITION: PartitionId = PartitionId(0);
/// No file is ever waited for: each has its next line in the merge, or has ended.
const NO_WAIT: MergeBounds = MergeBounds { buffer_items: usize::MAX, buffer_bytes: usize::MAX, wait_ms: 0 };

/// A line as the decoder wants it: no key, no headers.
struct Line<'a> {
    value: &'a [u8],
}

impl Message for Line<'_> {
    fn offset(&self) -> Offset {
        0
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(self.value)
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }
}

/// A file's next line, decoded.
struct Waiting {
    decoded: Decoded,
    line: Vec<u8>,
    /// Of the line, from 1.
    number: u64,
}

/// One file.
struct Reader {
    lines: Lines,
    /// The configured input of its source.
    input: Input,
    decoder: Arc<Decoder>,
    newest: Option<Timestamp>,
}

/// What a run is told of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// By which events are judged; none: no event is.
    pub now: Option<Timestamp>,
    /// What this machine's clock shows: only for saying how many events lie ahead of it.
    pub machine: Timestamp,
    /// The last move takes W over silent inputs.
    pub ignore_silent: bool,
}

pub(super) struct Player {
    now: Option<Timestamp>,
    lateness_ms: i64,
    install_every: usize,
    dead_letter_topic: String,
    dead_letter_limit: usize,
    readers: Vec<Reader>,
    merge: Merge<Waiting>,
    partition: Partition,
    emitter: Emitter,
    /// By configured input: the offset of its next event.
    next_offset: Vec<Offset>,
    topics: Vec<Arc<str>>,
    summary: Summary,
    remarks: Remarks,
    ignore_silent: bool,
    in_hand: usize,
    effects: Vec<Effect>,
    text: Vec<u8>,
    out: Box<dyn Write>,
    dead_letters: Option<Box<dyn Write>>,
}

impl Player {
    pub fn new(
        config: &Config,
        files: Vec<(Source, Lines)>,
        time: Time,
        out: Box<dyn Write>,
        dead_letters: Option<Box<dyn Write>>,
    ) -> Result<Self> {
        let mut settings = config.engine_settings();
        settings.partitions = 1;
        settings.ignore_silent = time.ignore_silent;
        let engine = Engine::new(settings)?;
        let mut output = config.output_settings();
        output.format = OutputFormat::Json;
        let specs = config.input_specs();
        let decoders: Vec<_> = specs
            .iter()
            // A file is one partition without keys, so every event is at home.
            .map(|spec| {
                Decoder::new(
                    ingest::InputSpec { keyed: true, ..spec.clone() },
                    1,
                    config.stream.ingest.max_skew.millis(),
                )
            })
            .map(Arc::new)
            .collect();
        let mut readers = Vec::new();
        for (source, lines) in files {
            let index = config.inputs.iter().position(|input| input.source == source);
            let index = index.with_context(|| format!("no configured input has the source {}", source.as_str()))?;
            let decoder = Arc::clone(&decoders[index]);
            readers.push(Reader { lines, input: Input(index as u8), decoder, newest: None });
        }
        let inputs = config.inputs.iter().map(|input| (input.source, Tally::default())).collect();
        Ok(Self {
            now: time.now,
            remarks: Remarks::new(time.now.is_none().then_some(time.machine)),
            ignore_silent: time.ignore_silent,
            lateness_ms: config.stream.engine.lateness.millis(),
            install_every: config.stream.lanes.batch_records,
            dead_letter_topic: config.topics.outputs[OutputTopic::DeadLetters].to_string(),
            dead_letter_limit: config.stream.lanes.dead_letter_limit.bytes(),
            merge: Merge::new(readers.len(), NO_WAIT),
            readers,
            partition: Partition::new(Arc::clone(&engine)),
            emitter: Emitter::new(&config.rules, engine.rule_version(), output),
            next_offset: vec![0; config.inputs.len()],
            topics: specs.into_iter().map(|spec| spec.topic).collect(),
            summary: Summary { inputs, tier_names: engine.rules().tier_names().to_vec(), ..Summary::default() },
            in_hand: 0,
            effects: Vec::new(),
            text: Vec::new(),
            out,
            dead_letters,
        })
    }

    /// All files to their ends.
    pub fn play(&mut self) -> Result<()> {
        for file in 0..self.readers.len() {
            self.read_on(Input(file as u8))?;
        }
        while let NextHead::Ready(file) = self.merge.next(0) {
            let Some((waiting, _)) = self.merge.pop(file) else { break };
            self.read_on(file)?;
            self.handle(file, waiting)?;
            self.in_hand += 1;
            if self.in_hand >= self.install_every {
                self.install();
            }
        }
        self.install();
        Ok(())
    }

    /// W moves to `until` (unless a silent input holds it), and what is due by then follows.
    pub fn move_to(&mut self, until: Timestamp) -> Result<()> {
        self.remarks.has_until = true;
        let stream_time = until.plus_millis(self.lateness_ms);
        loop {
            let slice = self.partition.handle_time(Some(stream_time), &mut self.effects)?;
            self.perform()?;
            self.install();
            if slice == Slice::Complete {
                return Ok(());
            }
        }
    }

    pub fn finish(mut self) -> Result<(Summary, Remarks)> {
        self.out.flush().context("cannot write the outputs")?;
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.flush().context("cannot write the dead letters")?;
        }
        debug_assert!(self.summary.inputs.iter().all(|(_, counts)| counts.balances()));
        self.summary.population = self.partition.population().clone();
        if !self.ignore_silent {
            self.remarks.holding = self.holding();
        }
        Ok((self.summary, self.remarks))
    }

    /// The inputs that hold W.
    fn holding(&self) -> Vec<Holding> {
        let silent = self
            .partition
            .silent()
            .iter()
            .zip(&self.summary.inputs)
            .zip(&self.topics)
            .filter(|((silent, _), _)| **silent);
        let feed = |((_, (source, _)), topic): ((&bool, &(Source, Tally)), &Arc<str>)| Holding {
            feed: format!("{} ({topic})", source.as_str()),
            watermark: self.partition.watermark(),
        };
        silent.map(feed).collect()
    }

    /// The next line of a file into the merge.
    fn read_on(&mut self, file: Input) -> Result<()> {
        let Reader { lines, decoder, newest, .. } = &mut self.readers[file.index()];
        let Some(line) = lines.next()? else {
            self.merge.end(file);
            return Ok(());
        };
        let decoded = decoder.decode(&Line { value: &line }, PARTITION, self.now);
        let time = match &decoded {
            Decoded::Event { event, .. } | Decoded::Rekey { event, .. } => Some(event.time),
            Decoded::Reject(_) => None,
        };
        self.remarks.read(time, *newest, || lines.place());
        *newest = (*newest).max(time);
        let number = lines.number();
        self.merge.push(file, time, line.len(), Waiting { decoded, line, number });
        Ok(())
    }

    fn handle(&mut self, file: Input, waiting: Waiting) -> Result<()> {
        let input = self.readers[file.index()].input;
        let offset = self.next_offset[input.index()];
        self.next_offset[input.index()] += 1;
        let at = Coordinates { topic: Arc::clone(&self.topics[input.index()]), partition: PARTITION, offset };
        let disposition = match waiting.decoded {
            Decoded::Reject(reject) => Disposition::Rejected(reject),
            Decoded::Event { event, .. } | Decoded::Rekey { event, .. } => self.fold(input, &event, &at)?,
        };
        self.perform()?;
        let place = || Place { line: waiting.number, ..self.readers[file.index()].lines.place() };
        let counts = &mut self.summary.inputs[input.index()].1;
        counts.consumed += 1;
        match disposition {
            Disposition::Applied => counts.applied += 1,
            Disposition::Skipped => {
                counts.skipped += 1;
                self.remarks.skipped(ingest::json_type(&waiting.line).as_deref(), place());
            }
            Disposition::Duplicate => counts.duplicate += 1,
            Disposition::Suppressed => counts.suppressed += 1,
            Disposition::Rejected(reject) => {
                counts.dead[reject.reason as usize] += 1;
                self.remarks.died(&reject, place());
                self.write_dead_letter(&waiting.line, &reject, &at)?;
            }
        }
        Ok(())
    }

    /// The event, after as many slices of timers as are due before it.
    fn fold(&mut self, input: Input, event: &Event, at: &Coordinates) -> Result<Disposition> {
        loop {
            match self.partition.handle_event(input, event, at, &mut self.effects)? {
                Handled::Done(disposition) => return Ok(disposition),
                Handled::TimersFirst => {
                    self.perform()?;
                    self.install();
                }
            }
        }
    }

    fn install(&mut self) {
        self.partition.install();
        self.in_hand = 0;
    }

    fn perform(&mut self) -> Result<()> {
        self.text.clear();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Announce(announcement) => {
                    *self.summary.outputs.entry(OutputType::of(&announcement.kind).name()).or_default() += 1;
                    self.emitter.write_line(&announcement, &mut self.text);
                }
            }
        }
        self.out.write_all(&self.text).context("cannot write the outputs")
    }

    fn write_dead_letter(&mut self, line: &[u8], reject: &Reject, at: &Coordinates) -> Result<()> {
        let Some(dead_letters) = &mut self.dead_letters else { return Ok(()) };
        self.text.clear();
        let (topic, limit) = (&self.dead_letter_topic, self.dead_letter_limit);
        emit::line::write_dead_letter(&Line { value: line }, reject, at, topic, limit, &mut self.text);
        dead_letters.write_all(&self.text).context("cannot write the dead letters")
    }
}
