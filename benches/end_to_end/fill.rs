//! Writes the changelog of an application that has long been running, directly: the core folds each partition's events
//! here, and what it would have committed is written without reading any input. So millions of users are there in
//! seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use tideline::broker::kafka::PlainProducer;
use tideline::config::Config;
use tideline::domain::{
    Body, DAY_MS, Event, EventId, Input, Origin, PartitionId, Source, Timestamp, UserId, partition_of,
};
use tideline::engine::{Engine, Handled, Partition, Slice};
use tideline::generate::UserNumber;
use tideline::record::{Coordinates, Outgoing};
use tideline::state::{InputPosition, PartitionRecord};

use super::world::now_ms;

/// Everybody pays once, who is active pays again each week; the last round was yesterday.
const WEEKS: i64 = 8;
/// Events between two installs.
const BATCH: usize = 5_000;
const WORKERS: usize = 2;

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filled {
    pub users: u64,
    pub state_bytes: u64,
}

/// With `users` users, of whom the first `active` are active.
pub fn fill(config: &Config, users: u32, active: u32) -> Filled {
    let engine = Engine::new(config.engine_settings()).expect("sound rules");
    let partitions = config.topics.partitions;
    let mut homes = vec![Vec::new(); partitions as usize];
    for user in 0..users {
        homes[partition_of(UserNumber(user).to_string().as_bytes(), partitions).0 as usize].push(user);
    }
    let producer = PlainProducer::new(config.kafka_settings()).expect("a producer");
    let next = AtomicI32::new(0);
    let each = || {
        let mut filled = Filled::default();
        loop {
            let partition = next.fetch_add(1, Ordering::Relaxed);
            let Some(home) = homes.get(partition as usize) else { return filled };
            let folded = fold(&engine, home, active);
            write(config, &producer, PartitionId(partition), &folded, &mut filled);
        }
    };
    let all = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(each)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker fills")).collect::<Vec<_>>()
    });
    producer.flush().expect("flush");
    let sum = |of: fn(&Filled) -> u64| all.iter().map(of).sum();
    Filled { users: sum(|it| it.users), state_bytes: sum(|it| it.state_bytes) }
}

fn fold(engine: &Arc<Engine>, home: &[u32], active: u32) -> Partition {
    let mut partition = Partition::new(engine.clone());
    let at = Coordinates { topic: "fill".into(), partition: PartitionId(0), offset: 0 };
    let (mut effects, mut since_install) = (Vec::new(), 0);
    let began = now_ms() - (7 * WEEKS + 2) * DAY_MS;
    for week in 0..=WEEKS {
        let paying = home.iter().filter(|user| week == 0 || **user < active);
        for (place, &user) in paying.enumerate() {
            // Spread over a day.
            let at_ms = began + 7 * week * DAY_MS + place as i64 * DAY_MS / home.len() as i64;
            let event = payment(user, week, Timestamp::of_millis(at_ms));
            while partition.handle_event(Input(0), &event, &at, &mut effects).expect("sound") == Handled::TimersFirst {
                partition.install();
            }
            since_install += 1;
            if since_install == BATCH {
                partition.install();
                effects.clear();
                since_install = 0;
            }
        }
    }
    while partition.handle_time(None, &mut effects).expect("sound") == Slice::Full {
        partition.install();
    }
    partition.install();
    partition
}

fn payment(user: u32, week: i64, time: Timestamp) -> Event {
    Event {
        id: EventId((u64::from(user) * 64 + week.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        user: UserId::new(&UserNumber(user).to_string()).expect("short enough"),
        source: Source::App,
        time,
        channel: Source::App.channel(),
        origin: Origin::Own,
        body: Body::PaymentCompleted { amount: 1_200, scene: None, merchant: None, coupon: None, auto: false },
    }
}

/// The partition record says that no input was ever read, so the group needs no offsets.
fn write(config: &Config, producer: &PlainProducer, home: PartitionId, folded: &Partition, filled: &mut Filled) {
    let topic: Arc<str> = config.topics.changelog.as_str().into();
    let send = |key: Vec<u8>, value: Vec<u8>| {
        let (key, value, partition) = (Some(key), Some(value), Some(home));
        let record = Outgoing { topic: topic.clone(), partition, key, value, headers: Vec::new(), timestamp: None };
        producer.send(&record).expect("send");
    };
    for (key, value) in folded.users().snapshot() {
        filled.users += 1;
        filled.state_bytes += value.len() as u64;
        send(key, value);
    }
    let unread = |topic: &Arc<str>| InputPosition {
        topic: topic.as_ref().to_owned(),
        next_offset: -1,
        ..InputPosition::default()
    };
    let mut record = PartitionRecord {
        inputs: config.topic_names().inputs.iter().map(unread).collect(),
        transactional_id: "fill".to_owned(),
        transaction_number: 1,
        partitioner: config.topics.partitioner,
        ..PartitionRecord::default()
    };
    folded.fill_record(&mut record);
    send(PartitionRecord::KEY.to_vec(), record.encode());
}
