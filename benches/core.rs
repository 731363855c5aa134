//! The core on one thread: decode, fold and rules over a million users, encoding and restoring their states, bytes a user.
//!
//! Prints; asserts nothing. `cargo bench --bench core [-- USERS EVENTS]`

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::sync::Arc;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tideline::domain::{Body, DAY_MS, Event, EventId, HOUR_MS, Input, Origin, PartitionId, Source, Timestamp, UserId};
use tideline::engine::{Engine, Handled, Partition, Settings};
use tideline::ingest::{Decoded, Decoder, Format, InputSpec};
use tideline::record::{Coordinates, Message};
use tideline::rules::Rules;
use tideline::state::User;
use tideline::state::codec::{decode_user, encode_user};

/// Events a batch: what a lane folds between two commits.
const BATCH: usize = 5_000;
const START: i64 = 20_000 * DAY_MS;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let users = numbers.first().copied().unwrap_or(1_000_000);
    let events = numbers.get(1).copied().unwrap_or(1_000_000);

    let mut partition = Partition::new(engine());
    let before = resident_bytes();
    // Some months in which everybody pays a few times, so that states are of a usual size.
    let mut clock = START;
    for round in 0..4u64 {
        let step = 30 * DAY_MS / users as i64;
        let warm_up = (0..users).map(|user| {
            clock += step;
            payment(round * users as u64 + user as u64, user, clock)
        });
        fold(&mut partition, warm_up);
    }
    let bytes: usize = partition.users().snapshot().iter().map(|(_, value)| value.len()).sum();
    println!("{users} users: {:.0} bytes of state a user", bytes as f64 / users as f64);
    println!("{users} users: {:.0} bytes resident a user", (resident_bytes() - before) as f64 / users as f64);

    let mut random = ChaCha8Rng::seed_from_u64(1);
    let stream: Vec<Value> = (0..events)
        .map(|i| {
            clock += 10;
            Value(json(users * 4 + i, random.random_range(0..users), clock))
        })
        .collect();
    let length = stream.iter().map(|value| value.0.len()).sum::<usize>() / events.max(1);
    println!("{events} events of {length} bytes of JSON on average");

    let decoder = decoder();
    let started = Instant::now();
    for value in &stream {
        std::hint::black_box(decode(&decoder, value));
    }
    report("decode", events, started);
    let started = Instant::now();
    let signals = fold(&mut partition, stream.iter().map(|value| decode(&decoder, value)));
    report("decode + fold + rules + encode + install", events, started);
    println!("  ({signals} outputs)");

    let states = partition.users().snapshot();
    let mut users: Vec<_> = states.iter().map(|(_, value)| (User::default(), value)).collect();
    let started = Instant::now();
    for (user, value) in &mut users {
        decode_user(value, user).unwrap();
    }
    report("decode a state", states.len(), started);
    let mut out = Vec::new();
    let started = Instant::now();
    for (user, _) in &users {
        out.clear();
        encode_user(user, 1, &mut out);
    }
    report("encode a state", states.len(), started);
    drop(users);

    let started = Instant::now();
    let mut restored = Partition::new(engine());
    for (key, value) in &states {
        restored.restore_user(key, Some(value)).unwrap();
    }
    restored.restore_position(&Default::default()).unwrap();
    report("restore a state", states.len(), started);
}

fn engine() -> Arc<Engine> {
    Engine::new(Settings {
        rules: Rules::default(),
        lateness_ms: HOUR_MS,
        silent_after_ms: vec![None],
        max_effects: 10_000,
        emit_from: None,
        retention_ms: 7 * DAY_MS,
        partitions: 1,
    })
    .unwrap()
}

fn payment(id: u64, user: usize, at: i64) -> Event {
    Event {
        id: EventId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        user: UserId::new(&format!("user-{user:08}")).unwrap(),
        source: Source::App,
        time: Timestamp::of_millis(at),
        channel: Source::App.channel(),
        origin: Origin::Own,
        body: Body::PaymentCompleted { amount: 1200, scene: None, merchant: None, coupon: None, auto: false },
    }
}

/// What an upstream app publishes.
fn json(id: usize, user: usize, at: i64) -> Vec<u8> {
    let time = Timestamp::of_millis(at);
    format!(
        r#"{{"id":"pay-{id:016}","user_id":"user-{user:08}","type":"payment.completed","time":"{time}","channel":"app","data":{{"amount":1200,"scene":"transport","merchant":"metro-line-{}"}}}}"#,
        user % 20
    )
    .into_bytes()
}

struct Value(Vec<u8>);

impl Message for Value {
    fn offset(&self) -> i64 {
        0
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }
}

fn decoder() -> Decoder {
    let input = InputSpec {
        topic: Arc::from("app.events"),
        source: Some(Source::App),
        origin: Origin::Own,
        format: Format::Json,
        keyed: true,
        max_value: 1 << 20,
    };
    Decoder::new(input, 1, 0)
}

fn decode(decoder: &Decoder, value: &Value) -> Event {
    match decoder.decode(value, PartitionId(0), None) {
        Decoded::Event { event, .. } => event,
        other => panic!("{other:?}"),
    }
}

fn fold(partition: &mut Partition, events: impl Iterator<Item = Event>) -> usize {
    let at = Coordinates { topic: Arc::from("app.events"), partition: PartitionId(0), offset: 0 };
    let mut signals = Vec::new();
    let mut made = 0;
    let mut commit = |partition: &mut Partition, signals: &mut Vec<_>| {
        std::hint::black_box(partition.changes().map(|change| change.value.map_or(0, <[u8]>::len)).sum::<usize>());
        partition.install();
        made += signals.len();
        signals.clear();
    };
    for (i, event) in events.enumerate() {
        while partition.handle_event(Input(0), &event, &at, &mut signals).unwrap() == Handled::TimersFirst {
            commit(partition, &mut signals);
        }
        if i % BATCH == BATCH - 1 {
            commit(partition, &mut signals);
        }
    }
    commit(partition, &mut signals);
    made
}

fn report(what: &str, count: usize, started: Instant) {
    let elapsed = started.elapsed();
    let each = elapsed.as_nanos() as f64 / count as f64;
    println!("{what}: {each:.0} ns each, {:.2} M/s", 1000.0 / each);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
