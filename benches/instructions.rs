//! What the core takes, counted: instructions, which are repeatable where times are not, and allocations.
//!
//! `cargo bench -p tideline-counted --bench instructions -- SECTION` does the work of one section and prints how many
//! items it was; only what happens in [`measured`] counts. `./instructions` runs each section under callgrind, beside
//! what is kept in `instructions.txt`. `-- allocations` counts allocations instead.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at what is amiss")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tideline::domain::{OutputNames, PartitionId, Tier, Timestamp};
use tideline::emit::{Emitter, Output, OutputFormat};
use tideline::engine::{Announcement, AnnouncementKind, OutputReason, Partition, Previous, TierEvidence};
use tideline::ingest::Format;
use tideline::record::Coordinates;
use tideline::state::User;
use tideline::state::codec::{decode_user, encode_user};

use testkit::workload::*;

const SECTIONS: [&str; 7] =
    ["decode_json", "decode_protobuf", "fold", "emit_json", "encode_state", "decode_state", "restore_state"];
const USERS: usize = 2_000;
const EVENTS: usize = 20_000;

/// The system's allocator, which counts what is asked of it.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code, reason = "an allocator can't be had otherwise; it only passes on")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let section = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match section.as_deref() {
        None => println!("{}", SECTIONS.join(" ")),
        Some("allocations") => {
            for section in SECTIONS {
                let (items, allocations) = run(section).unwrap();
                println!("{section}: {:.4} allocations each", allocations as f64 / items as f64);
            }
        }
        Some(section) => {
            let Some((items, _)) = run(section) else {
                eprintln!("no section {section}; there are {}", SECTIONS.join(", "));
                return ExitCode::from(2);
            };
            println!("{items}");
        }
    }
    ExitCode::SUCCESS
}

/// Does the work of a section; how many items that was, and how often memory was asked for.
fn run(section: &str) -> Option<(usize, u64)> {
    let (mut partition, clock) = warmed(USERS);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let payments = (0..EVENTS).map(|i| (USERS * 4 + i, random.random_range(0..USERS), clock + 10 * i as i64));
    let states = || partition.users().snapshot();
    Some(match section {
        "decode_json" => {
            let values: Vec<_> = payments.map(|(id, user, at)| Value(json(id, user, at))).collect();
            let decoder = decoder(Format::Json);
            (EVENTS, measured(&mut || values.iter().for_each(|value| _ = black_box(decode(&decoder, value)))))
        }
        "decode_protobuf" => {
            let values: Vec<_> = payments.map(|(id, user, at)| Value(protobuf(id, user, at))).collect();
            let decoder = decoder(Format::Protobuf);
            (EVENTS, measured(&mut || values.iter().for_each(|value| _ = black_box(decode(&decoder, value)))))
        }
        "fold" => {
            let events: Vec<_> = payments.map(|(id, user, at)| payment(id as u64, user, at)).collect();
            (EVENTS, measured(&mut || _ = fold(&mut partition, events.iter().copied())))
        }
        "emit_json" => {
            let signals: Vec<_> = (0..EVENTS).map(tier_changed).collect();
            let emitter = emitter();
            let mut room = Vec::with_capacity(Emitter::TYPICAL_BYTES);
            let work = &mut || {
                for signal in &signals {
                    emitter.lend(signal, &mut room, |record| _ = black_box(record));
                }
            };
            (EVENTS, measured(work))
        }
        "encode_state" => {
            let users: Vec<_> = states().iter().map(|(_, value)| decoded(value)).collect();
            let mut out = Vec::with_capacity(1 << 16);
            let work = &mut || {
                for user in &users {
                    out.clear();
                    encode_user(user, 1, &mut out);
                    black_box(&out);
                }
            };
            (users.len(), measured(work))
        }
        "decode_state" => {
            let states = states();
            let mut users: Vec<_> = states.iter().map(|_| User::default()).collect();
            let work = &mut || {
                for ((_, value), user) in states.iter().zip(&mut users) {
                    decode_user(value, user).unwrap();
                }
            };
            (states.len(), measured(work))
        }
        "restore_state" => {
            let states = states();
            let mut restored = Partition::new(engine());
            let mut record = Default::default();
            partition.fill_record(&mut record);
            let work = &mut || {
                for (key, value) in &states {
                    restored.restore_user(key, Some(value)).unwrap();
                }
                restored.restore_position(&record).unwrap();
            };
            (states.len(), measured(work))
        }
        _ => return None,
    })
}

/// What callgrind counts: its name is what `./instructions` asks for. How often memory was asked for meanwhile.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// A signal of a user, after a payment.
fn tier_changed(number: usize) -> Announcement {
    let time = Timestamp::of_millis(START + number as i64);
    let evidence =
        TierEvidence { days_since_last: Some(0), active_days_30: 4, transactions_30: 5, ..Default::default() };
    Announcement {
        user: payment(0, number, time.millis()).user,
        incarnation: 0,
        sequence: number as u64,
        time,
        reason: OutputReason::Behaviour,
        cause: Some(Coordinates { topic: "app.events".into(), partition: PartitionId(0), offset: number as i64 }),
        kind: AnnouncementKind::TierChanged { previous: Some(Previous::Tier(Tier(0))), current: Tier(2), evidence },
    }
}

fn emitter() -> Emitter {
    let output = Output { topics: OutputNames::default(), format: OutputFormat::Json, source: "tideline".to_owned() };
    let engine = engine();
    Emitter::new(&engine.settings().rules, engine.rule_version(), output)
}

fn decoded(value: &[u8]) -> User {
    let mut user = User::default();
    decode_user(value, &mut user).unwrap();
    user
}
