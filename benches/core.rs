//! The core on one thread: decode, fold and rules over a million users, encoding and restoring their states, bytes a
//! user.
//!
//! Prints; asserts nothing. `cargo bench --bench core [-- USERS EVENTS]`

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tideline::engine::Partition;
use tideline::ingest::Format;
use tideline::state::User;
use tideline::state::codec::{decode_user, encode_user};

use testkit::workload::*;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let users = numbers.first().copied().unwrap_or(1_000_000);
    let events = numbers.get(1).copied().unwrap_or(1_000_000);

    let before = resident_bytes();
    let (mut partition, mut clock) = warmed(users);
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

    let decoder = decoder(Format::Json);
    let started = Instant::now();
    for value in &stream {
        std::hint::black_box(decode(&decoder, value));
    }
    report("decode", events, started);
    let started = Instant::now();
    let outputs = fold(&mut partition, stream.iter().map(|value| decode(&decoder, value)));
    report("decode + fold + rules + encode + install", events, started);
    println!("  ({outputs} outputs)");

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
    let mut record = Default::default();
    partition.fill_record(&mut record);
    for (key, value) in &states {
        restored.restore_user(key, Some(value)).unwrap();
    }
    restored.restore_position(&record).unwrap();
    report("restore a state", states.len(), started);
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
