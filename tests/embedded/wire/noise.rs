//! Bytes that nobody meant: whatever comes, a record becomes an event or a dead letter, and nothing panics.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::json;
use tideline::domain::{PartitionId, Source, Timestamp};
use tideline::emit::{self, line::write_dead_letter};
use tideline::ingest::{Decoded, Decoder, Format, InputSpec, header};

use super::{MAX_SKEW_MS, TestMessage, coordinates, input, shapes};

const FORMATS: [Format; 4] = [Format::Json, Format::Cloudevents, Format::Protobuf, Format::ConfluentProtobuf];

/// Decodes in every way there is, first hand and forwarded, and writes what follows.
fn survive(record: &TestMessage) {
    let now = Some(Timestamp::of_millis(1_800_000_000_000));
    let rekey = InputSpec { source: None, ..input(Source::App, Format::Json) };
    let inputs = FORMATS.into_iter().flat_map(|format| Source::ALL.map(|source| input(source, format)));
    for spec in inputs.chain([rekey]) {
        let at = coordinates("t", 0, 1);
        match Decoder::new(spec, 2, MAX_SKEW_MS).decode(record, PartitionId(0), now) {
            Decoded::Event { event, .. } => assert!(!event.user.as_str().is_empty()),
            Decoded::Rekey { event, to, shape } => {
                emit::rekey(record, &event, to, shape, &at, &Arc::from("rekey"));
            }
            Decoded::Reject(reject) => {
                assert!(reject.detail.len() <= 200, "{}", reject.detail);
                emit::dead_letter(record, &reject, &at, &Arc::from("dead-letters"), 1000);
                let mut out = Vec::new();
                write_dead_letter(record, &reject, &at, "dead-letters", 1000, &mut out);
                serde_json::from_slice::<serde_json::Value>(&out).unwrap();
            }
        }
    }
}

/// A good record of any shape.
fn good() -> impl Strategy<Value = TestMessage> {
    let events = [
        json!({"id": "e1", "user_id": "u1", "type": "payment.refunded", "time": "2026-03-01T10:00:00+08:00",
            "channel": "app", "origin": "own", "data": {"original_id": "p", "original_time": 1_772_324_130_250_i64, "amount": 9, "full": true}}),
        json!({"id": "e1", "user_id": "u1", "type": "survey.answered", "time": 1_772_324_130_250_i64,
            "data": {"max_per_month": 3, "preferred_channel": "sms", "interests": ["a", "b"]}}),
        json!({"id": "é\n\"", "user_id": "用户", "type": "coupon.issued", "time": "2026-03-01T10:00:00.5Z",
            "data": {"coupon": "c", "amount": 0, "expires": "2026-03-01T10:00:00Z"}}),
    ];
    let records: Vec<_> =
        events.iter().flat_map(|event| shapes(event).into_iter().map(|(_, record, _)| record)).collect();
    prop::sample::select(records)
}

/// Puts other bytes in the place of a piece.
fn mutate(bytes: &mut Vec<u8>, at: usize, length: usize, by: &[u8]) {
    let from = at % (bytes.len() + 1);
    let to = (from + length).min(bytes.len());
    bytes.splice(from..to, by.iter().copied());
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_bytes_survive(value in prop::collection::vec(any::<u8>(), 0..200), key in any::<Option<Vec<u8>>>()) {
        survive(&TestMessage { key, ..TestMessage::of_value(value) });
    }

    #[test]
    fn any_frame_survives(value in prop::collection::vec(any::<u8>(), 0..60)) {
        survive(&TestMessage::of_value([&[0; 5], value.as_slice()].concat()));
    }

    #[test]
    fn anything_like_json_survives(value in r#"(\{|\}|\[|\]|,|:|"|\\|\\u|[0-9a-f]|-|\.|e|null|true|"id":|"data":\{|"amount":| ){0,40}"#) {
        survive(&TestMessage::of_value(value));
    }

    #[test]
    fn any_mutation_of_a_good_record_survives(
        record in good(),
        changes in prop::collection::vec((any::<u16>(), 0..8_usize, prop::collection::vec(any::<u8>(), 0..6)), 1..4),
    ) {
        let mut record = record;
        for (at, length, by) in changes {
            mutate(record.value.get_or_insert_default(), usize::from(at), length, &by);
        }
        survive(&record);
    }

    #[test]
    fn any_headers_survive(
        record in good(),
        names in prop::collection::vec(
            prop::sample::select(vec![
                "ce_specversion", "ce_id", "ce_type", "ce_time", "ce_subject", "ce_channel", "content-type", "x",
                header::SOURCE, header::FORMAT, header::ORIGIN, header::TOPIC, header::PARTITION, header::OFFSET,
            ]),
            0..8,
        ),
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "1.0", "app", "json", "protobuf", "cloudevents-binary", "own", "0", "application/json",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ],
    ) {
        survive(&names.into_iter().fold(record, |record, name| record.header(name, &value)));
    }
}
