//! From an event that is due to be sent until a read_committed reader has the output that it causes. Each event is the
//! first payment of a new user: its tier changes at once, so each event has one output, and the user's id says when it
//! was due.
//!
//! What the sender can't keep up with counts against the program, as it would against any service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use tideline::config::Config;
use tideline::domain::{Source, Timestamp};

use super::world::now_ms;
use testkit::committed;
use testkit::feeder::{Feeder, payment};

/// Sources of payments, taken in turn, so that the merge has something to merge.
const SOURCES: [Source; 2] = [Source::App, Source::Merchant];
/// What came earlier is left out: connections are made, caches filled.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the last outputs may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Not of this measurement.
const FOREIGN: &str = "another's output";

/// Of all outputs that were waited for, from the quickest.
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        f64::from(self.0[place.min(self.0.len() - 1)]) / 1e3
    }

    /// p50, p99, p99.9 and the most, as cells of a table.
    pub fn cells(&self) -> String {
        [0.5, 0.99, 0.999, 1.0].map(|share| format!("{:.1}", self.percentile(share))).join(" | ")
    }
}

/// Panics if an output is missing or comes twice. `name` differs between measurements of one application.
pub fn measure(config: &Config, name: &str, rate: u64, seconds: u64) -> Latencies {
    let consumer = committed::tier_changes(config);
    // Connected, and standing at the end.
    assert!(consumer.poll(Duration::from_secs(1)).is_none(), "{FOREIGN}");
    let feeder = Feeder::new(config);
    let (began, events, is_sent) =
        (Instant::now() + Duration::from_millis(100), rate * seconds, AtomicBool::new(false));
    let latencies = thread::scope(|scope| {
        let reading = scope.spawn(|| read(&consumer, name, began, events, &is_sent));
        send(&feeder, name, began, rate, events);
        is_sent.store(true, Ordering::Relaxed);
        reading.join().expect("a reader reads on")
    });
    Latencies(latencies)
}

fn send(feeder: &Feeder, name: &str, began: Instant, rate: u64, events: u64) {
    for number in 0..events {
        let due = Duration::from_micros(number * 1_000_000 / rate);
        let wait = (began + due).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            thread::park_timeout(wait);
        }
        let user = format!("{name}-{number}-{}", due.as_micros());
        let source = SOURCES[number as usize % SOURCES.len()];
        feeder.send(source, &user, payment(&user, &user, Timestamp::of_millis(now_ms())), None);
    }
    feeder.flush();
}

fn read(consumer: &BaseConsumer, name: &str, began: Instant, events: u64, is_sent: &AtomicBool) -> Vec<u32> {
    let (mut seen, mut left) = (vec![false; events as usize], events);
    let mut latencies = Vec::with_capacity(events as usize);
    let mut deadline = None;
    while left > 0 {
        if is_sent.load(Ordering::Relaxed) {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            assert!(Instant::now() < deadline, "{left} of {events} outputs are missing");
        }
        let Some(message) = consumer.poll(Duration::from_millis(20)) else { continue };
        let (message, now) = (message.expect("a record"), Instant::now());
        let user = std::str::from_utf8(message.key().expect("a key")).expect("text");
        let (number, due) = user.strip_prefix(name).and_then(|rest| rest[1..].split_once('-')).expect(FOREIGN);
        let (number, due): (usize, u64) = (number.parse().expect("a number"), due.parse().expect("a time"));
        assert!(!seen[number], "the output about {user} came twice");
        seen[number] = true;
        left -= 1;
        let due = Duration::from_micros(due);
        if due >= WARM_UP {
            latencies.push((now - began).saturating_sub(due).as_micros() as u32);
        }
    }
    latencies.sort_unstable();
    latencies
}
