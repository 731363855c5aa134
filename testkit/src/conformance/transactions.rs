//! Laws of transactions: whole or not at all, fenced by id and by generation.

use tideline::broker::{Broker, Ending, Producer, Source, Transaction};
use tideline::domain::{OutputTopic, PartitionId, partition_of};
use tideline::runtime::takeover;

use super::reading::wait_until_stored;
use super::*;

pub fn records_and_offsets_of_a_transaction_appear_together<H: Harness>() {
    let harness = H::fresh(2, 2);
    let topics = harness.broker().topics().clone();
    feed(&harness, I0, P0, &["a", "b", "c"]);
    let mut member = Member::alone(&harness);
    let next = member.takes(&["a", "b", "c"])[2].offset + 1;

    let mut producer = producer(&harness, "lane");
    let generation = member.source.generation().expect("generation");
    let mut transaction = producer.begin().expect("begin");
    record(&topics.outputs[OutputTopic::TierChanges], P1, "k", "change").lend(|it| transaction.send(it)).expect("send");
    record(&topics.changelog, P0, "k", "state").lend(|it| transaction.send(it)).expect("send");
    transaction.send_offsets(&[commit_of(I0, P0, next, 1)], &generation).expect("send_offsets");
    assert_eq!(harness.read(&topics.outputs[OutputTopic::TierChanges], P1, Isolation::ReadCommitted), []);
    assert_eq!(harness.read(&topics.changelog, P0, Isolation::ReadCommitted), []);

    transaction.commit().expect("commit");
    assert_eq!(
        values(&harness.read(&topics.outputs[OutputTopic::TierChanges], P1, Isolation::ReadCommitted)),
        ["change"]
    );
    assert_eq!(values(&harness.read(&topics.changelog, P0, Isolation::ReadCommitted)), ["state"]);
    assert_eq!(committed(&harness, I0, P0).map(|committed| committed.offset), Some(next));
    assert_eq!(committed(&harness, I0, P1), None);
}

pub fn an_abort_leaves_nothing<H: Harness>() {
    let harness = H::fresh(2, 1);
    let topics = harness.broker().topics().clone();
    feed(&harness, I0, P0, &["a"]);
    let mut member = Member::alone(&harness);
    let next = member.takes(&["a"])[0].offset + 1;

    let mut producer = producer(&harness, "lane");
    let generation = member.source.generation().expect("generation");
    let mut transaction = producer.begin().expect("begin");
    record(&topics.changelog, P0, "k", "aborted").lend(|it| transaction.send(it)).expect("send");
    transaction.send_offsets(&[commit_of(I0, P0, next, 1)], &generation).expect("send_offsets");
    transaction.abort().expect("abort");
    assert_eq!(harness.read(&topics.changelog, P0, Isolation::ReadCommitted), []);
    assert_eq!(committed(&harness, I0, P0), None);

    let mut transaction = producer.begin().expect("begin after an abort");
    record(&topics.changelog, P0, "k", "kept").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit after an abort");
    assert_eq!(values(&harness.read(&topics.changelog, P0, Isolation::ReadCommitted)), ["kept"]);
}

pub fn a_dropped_transaction_is_aborted<H: Harness>() {
    let harness = H::fresh(1, 1);
    let changelog = harness.broker().topics().changelog.clone();
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k", "dropped").lend(|it| transaction.send(it)).expect("send");
    drop(transaction);

    let mut transaction = producer.begin().expect("begin after a drop");
    record(&changelog, P0, "k", "kept").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit after a drop");
    assert_eq!(values(&harness.read(&changelog, P0, Isolation::ReadCommitted)), ["kept"]);
}

pub fn taking_an_id_again_fences_the_earlier_holder<H: Harness>() {
    let harness = H::fresh(1, 1);
    let changelog = harness.broker().topics().changelog.clone();
    let mut earlier = producer(&harness, "lane");
    let mut transaction = earlier.begin().expect("begin");
    record(&changelog, P0, "k", "open").lend(|it| transaction.send(it)).expect("send");

    let mut later = producer(&harness, "lane");
    // Whether the client already knows is its affair; the record must not appear either way.
    let _ = record(&changelog, P0, "k", "after fencing").lend(|it| transaction.send(it));
    assert_fatal(transaction.commit());
    harness.settle();
    assert_eq!(harness.read(&changelog, P0, Isolation::ReadCommitted), []);

    let mut transaction = later.begin().expect("begin");
    record(&changelog, P0, "k", "kept").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit of the later holder");
    harness.settle();
    assert_eq!(values(&harness.read(&changelog, P0, Isolation::ReadCommitted)), ["kept"]);
}

pub fn a_fenced_holder_that_begins_anew_still_fails<H: Harness>() {
    let harness = H::fresh(1, 1);
    let changelog = harness.broker().topics().changelog.clone();
    let mut earlier = producer(&harness, "lane");
    earlier.begin().expect("begin").commit().expect("an empty commit");
    takeover::fence(harness.broker(), &id(&harness, "lane")).expect("fence");

    // `begin` is local to the client, so it may succeed.
    let outcome = earlier.begin().and_then(|mut transaction| {
        record(&changelog, P0, "k", "fenced").lend(|it| transaction.send(it))?;
        transaction.commit()
    });
    assert_fatal(outcome);
    harness.settle();
    assert_eq!(harness.read(&changelog, P0, Isolation::ReadCommitted), []);
}

pub fn each_commit_burns_an_offset<H: Harness>() {
    let harness = H::fresh(1, 1);
    let changelog = harness.broker().topics().changelog.clone();
    let mut producer = producer(&harness, "lane");
    for value in ["first", "second"] {
        let mut transaction = producer.begin().expect("begin");
        record(&changelog, P0, "k", value).lend(|it| transaction.send(it)).expect("send");
        transaction.commit().expect("commit");
    }
    let records = harness.read(&changelog, P0, Isolation::ReadCommitted);
    assert_eq!(values(&records), ["first", "second"]);
    assert_eq!(records[1].offset, records[0].offset + 2);
}

pub fn committed_offsets_carry_their_note<H: Harness>() {
    let harness = H::fresh(2, 1);
    feed(&harness, I0, P0, &["a", "b"]);
    let mut member = Member::alone(&harness);
    let offsets: Vec<_> = member.takes(&["a", "b"]).iter().map(|seen| seen.offset + 1).collect();
    let mut producer = producer(&harness, "lane");
    for (number, &offset) in (1..).zip(&offsets) {
        let generation = member.source.generation().expect("generation");
        let mut transaction = producer.begin().expect("begin");
        // Two calls in one transaction: offsets add up.
        transaction.send_offsets(&[commit_of(I0, P0, offset, number)], &generation).expect("send_offsets");
        transaction.send_offsets(&[commit_of(I1, P0, 0, number)], &generation).expect("send_offsets");
        transaction.commit().expect("commit");
        let expected = |input, offset| Some(Committed { input, offset, note: Some(note(number)) });
        assert_eq!(committed(&harness, I0, P0), expected(I0, offset));
        assert_eq!(committed(&harness, I1, P0), expected(I1, 0));
    }
}

/// The last input is `rekey`, of which all partitions are asked for.
pub fn committed_offsets_carry_the_front_of_their_partition<H: Harness>() {
    let harness = H::fresh(2, 2);
    let member = Member::alone(&harness);
    let mut producer = producer(&harness, "lane");
    let forward_progress = || patiently::<H, _>("fronts", || harness.broker().forward_progress());
    assert_eq!(forward_progress(), [None, None]);
    for number in 1..3 {
        let generation = member.source.generation().expect("generation");
        let mut transaction = producer.begin().expect("begin");
        // An offset that does not change carries it as well.
        transaction.send_offsets(&[commit_of(I1, P1, 0, number)], &generation).expect("send_offsets");
        let pending = forward_progress();
        assert_eq!(
            pending[1],
            (number > 1).then(|| front(number - 1)),
            "what is not committed is not told, nor waited for"
        );
        transaction.commit().expect("commit");
        // A commit returns before its marker has reached the group's offsets: until then the front before it is told.
        let deadline = std::time::Instant::now() + H::PATIENCE;
        while forward_progress() != [None, Some(front(number))] {
            assert!(std::time::Instant::now() < deadline, "the commit never showed: {:?}", forward_progress());
        }
    }
}

pub fn a_generation_from_before_a_partition_was_lost_is_refused<H: Harness>() {
    let harness = H::fresh(1, 2);
    let topics = harness.broker().topics().clone();
    let mut first = Member::alone(&harness);
    let old = first.source.generation().expect("generation");

    let mut second = Member::join(&harness, "second");
    wait_for(&mut [&mut first, &mut second], "a partition each", |m| m[0].owned.len() == 1 && m[1].owned.len() == 1);
    let lost: PartitionId = *second.owned.first().expect("one");
    let kept: PartitionId = *first.owned.first().expect("one");

    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    record(&topics.changelog, lost, "k", "of a lost partition").lend(|it| transaction.send(it)).expect("send");
    assert_abortable(transaction.send_offsets(&[commit_of(I0, lost, 0, 1)], &old));
    transaction.abort().expect("abort");
    assert_eq!(committed(&harness, I0, lost), None);
    assert_eq!(harness.read(&topics.changelog, lost, Isolation::ReadCommitted), []);

    let new = first.source.generation().expect("generation");
    let mut transaction = producer.begin().expect("the producer lives on");
    transaction.send_offsets(&[commit_of(I0, kept, 0, 2)], &new).expect("send_offsets of today");
    transaction.commit().expect("commit");
    assert_eq!(committed(&harness, I0, kept).and_then(|committed| committed.note), Some(note(2)));
}

pub fn committed_offsets_wait_for_an_open_transaction<H: Harness>() {
    let harness = H::fresh(1, 1);
    let member = Member::alone(&harness);
    let mut earlier = producer(&harness, "lane");
    let generation = member.source.generation().expect("generation");
    let mut transaction = earlier.begin().expect("begin");
    transaction.send_offsets(&[commit_of(I0, P0, 7, 1)], &generation).expect("send_offsets");
    transaction.commit().expect("commit");

    let mut transaction = earlier.begin().expect("begin");
    transaction.send_offsets(&[commit_of(I0, P0, 9, 2)], &generation).expect("send_offsets");
    let early = harness.broker().committed(P0);
    assert!(early.is_err(), "an open transaction holds this offset: {early:?}");

    takeover::fence(harness.broker(), &id(&harness, "lane")).expect("fence");
    assert_eq!(committed(&harness, I0, P0).map(|committed| committed.offset), Some(7));
    assert_fatal(transaction.commit());
    assert_eq!(committed(&harness, I0, P0).map(|committed| committed.offset), Some(7));
}

pub fn who_has_something_open_is_named_until_it_is_fenced<H: Harness>() {
    let harness = H::fresh(1, 2);
    let changelog = harness.broker().topics().changelog.clone();
    let member = Member::alone(&harness);
    let holder: Arc<str> = id(&harness, "lane").into();
    let open_writers = |partition| patiently::<H, _>("open writers", || harness.broker().open_writers(partition));
    let generation = member.source.generation().expect("generation");
    let mut producer = producer(&harness, "lane");
    let mut offset = commit_of(I0, P0, 0, 1);
    offset.note.transactional_id = holder.clone();

    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k", "committed").lend(|it| transaction.send(it)).expect("send");
    transaction.send_offsets(&[offset.clone()], &generation).expect("send_offsets");
    transaction.commit().expect("commit");
    assert_eq!(open_writers(P0), [], "a committed transaction is not open");

    let mut transaction = producer.begin().expect("begin");
    transaction.send_offsets(&[offset.clone()], &generation).expect("send_offsets");
    assert_eq!(open_writers(P0), std::slice::from_ref(&holder), "its offsets alone are open");
    transaction.abort().expect("abort");
    assert_eq!(open_writers(P0), [], "an aborted transaction is not open");

    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    transaction.send_offsets(&[offset], &generation).expect("send_offsets");
    wait_until_stored(&harness, &changelog, 2);
    assert_eq!(open_writers(P0), std::slice::from_ref(&holder));
    assert_eq!(open_writers(P1), [], "nothing of it is there");

    takeover::fence(harness.broker(), &holder).expect("fence");
    assert_eq!(open_writers(P0), []);
    assert_fatal(transaction.commit());
}

pub fn what_hangs_is_ended_beside_a_living_member_and_no_offset_changes<H: Harness>() {
    let harness = H::fresh(1, 1);
    let member = Member::alone(&harness);
    let commit = |offset, number| {
        let generation = member.source.generation().expect("generation");
        let mut producer = producer(&harness, "lane");
        let mut transaction = producer.begin().expect("begin");
        transaction.send_offsets(&[commit_of(I0, P0, offset, number)], &generation).expect("send_offsets");
        transaction.commit().expect("commit");
        Some(Committed { input: I0, offset, note: Some(note(number)) })
    };
    let before = commit(7, 1);
    for ending in [Ending::Abort, Ending::Commit] {
        takeover::resolve_hanging(harness.broker(), &id(&harness, "lane"), &[P0].into(), ending).expect("release");
        assert_eq!(committed(&harness, I0, P0), before, "{ending:?}");
    }
    let after = commit(8, 2);
    assert_eq!(committed(&harness, I0, P0), after, "the member goes on");
}

pub fn a_member_that_left_commits_no_offsets<H: Harness>() {
    let harness = H::fresh(1, 1);
    let member = Member::alone(&harness);
    let generation = member.source.generation().expect("generation");
    drop(member.source);
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    assert_abortable(transaction.send_offsets(&[commit_of(I0, P0, 1, 1)], &generation));
    transaction.abort().expect("abort");
    assert_eq!(committed(&harness, I0, P0), None);
}

pub fn transactions_side_by_side_in_a_partition_are_each_whole<H: Harness>() {
    let harness = H::fresh(1, 1);
    let output = harness.broker().topics().outputs[OutputTopic::TierChanges].clone();
    let (mut kept, mut dropped) = (producer(&harness, "kept"), producer(&harness, "dropped"));
    let mut first = kept.begin().expect("begin");
    let mut second = dropped.begin().expect("begin");
    for value in ["a", "b", "c"] {
        record(&output, P0, "k", value).lend(|it| first.send(it)).expect("send");
        record(&output, P0, "k", &format!("not {value}")).lend(|it| second.send(it)).expect("send");
    }
    first.commit().expect("commit");
    second.abort().expect("abort");
    assert_eq!(values(&harness.read(&output, P0, Isolation::ReadCommitted)), ["a", "b", "c"]);
}

pub fn a_record_without_a_partition_goes_where_its_key_belongs<H: Harness>() {
    let harness = H::fresh(1, 4);
    let output = harness.broker().topics().outputs[OutputTopic::DeadLetters].clone();
    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    let keys = ["21", "foobar", "abc", "a-little-bit-long-string"];
    for key in keys {
        Outgoing { partition: None, ..record(&output, P0, key, key) }.lend(|it| transaction.send(it)).expect("send");
    }
    transaction.commit().expect("commit");
    for partition in (0..4).map(PartitionId) {
        let mut expected: Vec<_> = keys.iter().filter(|key| partition_of(key.as_bytes(), 4) == partition).collect();
        expected.sort();
        let mut stored = values(&harness.read(&output, partition, Isolation::ReadCommitted));
        stored.sort();
        assert_eq!(stored.iter().collect::<Vec<_>>(), expected, "partition {partition}");
    }
}
