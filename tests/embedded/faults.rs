//! Injected faults: what the caller is told, what became of the transaction, and whether the producer lives on.

use std::time::Duration;

use tideline::broker::memory::{Fault, Memory, MemoryProducer, MemorySettings};
use tideline::broker::{Broker, Polled, Producer, Source, Transaction, TransactionError};
use tideline::runtime::takeover;

use testkit::memory::{I0, P0, commit_of, committed_offset, committed_values, member, memory, record};

/// What a transaction of one record and one offset came to.
fn attempt(memory: &Memory, producer: &mut MemoryProducer, number: u64) -> Result<(), TransactionError> {
    let source = member(memory);
    let generation = source.generation().expect("generation");
    let mut transaction = producer.begin()?;
    record("changelog", "k", &format!("state {number}")).lend(|it| transaction.send(it))?;
    transaction.send_offsets(&[commit_of(number as i64, number)], &generation)?;
    transaction.commit()
}

/// `lives`: whether the same producer commits the next transaction.
fn check(fault: Fault, told: &str, applied: bool, lives: bool) {
    let memory = memory(MemorySettings::default());
    let mut producer = memory.producer("lane").expect("producer");
    attempt(&memory, &mut producer, 1).expect("nothing is wrong yet");
    memory.inject(fault);
    let outcome = attempt(&memory, &mut producer, 2);
    assert_eq!(outcome.as_ref().map_err(TransactionError::as_str), Err(told), "{fault:?}: {outcome:?}");
    assert_eq!(memory.waiting_faults(), [], "{fault:?}");

    let again = attempt(&memory, &mut producer, 3);
    assert_eq!(again.is_ok(), lives, "{fault:?}: {again:?}");
    let mut successor = memory.producer("lane").expect("producer");
    attempt(&memory, &mut successor, 4).unwrap_or_else(|error| panic!("{fault:?}: {error}"));

    let stands = [(1, true), (2, applied), (3, lives), (4, true)];
    let expected: Vec<_> = stands.iter().filter(|of| of.1).map(|of| format!("state {}", of.0)).collect();
    assert_eq!(committed_values(&memory, "changelog"), expected, "{fault:?}");
    assert_eq!(committed_offset(&memory), Some(4), "{fault:?}");
}

#[test]
fn each_fault_of_a_transaction_tells_what_a_real_broker_would() {
    check(Fault::AbortOnCommit, "abortable", false, true);
    check(Fault::SendRefused, "abortable", false, true);
    check(Fault::SendOffsetsRefused, "abortable", false, true);
    check(Fault::FencedOnSendOffsets, "fatal", false, false);
    check(Fault::FencedOnCommit, "fatal", false, false);
    check(Fault::OutcomeUnknown { applied: true }, "outcome_unknown", true, false);
    check(Fault::OutcomeUnknown { applied: false }, "outcome_unknown", false, false);
}

#[test]
fn an_unknown_outcome_that_was_lost_stays_open_until_its_id_is_taken() {
    let memory = memory(MemorySettings::default());
    let mut producer = memory.producer("lane").expect("producer");
    memory.inject(Fault::OutcomeUnknown { applied: false });
    attempt(&memory, &mut producer, 1).expect_err("outcome unknown");
    assert!(memory.committed(P0).is_err());
    assert_eq!(memory.last_stable_offset("changelog", P0).expect("offset"), 0);
    takeover::fence(&memory, "lane").expect("fence");
    assert_eq!(committed_offset(&memory), None);
    assert_eq!(memory.last_stable_offset("changelog", P0).expect("offset"), 2);
}

#[test]
fn a_transaction_left_open_hides_what_follows_until_its_id_is_taken() {
    let memory = memory(MemorySettings::default());
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    record("changelog", "k", "of a killed process").lend(|it| transaction.send(it)).expect("send");
    memory.inject(Fault::LeftOpen);
    drop(transaction);
    memory.produce(record("changelog", "k", "behind it")).expect("produce");
    assert_eq!(committed_values(&memory, "changelog"), Vec::<String>::new());
    takeover::fence(&memory, "lane").expect("fence");
    assert_eq!(committed_values(&memory, "changelog"), ["behind it"]);
}

#[test]
fn a_lost_partition_comes_back_and_the_old_generation_does_not() {
    let memory = memory(MemorySettings::default());
    let mut source = member(&memory);
    let old = source.generation().expect("generation");
    memory.inject(Fault::PartitionLost);

    let mut polled = Vec::new();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(matches!(polled.as_slice(), [Polled::Revoked { lost: true, .. }]), "{polled:?}");
    let mut producer = memory.producer("lane").expect("producer");
    let mut transaction = producer.begin().expect("begin");
    let refused = transaction.send_offsets(&[commit_of(1, 1)], &old).expect_err("an old generation");
    assert_eq!(refused.as_str(), "abortable");
    transaction.abort().expect("abort");

    polled.clear();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(matches!(polled.as_slice(), [Polled::Assigned(partitions)] if partitions == &[P0]), "{polled:?}");
    source.start(P0, &[(I0, 0)]).expect("start");
}

#[test]
fn a_requested_rebalance_revokes_and_gives_back() {
    let memory = memory(MemorySettings::default());
    let mut source = member(&memory);
    memory.rebalance();
    let mut polled = Vec::new();
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    source.poll(Duration::ZERO, &mut polled).expect("poll");
    assert!(
        matches!(
            polled.as_slice(),
            [Polled::Revoked { lost: false, .. }, Polled::Assigned(partitions)] if partitions == &[P0]
        ),
        "{polled:?}"
    );
}

#[test]
fn a_fault_waits_for_its_own_kind_of_operation() {
    let memory = memory(MemorySettings::default());
    for fault in [Fault::AbortOnCommit, Fault::SendOffsetsRefused] {
        memory.inject(fault);
    }
    let mut producer = memory.producer("lane").expect("producer");
    for told in ["abortable", "abortable"] {
        let outcome = attempt(&memory, &mut producer, 1);
        assert_eq!(outcome.map_err(|error| error.as_str()), Err(told));
    }
    attempt(&memory, &mut producer, 2).expect("both are spent");
}
