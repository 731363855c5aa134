//! Dead letters: the record as it was, and why it is dead.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tideline::domain::{PartitionId, Source};
use tideline::emit::line::write_dead_letter;
use tideline::emit::{dead_letter, header};
use tideline::ingest::{self, Decoded, Decoder, Format, Reject, RejectReason};
use tideline::record::{Damage, Header, Message, Outgoing, Unread, text_header};

use super::{MAX_SKEW_MS, TestMessage, coordinates, input};

fn reject() -> Reject {
    Reject::new(RejectReason::BadValue, "data.amount: expected an integer")
}

fn letter(record: &TestMessage, limit: usize) -> Outgoing {
    dead_letter(record, &reject(), &coordinates("app.events", 3, 8812), &Arc::from("dead-letters"), limit)
}

fn headers_of(letter: &Outgoing, name: &str) -> Vec<String> {
    let named = letter.headers.iter().filter(|(n, _)| n == name.as_bytes());
    named.map(|(_, value)| String::from_utf8(value.clone().unwrap()).unwrap()).collect()
}

#[test]
fn a_dead_letter_keeps_key_value_and_headers_and_says_why_and_whence() {
    let record = TestMessage::of_value(b"\xff\0".to_vec())
        .key(b"\xfe")
        .header("trace", b"\xfd")
        .header("trace", "again")
        .header(ingest::header::TOPIC, "merchant.events");
    let letter = letter(&record, 100_000);
    assert_eq!(&*letter.topic, "dead-letters");
    assert_eq!((&letter.key, &letter.value, letter.partition), (&record.key, &record.value, None));
    // The broker's clock: retention must not take a dead letter before anyone has seen it.
    assert_eq!(letter.timestamp, None);
    assert_eq!(letter.headers[..3], record.headers[..]);
    let expected = [
        (header::REASON, "bad_value"),
        (header::ERROR, "data.amount: expected an integer"),
        (header::TOPIC, "app.events"),
        (header::PARTITION, "3"),
        (header::OFFSET, "8812"),
    ];
    assert_eq!(letter.headers[3..], expected.map(|(name, value)| text_header(name, value)));
}

#[test]
fn headers_that_are_no_text_and_null_values_stay_as_they_were() {
    let record = TestMessage::of_value("{}").odd_headers();
    let letter = letter(&record, 100_000);
    assert_eq!(letter.headers[..record.headers.len()], record.headers[..]);
}

#[test]
fn a_record_that_could_not_be_read_whole_is_malformed_whatever_is_left_of_it() {
    struct Damaged(TestMessage, Damage);
    impl Message for Damaged {
        fn offset(&self) -> i64 {
            7
        }
        fn timestamp(&self) -> Option<i64> {
            None
        }
        fn key(&self) -> Option<&[u8]> {
            self.0.key.as_deref()
        }
        fn value(&self) -> Option<&[u8]> {
            self.0.value.as_deref()
        }
        fn headers(&self) -> impl Iterator<Item = Header<'_>> {
            std::iter::empty()
        }
        fn damage(&self) -> Option<&Damage> {
            Some(&self.1)
        }
    }
    let event = json!({"id": "e1", "user_id": "u1", "type": "app.opened", "time": 1});
    for record in [TestMessage::of_value(event.to_string()).key("u1"), TestMessage::default()] {
        let decoder = Decoder::new(input(Source::App, Format::Json), 1, MAX_SKEW_MS);
        let damage = Damage { unread: Unread::Headers, detail: "headers: the client can't read them".to_owned() };
        let damaged = Damaged(record, damage);
        let decoded = decoder.decode(&damaged, PartitionId(0), None);
        let expected = Reject::new(RejectReason::Malformed, "headers: the client can't read them");
        assert_eq!(decoded, Decoded::Reject(expected.clone()));
        let letter = dead_letter(&damaged, &expected, &coordinates("t", 0, 7), &Arc::from("dead-letters"), 100_000);
        assert_eq!(headers_of(&letter, header::UNREAD), ["headers"]);
        assert_eq!((letter.key, letter.value), (damaged.0.key, damaged.0.value));
    }
}

#[test]
fn every_reason_is_named_as_in_the_metrics() {
    for reason in RejectReason::ALL {
        let at = coordinates("t", 0, 0);
        let letter =
            dead_letter(&TestMessage::default(), &Reject::new(reason, ""), &at, &Arc::from("dead-letters"), 100_000);
        assert_eq!(headers_of(&letter, header::REASON), [reason.as_str()]);
        assert_eq!(letter.value, None);
    }
}

#[test]
fn a_letter_that_dies_again_has_the_headers_of_its_last_death_only() {
    let first = letter(&TestMessage::of_value(vec![b'x'; 3000]), 2000);
    let redriven =
        TestMessage { offset: 0, key: first.key.clone(), value: first.value.clone(), headers: first.headers };
    let second = letter(&redriven, 100_000);
    for name in [header::REASON, header::ERROR, header::TOPIC, header::PARTITION, header::OFFSET] {
        assert_eq!(headers_of(&second, name).len(), 1, "{name}");
    }
    assert!(headers_of(&second, header::LENGTH).is_empty());
    assert!(headers_of(&second, header::SHA256).is_empty());
}

#[test]
fn a_record_beyond_the_limit_has_its_value_cut_and_its_length_and_digest_told() {
    let value: Vec<u8> = (0..5000).map(|n| n as u8).collect();
    let digest = hex::encode(Sha256::digest(&value));
    let size = |letter: &Outgoing| {
        let headers: usize = letter.headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len)).sum();
        headers + letter.key.as_ref().map_or(0, Vec::len) + letter.value.as_ref().map_or(0, Vec::len)
    };
    for limit in [0, 300, 1000, 3000, 5000, 5500] {
        let record = TestMessage::of_value(value.clone()).key("u1").header("trace", "t".repeat(100));
        let letter = letter(&record, limit);
        let kept = letter.value.as_deref().unwrap();
        if limit >= 1000 {
            assert!(size(&letter) <= limit, "{} bytes for a limit of {limit}", size(&letter));
            assert!(!kept.is_empty(), "nothing kept within {limit}");
        }
        assert_eq!(kept, &value[..kept.len()]);
        assert!(kept.len() < value.len());
        assert_eq!(headers_of(&letter, header::LENGTH), ["5000"]);
        assert_eq!(headers_of(&letter, header::SHA256), [digest.as_str()]);
    }
    let whole = letter(&TestMessage::of_value(value.clone()).key("u1"), 6000);
    assert_eq!(whole.value, Some(value));
    assert!(headers_of(&whole, header::LENGTH).is_empty());
}

/// What its topic would refuse would hold its partition up for ever.
#[test]
fn a_dead_letter_fits_whatever_is_too_large_of_its_record_and_says_what_is_gone() {
    const LIMIT: usize = 4096;
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let of_headers = |record: &TestMessage| {
        let mut all = Vec::new();
        for (name, value) in &record.headers {
            all.extend((name.len() as u32).to_be_bytes());
            all.extend(name);
            all.extend(value.as_ref().map_or(u32::MAX, |value| value.len() as u32).to_be_bytes());
            all.extend(value.as_deref().unwrap_or_default());
        }
        digest(&all)
    };
    for (key, header_bytes, value) in [
        (10_usize, 100_usize, 10_000_usize),
        (10, 10_000, 100),
        (10_000, 100, 100),
        (10_000, 10_000, 10_000),
        (3_000, 0, 3_000),
        (10, 3_000, 3_000),
        (LIMIT, 0, 0),
    ] {
        let mut record = TestMessage::of_value(vec![b'v'; value]).key(vec![b'k'; key]);
        if header_bytes > 0 {
            record = record.header("trace", vec![b'h'; header_bytes]).odd_headers();
        }
        let what = format!("key {key}, headers {header_bytes}, value {value}");
        let letter = letter(&record, LIMIT);
        let frame = 256 + 10 * letter.headers.len();
        assert!(letter.size() + frame <= LIMIT, "{what}: {} bytes", letter.size() + frame);
        let told = |name: &str| headers_of(&letter, name).pop();
        let (kept_key, kept_value) = (letter.key.as_deref().unwrap(), letter.value.as_deref().unwrap());
        assert!(record.key.as_deref().unwrap().starts_with(kept_key), "{what}");
        assert!(record.value.as_deref().unwrap().starts_with(kept_value), "{what}");
        let is_cut = |kept: usize, whole: &[u8]| (kept < whole.len()).then(|| (whole.len().to_string(), digest(whole)));
        let cut = told(header::LENGTH).zip(told(header::SHA256));
        assert_eq!(cut, is_cut(kept_value.len(), record.value.as_deref().unwrap()), "{what}");
        let cut = told(header::KEY_LENGTH).zip(told(header::KEY_SHA256));
        assert_eq!(cut, is_cut(kept_key.len(), record.key.as_deref().unwrap()), "{what}");
        match told(header::HEADERS_SHA256) {
            None => assert_eq!(letter.headers[..record.headers.len()], record.headers[..], "{what}"),
            Some(sha256) => {
                assert_eq!(sha256, of_headers(&record), "{what}");
                let bytes = record.size() - key - value;
                assert_eq!(told(header::HEADERS_LENGTH), Some(bytes.to_string()), "{what}");
            }
        }
        assert_eq!(headers_of(&letter, header::REASON), ["bad_value"], "{what}");
        assert_eq!(headers_of(&letter, header::OFFSET), ["8812"], "{what}");
    }
}

fn line(record: &TestMessage, limit: usize) -> Value {
    let mut out = Vec::new();
    write_dead_letter(record, &reject(), &coordinates("app.jsonl", 0, 12), "dead-letters", limit, &mut out);
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(out.last(), Some(&b'\n'));
    assert!(out.starts_with(br#"{"topic":"dead-letters","reason":"bad_value","error":"#));
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_dead_letter_as_a_line_holds_its_record_as_text_or_as_base64() {
    let source = json!({"topic": "app.jsonl", "partition": 0, "offset": 12});
    let common = |mut value: Value| {
        assert_eq!(value["source"], source);
        let members = value.as_object_mut().unwrap();
        for name in ["topic", "reason", "error", "source"] {
            members.remove(name).unwrap();
        }
        value
    };
    let text = line(&TestMessage::of_value("{\"a\":\n1}").key("u1"), 100);
    assert_eq!(common(text), json!({"key": "u1", "value": "{\"a\":\n1}"}));
    let binary = line(&TestMessage::of_value(b"\xff\xfe\xfd\xfc".to_vec()).key(b"\xff"), 100);
    assert_eq!(common(binary), json!({"key_base64": "/w==", "value_base64": "//79/A=="}));
    assert_eq!(common(line(&TestMessage::default(), 100)), json!({"key": null, "value": null}));
    let cut = line(&TestMessage::of_value(vec![b'x'; 1000]), 500);
    assert_eq!(cut["length"], 1000);
    assert_eq!(cut["sha256"], hex::encode(Sha256::digest(vec![b'x'; 1000])));
    assert!(cut["value"].as_str().unwrap().len() <= 500);
}
