//! Topics on a real cluster: missing, made, as wished, different.

use tideline::broker::TopicSettings;
use tideline::broker::kafka::GroupProtocol;
use tideline::broker::kafka::admin::{Admin, TopicStep, plan, wishes};
use tideline::settings::Period;

use testkit::application::await_that;

use super::harness::{create, fresh_topics, settings};

#[test]
fn topics_are_planned_created_and_then_as_wished() {
    let settings = settings(GroupProtocol::Classic);
    let topics = fresh_topics(3, 4);
    let with = TopicSettings::default();
    let wished = wishes(&topics, &with);
    let names: Vec<String> = wished.iter().map(|wish| wish.name.clone()).collect();
    let admin = Admin::new(settings.clone()).expect("an administration client");
    assert_eq!(admin.reach().expect("reach"), 1);

    let steps = plan(&wished, &admin.describe(&names).expect("describe"));
    assert!(steps.len() == wished.len() && steps.iter().all(|step| matches!(step, TopicStep::Create(_))), "{steps:?}");

    create(&settings, &topics);
    // A second time changes nothing and is no error.
    create(&settings, &topics);
    // All brokers know a topic a little after its creation.
    let mut facts = Vec::new();
    await_that("every topic is known", || {
        facts = admin.describe(&names).expect("describe");
        facts.len() == names.len()
    });
    assert_eq!(plan(&wished, &facts), []);
    assert!(facts.iter().all(|facts| facts.replication == 1), "{facts:?}");

    let mut other = topics.clone();
    other.partitions = 8;
    let steps = plan(&wishes(&other, &with), &facts);
    assert_eq!(steps.len(), 4, "three inputs and the changelog: {steps:?}");
    assert!(steps.iter().all(|step| matches!(step, TopicStep::Fault(_))), "{steps:?}");
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let mut settings = settings(GroupProtocol::Classic);
    settings.bootstrap = "127.0.0.1:1".into();
    settings.call_timeout = Period::of_millis(500);
    let error = Admin::new(settings).expect("an administration client").reach().expect_err("nobody is there");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
