//! The embedded log beyond the suite: its bounds, what it counts, and threads that wait on it.

use std::ops::ControlFlow;
use std::time::Duration;

use tideline::broker::Isolation;
use tideline::broker::ReadProgress;
use tideline::broker::memory::{Dropped, Memory, MemorySettings};
use tideline::broker::{Broker, ChangelogReader, ErrorClass, Polled, Producer, Source, Transaction};
use tideline::chain::Chain;
use tideline::record::Outgoing;

use testkit::memory::{I0, P0, commit_of, committed_values, member, memory, record, topics};

/// A record of `value` costs its bytes, its key's, and 64.
const SMALL: MemorySettings = MemorySettings {
    output_partitions: None,
    partition_bytes: 3 * (64 + 1 + 1),
    transaction_bytes: 10 * (64 + 1 + 1),
    poll_records: 1000,
    patience: Duration::ZERO,
    journal_bytes: 0,
};

#[test]
fn retention_drops_the_oldest_and_counts_what_was_unread() {
    let memory = memory(SMALL);
    let source = member(&memory);
    for value in ["a", "b"] {
        memory.produce(record("input-0", "k", value)).expect("produce");
    }
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    transaction.send_offsets(&[commit_of(1, 1)], &source.generation().expect("generation")).expect("send_offsets");
    transaction.commit().expect("commit");
    for value in ["c", "d", "e"] {
        memory.produce(record("input-0", "k", value)).expect("produce");
    }
    assert_eq!(committed_values(&memory, "input-0"), ["c", "d", "e"]);
    assert_eq!(memory.dropped(), Dropped { records: 2, bytes: 2 * 66, unread: 1 });
    assert_eq!(memory.earliest(P0).expect("earliest"), [(I0, 2)]);
    assert_eq!(memory.lag(I0, P0), 3);
    assert!(memory.bytes() <= SMALL.partition_bytes);
}

#[test]
fn a_position_that_was_dropped_is_told_as_out_of_range() {
    let memory = memory(SMALL);
    let mut source = member(&memory);
    for value in ["a", "b", "c", "d"] {
        memory.produce(record("input-0", "k", value)).expect("produce");
    }
    let mut polled = Vec::new();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(matches!(polled.as_slice(), [Polled::OutOfRange { input: I0, partition: P0 }]), "{polled:?}");
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    assert_eq!(polled.len(), 1, "once, and nothing of what is left");
}

#[test]
fn retention_never_takes_what_is_not_decided() {
    let memory = memory(SMALL);
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    for value in ["a", "b", "c", "d", "e"] {
        record("tier-changes", "k", value).lend(|it| transaction.send(it)).expect("send");
    }
    memory.produce(record("tier-changes", "k", "f")).expect("produce");
    assert_eq!(memory.dropped(), Dropped::default());
    transaction.commit().expect("commit");
    assert_eq!(committed_values(&memory, "tier-changes"), ["d", "e", "f"]);
}

#[test]
fn a_partition_that_an_open_transaction_holds_fills_up_and_says_so() {
    let memory = memory(SMALL);
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    record("input-0", "k", "v").lend(|it| transaction.send(it)).expect("send");
    let refused = (0..100).find_map(|_| memory.produce(record("input-0", "k", "v")).err()).expect("a bound");
    assert_eq!(refused.class(), ErrorClass::Retriable, "{refused}");
    assert!(memory.bytes() <= SMALL.partition_bytes + SMALL.transaction_bytes + 66);
    transaction.abort().expect("abort");
    memory.produce(record("input-0", "k", "v")).expect("produce");
    assert!(memory.bytes() <= SMALL.partition_bytes);
}

#[test]
fn a_changelog_compacts_itself_and_loses_no_live_value() {
    let memory = memory(SMALL);
    let mut producer = memory.producer("lane").expect("producer");
    for round in 0..100 {
        let mut transaction = producer.begin().expect("begin");
        for key in ["a", "b", "c", "d", "e"] {
            record("changelog", key, &(round % 10).to_string()).lend(|it| transaction.send(it)).expect("send");
        }
        transaction.commit().expect("commit");
        let live = 5 * 66;
        assert!(memory.bytes() <= 2 * live + SMALL.partition_bytes + live, "{} bytes in round {round}", memory.bytes());
    }
    memory.compact("changelog").expect("compact");
    assert_eq!(committed_values(&memory, "changelog"), ["9"; 5]);
    assert_eq!(memory.dropped(), Dropped::default());
}

#[test]
fn a_tombstone_outlives_one_compaction() {
    let memory = memory(MemorySettings::default());
    memory.produce(record("changelog", "k", "value")).expect("produce");
    memory.produce(Outgoing { value: None, ..record("changelog", "k", "") }).expect("produce");
    memory.compact("changelog").expect("compact");
    assert_eq!(committed_values(&memory, "changelog"), ["(none)"]);
    memory.compact("changelog").expect("compact");
    assert_eq!(committed_values(&memory, "changelog"), Vec::<String>::new());
    assert_eq!(memory.high_watermark("changelog", P0).expect("offset"), 2);
}

#[test]
fn a_transaction_over_its_bound_can_only_be_aborted() {
    let memory = memory(SMALL);
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    for _ in 0..10 {
        record("tier-changes", "k", "v").lend(|it| transaction.send(it)).expect("send");
    }
    assert_eq!(
        record("tier-changes", "k", "v").lend(|it| transaction.send(it)).expect_err("full").as_str(),
        "abortable"
    );
    assert_eq!(transaction.commit().expect_err("it failed").as_str(), "abortable");
    assert_eq!(committed_values(&memory, "tier-changes"), Vec::<String>::new());
    assert_eq!(memory.last_stable_offset("tier-changes", P0).expect("offset"), 12);
}

#[test]
fn what_no_topic_can_take_is_refused() {
    let memory = memory(MemorySettings::default());
    let no_such = [
        record("nowhere", "k", "v"),
        Outgoing { partition: Some(tideline::domain::PartitionId(1)), ..record("input-0", "k", "v") },
        Outgoing { key: None, ..record("changelog", "k", "v") },
    ];
    let mut producer = memory.producer("lane").expect("producer");
    for refused in no_such {
        assert!(memory.produce(refused.clone()).is_err(), "{refused:?}");
        let mut transaction = producer.begin().expect("begin");
        assert_eq!(refused.lend(|it| transaction.send(it)).expect_err("refused").as_str(), "abortable");
        transaction.abort().expect("abort");
    }
    assert!(memory.read("nowhere", P0, 0, Isolation::ReadCommitted, 1).is_err());
}

#[test]
fn a_poll_is_bounded_and_starves_no_partition() {
    let settings = MemorySettings { poll_records: 150, ..MemorySettings::default() };
    let memory = Memory::new(topics(2, 2), settings);
    let mut source = memory.source("member").expect("source");
    let mut polled = Vec::new();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    for partition in [0, 1].map(tideline::domain::PartitionId) {
        for topic in ["input-0", "input-1"] {
            for _ in 0..300 {
                memory.produce(Outgoing { partition: Some(partition), ..record(topic, "k", "v") }).expect("produce");
            }
        }
        source.start(partition, &[(I0, 0), (tideline::domain::Input(1), 0)]).expect("start");
    }
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..4 {
        polled.clear();
        source.poll(Duration::ZERO, &mut polled).expect("poll");
        let records = polled.iter().filter_map(|item| match item {
            Polled::Record { input, partition, .. } => Some((*input, *partition)),
            _ => None,
        });
        assert_eq!(records.clone().count(), 150);
        met.extend(records);
    }
    assert_eq!(met.len(), 4, "{met:?}");
}

#[test]
fn a_waiting_poll_wakes_when_a_record_comes() {
    let memory = memory(MemorySettings::default());
    let mut source = member(&memory);
    let mut polled = Vec::new();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    polled.clear();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            source.poll(Duration::from_secs(60), &mut polled).expect("poll");
            polled.len()
        });
        memory.produce(record("input-0", "k", "v")).expect("produce");
        assert_eq!(reader.join().expect("the reader"), 2, "the record, and the end behind it");
    });
}

#[test]
fn a_patient_reader_of_offsets_waits_for_the_open_transaction() {
    let memory = memory(MemorySettings { patience: Duration::from_secs(60), ..MemorySettings::default() });
    let source = member(&memory);
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    transaction.send_offsets(&[commit_of(5, 1)], &source.generation().expect("generation")).expect("send_offsets");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| memory.committed(P0).expect("committed")[0].offset);
        transaction.commit().expect("commit");
        assert_eq!(reader.join().expect("the reader"), 5);
    });
}

#[test]
fn a_changelog_behind_an_open_transaction_names_its_cause() {
    let memory = memory(MemorySettings::default());
    memory.produce(record("changelog", "a", "1")).expect("produce");
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    record("changelog", "b", "2").lend(|it| transaction.send(it)).expect("send");

    let mut changelog = memory.changelog(P0).expect("changelog");
    let mut keys = Vec::new();
    let progress = changelog.read(Duration::ZERO, &mut |record| {
        keys.push(record.key.to_vec());
        ControlFlow::Continue(())
    });
    let progress = progress.expect("read");
    assert_eq!((progress, keys.len()), (ReadProgress::Remaining(1), 1));
    let stuck = changelog.read(Duration::ZERO, &mut |_| ControlFlow::Continue(())).expect_err("no progress");
    let stuck = Chain(&stuck).to_string();
    assert!(stuck.contains("open transaction at offset 1"), "{stuck}");
}

#[test]
fn a_dead_member_leaves_its_partitions_to_the_living() {
    let memory = Memory::new(topics(1, 2), MemorySettings::default());
    let dead = memory.source("dead").expect("source");
    let mut living = memory.source("living").expect("source");
    std::mem::forget(dead);
    let mut polled = Vec::new();
    living.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(polled.is_empty(), "the dead one has not let go: {polled:?}");
    memory.expire("dead");
    living.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(matches!(polled.as_slice(), [Polled::Assigned(partitions)] if partitions.len() == 2), "{polled:?}");
}
