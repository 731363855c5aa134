//! `tideline redrive`: dead letters go back to the topics that they came from, once, with what was wrong in their
//! headers.
//!
//! Exactly once: a slice of letters, and the note that they were sent, are one transaction of the id
//! `<application>-redrive`. Whoever takes that id has ended what an earlier one left open, and reads the notes after
//! that.

use std::collections::{BTreeMap, HashSet};
use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use super::{ConfigFlag, UsageError, kafka, time};
use crate::broker::Isolation;
use crate::broker::kafka::admin::Admin;
use crate::broker::kafka::{KafkaMessage, KafkaProducer, KafkaSettings, scan_partition};
use crate::broker::rights;
use crate::broker::{Broker as _, BrokerError, Producer as _, Transaction as _, TransactionError};
use crate::config::Config;
use crate::domain::{OutputTopic, PartitionId, Source, Timestamp};
use crate::emit::redrive::{Letter, Selection, Skip, note, noted};
use crate::ingest::RejectReason;
use crate::record::{Message as _, Offset, Outgoing};
use crate::telemetry;

/// A transaction sends that many letters, or that many bytes of values, at most.
const SLICE_LETTERS: usize = 500;
const SLICE_BYTES: usize = 4 << 20;
/// So many letters that can't be sent again are named by their place.
const NAMED: usize = 20;

/// What the flags alone don't say.
const HELP: &str = "\
Without --execute nothing is sent: it shows what would be.

Each letter is sent once, whatever was asked for before; --again sends it once more. One that dies again is a new \
letter,
and its header tideline-redriven counts on. An event that was folded already is a duplicate, as long as its id is \
remembered.";

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// Only letters with that reason; may be given more than once
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    reasons: Vec<RejectReason>,
    /// Only letters from inputs of that source; may be given more than once
    #[arg(long = "source", value_name = "SOURCE", value_parser = source)]
    sources: Vec<Source>,
    /// Only letters from that topic; may be given more than once
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only letters that died then or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only letters that died before (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only so many, the oldest of each partition first
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Also letters that were sent again before
    #[arg(long)]
    again: bool,
    /// Sends them
    #[arg(long)]
    execute: bool,
}

fn reason(text: &str) -> Result<RejectReason, String> {
    let known = || RejectReason::ALL.map(RejectReason::as_str).join(", ");
    RejectReason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == text)
        .ok_or_else(|| format!("the reasons are {}", known()))
}

fn source(text: &str) -> Result<Source, String> {
    Source::parse(text).ok_or_else(|| format!("the sources are {}", Source::ALL.map(Source::as_str).join(", ")))
}

pub(super) fn run(args: &RedriveArgs) -> Result<()> {
    let config = args.config.load_to_connect()?;
    telemetry::init_logging(config.telemetry.log);
    let selection = args.selection(&config)?;
    let settings = config.kafka_settings();
    let broker = kafka::connect(&config, settings.clone(), rights::to_redrive(&config.topic_names()))?;
    let dead_letters = config.topics.outputs[OutputTopic::DeadLetters].to_string();
    let facts = Admin::new(settings.clone())?.describe(std::slice::from_ref(&dead_letters))?;
    let partitions = facts.first().map_or(0, |facts| facts.partitions);
    // Before anything is read: an earlier run that is still at it can't send anything more.
    let id = format!("{}-redrive", config.application.id);
    let producer = if args.execute { Some(broker.producer(&id)?) } else { None };
    let topics = broker.topics();
    let mut redrive = Redrive {
        settings,
        dead_letters: topics.output(OutputTopic::DeadLetters).clone(),
        inputs: topics.inputs.clone(),
        selection,
        room: args.limit.unwrap_or(u64::MAX),
        again: args.again,
        producer,
        batch: LetterBatch::default(),
        summary: RedriveSummary::default(),
    };
    let outcome = (0..partitions).map(PartitionId).try_for_each(|partition| redrive.partition(partition));
    redrive.summary.write(&mut stdout().lock(), args.execute)?;
    outcome.context("what is told above was sent; the same command goes on from there")
}

impl RedriveArgs {
    fn selection(&self, config: &Config) -> Result<Selection> {
        let topic_of = |name: &String| config.inputs.iter().any(|input| input.topic == *name);
        if let Some(unknown) = self.topics.iter().find(|name| !topic_of(name)) {
            return Err(UsageError(format!("{unknown} is none of the configured inputs")).into());
        }
        let of_sources = config.inputs.iter().filter(|input| self.sources.contains(&input.source));
        let topics: Vec<Arc<str>> =
            of_sources.map(|input| &input.topic).chain(&self.topics).map(|name| name.as_str().into()).collect();
        if topics.is_empty() && !self.sources.is_empty() {
            return Err(UsageError("no input has that source".to_owned()).into());
        }
        Ok(Selection { reasons: self.reasons.clone(), topics, since: self.since, until: self.until })
    }
}

/// Letters of one partition that one transaction sends.
#[derive(Default)]
struct LetterBatch {
    records: Vec<Outgoing>,
    offsets: Vec<Offset>,
    kinds: Vec<LetterKind>,
    bytes: usize,
}

/// What letters are counted by.
type LetterKind = (&'static str, Arc<str>);

struct Redrive {
    settings: KafkaSettings,
    dead_letters: Arc<str>,
    inputs: Vec<Arc<str>>,
    selection: Selection,
    /// How many may still be sent.
    room: u64,
    again: bool,
    /// None: nothing is sent.
    producer: Option<KafkaProducer>,
    batch: LetterBatch,
    summary: RedriveSummary,
}

impl Redrive {
    fn partition(&mut self, partition: PartitionId) -> Result<()> {
        let mut redriven = HashSet::new();
        self.scan(partition, |_, message| {
            redriven.extend(noted(&message, partition).into_iter().flatten());
            Ok(())
        })?;
        self.scan(partition, |redrive, message| redrive.letter(partition, &message, &redriven))?;
        self.send(partition)
    }

    /// Reads what is committed, to the end of now: what is open there is waited for.
    fn scan(
        &mut self,
        partition: PartitionId,
        mut each: impl FnMut(&mut Self, KafkaMessage) -> Result<()>,
    ) -> Result<()> {
        let (settings, topic) = (self.settings.clone(), self.dead_letters.clone());
        let mut failure = None;
        let (shown, to) = (Isolation::ReadCommitted, Isolation::ReadUncommitted);
        let scanned: Result<(), BrokerError> =
            scan_partition(&settings, &topic, partition, shown, to, &mut |message| match each(self, message) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            });
        failure.map_or(Ok(()), Err)?;
        Ok(scanned?)
    }

    fn letter(&mut self, partition: PartitionId, message: &KafkaMessage, redriven: &HashSet<Offset>) -> Result<()> {
        if noted(message, partition).is_some() {
            return Ok(());
        }
        match self.judge(message, redriven) {
            Err(skip) => self.summary.skip(skip, &self.dead_letters, partition, message.offset()),
            Ok(letter) => {
                self.room -= 1;
                self.batch.bytes += message.value().map_or(0, <[u8]>::len);
                self.batch.records.push(letter.again(message, partition));
                self.batch.offsets.push(message.offset());
                self.batch.kinds.push((letter.reason.as_str(), letter.topic));
            }
        }
        let is_full = self.batch.records.len() >= SLICE_LETTERS || self.batch.bytes >= SLICE_BYTES;
        if is_full { self.send(partition) } else { Ok(()) }
    }

    fn judge(&self, message: &KafkaMessage, redriven: &HashSet<Offset>) -> Result<Letter, Skip> {
        let letter = Letter::read(message, &self.inputs)?;
        let died = message.timestamp().map(Timestamp::of_millis);
        match () {
            () if !self.selection.has(&letter, died) => Err(Skip::NotSelected),
            () if !self.again && redriven.contains(&message.offset()) => Err(Skip::Redriven),
            () if self.room == 0 => Err(Skip::OverLimit),
            () => Ok(letter),
        }
    }

    /// Sends the slice, and notes it. After an error none of it was sent, or the notes say that it was.
    fn send(&mut self, partition: PartitionId) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.records.is_empty() {
            return Ok(());
        }
        if let Some(producer) = &mut self.producer {
            let note = note(&self.dead_letters, partition, &batch.offsets);
            commit(producer, batch.records.into_iter().chain([note]))?;
        }
        for kind in batch.kinds {
            *self.summary.sent.entry(kind).or_default() += 1;
        }
        Ok(())
    }
}

fn commit(producer: &mut KafkaProducer, records: impl Iterator<Item = Outgoing>) -> Result<(), TransactionError> {
    let mut transaction = producer.begin()?;
    for record in records {
        record.lend(|it| transaction.send(it))?;
    }
    transaction.commit()
}

#[derive(Default)]
struct RedriveSummary {
    /// By reason and topic.
    sent: BTreeMap<LetterKind, u64>,
    skipped: BTreeMap<Skip, u64>,
    /// Letters that can't be sent, by their place.
    named: Vec<String>,
}

impl RedriveSummary {
    fn skip(&mut self, skip: Skip, topic: &str, partition: PartitionId, offset: Offset) {
        *self.skipped.entry(skip).or_default() += 1;
        if matches!(skip, Skip::Cut | Skip::NoInput) && self.named.len() < NAMED {
            self.named.push(format!("{topic}/{partition} at {offset}: {}", skip.as_str()));
        }
    }

    fn write(&self, out: &mut impl Write, is_sent: bool) -> Result<()> {
        let verb = if is_sent { "sent" } else { "would send" };
        for ((reason, topic), count) in &self.sent {
            writeln!(out, "{verb} {count:>8}  {reason:<14} to {topic}")?;
        }
        writeln!(out, "{verb} {:>8}  in all", self.sent.values().sum::<u64>())?;
        for (skip, count) in &self.skipped {
            writeln!(out, "left {count:>8}  {}", skip.as_str())?;
        }
        for place in &self.named {
            writeln!(out, "  {place}")?;
        }
        if !is_sent {
            writeln!(out, "nothing was sent; --execute sends")?;
        }
        Ok(())
    }
}
