//! Generated events into the embedded log, as the clock goes; not faster than the lanes can follow.

use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};

use super::view::TICK;
use crate::broker::Broker;
use crate::broker::Isolation;
use crate::broker::memory::Memory;
use crate::cli::generated::outgoing;
use crate::config::Config;
use crate::domain::{DAY_MS, Input, PartitionId, Source, Timestamp};
use crate::generate::{Generator, Record};
use crate::record::{Message, Outgoing};
use crate::runtime::{Clock, Stop};
use crate::state::PartitionRecord;

/// What comes before the clock starts, as a backlog.
const BACKLOG_DAYS: i64 = 120;
/// The lanes may be that many records behind; so what waits in the log is bounded.
const MAX_LAG: u64 = 20_000;
/// Records between two looks at the lag.
const CHUNK: usize = 500;

pub(super) struct Feed {
    broker: Memory,
    topics: [Option<Arc<str>>; Source::ALL.len()],
    records: std::iter::Peekable<Generator>,
    starts_at: Timestamp,
}

impl Feed {
    /// What a log already holds is not fed again: the generator is run to where that ends.
    pub fn new(broker: Memory, config: &Config, generator: Generator) -> Result<Self> {
        let topic_of = |source: Source| {
            let input = config.inputs.iter().find(|input| input.source == source)?;
            Some(input.topic.as_str().into())
        };
        let held_until = newest(&broker)?;
        let start = generator.now();
        let mut records = generator.peekable();
        while records.next_if(|record| held_until.is_some_and(|until| record.arrival <= until)).is_some() {}
        let starts_at = held_until.unwrap_or(start).max(start.plus_millis(BACKLOG_DAYS * DAY_MS));
        // Nor before stream time, which an idle clock may have moved further than any event.
        let starts_at = starts_at.max(stream_time(&broker)?.unwrap_or(start));
        Ok(Self { broker, topics: Source::ALL.map(topic_of), records, starts_at })
    }

    /// Where the clock should begin.
    pub fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    pub fn start(mut self, clock: Clock, stop: Stop) -> Result<thread::JoinHandle<Result<()>>> {
        let feed = move || {
            while !stop.is_stopped() {
                if self.lag() > MAX_LAG || !self.feed(clock.wall())? {
                    thread::park_timeout(TICK);
                }
            }
            Ok(())
        };
        thread::Builder::new().name("feed".to_owned()).spawn(feed).context("cannot start the feed")
    }

    /// Some of what has arrived by `now`; whether there may be more.
    fn feed(&mut self, now: Timestamp) -> Result<bool> {
        for _ in 0..CHUNK {
            let Some(record) = self.records.next_if(|record| record.arrival <= now) else { return Ok(false) };
            self.produce(record)?;
        }
        Ok(true)
    }

    fn produce(&self, record: Record) -> Result<()> {
        let Some(topic) = &self.topics[record.source as usize] else { return Ok(()) };
        let timestamp = Some(record.arrival.millis());
        self.broker.produce(Outgoing { timestamp, ..outgoing(record, topic.clone()) })?;
        Ok(())
    }

    fn lag(&self) -> u64 {
        places(&self.broker).map(|(input, partition)| self.broker.lag(input, partition)).sum()
    }
}

/// Every input of every partition, `rekey` included.
fn places(broker: &Memory) -> impl Iterator<Item = (Input, PartitionId)> {
    let topics = broker.topics();
    let (inputs, partitions) = (topics.inputs.len() as u8, topics.partitions);
    (0..inputs).flat_map(move |input| (0..partitions).map(move |partition| (Input(input), PartitionId(partition))))
}

/// The latest that any partition recorded; none in an empty log.
fn stream_time(broker: &Memory) -> Result<Option<Timestamp>> {
    let topics = broker.topics();
    let mut latest = None;
    for partition in (0..topics.partitions).map(PartitionId) {
        let all = broker.read(&topics.changelog, partition, 0, Isolation::ReadCommitted, usize::MAX)?;
        let records = all.iter().filter(|message| message.key() == Some(PartitionRecord::KEY));
        let times = records.filter_map(|message| PartitionRecord::decode(message.value()?).ok()?.stream_time);
        latest = latest.max(times.max());
    }
    Ok(latest)
}

/// When the newest record of the inputs arrived; none in an empty log.
fn newest(broker: &Memory) -> Result<Option<Timestamp>> {
    let topics = broker.topics();
    let mut newest = None;
    for (input, partition) in places(broker).filter(|(input, _)| *input != topics.rekey_input()) {
        let topic = topics.input(input);
        let end = broker.high_watermark(topic, partition)?;
        let last = broker.read(topic, partition, (end - 1).max(0), Isolation::ReadCommitted, 1)?;
        newest = newest.max(last.iter().filter_map(Message::timestamp).max());
    }
    Ok(newest.map(Timestamp::of_millis))
}
