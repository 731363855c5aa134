//! Records that a broker accepts and that had ended every member, or held a partition up for ever.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tideline::broker::Isolation;
use tideline::broker::kafka::{KafkaMessage, PlainProducer, read_partition};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, partition_of};
use tideline::emit::header;
use tideline::record::{Message, Outgoing, OwnedHeader, owned, text_header};

use super::cli::{Application, check, written};

const USER: &str = "u1";

fn event(id: &str) -> Vec<u8> {
    let time = 1_767_571_200_000_i64;
    let event = json!({"id": id, "user_id": USER, "type": "payment.completed", "time": time, "data": {"amount": 100}});
    event.to_string().into_bytes()
}

/// Names that are no UTF-8, none at all, one twice; values that are null, empty, no text.
fn odd_headers() -> Vec<OwnedHeader> {
    vec![
        (b"\xc3\x28".to_vec(), Some(b"1".to_vec())),
        (Vec::new(), Some(Vec::new())),
        (b"trace".to_vec(), None),
        (b"trace".to_vec(), Some(b"\xff\x00".to_vec())),
        (b"\xff".to_vec(), None),
    ]
}

fn home(config: &Config) -> PartitionId {
    partition_of(USER.as_bytes(), config.topics.partitions)
}

fn produce(config: &Config, records: Vec<(Vec<u8>, Vec<OwnedHeader>, Vec<u8>)>) {
    let producer = PlainProducer::new(config.kafka_settings()).unwrap();
    for (key, headers, value) in records {
        let topic = config.inputs[0].topic.as_str().into();
        let (key, value, partition) = (Some(key), Some(value), Some(home(config)));
        producer.send(&Outgoing { topic, partition, key, value, headers, timestamp: None }).unwrap();
    }
    producer.flush().unwrap();
}

/// Of all partitions of a topic.
fn read(config: &Config, topic: &str) -> Vec<KafkaMessage> {
    let of = |partition| {
        let (shown, to) = (Isolation::ReadCommitted, Isolation::ReadUncommitted);
        read_partition(&config.kafka_settings(), topic, PartitionId(partition), shown, to).unwrap()
    };
    (0..config.topics.partitions).flat_map(of).collect()
}

fn text(message: &KafkaMessage, name: &str) -> String {
    String::from_utf8(message.header(name).unwrap_or_default().to_vec()).unwrap()
}

/// Dead letters by the offset at which they died.
fn letters(config: &Config) -> BTreeMap<i64, KafkaMessage> {
    let all = read(config, &config.topics.outputs[OutputTopic::DeadLetters]).into_iter();
    all.map(|letter| (text(&letter, header::OFFSET).parse().unwrap(), letter)).collect()
}

fn headers_of(message: &KafkaMessage) -> Vec<OwnedHeader> {
    message.headers().map(|header| owned(&header)).collect()
}

#[test]
fn odd_headers_and_records_of_megabytes_end_nobody_and_hold_nothing_up() {
    let application = Application::new();
    let config = application.config();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    // 1 MB and more that doesn't shrink: the broker's limit is on what is left of it.
    let noise = |len: usize| -> Vec<u8> {
        let block = |n: usize| <[u8; 32]>::from(Sha256::digest(n.to_be_bytes()));
        (0..len.div_ceil(32)).flat_map(block).take(len).collect()
    };
    let user = || USER.as_bytes().to_vec();
    let records = vec![
        (user(), odd_headers(), event("e0")),
        (user(), odd_headers(), b"no event".to_vec()),
        (b"card-1".to_vec(), odd_headers(), event("e2")),
        (user(), vec![(b"h".to_vec(), None); 100_001], event("e3")),
        (noise(1 << 20), odd_headers(), event("e4")),
        (noise(3 << 20), Vec::new(), event("e5")),
        (user(), vec![text_header("trace", noise(3 << 20))], event("e6")),
        (user(), Vec::new(), event("e7")),
    ];
    produce(&config, records.clone());
    check(&application.run(&["run", "--until-end"]), 0, &[]);

    let letters = letters(&config);
    let reasons: Vec<_> = letters.iter().map(|(at, letter)| (*at, text(letter, header::REASON))).collect();
    let expected = [(1, "malformed"), (3, "malformed"), (4, "too_large"), (5, "too_large"), (6, "too_large")];
    assert_eq!(reasons, expected.map(|(at, reason)| (at, reason.to_owned())));
    let limit = config.stream.lanes.dead_letter_limit.bytes();
    for (at, letter) in &letters {
        assert!(letter.size() <= limit, "{at}: {} bytes", letter.size());
    }
    // As it came, whatever is in it.
    assert_eq!(headers_of(&letters[&1])[..5], odd_headers()[..]);
    assert_eq!(headers_of(&letters[&4])[..5], odd_headers()[..]);
    assert_eq!(letters[&4].key(), Some(&records[4].0[..]));
    // What the client doesn't give out, and what doesn't fit, is said to be missing.
    assert_eq!((text(&letters[&3], header::UNREAD), letters[&3].value()), ("headers".into(), Some(&event("e3")[..])));
    assert_eq!(text(&letters[&5], header::KEY_LENGTH), (3 << 20).to_string());
    assert_eq!(text(&letters[&5], header::KEY_SHA256), hex::encode(Sha256::digest(&records[5].0)));
    assert_eq!(text(&letters[&6], header::HEADERS_LENGTH), (5 + (3 << 20)).to_string());
    assert_eq!(letters[&6].value(), Some(&event("e6")[..]));
    // The forwarded one kept its headers on the way, and was applied with the others.
    let forwarded = read(&config, &config.topics.rekey);
    assert_eq!((forwarded.len(), &headers_of(&forwarded[0])[..5]), (1, &odd_headers()[..]));
    assert!(!written(&config).is_empty());
}

#[test]
fn one_record_is_passed_over_by_hand() {
    let application = Application::new();
    let config = application.config();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    produce(&config, vec![(USER.into(), Vec::new(), event("e0"))]);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    produce(&config, vec![(USER.into(), odd_headers(), event("e1")), (USER.into(), Vec::new(), event("e2"))]);
    let topic = &config.inputs[0].topic;
    let skip = |offset: i64, more: &[&str]| {
        let place = format!("{topic}/{}/{offset}", home(&config));
        application.run(&[&["reset", "--skip", &place], more].concat())
    };
    check(&skip(0, &[]), 1, &["it was read before: the next to be read there is offset 1"]);
    check(&skip(2, &["--execute"]), 1, &["offset 1 is to be read before it"]);
    check(&skip(7, &[]), 1, &["offset 1 is to be read before it"]);
    check(&application.run(&["reset", "--skip", "nothing/0/1"]), 2, &["nothing is no input"]);
    check(&application.run(&["reset", "--skip", "1"]), 2, &["TOPIC/PARTITION/OFFSET"]);
    let shown = skip(1, &[]);
    check(&shown, 0, &["key 2 bytes, 5 headers", "would go to", "nothing was changed; --execute does it"]);
    assert!(letters(&config).is_empty());
    check(&skip(1, &["--execute"]), 0, &["key 2 bytes, 5 headers", "done"]);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    let letters = letters(&config);
    let letter = &letters[&1];
    assert_eq!((letters.len(), text(letter, header::REASON)), (1, "malformed".to_owned()));
    assert!(text(letter, header::ERROR).starts_with("skipped by hand"));
    assert_eq!((&headers_of(letter)[..5], letter.value()), (&odd_headers()[..], Some(&event("e1")[..])));
}
