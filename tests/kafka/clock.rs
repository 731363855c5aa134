//! The broker's clock can be had, on a topic that tells it and on one that doesn't; and what is set on topics that
//! exist.

use std::time::{SystemTime, UNIX_EPOCH};

use tideline::broker::TopicSettings;
use tideline::broker::kafka::GroupProtocol;
use tideline::broker::kafka::admin::{Admin, TopicStep, plan, wishes};
use tideline::broker::{Broker, BrokerTime, Producer, Transaction};
use tideline::settings::Period;

use super::harness::{Classic, KafkaHarness, settings};
use testkit::application::await_that;
use testkit::conformance::{Harness, P0, producer, record};

/// Milliseconds of this machine's clock, on which the broker runs, too.
fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("past the epoch").as_millis()).expect("fits")
}

/// What the broker says, which must lie about where it was asked.
fn assert_told(harness: &Classic, case: &str) {
    let before = now_ms();
    let told = harness.broker().time(P0).expect("the broker answers");
    let after = now_ms();
    let BrokerTime::At(at) = told else { panic!("{case}: {told:?}") };
    assert!((before - 1..=after + 1).contains(&at.millis()), "{case}: {at} is not between {before} and {after}");
}

#[test]
fn the_brokers_time_is_told_whether_or_not_its_topic_keeps_it() {
    let harness = Classic(KafkaHarness::with(settings(GroupProtocol::Classic), 1, 2));
    let topics = harness.broker().topics().clone();
    assert_told(&harness, "LogAppendTime");
    assert_told(&harness, "a second time");

    let admin = Admin::new(harness.0.settings.clone()).expect("an administration client");
    admin.alter(&topics.changelog, &[("message.timestamp.type", "CreateTime")]).expect("alter");
    await_that("the topic keeps the writers' times", || {
        let facts = admin.describe(&[topics.changelog.to_string()]).expect("describe");
        facts[0].config.get("message.timestamp.type").is_some_and(|kind| kind == "CreateTime")
    });
    admin.tells_latest_time(&topics.changelog).expect("a broker of today tells it");
    // The broker acts on it a little later than it shows it.
    let mut told = None;
    await_that("the marker tells it", || {
        let before = now_ms();
        told = Some((before, harness.broker().time(P0).expect("the broker answers")));
        matches!(told, Some((before, BrokerTime::At(at))) if at.millis() >= before - 1)
    });
    assert_told(&harness, "CreateTime");

    // A writer whose clock is ahead: what it stamped hides the markers.
    let mut producer = producer(&harness, "ahead");
    let mut transaction = producer.begin().expect("begin");
    let timestamp = Some(now_ms() + 600_000);
    let record = tideline::record::Outgoing { timestamp, ..record(&topics.changelog, P0, "k", "v") };
    record.lend(|record| transaction.send(record)).expect("send");
    transaction.commit().expect("commit");
    let told = harness.broker().time(P0).expect("the broker answers");
    assert!(matches!(&told, BrokerTime::Untold(why) if why.contains("stamped later")), "{told:?}");
}

#[test]
fn what_bounds_erasure_is_set_on_topics_that_exist_and_everything_else_stays() {
    let settings = settings(GroupProtocol::Classic);
    let harness = Classic(KafkaHarness::with(settings.clone(), 1, 2));
    let topics = harness.broker().topics().clone();
    let admin = Admin::new(settings).expect("an administration client");
    let with = TopicSettings { changelog_compaction_lag: Period::of_secs(7_200), ..TopicSettings::default() };
    let wished = wishes(&topics, &with);
    let names: Vec<String> = wished.iter().map(|wish| wish.name.clone()).collect();
    let steps = || plan(&wished, &admin.describe(&names).expect("describe"));
    let to_set: Vec<_> = steps();
    assert_eq!(to_set.len(), 2, "{to_set:?}");
    for step in &to_set {
        let TopicStep::Set(difference) = step else { panic!("{step:?}") };
        assert_eq!((difference.what.as_str(), difference.wanted.as_str()), ("max.compaction.lag.ms", "7200000"));
        admin.alter(&difference.topic, &[(&difference.what, &difference.wanted)]).expect("alter");
    }
    await_that("all is as wished, cleanup.policy too", || steps().is_empty());

    let refused = admin.alter(&topics.changelog, &[("segment.ms", "soon")]).expect_err("no number");
    assert!(refused.to_string().contains("segment.ms"), "{refused}");
    let missing = admin.alter("no-such-topic", &[("segment.ms", "1000")]).expect_err("no topic");
    assert!(missing.to_string().contains("no-such-topic"), "{missing}");
}
