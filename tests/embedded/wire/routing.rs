//! Records on the wrong partition: forwarded once, with everything that their reader must know.

use std::sync::Arc;

use serde_json::{Value, json};
use tideline::domain::{Origin, PartitionId, Partitioner, Source, partition_of};
use tideline::emit;
use tideline::ingest::{Decoded, Decoder, Format, InputSpec, RejectReason, header};
use tideline::record::Outgoing;

use super::{MAX_SKEW_MS, MAX_VALUE, TestMessage, coordinates, input, shapes};

const PARTITIONS: i32 = 8;

fn event() -> Value {
    json!({"id": "e1", "user_id": "u1", "type": "payment.completed", "time": 1, "data": {"amount": 5}})
}

fn home() -> PartitionId {
    partition_of(b"u1", PARTITIONS)
}

fn elsewhere() -> PartitionId {
    PartitionId((home().0 + 1) % PARTITIONS)
}

fn rekey_input() -> InputSpec {
    InputSpec { topic: Arc::from("rekey"), source: None, origin: Origin::Own, ..input(Source::App, Format::Json) }
}

/// The record as it comes out of the topic that it was written to.
fn written(outgoing: Outgoing) -> TestMessage {
    TestMessage { offset: 0, key: outgoing.key, value: outgoing.value, headers: outgoing.headers }
}

#[test]
fn key_and_partition_must_be_the_users() {
    let right = home();
    let wrong = elsewhere();
    // Key, partition, partitions, keyed: whether it is this partition's.
    let cases = [
        (Some("u1"), right, PARTITIONS, true, true),
        (Some("u1"), wrong, PARTITIONS, true, false),
        (Some("u2"), right, PARTITIONS, true, false),
        (Some("u1 "), right, PARTITIONS, true, false),
        (Some(""), right, PARTITIONS, true, false),
        (None, right, PARTITIONS, true, false),
        (Some("u1"), right, PARTITIONS, false, false),
        (None, PartitionId(0), 1, true, true),
        (Some("u1"), PartitionId(0), 1, true, true),
        (Some("u2"), PartitionId(0), 1, true, false),
        (None, PartitionId(0), 1, false, false),
    ];
    for (key, partition, partitions, keyed, expected) in cases {
        let record =
            TestMessage { key: key.map(|key| key.as_bytes().to_vec()), ..TestMessage::of_value(event().to_string()) };
        let spec = InputSpec { keyed, ..input(Source::App, Format::Json) };
        match Decoder::new(spec, partitions, MAX_SKEW_MS).decode(&record, partition, None) {
            Decoded::Event { origin, .. } => {
                assert!(expected && origin.is_none(), "{key:?} on {partition} of {partitions}: kept");
            }
            Decoded::Rekey { to, .. } => {
                assert!(!expected, "{key:?} on {partition} of {partitions}: forwarded");
                assert_eq!(to, partition_of(b"u1", partitions));
            }
            Decoded::Reject(reject) => panic!("{reject}"),
        }
    }
}

#[test]
fn the_right_partition_is_that_of_the_configured_partitioner() {
    let record = TestMessage { key: Some(b"u1".to_vec()), ..TestMessage::of_value(event().to_string()) };
    let mut homes = Vec::new();
    for partitioner in Partitioner::ALL {
        let decoder = Decoder::new(input(Source::App, Format::Json), 100, MAX_SKEW_MS).partitioned_by(partitioner);
        let home = partitioner.partition_of(b"u1", 100);
        let decoded = decoder.decode(&record, home, None);
        assert!(matches!(decoded, Decoded::Event { .. }), "{partitioner}: {decoded:?}");
        let astray = decoder.decode(&record, PartitionId((home.0 + 1) % 100), None);
        assert!(matches!(astray, Decoded::Rekey { to, .. } if to == home), "{partitioner}: {astray:?}");
        homes.push(home);
    }
    homes.dedup();
    assert_eq!(homes.len(), 3, "they would not be told apart: {homes:?}");
}

#[test]
fn a_forwarded_record_is_read_as_what_it_was_in_every_shape() {
    for (shape, record, format) in shapes(&event()) {
        let record = record.key("someone else").header("trace", "t1").header(header::TOPIC, "a lie").odd_headers();
        let decoder = Decoder::new(input(Source::Merchant, format), PARTITIONS, MAX_SKEW_MS);
        let Decoded::Rekey { event, to, shape: found } = decoder.decode(&record, elsewhere(), None) else {
            panic!("{shape}: not forwarded");
        };
        let from = coordinates("merchant.events", elsewhere().0, 42);
        let outgoing = emit::rekey(&record, &event, to, found, &from, &Arc::from("rekey"));
        assert_eq!(&*outgoing.topic, "rekey");
        assert_eq!(outgoing.partition, Some(home()));
        assert_eq!(outgoing.key.as_deref(), Some(&b"u1"[..]));
        assert_eq!(outgoing.value, record.value);
        let forwarded = written(outgoing);
        for kept in record.headers.iter().filter(|(name, _)| name != header::TOPIC.as_bytes()) {
            assert!(forwarded.headers.contains(kept), "{shape}: {kept:?}");
        }
        for name in header::ALL {
            assert_eq!(forwarded.headers.iter().filter(|(n, _)| n == name.as_bytes()).count(), 1, "{shape}: {name}");
        }

        let decoder = Decoder::new(rekey_input(), PARTITIONS, MAX_SKEW_MS);
        let again = decoder.decode(&forwarded, home(), None);
        assert_eq!(again, Decoded::Event { event, origin: Some(from) }, "{shape}");
        match decoder.decode(&forwarded, elsewhere(), None) {
            Decoded::Reject(reject) => assert_eq!(reject.reason, RejectReason::Misrouted, "{shape}"),
            other => panic!("{shape}: {other:?}"),
        }
    }
}

#[test]
fn a_forwarded_record_without_its_headers_is_malformed() {
    let headers = [
        (header::SOURCE, "app", &["web", ""][..]),
        (header::FORMAT, "json", &["xml", "JSON"]),
        (header::ORIGIN, "own", &["abroad"]),
        (header::TOPIC, "app.events", &[""]),
        (header::PARTITION, "3", &["-1", "three", "99999999999"]),
        (header::OFFSET, "88", &["-1", "x", ""]),
    ];
    let decode = |headers: Vec<(&str, &[u8])>| {
        let record = headers
            .into_iter()
            .fold(TestMessage::of_value(event().to_string()), |record, (name, value)| record.header(name, value));
        Decoder::new(rekey_input(), PARTITIONS, MAX_SKEW_MS).decode(&record, home(), None)
    };
    let good: Vec<(&str, &[u8])> = headers.iter().map(|(name, value, _)| (*name, value.as_bytes())).collect();
    assert!(matches!(decode(good.clone()), Decoded::Event { .. }));
    for (at, (name, _, garbled)) in headers.iter().enumerate() {
        let mut variants: Vec<Vec<(&str, &[u8])>> = vec![good.clone(), good.clone()];
        variants[0].remove(at);
        variants[1][at].1 = b"\xff";
        for value in *garbled {
            let mut variant = good.clone();
            variant[at].1 = value.as_bytes();
            variants.push(variant);
        }
        for variant in variants {
            match decode(variant) {
                Decoded::Reject(reject) => {
                    assert_eq!(reject.reason, RejectReason::Malformed, "{name}");
                    assert!(reject.detail.contains(name), "{} does not name {name}", reject.detail);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// Else it would be dead for what forwarding added.
#[test]
fn a_record_of_the_largest_size_is_still_read_when_it_was_forwarded() {
    let topic = "t".repeat(249);
    for more in [0, 1] {
        let value = event().to_string();
        let padding = MAX_VALUE - value.len() - "trace".len() + more;
        let record = TestMessage::of_value(value).header("trace", vec![b'x'; padding]);
        let spec = InputSpec { keyed: false, ..input(Source::App, Format::Json) };
        let decoded = Decoder::new(spec, PARTITIONS, MAX_SKEW_MS).decode(&record, elsewhere(), None);
        let Decoded::Rekey { event, to, shape } = decoded else {
            assert!(
                more == 1 && matches!(&decoded, Decoded::Reject(it) if it.reason == RejectReason::TooLarge),
                "{decoded:?}"
            );
            continue;
        };
        let from = coordinates(&topic, PARTITIONS - 1, i64::MAX);
        let forwarded = written(emit::rekey(&record, &event, to, shape, &from, &Arc::from("rekey")));
        let decoder = Decoder::new(rekey_input(), PARTITIONS, MAX_SKEW_MS);
        let read = decoder.decode(&forwarded, home(), None);
        assert_eq!(read, Decoded::Event { event, origin: Some(from) });
    }
}
