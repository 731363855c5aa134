//! `tideline redrive` on the real broker: what was chosen goes back once, whatever happens on the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tideline::broker::Isolation;
use tideline::broker::kafka::{KafkaMessage, PlainProducer, read_partition};
use tideline::domain::{OutputTopic, PartitionId};
use tideline::emit::redrive::header;
use tideline::emit::{self, dead_letter};
use tideline::ingest::{Reject, RejectReason};
use tideline::record::{Coordinates, Message, Outgoing, owned, text_header};

use super::cli::{Application, check};
use testkit::message::TestMessage;

const PATIENCE: Duration = Duration::from_secs(120);

/// Letters in the dead letters, as lanes write them: topic, reason, value.
fn bury(application: &Application, letters: impl IntoIterator<Item = (String, RejectReason, String)>) {
    let config = application.config();
    let producer = PlainProducer::new(config.kafka_settings()).unwrap();
    let dead_letters = config.topics.outputs[OutputTopic::DeadLetters].clone();
    for (n, (topic, reason, value)) in letters.into_iter().enumerate() {
        let record = TestMessage::of_value(value).key(format!("u{n}")).header("trace", format!("t-{n}"));
        let at = Coordinates { topic: topic.as_str().into(), partition: PartitionId(0), offset: n as i64 };
        producer.send(&dead_letter(&record, &Reject::new(reason, "why"), &at, &dead_letters, 2_000)).unwrap();
    }
    producer.flush().unwrap();
}

fn read(application: &Application, topic: &str, shown: Isolation) -> Vec<KafkaMessage> {
    let settings = application.config().kafka_settings();
    let read = |partition| read_partition(&settings, topic, PartitionId(partition), shown, Isolation::ReadUncommitted);
    (0..4).flat_map(|partition| read(partition).unwrap()).collect()
}

fn text(message: &KafkaMessage, name: &str) -> String {
    String::from_utf8(message.header(name).unwrap_or_default().to_vec()).unwrap()
}

/// How often each value stands in a topic.
fn values(application: &Application, topic: &str) -> BTreeMap<String, usize> {
    let mut values = BTreeMap::new();
    for message in read(application, topic, Isolation::ReadCommitted) {
        *values.entry(String::from_utf8(message.value().unwrap().to_vec()).unwrap()).or_default() += 1;
    }
    values
}

fn once(values: &[&str]) -> BTreeMap<String, usize> {
    values.iter().map(|value| ((*value).to_owned(), 1)).collect()
}

#[test]
fn what_is_chosen_goes_back_once_and_a_second_run_sends_nothing() {
    let application = Application::new();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    let config = application.config();
    let [app, sms] = [0, 1].map(|input| config.inputs[input].topic.clone());
    bury(
        &application,
        [
            (app.clone(), RejectReason::Malformed, "a".to_owned()),
            (app.clone(), RejectReason::BadValue, "b".to_owned()),
            (app.clone(), RejectReason::Malformed, "c".to_owned()),
            (sms.clone(), RejectReason::Malformed, "d".to_owned()),
            (app.clone(), RejectReason::TooLarge, "x".repeat(3_000)),
            ("fax.events".to_owned(), RejectReason::Malformed, "e".to_owned()),
        ],
    );

    let some = ["redrive", "--reason", "malformed", "--source", "app"];
    check(&application.run(&some), 0, &["would send        2  malformed", "nothing was sent; --execute sends"]);
    assert_eq!(values(&application, &app), once(&[]));

    let left = ["sent        2  in all", "left        2  not selected", "cut when they died", "no input"];
    check(&application.run(&[&some[..], &["--execute"]].concat()), 0, &left);
    assert_eq!(values(&application, &app), once(&["a", "c"]));
    for message in read(&application, &app, Isolation::ReadCommitted) {
        let told = [header::TIMES, header::REASON, header::ERROR].map(|name| text(&message, name));
        assert_eq!(told, ["1", "malformed", "why"]);
        assert!(text(&message, "trace").starts_with("t-") && message.header(emit::header::REASON).is_none());
    }

    let again = application.run(&[&some[..], &["--execute"]].concat());
    check(&again, 0, &["sent        0  in all", "left        2  sent again before"]);
    // Another choice leaves out what the first one sent, and takes what it had passed over.
    check(&application.run(&["redrive", "--limit", "1", "--execute"]), 0, &["sent        1  in all", "over the limit"]);
    check(&application.run(&["redrive", "--execute"]), 0, &["sent        1  in all"]);
    assert_eq!(values(&application, &app), once(&["a", "b", "c"]));
    assert_eq!(values(&application, &sms), once(&["d"]));
    check(&application.run(&["redrive", "--until", "2026-01-01T00:00:00Z"]), 0, &["would send        0  in all"]);
    let more = ["redrive", "--again", "--reason", "bad_value", "--execute"];
    check(&application.run(&more), 0, &["sent        1  bad_value"]);
    assert_eq!(values(&application, &app)["b"], 2);

    // What is still bad dies again, as a new letter that counts on.
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    check(&application.run(&["redrive", "--source", "sms", "--execute"]), 0, &["sent        1  malformed"]);
    let times: Vec<_> =
        read(&application, &sms, Isolation::ReadCommitted).iter().map(|message| text(message, header::TIMES)).collect();
    assert_eq!(times.len(), 2);
    assert!(times.contains(&"2".to_owned()), "{times:?}");
}

#[test]
fn one_that_is_killed_in_the_middle_is_gone_on_with_and_doubles_nothing() {
    const LETTERS: usize = 4_000;
    // So that a slice takes a second, and the kill comes between the first and the last.
    let application = Application::new().with("[kafka]\n", "[kafka]\nlinger = \"1s\"\n");
    check(&application.run(&["topics", "--create"]), 0, &[]);
    let app = application.config().inputs[0].topic.clone();
    bury(&application, (0..LETTERS).map(|n| (app.clone(), RejectReason::BadValue, format!("v{n}"))));
    let mut child = application.command(&["redrive", "--execute"]).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while read(&application, &app, Isolation::ReadUncommitted).is_empty() {
        assert!(Instant::now() < deadline, "it sends nothing");
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let quick = application.with("linger = \"1s\"\n", "");
    check(&quick.run(&["redrive", "--execute"]), 0, &[]);
    let values = values(&application, &app);
    assert_eq!(values.len(), LETTERS);
    assert!(values.values().all(|&count| count == 1), "some came twice");
    check(&quick.run(&["redrive", "--execute"]), 0, &["sent        0  in all"]);
}

#[test]
fn what_is_no_reason_no_source_and_no_input_is_refused() {
    let application = Application::new();
    for (args, part) in [
        (&["redrive", "--reason", "mood"][..], "the reasons are empty, malformed"),
        (&["redrive", "--source", "fax"], "the sources are app, sms"),
        (&["redrive", "--topic", "fax.events"], "fax.events is none of the configured inputs"),
        (&["redrive", "--since", "soon"], "not an RFC 3339 time"),
    ] {
        check(&application.run(args), 2, &[part]);
    }
}

/// A letter keeps the headers of its producer: none of them passes for a note, nor does a note that is copied back.
#[test]
fn what_a_producer_forges_or_copies_back_hides_no_letter() {
    let application = Application::new();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    let config = application.config();
    let [app, dead_letters] = [&*config.inputs[0].topic, &*config.topics.outputs[OutputTopic::DeadLetters]];
    let producer = PlainProducer::new(config.kafka_settings()).unwrap();
    let write = |value: &str, headers: Vec<_>| {
        let (topic, value) = (app.into(), Some(value.into()));
        producer.send(&Outgoing { topic, partition: None, key: None, value, headers, timestamp: None }).unwrap();
    };
    write("0,1,2,3", vec![text_header(header::NOTE, "4".to_owned())]);
    write("{", Vec::new());
    producer.flush().unwrap();
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    check(&application.run(&["redrive", "--execute"]), 0, &["sent        2  in all"]);
    check(
        &application.run(&["redrive", "--execute"]),
        0,
        &["sent        0  in all", "left        2  sent again before"],
    );

    // A note for each partition that has one of the letters, which have no key.
    let copied = read(&application, dead_letters, Isolation::ReadCommitted);
    assert!((3..=4).contains(&copied.len()), "two letters and their notes: {}", copied.len());
    for message in &copied {
        let value = std::str::from_utf8(message.value().unwrap()).unwrap();
        write(value, message.headers().map(|header| owned(&header)).collect());
    }
    producer.flush().unwrap();
    // What was sent again dies again, and the copies die.
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    let sent = format!("would send        {}  in all", 2 + copied.len());
    check(&application.run(&["redrive"]), 0, &[&sent, "left        2  sent again before"]);
}
