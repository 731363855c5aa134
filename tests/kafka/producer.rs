//! The producer's side beyond the laws: failures that only a real client has.

use std::time::Instant;
use tideline::broker::ReadProgress;

use tideline::domain::OutputTopic;

use tideline::broker::Compression;
use tideline::broker::kafka::{GroupProtocol, KafkaSettings};
use tideline::broker::{Broker, BrokerError, ChangelogReader, Producer, Transaction, TransactionError};
use tideline::settings::{Period, Size};

use super::harness::{Classic, KafkaHarness, settings};
use testkit::conformance::{
    Harness, I0, Isolation, Member, P0, P1, assert_fatal, commit_of, id, producer, record, values,
};

#[test]
fn a_record_that_is_not_written_fails_the_commit() {
    let harness = Classic(KafkaHarness::with(
        KafkaSettings {
            max_message: Size::of_mib(8),
            compression: Compression::None,
            ..settings(GroupProtocol::Classic)
        },
        1,
        1,
    ));
    let topics = harness.broker().topics().clone();
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    record(&topics.changelog, P0, "k", "small").lend(|it| transaction.send(it)).expect("send");
    // The client lets it pass, the topic does not.
    record(&topics.outputs[OutputTopic::TierChanges], P0, "k", &"x".repeat(6_000_000))
        .lend(|it| transaction.send(it))
        .expect("send");
    let Err(TransactionError::Abortable { source, .. }) = transaction.commit() else { panic!("it is too large") };
    let reason = source.to_string();
    for part in [
        &*topics.outputs[OutputTopic::TierChanges],
        "a record of 6000001 bytes",
        "max.message.bytes of the topic, 4194304",
    ] {
        assert!(reason.contains(part), "{part:?} is not in {reason}");
    }

    let mut transaction = producer.begin().expect("the producer lives on");
    record(&topics.changelog, P0, "k", "kept").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit");
    assert_eq!(values(&harness.read(&topics.changelog, P0, Isolation::ReadCommitted)), ["kept"]);
}

#[test]
fn a_topic_that_does_not_exist_fails_the_transaction() {
    let harness = Classic(KafkaHarness::with(
        KafkaSettings { transaction_timeout: Period::of_secs(3), ..settings(GroupProtocol::Classic) },
        1,
        1,
    ));
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    let sent = record(&"no-such-topic".into(), P0, "k", "v").lend(|it| transaction.send(it));
    let outcome = sent.and_then(|()| transaction.commit());
    assert!(outcome.is_err(), "nobody has this record");
}

#[test]
fn a_transaction_that_outlived_its_time_is_fatal_and_the_id_can_be_taken_again() {
    let harness = Classic(KafkaHarness::with(
        KafkaSettings { transaction_timeout: Period::of_secs(1), ..settings(GroupProtocol::Classic) },
        1,
        1,
    ));
    let topics = harness.broker().topics().clone();
    let mut first = producer(&harness, "lane");
    let mut transaction = first.begin().expect("begin");
    record(&topics.changelog, P0, "k", "too late").lend(|it| transaction.send(it)).expect("send");
    // The broker gives it up when its time has passed; then nothing is open any more.
    let deadline = Instant::now() + Classic::PATIENCE;
    while harness.read(&topics.changelog, P0, Isolation::ReadUncommitted).is_empty() {
        assert!(Instant::now() < deadline, "the record never arrived");
    }
    while !harness.broker().open_writers(P0).expect("open writers").is_empty() {
        assert!(Instant::now() < deadline, "the broker never gave the transaction up");
    }
    let outcome =
        record(&topics.changelog, P0, "k", "after").lend(|it| transaction.send(it)).and_then(|()| transaction.commit());
    assert_fatal(outcome);
    assert!(matches!(first.begin().map(drop), Err(TransactionError::Fatal { .. })));

    let mut second = producer(&harness, "lane");
    let mut transaction = second.begin().expect("begin");
    record(&topics.changelog, P0, "k", "kept").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit");
    assert_eq!(values(&harness.read(&topics.changelog, P0, Isolation::ReadCommitted)), ["kept"]);
}

#[test]
fn a_restore_behind_an_open_transaction_fails_and_names_it() {
    let harness = Classic(KafkaHarness::with(
        KafkaSettings { no_progress_bound: Period::of_secs(2), ..settings(GroupProtocol::Classic) },
        1,
        1,
    ));
    let changelog = harness.broker().topics().changelog.clone();
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    let deadline = Instant::now() + Classic::PATIENCE;
    while harness.read(&changelog, P0, Isolation::ReadUncommitted).is_empty() {
        assert!(Instant::now() < deadline, "the record never arrived");
    }
    let mut reader = harness.broker().changelog(P0).expect("open the changelog");
    let error = loop {
        match reader.read(Classic::POLL, &mut |record| panic!("{record:?} is open")) {
            Ok(progress) => assert_ne!(progress, ReadProgress::Done, "the end is hidden"),
            Err(error) => break error,
        }
        assert!(Instant::now() < deadline, "the restore never gave up");
    };
    let BrokerError::NoProgress { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains("open transaction"), "{source}");
}

/// The one who died had never committed here: the notes of committed offsets don't know of it.
#[test]
fn who_died_in_its_first_transaction_is_named() {
    let harness = Classic::fresh(1, 2);
    let changelog = harness.broker().topics().changelog.clone();
    let member = Member::alone(&harness);
    let generation = tideline::broker::Source::generation(&member.source).expect("generation");
    let mut settled = producer(&harness, "settled");
    let mut transaction = settled.begin().expect("begin");
    record(&changelog, P0, "k", "before").lend(|it| transaction.send(it)).expect("send");
    let mut commit = commit_of(I0, P0, 1, 1);
    commit.note.transactional_id = id(&harness, "settled").into();
    transaction.send_offsets(&[commit], &generation).expect("send_offsets");
    transaction.commit().expect("commit");

    let mut dying = producer(&harness, "dying");
    let mut transaction = dying.begin().expect("begin");
    record(&changelog, P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    let mut commit = commit_of(I0, P0, 2, 1);
    commit.note.transactional_id = id(&harness, "dying").into();
    transaction.send_offsets(&[commit], &generation).expect("send_offsets");

    let writers = harness.broker().open_writers(P0).expect("open writers");
    assert_eq!(writers.iter().map(|writer| &**writer).collect::<Vec<_>>(), [id(&harness, "dying")]);
    assert_eq!(harness.broker().open_writers(P1).expect("open writers"), []);
    let last = harness.0.broker.last_committed(P0).expect("last committed");
    assert_eq!(last[0].note.as_ref().map(|note| note.transactional_id.to_string()), Some(id(&harness, "settled")));
}
