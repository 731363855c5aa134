//! A read_committed reader of outputs as they come, and the beats that make them come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use tideline::config::Config;
use tideline::domain::{PartitionId, Source, Timestamp, partition_of};

use testkit::committed;
use testkit::feeder::{Feeder, payment};

/// Between two beats of a partition.
const BEAT: Duration = Duration::from_millis(20);

/// Each partition gets a first payment of a new user again and again; each gives an output at once. The users' ids tell
/// when they were fed.
pub struct Pulse {
    began: Instant,
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// By partition: the outputs that came since last asked, as (fed, seen), counted from the beginning.
type Seen = BTreeMap<PartitionId, Vec<(Duration, Duration)>>;

impl Pulse {
    pub fn start(config: &Config) -> Self {
        let (began, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::new(Mutex::new(Seen::new()));
        let feeder = Feeder::new(config);
        let consumer = committed::tier_changes(config);
        let partitions = config.topics.partitions;
        let beat = {
            let is_over = is_over.clone();
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    beat(&feeder, partitions, began);
                    thread::park_timeout(BEAT);
                }
                feeder.flush();
            }
        };
        let read = {
            let (seen, is_over) = (seen.clone(), is_over.clone());
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    read(&consumer, &seen, began);
                }
            }
        };
        Self { began, seen, is_over, threads: vec![thread::spawn(beat), thread::spawn(read)] }
    }

    /// Now, counted from the beginning.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn forget(&self) {
        self.seen.lock().expect("no thread panics while it holds this").clear();
    }

    /// When the first output of a partition was seen whose event was fed after `since`.
    pub fn first(&self, partition: PartitionId, since: Duration) -> Option<Duration> {
        let seen = self.seen.lock().expect("no thread panics while it holds this");
        seen.get(&partition)?.iter().find(|(fed, _)| *fed >= since).map(|(_, seen)| *seen)
    }

    pub fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a pulse beats on"));
    }
}

fn beat(feeder: &Feeder, partitions: i32, began: Instant) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let fed = began.elapsed().as_micros();
    let mut wanting: Vec<_> = (0..partitions).map(PartitionId).collect();
    for salt in 0.. {
        if wanting.is_empty() {
            return;
        }
        let user = format!("beat-{salt}-{fed}");
        let home = partition_of(user.as_bytes(), partitions);
        if let Some(place) = wanting.iter().position(|partition| *partition == home) {
            wanting.swap_remove(place);
            feeder.send(Source::App, &user, payment(&user, &user, Timestamp::of_millis(now)), None);
        }
    }
}

fn read(consumer: &BaseConsumer, seen: &Mutex<Seen>, began: Instant) {
    let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { return };
    let user = std::str::from_utf8(message.key().unwrap_or_default()).unwrap_or_default();
    let fed = user.strip_prefix("beat-").and_then(|rest| rest.rsplit('-').next()).and_then(|fed| fed.parse().ok());
    let Some(fed) = fed.map(Duration::from_micros) else { return };
    let mut seen = seen.lock().expect("no thread panics while it holds this");
    seen.entry(PartitionId(message.partition())).or_default().push((fed, began.elapsed()));
}
