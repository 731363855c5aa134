//! Laws of the consumer group: who owns what, and what a change of hands leaves behind.

use std::collections::BTreeSet;

use tideline::broker::{Broker, Producer, Source, Transaction};

use super::*;

/// One record in every partition of every input, named by both.
fn feed_everywhere<H: Harness>(harness: &H) {
    let topics = harness.broker().topics().clone();
    for input in 0..topics.inputs.len() as u8 {
        for partition in 0..topics.partitions {
            feed(harness, Input(input), PartitionId(partition), &[&format!("{input}/{partition}")]);
        }
    }
}

pub fn a_lone_member_reads_every_input_of_every_partition<H: Harness>() {
    let harness = H::fresh(3, 4);
    feed_everywhere(&harness);
    let mut member = Member::alone(&harness);
    member.until("all twelve", |member| member.seen.len() == 12);
    for seen in &member.seen {
        assert_eq!(seen.value, format!("{}/{}", seen.input.0, seen.partition));
    }
    assert_eq!(member.revocations, []);
}

pub fn two_members_share_all_partitions_and_each_has_whole_ones<H: Harness>() {
    let harness = H::fresh(3, 5);
    let mut first = Member::alone(&harness);
    let mut second = Member::join(&harness, "second");
    wait_for(&mut [&mut first, &mut second], "a split of five", |m| {
        m[0].owned.len() + m[1].owned.len() == 5 && !m[1].owned.is_empty()
    });
    assert!(first.owned.is_disjoint(&second.owned));
    assert!(first.owned.len().abs_diff(second.owned.len()) == 1, "{:?} {:?}", first.owned, second.owned);

    feed_everywhere(&harness);
    wait_for(&mut [&mut first, &mut second], "all fifteen", |m| m[0].seen.len() + m[1].seen.len() == 15);
    for member in [&first, &second] {
        for &partition in &member.owned {
            for input in 0..3 {
                assert_eq!(member.values_of(Input(input), partition), [format!("{input}/{partition}")]);
            }
        }
        assert_eq!(member.seen.len(), 3 * member.owned.len());
    }
}

pub fn a_joining_member_has_partitions_revoked_and_most_given_back<H: Harness>() {
    let harness = H::fresh(1, 4);
    let mut first = Member::alone(&harness);
    let mut second = Member::join(&harness, "second");
    wait_for(&mut [&mut first, &mut second], "two each", |m| m[0].owned.len() == 2 && m[1].owned.len() == 2);
    assert!(first.owned.is_disjoint(&second.owned));
    assert!(second.revocations.is_empty());
    let revoked: BTreeSet<_> = first.revocations.iter().flat_map(|(partitions, _)| partitions.clone()).collect();
    assert!(revoked.is_superset(&second.owned), "{revoked:?} {:?}", second.owned);
    assert!(first.revocations.iter().all(|(_, lost)| !lost), "{:?}", first.revocations);
}

pub fn a_leaving_member_leaves_its_partitions_to_the_other<H: Harness>() {
    let harness = H::fresh(2, 4);
    let mut first = Member::alone(&harness);
    let mut second = Member::join(&harness, "second");
    wait_for(&mut [&mut first, &mut second], "two each", |m| m[0].owned.len() == 2 && m[1].owned.len() == 2);
    drop(second.source);
    first.until("all four", |member| member.owned.len() == 4);
    feed_everywhere(&harness);
    first.until("all eight", |member| member.seen.len() == 8);
}

pub fn the_next_owner_goes_on_from_what_was_committed<H: Harness>() {
    let harness = H::fresh(1, 1);
    feed(&harness, I0, P0, &["a", "b", "c"]);
    let mut first = Member::alone(&harness);
    let seen = first.takes(&["a", "b", "c"]);
    let mut producer = producer(&harness, "lane");
    let generation = first.source.generation().expect("generation");
    let mut transaction = producer.begin().expect("begin");
    transaction.send_offsets(&[commit_of(I0, P0, seen[1].offset + 1, 1)], &generation).expect("send_offsets");
    transaction.commit().expect("commit");
    drop(first.source);

    let mut second = Member::alone(&harness);
    feed(&harness, I0, P0, &["d"]);
    second.takes(&["c", "d"]);
}
