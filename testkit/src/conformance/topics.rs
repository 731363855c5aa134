//! Laws of topics: which they are, and what becomes of a reader whose position they don't hold.

use tideline::broker::{Broker, Source, TopicDescription};

use super::*;

fn described<H: Harness>(harness: &H) -> Vec<TopicDescription> {
    patiently::<H, _>("the topics", || harness.broker().describe_topics())
}

/// The inputs in order, `rekey` last, then the changelog: each with an id of its own that stays.
pub fn every_topic_has_an_id_of_its_own_and_its_partitions<H: Harness>() {
    let harness = H::fresh(3, 2);
    let topics = harness.broker().topics().clone();
    let told = described(&harness);
    let names: Vec<_> = told.iter().map(|topic| topic.topic.clone()).collect();
    assert_eq!(names, [topics.inputs, vec![topics.changelog]].concat());
    assert!(told.iter().all(|topic| (topic.partitions, topic.configured) == (2, 2)), "{told:?}");
    let ids: std::collections::BTreeSet<_> = told.iter().filter_map(|topic| topic.id).collect();
    assert_eq!(ids.len(), 4, "{told:?}");
    feed(&harness, I0, P0, &["a"]);
    assert_eq!(described(&harness), told);
}

pub fn a_topic_that_is_made_anew_has_another_id<H: Harness>() {
    let harness = H::fresh(2, 1);
    let before = described(&harness);
    harness.recreate(&before[0].topic);
    let deadline = Instant::now() + H::PATIENCE;
    loop {
        let now = described(&harness);
        assert_eq!(now[1..], before[1..], "the others are as they were");
        if now[0].id.is_some_and(|id| Some(id) != before[0].id) {
            assert_eq!(now[0].partitions, 1);
            return;
        }
        assert!(Instant::now() < deadline, "{now:?} was {before:?}");
    }
}

pub fn partitions_that_are_added_are_counted<H: Harness>() {
    let harness = H::fresh(2, 2);
    let topic = harness.broker().topics().input(I0).clone();
    harness.add_partitions(&topic, 3);
    let deadline = Instant::now() + H::PATIENCE;
    while (described(&harness)[0].partitions, described(&harness)[0].configured) != (3, 2) {
        assert!(Instant::now() < deadline, "{:?}", described(&harness));
    }
}

pub fn a_position_before_the_first_record_is_told_as_out_of_range_and_nothing_is_passed_over<H: Harness>() {
    let harness = H::fresh(2, 1);
    feed(&harness, I0, P0, &["a", "b", "c"]);
    let mut member = Member::alone(&harness);
    member.takes(&["a", "b", "c"]);
    harness.delete_before(&harness.broker().topics().input(I0).clone(), P0, 2);
    let bounds = patiently::<H, _>("bounds", || harness.broker().log_ranges(P0));
    assert_eq!((bounds[0].earliest, bounds[0].end), (2, 3));
    member.source.start(P0, &[(I0, 0), (I1, 0)]).expect("start");
    member.until("the position is told as lost", |member| !member.out_of_range.is_empty());
    feed(&harness, I1, P0, &["x"]);
    member.takes(&["x"]);
    assert_eq!(member.out_of_range, [(I0, P0)], "of that input, once, and nothing of what is left there");
}

pub fn a_position_beyond_the_end_is_told_as_out_of_range<H: Harness>() {
    let harness = H::fresh(2, 1);
    feed(&harness, I0, P0, &["a", "b"]);
    let mut member = Member::alone(&harness);
    member.takes(&["a", "b"]);
    member.source.start(P0, &[(I0, 7), (I1, 0)]).expect("start");
    member.until("the position is told as lost", |member| !member.out_of_range.is_empty());
    assert_eq!(member.out_of_range, [(I0, P0)]);
    assert_eq!(member.seen, []);
}
