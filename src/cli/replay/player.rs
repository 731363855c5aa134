//! Files through the core: [`Driver`] from files to files, and what there is to say of it in the end.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::feed::FileFeed;
use super::lines::Lines;
use super::remarks::{Holding, OutcomeRemarks, ReadRemarks, Remarks};
use super::sink::{LetterBounds, LineSink};
use super::summary::Summary;
use crate::config::Config;
use crate::domain::{Input, OutputTopic, Source, Timestamp};
use crate::emit::OutputFormat;
use crate::engine::{Engine, EngineSettings, Partition};
use crate::ingest::InputSpec;
use crate::pipeline::{Driver, DriverError, Pipeline, Tally, TaskSettings};

/// What a replay is told of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplayTime {
    /// By which events are judged; none: no event is.
    pub now: Option<Timestamp>,
    /// What this machine's clock shows: only for saying how many events lie ahead of it.
    pub machine: Timestamp,
    /// The last move takes W over silent inputs.
    pub ignore_silent: bool,
}

pub(super) struct Player {
    driver: Driver<FileFeed, LineSink>,
    /// By configured input.
    feeds: Vec<NamedInput>,
    tier_names: Vec<String>,
    lateness_ms: i64,
    has_until: bool,
    ignore_silent: bool,
}

/// A configured input, as remarks name it.
struct NamedInput {
    source: Source,
    topic: String,
}

impl Player {
    pub fn new(
        config: &Config,
        files: Vec<(Source, Lines)>,
        time: ReplayTime,
        out: Box<dyn Write>,
        dead_letters: Option<Box<dyn Write>>,
    ) -> Result<Self> {
        let pipeline = pipeline(config, time.ignore_silent)?;
        let mut of_inputs = Vec::new();
        for (source, lines) in files {
            let index = config.inputs.iter().position(|input| input.source == source);
            let index = index.with_context(|| format!("no configured input has the source {}", source.as_str()))?;
            of_inputs.push((Input(index as u8), lines));
        }
        let remarks = ReadRemarks::new(time.now.is_none().then_some(time.machine));
        let feed = FileFeed::new(of_inputs, time.now, remarks);
        let sink = LineSink {
            pipeline: Arc::clone(&pipeline),
            out,
            dead_letters,
            letters: LetterBounds {
                topic: config.topics.outputs[OutputTopic::DeadLetters].to_string(),
                limit: config.stream.lanes.dead_letter_limit.bytes(),
            },
            file_names: feed.names(),
            remarks: OutcomeRemarks::default(),
            outputs: Default::default(),
            text: Vec::new(),
        };
        let engine = Partition::new(Arc::clone(pipeline.engine()));
        Ok(Self {
            tier_names: pipeline.engine().rules().tier_names().to_vec(),
            driver: Driver::new(pipeline, engine, "replay", config.stream.lanes.batch_records, feed, sink),
            feeds: config.inputs.iter().map(|it| NamedInput { source: it.source, topic: it.topic.clone() }).collect(),
            lateness_ms: config.stream.engine.lateness.millis(),
            has_until: false,
            ignore_silent: time.ignore_silent,
        })
    }

    /// All files to their ends.
    pub fn play(&mut self) -> Result<()> {
        self.driver.run().map_err(told)
    }

    /// W moves to `until` (unless a silent input holds it), and what is due by then follows.
    pub fn move_to(&mut self, until: Timestamp) -> Result<()> {
        self.has_until = true;
        self.driver.move_time(until.plus_millis(self.lateness_ms)).map_err(told)
    }

    pub fn finish(self) -> Result<(Summary, Remarks)> {
        let holding = if self.ignore_silent { Vec::new() } else { self.holding() };
        let counts = self.driver.counts();
        debug_assert!(counts.inputs.iter().all(Tally::balances));
        let mut summary = Summary {
            inputs: self.feeds.iter().map(|feed| feed.source).zip(counts.inputs.iter().copied()).collect(),
            population: self.driver.engine().population().clone(),
            tier_names: self.tier_names,
            ..Summary::default()
        };
        let (feed, mut sink) = self.driver.into_ends();
        sink.flush()?;
        summary.outputs = sink.outputs;
        Ok((summary, Remarks { read: feed.remarks, outcomes: sink.remarks, holding, has_until: self.has_until }))
    }

    /// The inputs that hold W.
    fn holding(&self) -> Vec<Holding> {
        let engine = self.driver.engine();
        let silent = engine.silent().iter().zip(&self.feeds).filter(|(silent, _)| **silent);
        let holding = |(_, NamedInput { source, topic }): (&bool, &NamedInput)| Holding {
            feed: format!("{} ({topic})", source.as_str()),
            watermark: engine.watermark(),
        };
        silent.map(holding).collect()
    }
}

/// One partition, whose records have no keys: every event is at home.
fn pipeline(config: &Config, ignore_silent: bool) -> Result<Arc<Pipeline>> {
    let engine = Engine::new(EngineSettings { partitions: 1, ignore_silent, ..config.engine_settings() })?;
    let inputs = config.input_specs().into_iter().map(|spec| InputSpec { keyed: true, ..spec }).collect();
    let mut output = config.output_settings();
    output.format = OutputFormat::Json;
    let settings = TaskSettings::of_one(config.stream.ingest.max_skew.millis());
    Ok(Arc::new(Pipeline::new(engine, inputs, output, settings)))
}

/// What the files' own errors say is said of them, and nothing more.
fn told(error: DriverError<anyhow::Error>) -> anyhow::Error {
    match error {
        DriverError::Ends(error) => error,
        error => error.into(),
    }
}
