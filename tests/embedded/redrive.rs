//! Dead letters' way back: what becomes of a letter, and what is left where it lies.

use std::sync::Arc;

use tideline::config::Config;
use tideline::domain::{Input, PartitionId, Timestamp};
use tideline::emit::redrive::{Letter, Selection, Skip, header, note, noted};
use tideline::emit::{self, dead_letter};
use tideline::engine::{Disposition, Engine, Handled, Partition};
use tideline::ingest::{self, Decoded, Decoder, Reject, RejectReason};
use tideline::record::{Coordinates, Message, Outgoing, text_header};

use testkit::message::TestMessage;

const PARTITION: PartitionId = PartitionId(2);

fn inputs() -> [Arc<str>; 3] {
    ["app.events".into(), "sms.events".into(), "rekey".into()]
}

/// As it is read from the dead letters.
fn read_back(record: Outgoing, offset: i64) -> TestMessage {
    TestMessage { offset, key: record.key, value: record.value, headers: record.headers }
}

fn died(record: &TestMessage, topic: &str, reason: RejectReason, limit: usize) -> TestMessage {
    let at = Coordinates { topic: topic.into(), partition: PartitionId(1), offset: 5 };
    let letter = dead_letter(record, &Reject::new(reason, "data.amount: -1"), &at, &"dead-letters".into(), limit);
    read_back(letter, 40)
}

fn text(record: &Outgoing, name: &str) -> String {
    let value =
        record.headers.iter().find(|(header, _)| header == name.as_bytes()).and_then(|(_, value)| value.clone());
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

#[test]
fn a_letter_goes_back_as_it_was_with_what_was_wrong_noted() {
    let record = TestMessage::of_value(b"\xff{".to_vec()).key("u1").odd_headers().header("trace", "t-1");
    let letter = died(&record, "sms.events", RejectReason::Malformed, 10_000);
    let again = Letter::read(&letter, &inputs()).unwrap().again(&letter, PARTITION);
    assert_eq!((&*again.topic, again.partition, again.timestamp), ("sms.events", None, None));
    assert_eq!((&again.key, &again.value), (&record.key, &record.value));
    let added = [
        ("trace", "t-1"),
        (header::TIMES, "1"),
        (header::REASON, "malformed"),
        (header::ERROR, "data.amount: -1"),
        (header::PARTITION, "2"),
        (header::OFFSET, "40"),
    ];
    let added = added.map(|(name, value)| text_header(name, value));
    assert_eq!(again.headers, [TestMessage::default().odd_headers().headers, added.into()].concat());
}

#[test]
fn one_that_dies_again_counts_on_and_names_its_last_death_alone() {
    let first = died(&TestMessage::of_value("{}").key("u1"), "app.events", RejectReason::MissingField, 10_000);
    let again = Letter::read(&first, &inputs()).unwrap().again(&first, PARTITION);
    let second = died(&read_back(again, 7), "app.events", RejectReason::TooOld, 10_000);
    let twice = Letter::read(&second, &inputs()).unwrap().again(&second, PartitionId(0));
    assert_eq!(text(&twice, header::TIMES), "2");
    assert_eq!((text(&twice, header::REASON), text(&twice, header::PARTITION)), ("too_old".into(), "0".into()));
    assert_eq!(twice.headers.len(), header::ALL.len());
}

#[test]
fn one_that_died_in_rekey_goes_to_where_it_was_first() {
    let forwarded = TestMessage::of_value("{}")
        .key("u1")
        .header("trace", "t-1")
        .header(ingest::header::TOPIC, "sms.events")
        .header(ingest::header::SOURCE, "sms")
        .header(ingest::header::FORMAT, "json");
    let letter = died(&forwarded, "rekey", RejectReason::Misrouted, 10_000);
    let again = Letter::read(&letter, &inputs()).unwrap().again(&letter, PARTITION);
    assert_eq!((&*again.topic, text(&again, "trace")), ("sms.events", "t-1".to_owned()));
    assert_eq!(again.headers.len(), 1 + header::ALL.len(), "none of a forwarded record's: {:?}", again.headers);

    // Elsewhere that header is the producer's own.
    let own = TestMessage::of_value("{}").header(ingest::header::TOPIC, "sms.events");
    let letter = died(&own, "app.events", RejectReason::Malformed, 10_000);
    let again = Letter::read(&letter, &inputs()).unwrap().again(&letter, PARTITION);
    assert_eq!((&*again.topic, text(&again, ingest::header::TOPIC)), ("app.events", "sms.events".to_owned()));
}

#[test]
fn what_can_not_go_back_is_told_apart() {
    let record = TestMessage::of_value(vec![b'x'; 3_000]).key("u1");
    let forwarded_from_elsewhere = record.clone().header(ingest::header::TOPIC, "fax.events");
    let (heavy, long_key) = (
        TestMessage::of_value("{}").header("trace", vec![b'x'; 3_000]),
        TestMessage::of_value("{}").key([b'k'; 3_000]),
    );
    let at = Coordinates { topic: "app.events".into(), partition: PartitionId(1), offset: 5 };
    let unread = emit::bare_letter(&Reject::new(RejectReason::Malformed, "unreadable"), &at, &"dead-letters".into());
    for (case, letter, expected) in [
        ("cut", died(&record, "app.events", RejectReason::TooLarge, 2_000), Skip::Cut),
        ("without its headers", died(&heavy, "app.events", RejectReason::TooLarge, 2_000), Skip::Cut),
        ("with half a key", died(&long_key, "app.events", RejectReason::TooLarge, 2_000), Skip::Cut),
        ("unread", read_back(unread, 41), Skip::Cut),
        ("of a topic that is no input", died(&record, "fax.events", RejectReason::Malformed, 10_000), Skip::NoInput),
        (
            "forwarded from one",
            died(&forwarded_from_elsewhere, "rekey", RejectReason::Misrouted, 10_000),
            Skip::NoInput,
        ),
        ("forwarded from nowhere", died(&record, "rekey", RejectReason::Malformed, 10_000), Skip::NoInput),
        ("somebody else's", record.clone(), Skip::NoLetter),
        ("of an unknown reason", record.clone().header(emit::header::REASON, "mood"), Skip::NoLetter),
    ] {
        assert_eq!(Letter::read(&letter, &inputs()), Err(expected), "{case}");
    }
}

#[test]
fn a_selection_takes_what_has_all_that_is_asked_for() {
    let letter = died(&TestMessage::of_value("{}"), "app.events", RejectReason::BadValue, 10_000);
    let letter = Letter::read(&letter, &inputs()).unwrap();
    let at = |ms| Some(Timestamp::of_millis(ms));
    let topics = |name: &str| vec![name.into()];
    let all = Selection::default;
    for (case, selection, expected) in [
        ("everything", all(), true),
        ("its reason", Selection { reasons: vec![RejectReason::TooOld, RejectReason::BadValue], ..all() }, true),
        ("another reason", Selection { reasons: vec![RejectReason::TooOld], ..all() }, false),
        ("its topic", Selection { topics: topics("app.events"), ..all() }, true),
        ("another topic", Selection { topics: topics("sms.events"), ..all() }, false),
        ("since then", Selection { since: at(1_000), ..all() }, true),
        ("since later", Selection { since: at(1_001), ..all() }, false),
        ("until later", Selection { until: at(1_001), ..all() }, true),
        ("until then", Selection { until: at(1_000), ..all() }, false),
        (
            "its reason, another topic",
            Selection { reasons: vec![RejectReason::BadValue], topics: topics("x"), ..all() },
            false,
        ),
    ] {
        assert_eq!(selection.has(&letter, at(1_000)), expected, "{case}");
    }
    assert!(all().has(&letter, None) && !Selection { since: at(0), ..all() }.has(&letter, None));
}

#[test]
fn a_note_tells_what_was_sent_and_is_no_letter() {
    let note = read_back(note(&"dead-letters".into(), PARTITION, &[3, 5, 1_000_000]), 1_000_001);
    assert_eq!(noted(&note, PARTITION), Some(vec![3, 5, 1_000_000]));
    assert_eq!(Letter::read(&note, &inputs()), Err(Skip::NoLetter));
    let letter = died(&TestMessage::of_value("3,5"), "app.events", RejectReason::BadValue, 10_000);
    assert_eq!(noted(&letter, PARTITION), None);
    assert_eq!(letter.value(), Some(&b"3,5"[..]));
}

#[test]
fn a_note_of_an_earlier_release_which_does_not_name_its_partition_counts() {
    let note = TestMessage { offset: 9, ..TestMessage::of_value("3,5") }.header(header::NOTE, "2");
    assert_eq!(noted(&note, PARTITION), Some(vec![3, 5]));
}

/// Headers of a producer are kept in its letter, so a note is not told by one.
#[test]
fn what_a_producer_writes_is_never_a_note_and_its_letter_is_one_like_others() {
    let forged = TestMessage::of_value("3,5").header(header::NOTE, "2");
    let of_another_partition = read_back(note(&"dead-letters".into(), PARTITION, &[3, 5]), 9);
    for (case, record) in [("forged", forged), ("copied back", of_another_partition)] {
        let letter = died(&record, "app.events", RejectReason::Malformed, 10_000);
        assert_eq!(noted(&letter, PARTITION), None, "{case}");
        assert!(Letter::read(&letter, &inputs()).is_ok(), "{case}");
        let cut = died(&record.header("much", &*"x".repeat(3_000)), "app.events", RejectReason::Malformed, 2_000);
        assert_eq!(noted(&cut, PARTITION), None, "{case}, too large");
    }
}

#[test]
fn a_letter_that_was_copied_back_is_a_letter_anew() {
    let first = died(&TestMessage::of_value(vec![b'x'; 3_000]).key("u1"), "app.events", RejectReason::TooLarge, 2_000);
    assert_eq!(Letter::read(&first, &inputs()), Err(Skip::Cut));
    let copied = died(&first, "sms.events", RejectReason::Malformed, 10_000);
    let letter = Letter::read(&copied, &inputs()).unwrap();
    assert_eq!((letter.reason, &*letter.topic), (RejectReason::Malformed, "sms.events"));
}

#[test]
fn a_record_that_only_looks_like_a_note_hides_nothing() {
    let note = || read_back(note(&"dead-letters".into(), PARTITION, &[3, 5]), 9);
    assert_eq!(noted(&note(), PARTITION), Some(vec![3, 5]));
    let of_value = |value: &str| TestMessage { value: Some(value.into()), ..note() };
    for (case, record) in [
        ("with a key", note().key("u1")),
        ("with a dead letter's reason", note().header(emit::header::REASON, "malformed")),
        ("with a dead letter's topic", note().header(emit::header::TOPIC, "app.events")),
        ("of fewer offsets", of_value("3")),
        ("of what is no offset", of_value("3,x")),
        ("of what comes after it", of_value("3,9")),
        ("of what is before everything", of_value("3,-1")),
        ("of nothing", TestMessage { value: None, ..note() }),
    ] {
        assert_eq!(noted(&record, PARTITION), None, "{case}");
    }
    assert_eq!(noted(&note(), PartitionId(1)), None, "of another partition");
}

/// Too large for the limit of then, sent again under a larger one, when the user has been erased.
#[test]
fn an_erased_users_letter_that_is_sent_again_is_suppressed() {
    let config = |more: &str| Config::parse("test", &format!("topics = {{ partitions = 1 }}\n{more}")).unwrap();
    let (small, large) = (config("[stream]\nmax_record = \"200B\"\n"), config(""));
    let decode = |config: &Config, record: &TestMessage| {
        let input = config.input_specs().remove(0);
        Decoder::new(input, 1, 0).decode(record, PartitionId(0), None)
    };
    let event = |id: &str, kind: &str, time: &str, more: &str| {
        let value = format!(r#"{{"id":"{id}","user_id":"u1","type":"{kind}","time":"{time}"{more}}}"#);
        TestMessage::of_value(value).key("u1")
    };
    let mut partition = Partition::new(Engine::new(large.engine_settings()).unwrap());
    let at = Coordinates { topic: "app.events".into(), partition: PartitionId(0), offset: 0 };
    let mut handle = |decoded: Decoded| match decoded {
        Decoded::Event { event, .. } => partition.handle_event(Input(0), &event, &at, &mut Vec::new()).unwrap(),
        other => panic!("{other:?}"),
    };
    let more = format!(r#","data":{{"amount":1,"scene":"{}"}}"#, "s".repeat(200));
    let payment = event("1", "payment.completed", "2026-03-01T10:00:00Z", &more);
    let Decoded::Reject(reject) = decode(&small, &payment) else { panic!("not too large") };
    let letter = dead_letter(&payment, &reject, &at, &"dead-letters".into(), 10_000);
    for (id, kind, time) in [("2", "user.erased", "2026-03-01T10:00:00Z"), ("3", "app.login", "2026-03-15T00:00:00Z")] {
        let handled = handle(decode(&large, &event(id, kind, time, "")));
        assert_eq!(handled, Handled::Done(Disposition::Applied), "{kind}");
    }
    let letter = read_back(letter, 40);
    let again = read_back(Letter::read(&letter, &inputs()).unwrap().again(&letter, PARTITION), 9);
    assert_eq!(handle(decode(&large, &again)), Handled::Done(Disposition::Suppressed));
}
