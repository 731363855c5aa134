//! Every reason for which a record can't be used, in every shape where it can occur.

use serde_json::{Value, json};
use tideline::domain::{PartitionId, Source, Timestamp};
use tideline::ingest::{Decoded, Decoder, Format, RejectReason};

use super::{MAX_SKEW_MS, MAX_VALUE, TestMessage, decode, input, shapes};

pub(super) fn reason(decoded: Decoded) -> (RejectReason, String) {
    match decoded {
        Decoded::Reject(reject) => {
            assert!(reject.detail.len() <= 200, "a long detail: {}", reject.detail);
            (reject.reason, reject.detail)
        }
        other => panic!("not rejected: {other:?}"),
    }
}

pub(super) fn check(record: &TestMessage, source: Source, format: Format, expected: RejectReason, named: &str) {
    let (reason, detail) = reason(decode(record, source, format));
    assert_eq!(reason, expected, "{detail}: {record:?}");
    assert!(detail.contains(named), "{detail:?} does not name {named:?}");
}

pub(super) const FORMATS: [Format; 4] =
    [Format::Json, Format::Cloudevents, Format::Protobuf, Format::ConfluentProtobuf];

/// A good event with some members replaced; `null` takes one away.
pub(super) fn event(event_type: &str, members: &Value) -> Value {
    let mut event = json!({"id": "e1", "user_id": "u1", "type": event_type, "time": "2026-03-01T10:00:00+08:00"});
    let object = event.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    event
}

#[test]
fn a_null_or_empty_value_is_empty() {
    for format in FORMATS {
        check(&TestMessage::default(), Source::App, format, RejectReason::Empty, "null value");
        check(&TestMessage::of_value(""), Source::App, format, RejectReason::Empty, "empty value");
    }
    let binary = TestMessage::of_value("").header("ce_specversion", "1.0").header("ce_id", "e1");
    check(&binary, Source::App, Format::Json, RejectReason::Empty, "empty value");
}

#[test]
fn a_value_over_the_limit_is_too_large_whatever_else_it_is() {
    for format in FORMATS {
        check(
            &TestMessage::of_value(vec![b'x'; MAX_VALUE + 1]),
            Source::App,
            format,
            RejectReason::TooLarge,
            "4097 bytes",
        );
    }
    let two_megabytes = vec![b'{'; 2 << 20];
    check(&TestMessage::of_value(two_megabytes), Source::App, Format::Json, RejectReason::TooLarge, "2097152 bytes");
    // Key, headers and value count together, to the byte.
    let record = |more: usize| {
        let value = json!({"id": "e1", "user_id": "u1", "type": "app.opened", "time": 1}).to_string();
        let others = value.len() + "u1".len() + "trace".len();
        TestMessage::of_value(value).key("u1").header("trace", vec![b'x'; MAX_VALUE - others + more])
    };
    let fits = decode(&record(0), Source::App, Format::Json);
    assert!(matches!(fits, Decoded::Event { .. }), "{fits:?}");
    check(&record(1), Source::App, Format::Json, RejectReason::TooLarge, "4097 bytes of key, headers and value");
    let long_key = TestMessage::of_value("{}").key(vec![b'k'; MAX_VALUE]);
    check(&long_key, Source::App, Format::Json, RejectReason::TooLarge, "4098 bytes");
}

#[test]
fn what_is_not_of_its_shape_is_malformed() {
    let json: &[&[u8]] = &[
        b"not json",
        b"{",
        b"{\"id\":\"e1\"",
        b"{} {}",
        b"{}x",
        b"[]",
        b"\"text\"",
        b"12",
        b"null",
        b"{'id':1}",
        b"{\"id\":\"e1\",}",
        b"{\"id\":\"\\x\"}",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":\"a\nb\"}",
        b"{\"id\":01}",
        b"\xef\xbb\xbf{}",
        b"{\"id\":\"\xff\"}",
        b"{\"more\":\"\xff\"}",
        b"{\"data\":{\"more\":[tru]}}",
    ];
    for value in json {
        for format in [Format::Json, Format::Cloudevents] {
            check(&TestMessage::of_value(*value), Source::App, format, RejectReason::Malformed, "not ");
        }
    }
    let good = event("payment.completed", &json!({"data": {"amount": 5, "scene": "x"}}));
    for (shape, record, format) in shapes(&good) {
        let value = record.value.clone().unwrap();
        let cut = TestMessage { value: Some(value[..value.len() - 1].to_vec()), ..record };
        let (reason, detail) = reason(decode(&cut, Source::App, format));
        assert_eq!(reason, RejectReason::Malformed, "{shape}: {detail}");
    }
    let protobuf: &[&[u8]] = &[
        b"\x0a\x05ab",               // a text that ends early
        b"\x0a\x01\xff",             // not UTF-8
        b"\x08\x01",                 // id as a number
        b"\x3a\x02\x08",             // data that ends early
        b"\x0b",                     // a group
        b"\x3a\x02\x0a\x00",         // amount as a text
        b"\x22\x02\x0a\x00",         // time as an empty message instead of a number
        b"\x0a\xff\xff\xff\xff\x7f", // a length beyond all
        b"{\"id\":\"e1\"}",
    ];
    for value in protobuf {
        check(&TestMessage::of_value(*value), Source::App, Format::Protobuf, RejectReason::Malformed, "not protobuf");
        let framed = [b"\0\0\0\0\x01\0", *value].concat();
        check(
            &TestMessage::of_value(framed),
            Source::App,
            Format::ConfluentProtobuf,
            RejectReason::Malformed,
            "not protobuf",
        );
    }
    for frame in [&b"\0"[..], b"\0\0\0\x01", b"\0\0\0\0\x01", b"\0\0\0\0\x01\x02"] {
        check(
            &TestMessage::of_value(frame),
            Source::App,
            Format::ConfluentProtobuf,
            RejectReason::Malformed,
            "not protobuf",
        );
    }
    let header = TestMessage::of_value("{}").header("ce_specversion", "1.0").header("ce_id", b"\xff");
    check(&header, Source::App, Format::Json, RejectReason::Malformed, "ce_");
}

#[test]
fn what_is_of_no_known_shape_is_unsupported() {
    let text = |content_type: &str| TestMessage::of_value("{}").header("content-type", content_type);
    for content_type in ["text/plain", "application/avro", "application/cloudevents+protobuf", "", "\u{e9}"] {
        check(&text(content_type), Source::App, Format::Json, RejectReason::Unsupported, "content-type");
    }
    check(
        &TestMessage::of_value("{}").header("content-type", b"\xff"),
        Source::App,
        Format::Json,
        RejectReason::Unsupported,
        "content-type",
    );
    for (members, named) in [
        (json!({"specversion": "0.3"}), "specversion"),
        (json!({"specversion": "1.0", "data_base64": "e30="}), "data_base64"),
        (json!({"specversion": "1.0", "datacontenttype": "text/xml"}), "datacontenttype"),
    ] {
        let record = TestMessage::of_value(event("app.login", &members).to_string());
        check(&record, Source::App, Format::Cloudevents, RejectReason::Unsupported, named);
    }
    let old = TestMessage::of_value("{}").header("ce_specversion", "0.3");
    check(&old, Source::App, Format::Json, RejectReason::Unsupported, "specversion");
    for frame in
        [&b"\x01\0\0\0\x01\0"[..], b"\x0a\x02e1", b"\0\0\0\0\x01\x02\x02", b"\0\0\0\0\x01\x04\0\0", b"\0\0\0\0\x01\x01"]
    {
        check(
            &TestMessage::of_value(frame),
            Source::App,
            Format::ConfluentProtobuf,
            RejectReason::Unsupported,
            "framing",
        );
    }
}

#[test]
fn nesting_without_end_is_no_danger() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(600), close.repeat(600));
        let ignored = format!(r#"{{"id":"e","user_id":"u","type":"app.login","time":1,"more":{deep}}}"#);
        assert!(matches!(decode(&TestMessage::of_value(ignored), Source::App, Format::Json), Decoded::Event { .. }));
        let judged = format!(r#"{{"id":"e","user_id":"u","type":"app.viewed","time":1,"data":{{"category":{deep}}}}}"#);
        check(&TestMessage::of_value(judged), Source::App, Format::Json, RejectReason::BadValue, "data.category");
        check(&TestMessage::of_value(open.repeat(600)), Source::App, Format::Json, RejectReason::Malformed, "not ");
    }
}

#[test]
fn an_event_further_ahead_than_the_skew_is_of_the_future() {
    let now = Timestamp::parse("2026-03-01T02:00:00Z").unwrap();
    for (ahead_ms, expected) in [(MAX_SKEW_MS, false), (MAX_SKEW_MS + 1, true)] {
        let members = json!({"time": now.plus_millis(ahead_ms).to_string()});
        for (shape, record, format) in shapes(&event("app.login", &members)) {
            let decoder = Decoder::new(input(Source::App, format), 1, MAX_SKEW_MS);
            let decoded = decoder.decode(&record, PartitionId(0), Some(now));
            let future = matches!(&decoded, Decoded::Reject(reject) if reject.reason == RejectReason::FutureTime);
            assert_eq!(future, expected, "{shape}: {decoded:?}");
            let without_clock = decoder.decode(&record, PartitionId(0), None);
            assert!(matches!(without_clock, Decoded::Event { .. }), "{shape}: {without_clock:?}");
        }
    }
}

#[test]
fn a_known_type_on_a_source_that_may_not_send_it_is_of_the_wrong_source() {
    let cases = [
        ("app.login", Source::Sms),
        ("app.login", Source::Merchant),
        ("message.sent", Source::App),
        ("bill.paid", Source::App),
        ("payment.completed", Source::Branch),
        ("coupon.issued", Source::Merchant),
    ];
    for (event_type, source) in cases {
        let members = json!({"data": {"amount": 1, "coupon": "c"}});
        for (_, record, format) in shapes(&event(event_type, &members)) {
            check(&record, source, format, RejectReason::WrongSource, source.as_str());
        }
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_contract_is_the_reason() {
    let future = "2036-03-01T00:00:00Z";
    // A bad field before the source, the source before the future.
    let all = event("message.sent", &json!({"time": future, "data": {"campaign": 1}}));
    check(&TestMessage::of_value(all.to_string()), Source::App, Format::Json, RejectReason::BadValue, "data.campaign");
    let two = event("message.sent", &json!({"time": future}));
    check(&TestMessage::of_value(two.to_string()), Source::App, Format::Json, RejectReason::WrongSource, "type");
    let one = event("app.login", &json!({"time": future}));
    check(
        &TestMessage::of_value(one.to_string()).key("another"),
        Source::App,
        Format::Json,
        RejectReason::FutureTime,
        "time",
    );
}

#[test]
fn details_tell_nothing_of_the_user_or_the_payload() {
    let secret = "s3cr3t";
    let cases = [
        event("app.login", &json!({"time": secret})),
        event("app.login", &json!({"user_id": secret.repeat(20)})),
        event("app.login", &json!({"id": secret.repeat(40)})),
        event("app.login", &json!({"origin": secret})),
        event("payment.completed", &json!({"data": secret})),
        event("payment.completed", &json!({"data": {"amount": secret}})),
        event("app.login", &json!({"user_id": secret, "specversion": secret})),
        json!(secret),
        json!([secret]),
    ];
    for value in cases {
        let (_, detail) = reason(decode(&TestMessage::of_value(value.to_string()), Source::App, Format::Json));
        assert!(!detail.contains(secret), "{detail}");
    }
    let broken = format!(r#"{{"id":"{secret}" "{secret}"}}"#);
    let (_, detail) = reason(decode(&TestMessage::of_value(broken), Source::App, Format::Json));
    assert!(!detail.contains(secret), "{detail}");
}
