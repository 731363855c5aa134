//! The consumer's side beyond the laws: what only a real group does.

use std::time::{Duration, Instant};

use tideline::broker::kafka::{GroupProtocol, KafkaSettings};
use tideline::broker::{Broker, BrokerError, Polled, Producer, Source, Transaction};
use tideline::domain::Input;
use tideline::record::{Message, Offset};
use tideline::settings::Period;

use super::harness::{Classic, KafkaHarness, Kip848, settings};
use testkit::conformance::{Harness, I0, I1, Member, P0, commit_of, committed, feed, producer, record, wait_for};

/// Two members poll until one of them refuses.
fn check_refused(settings: KafkaSettings) {
    let harness = KafkaHarness::with(settings, 4, 3);
    let mut members = ["first", "second"].map(|name| harness.broker.source(name).expect("join"));
    let deadline = Instant::now() + Classic::PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "nobody refused");
        for member in &mut members {
            match member.poll(Classic::POLL, &mut Vec::new()) {
                Ok(()) => {}
                Err(BrokerError::SplitAssignment(what)) => {
                    assert!(what.contains("partition") && what.contains("without"), "{what}");
                    return;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn an_assignor_that_splits_partitions_is_refused_on_the_classic_protocol() {
    check_refused(KafkaSettings { assignor: "roundrobin".into(), ..settings(GroupProtocol::Classic) });
}

#[test]
fn an_assignor_that_splits_partitions_is_refused_under_kip_848() {
    check_refused(KafkaSettings {
        assignor: "uniform".into(),
        no_progress_bound: Period::of_secs(1),
        ..settings(GroupProtocol::Consumer)
    });
}

/// Between being told and the next poll, a member may commit what is in hand: that is what makes a hand-over clean.
fn check_commit_between<H: Harness>(h: H) {
    let harness = &h;
    feed(harness, I0, P0, &["a"]);
    let mut first = Member::alone(harness);
    let next = first.takes(&["a"])[0].offset + 1;
    let mut producer = producer(harness, "lane");
    let mut second = Member::join(harness, "second");
    let deadline = Instant::now() + H::PATIENCE;
    while first.revocations.is_empty() {
        assert!(Instant::now() < deadline, "nothing was revoked");
        second.turn();
        first.turn();
    }
    assert!(!first.revocations[0].1, "the partitions are still the first one's");
    let generation = first.source.generation().expect("generation");
    let mut transaction = producer.begin().expect("begin");
    transaction.send_offsets(&[commit_of(I0, P0, next, 1)], &generation).expect("send_offsets");
    transaction.commit().expect("commit");
    wait_for(&mut [&mut first, &mut second], "one each", |m| m.iter().all(|member| member.owned.len() == 1));
    assert_eq!(committed(harness, I0, P0).map(|committed| committed.offset), Some(next));
}

#[test]
fn what_is_in_hand_is_committed_before_partitions_are_let_go_on_the_classic_protocol() {
    check_commit_between(Classic::fresh(1, 2));
}

#[test]
fn what_is_in_hand_is_committed_before_partitions_are_let_go_under_kip_848() {
    check_commit_between(Kip848::fresh(1, 2));
}

#[test]
fn a_member_that_was_silent_for_too_long_is_told_that_its_partitions_are_lost() {
    let harness = Classic(KafkaHarness::with(
        KafkaSettings {
            session_timeout: Period::of_secs(2),
            max_poll_interval: Period::of_secs(2),
            heartbeat_interval: Period::of_millis(200),
            ..settings(GroupProtocol::Classic)
        },
        1,
        2,
    ));
    let mut silent = Member::alone(&harness);
    let generation = silent.source.generation().expect("generation");
    let mut other = Member::join(&harness, "other");
    other.until("everything", |member| member.owned.len() == 2);

    silent.until("the loss", |member| !member.revocations.is_empty());
    assert!(silent.revocations[0].1, "lost: {:?}", silent.revocations);
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    let refused = transaction.send_offsets(&[commit_of(I0, P0, 1, 1)], &generation);
    assert!(refused.is_err(), "a generation of before the loss commits nothing");
}

/// Numbered records, more than one fetch brings, so that every seek finds some read ahead.
fn feed_numbered(harness: &KafkaHarness, count: usize) {
    let topic = harness.broker.topics().input(I0).clone();
    for number in 0..count {
        harness.plain.send(&record(&topic, P0, "k", &format!("{number:0>200}"))).expect("send");
    }
    harness.plain.flush().expect("flush");
}

#[test]
fn a_seek_leaks_nothing_of_what_was_read_ahead() {
    const COUNT: usize = 30_000;
    let h = Classic(KafkaHarness::with(KafkaSettings { poll_records: 500, ..settings(GroupProtocol::Classic) }, 2, 1));
    feed_numbered(&h.0, COUNT);
    let mut source = h.0.broker.source("seeker").expect("join");
    let mut polled = Vec::new();
    let deadline = Instant::now() + Classic::PATIENCE;
    // Forth and back, by little and by much.
    let targets: [Offset; 12] = [0, 20_000, 5, 29_000, 10, 0, 400, 399, 401, 15_000, 14_000, 29_999];
    let mut next = None;
    for target in targets {
        let mut seen = 0;
        if next.is_some() {
            source.start(P0, &[(I0, target), (I1, 0)]).expect("start");
            next = Some(target);
        }
        // A few polls, so that there is much read ahead when the next seek comes.
        while seen < 1_000.min(COUNT - target as usize) {
            assert!(Instant::now() < deadline, "stuck after {target}, at {next:?}");
            source.poll(Classic::POLL, &mut polled).expect("poll");
            for item in polled.drain(..) {
                match item {
                    Polled::Record { input: Input(0), message, .. } => {
                        let expected = next.expect("nothing flows before start");
                        assert_eq!(message.offset(), expected, "after a seek to {target}");
                        next = Some(expected + 1);
                        seen += 1;
                    }
                    Polled::Assigned(_) => {
                        source.start(P0, &[(I0, target), (I1, 0)]).expect("start");
                        next = Some(target);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn an_end_is_true_when_it_is_told() {
    let h = Classic::fresh(2, 1);
    let topic = h.0.broker.topics().input(I0).clone();
    let mut source = h.0.broker.source("reader").expect("join");
    let mut polled = Vec::new();
    let (mut next, mut ends, mut written) = (0, 0, 0);
    let deadline = Instant::now() + Classic::PATIENCE;
    while ends < 30 {
        assert!(Instant::now() < deadline, "only {ends} ends were told");
        source.poll(Duration::from_millis(5), &mut polled).expect("poll");
        for item in polled.drain(..) {
            match item {
                Polled::Assigned(_) => source.start(P0, &[(I0, 0), (I1, 0)]).expect("start"),
                Polled::Record { input: Input(0), message, .. } => next = message.offset() + 1,
                Polled::End { input: Input(0), offset, .. } => {
                    ends += 1;
                    assert_eq!(offset, next, "the end comes after the last record before it");
                    // All that is told by an end was acknowledged before it; so the next record is its successor.
                    for _ in 0..3 {
                        written = h.0.plain.write(&record(&topic, P0, "k", "v")).expect("write");
                    }
                    assert!(written >= offset, "a record at {written} was hidden by an end at {offset}");
                }
                _ => {}
            }
        }
    }
}
