//! What the runs feed: every user once, then generated events at a steady pace, whose event time goes faster than the
//! clock. All of it streams.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tideline::broker::kafka::{KafkaSettings, PlainProducer};
use tideline::config::Config;
use tideline::domain::{PartitionId, Source, Timestamp, partition_of};
use tideline::generate::{Generator, UserNumber};
use tideline::record::Outgoing;
use tideline::settings::Period;

/// One in so many records is written to a partition that isn't its user's.
const MISROUTED: u64 = 1_000;
/// How many records are sent before the feeder looks at the clock again.
const STRIDE: u64 = 100;
/// How long the broker may take nothing.
const PATIENCE: Period = Period::of_secs(300);

pub struct Feeder {
    config: Config,
    producer: PlainProducer,
}

impl Feeder {
    pub fn new(config: &Config) -> Self {
        let settings = KafkaSettings { no_progress_bound: PATIENCE, ..config.kafka_settings() };
        let producer = PlainProducer::new(settings).expect("a producer");
        Self { config: config.clone(), producer }
    }

    /// To the input of its source, keyed by user; without a partition, to the user's.
    pub fn send(&self, source: Source, user: &str, value: Vec<u8>, partition: Option<PartitionId>) {
        let input = self.config.inputs.iter().find(|input| input.source == source).expect("its input");
        let record = Outgoing {
            topic: input.topic.as_str().into(),
            partition,
            key: Some(user.into()),
            value: Some(value),
            headers: Vec::new(),
            // That of sending: with its event's, a record could be past the retention of its topic.
            timestamp: None,
        };
        self.producer.send(&record).expect("send");
    }

    pub fn flush(&self) {
        self.producer.flush().expect("flush");
    }

    /// One event for each user, as fast as it goes.
    pub fn each_user(&self, users: u32, event: impl Fn(UserNumber) -> Vec<u8>) {
        for user in (0..users).map(UserNumber) {
            self.send(Source::App, &user.to_string(), event(user), None);
        }
        self.flush();
    }

    /// All that is generated, `rate` records a second; counts them in `fed`. Some lie where they don't belong.
    pub fn steadily(&self, generator: Generator, rate: u64, fed: &AtomicU64) {
        let (started, partitions) = (Instant::now(), self.config.topics.partitions);
        for (number, record) in (0..).zip(generator) {
            let user = record.user.to_string();
            let astray = number % MISROUTED == MISROUTED / 2;
            let home = partition_of(user.as_bytes(), partitions);
            let partition = astray.then_some(PartitionId((home.0 + 1) % partitions));
            self.send(record.source, &user, record.value, partition);
            fed.fetch_add(1, Ordering::Relaxed);
            if number % STRIDE == 0 {
                let due = started + Duration::from_micros(number * 1_000_000 / rate);
                // Early: what was sent is on its way meanwhile; late: the rest comes faster.
                thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
        }
        self.flush();
    }
}

/// A login: makes the user known, earns nothing.
pub fn login(user: UserNumber, at: Timestamp) -> Vec<u8> {
    format!(r#"{{"id":"login-{user}","user_id":"{user}","type":"app.login","time":"{at}"}}"#).into_bytes()
}

/// A payment, after which something is to be told of a user who had made none.
pub fn payment(id: &str, user: &str, at: Timestamp) -> Vec<u8> {
    format!(r#"{{"id":"{id}","user_id":"{user}","type":"payment.completed","time":"{at}","data":{{"amount":100}}}}"#)
        .into_bytes()
}
