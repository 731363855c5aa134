//! What stands in an application's changelog, open transactions too: the evidence of what a fault has hit.
//!
//! A reader of all of it (read_uncommitted) tells at once when a transaction writes its first record; the last stable
//! offset tells afterwards whether it is still open; and what a read_committed reader sees in the end, whether it was
//! committed or aborted, as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, TopicPartitionList};
use tideline::broker::Topics;
use tideline::domain::PartitionId;
use tideline::record::{Message as _, Offset};
use tideline::state::PartitionRecord;

use crate::application::{Application, await_that};

const POLL: Duration = Duration::from_millis(20);

/// Reads along.
pub struct Watch {
    topic: String,
    all: BaseConsumer,
    stable: BaseConsumer,
    /// By partition.
    seen: BTreeMap<PartitionId, Vec<Seen>>,
}

/// A record of the changelog.
#[derive(Debug, Clone)]
struct Seen {
    offset: Offset,
    /// Of the transaction: in the partition record, which comes first.
    number: Option<u64>,
    /// Signed is the first record of a transaction.
    writer: Option<String>,
    /// Of no transaction.
    is_touch: bool,
}

/// A transaction that was open when it was looked at.
#[derive(Debug, Clone)]
pub struct Open {
    pub writer: String,
    pub number: u64,
    /// Its changelog records so far.
    records: BTreeSet<(PartitionId, Offset)>,
}

/// What became of an open transaction, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Committed,
    Aborted,
}

impl Watch {
    pub fn new(application: &Application) -> Self {
        let topic = application.config.topics.changelog.clone();
        let client = |isolation: &str| -> BaseConsumer {
            let mut config = ClientConfig::new();
            config
                .set("bootstrap.servers", &application.config.kafka.bootstrap)
                .set("group.id", "watch")
                .set("enable.auto.commit", "false")
                .set("isolation.level", isolation)
                .set("auto.offset.reset", "earliest")
                .set("fetch.wait.max.ms", "10");
            config.create().expect("a consumer")
        };
        let (all, stable) = (client("read_uncommitted"), client("read_committed"));
        let mut list = TopicPartitionList::new();
        for partition in application.partitions() {
            list.add_partition_offset(&topic, partition.0, rdkafka::Offset::Beginning).expect("a partition");
        }
        all.assign(&list).expect("assign");
        Self { topic, all, stable, seen: application.partitions().map(|it| (it, Vec::new())).collect() }
    }

    /// Waits until `count` transactions have begun to write, from now on, and returns as the last of them does.
    pub fn await_begun(&mut self, count: usize, mut meanwhile: impl FnMut()) {
        while self.take(Duration::ZERO).is_some() {}
        let mut begun = BTreeSet::new();
        await_that(&format!("{count} transactions begin"), || {
            meanwhile();
            if let Some(Seen { number: Some(number), writer, .. }) = self.take(POLL) {
                begun.insert((writer, number));
            }
            begun.len() >= count
        });
    }

    fn take(&mut self, wait: Duration) -> Option<Seen> {
        match self.all.poll(wait)? {
            Ok(message) => {
                let seen = Seen::of(&message);
                self.seen.entry(PartitionId(message.partition())).or_default().push(seen.clone());
                Some(seen)
            }
            // A broker that is away.
            Err(_) => None,
        }
    }

    /// The transactions that are open now.
    pub fn open(&mut self) -> Vec<Open> {
        let mut open = BTreeMap::<String, Open>::new();
        let partitions: Vec<_> = self.seen.keys().copied().collect();
        for partition in partitions {
            // In this order: what ends in between only looks closed.
            let end = self.end(&self.all, partition);
            let stable = self.end(&self.stable, partition);
            if stable >= end {
                continue;
            }
            // A marker may be last; it is never seen.
            while self.seen[&partition].last().is_none_or(|last| last.offset + 1 < end) && self.take(POLL).is_some() {}
            let mut of = None;
            for seen in self.seen[&partition].iter().filter(|seen| seen.offset >= stable && !seen.is_touch) {
                if let (Some(writer), Some(number)) = (&seen.writer, seen.number) {
                    let fresh = Open { writer: writer.clone(), number, records: BTreeSet::new() };
                    open.entry(writer.clone()).or_insert(fresh);
                    of = Some(writer.clone());
                }
                if let Some(transaction) = of.as_ref().and_then(|writer| open.get_mut(writer)) {
                    transaction.records.insert((partition, seen.offset));
                }
            }
        }
        open.into_values().collect()
    }

    fn end(&self, client: &BaseConsumer, partition: PartitionId) -> Offset {
        let mut end = None;
        await_that("a watermark", || {
            end = client.fetch_watermarks(&self.topic, partition.0, Duration::from_secs(2)).ok();
            end.is_some()
        });
        end.expect("just found").1
    }
}

impl Seen {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let is_record = message.key() == Some(PartitionRecord::KEY);
        let record =
            message.payload().filter(|_| is_record).map(|value| PartitionRecord::decode(value).expect("sound"));
        let writer = message.headers().and_then(|headers| {
            let header = headers.iter().find(|header| header.key == "tideline-writer")?;
            header.value.map(|value| String::from_utf8_lossy(value).into_owned())
        });
        let is_touch = message.key() == Some(Topics::TOUCH_KEY);
        Self { offset: message.offset(), number: record.map(|record| record.transaction_number), writer, is_touch }
    }
}

impl Open {
    /// What became of it; panics if a part of it was committed and a part was not. Ask once nothing is open any more.
    pub fn fate(&self, application: &Application) -> Fate {
        let committed: BTreeSet<_> = application
            .partitions()
            .flat_map(|partition| {
                let records = application.committed(&application.config.topics.changelog, partition);
                records.into_iter().map(move |record| (partition, record.offset()))
            })
            .collect();
        let found = self.records.intersection(&committed).count();
        assert!(
            found == 0 || found == self.records.len(),
            "transaction {} of {} was committed in part: {found} of {} records",
            self.number,
            self.writer,
            self.records.len()
        );
        if found == 0 { Fate::Aborted } else { Fate::Committed }
    }
}
