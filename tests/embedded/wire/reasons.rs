//! Every reason for which a record can't be used, in every shape where it can occur.

use prost::Message as _;
use serde_json::{Value, json};
use tideline::domain::{PartitionId, Source, Timestamp};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{Decoded, Decoder, Format, InputSpec, RejectReason};

use super::{MAX_SKEW_MS, MAX_VALUE, TestMessage, decode, input, shapes};

fn reason(decoded: Decoded) -> (RejectReason, String) {
    match decoded {
        Decoded::Reject(reject) => {
            assert!(reject.detail.len() <= 200, "a long detail: {}", reject.detail);
            (reject.reason, reject.detail)
        }
        other => panic!("not rejected: {other:?}"),
    }
}

fn check(record: &TestMessage, source: Source, format: Format, expected: RejectReason, named: &str) {
    let (reason, detail) = reason(decode(record, source, format));
    assert_eq!(reason, expected, "{detail}: {record:?}");
    assert!(detail.contains(named), "{detail:?} does not name {named:?}");
}

const FORMATS: [Format; 4] = [Format::Json, Format::Cloudevents, Format::Protobuf, Format::ConfluentProtobuf];

/// A good event with some members replaced; `null` takes one away.
fn event(event_type: &str, members: &Value) -> Value {
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
fn a_required_field_that_is_absent_or_empty_is_missing() {
    let cases = [
        ("app.login", json!({"id": null}), "id"),
        ("app.login", json!({"id": ""}), "id"),
        ("app.login", json!({"user_id": null}), ""),
        ("app.login", json!({"user_id": ""}), ""),
        ("", json!({}), "type"),
        ("app.login", json!({"type": null}), "type"),
        ("app.login", json!({"time": null}), "time"),
        ("app.login", json!({"time": ""}), "time"),
        ("payment.completed", json!({}), "data.amount"),
        ("payment.completed", json!({"data": {"scene": "x"}}), "data.amount"),
        ("payment.refunded", json!({"data": {"amount": 1}}), "data.original_time"),
        ("payment.refunded", json!({"data": {"original_time": 1}}), "data.amount"),
        ("wealth.bought", json!({"data": {"product": "x"}}), "data.amount"),
        ("loan.drawn", json!({"data": {"product": "x"}}), "data.amount"),
        ("loan.repaid", json!({"data": {"product": "x"}}), "data.amount"),
        ("loan.due_scheduled", json!({"data": {"loan_id": "x"}}), "data.due"),
        ("coupon.redeemed", json!({"data": {"amount": 1}}), "data.coupon"),
        ("coupon.issued", json!({"data": {"coupon": "", "amount": 1}}), "data.coupon"),
        ("coupon.expired", json!({}), "data.coupon"),
        ("consent.changed", json!({}), "data.granted"),
        ("push.permission_changed", json!({}), "data.granted"),
        ("weather.changed", json!({"id": null}), "id"),
    ];
    for (event_type, members, named) in cases {
        for (_, record, format) in shapes(&event(event_type, &members)) {
            check(&record, Source::App, format, RejectReason::MissingField, named);
        }
    }
    let no_version = TestMessage::of_value(event("app.login", &json!({"subject": "u1"})).to_string());
    check(&no_version, Source::App, Format::Cloudevents, RejectReason::MissingField, "specversion");
    let no_version = TestMessage::of_value("{}").header("ce_id", "e1");
    check(&no_version, Source::App, Format::Json, RejectReason::MissingField, "specversion");
}

#[test]
fn a_value_that_every_shape_can_hold_but_a_field_can_not_is_bad() {
    let refund = |original_time: &str| json!({"data": {"amount": 1, "original_time": original_time}});
    let cases = [
        ("app.login", json!({"id": "i".repeat(129)}), "id"),
        ("app.login", json!({"user_id": "u".repeat(65)}), ""),
        ("app.login", json!({"time": "yesterday"}), "time"),
        ("app.login", json!({"time": "2026-02-30T00:00:00Z"}), "time"),
        ("app.login", json!({"time": "2026-03-01T10:00:00"}), "time"),
        ("app.login", json!({"time": -1}), "time"),
        ("app.login", json!({"time": i64::MAX}), "time"),
        ("app.login", json!({"origin": "abroad"}), "origin"),
        ("payment.completed", json!({"data": {"amount": -1}}), "data.amount"),
        ("payment.completed", json!({"data": {"amount": 1_000_000_000_000_001_i64}}), "data.amount"),
        ("payment.completed", json!({"data": {"amount": i64::MIN}}), "data.amount"),
        ("rebate.credited", json!({"data": {"amount": -5}}), "data.amount"),
        ("card.bound", json!({"data": {"kind": "gold"}}), "data.kind"),
        ("loan.due_scheduled", json!({"data": {"due": "soon"}}), "data.due"),
        ("coupon.issued", json!({"data": {"coupon": "c", "expires": "never"}}), "data.expires"),
        (
            "payment.refunded",
            json!({"data": {"amount": 1, "original_time": 1, "original_id": "x".repeat(129)}}),
            "data.original_id",
        ),
        ("payment.refunded", refund("2026-03-02T10:00:00.001+08:00"), "data.original_time"),
    ];
    for (event_type, members, named) in cases {
        let source = if event_type.starts_with("rebate") { Source::Branch } else { Source::App };
        for (_, record, format) in shapes(&event(event_type, &members)) {
            check(&record, source, format, RejectReason::BadValue, named);
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_bad() {
    let wrong = |kinds: &[Value], fields: &[(&'static str, &'static str)]| {
        let mut cases = Vec::new();
        for (event_type, field) in fields {
            for value in kinds {
                let mut data = json!({"amount": 1, "coupon": "c", "original_time": 1, "due": 1, "granted": true});
                data[field] = value.clone();
                cases.push((*event_type, json!({"data": data}), format!("data.{field}")));
            }
        }
        cases
    };
    let texts = [
        ("payment.completed", "scene"),
        ("payment.completed", "merchant"),
        ("payment.completed", "coupon"),
        ("wealth.bought", "product"),
        ("loan.drawn", "loan_id"),
        ("loan.due_scheduled", "loan_id"),
        ("payment.refunded", "original_id"),
        ("card.bound", "kind"),
        ("coupon.redeemed", "coupon"),
        ("survey.answered", "preferred_channel"),
        ("redpacket.opened", "inviter"),
        ("app.viewed", "category"),
    ];
    let mut cases = wrong(&[json!(1), json!(1.5), json!(true), json!([]), json!({"a": [1]})], &texts);
    let integers = [("payment.completed", "amount"), ("coupon.issued", "amount"), ("survey.answered", "max_per_month")];
    cases.extend(wrong(&[json!("1"), json!(12.0), json!(1e3), json!(u64::MAX), json!(false), json!([1])], &integers));
    let flags = [("payment.completed", "auto"), ("payment.refunded", "full"), ("consent.changed", "granted")];
    cases.extend(wrong(&[json!("true"), json!(1), json!({}), json!([true])], &flags));
    let times = [("payment.refunded", "original_time"), ("loan.due_scheduled", "due"), ("coupon.issued", "expires")];
    cases.extend(wrong(&[json!(true), json!(1.5), json!([]), json!("1772324130250")], &times));
    cases.extend(wrong(
        &[json!(1), json!(true), json!({}), json!(["a", 1]), json!([["a"]])],
        &[("survey.answered", "interests")],
    ));
    for data in [json!("text"), json!([]), json!(1), json!(-1), json!(1.5), json!(true)] {
        cases.push(("app.login", json!({"data": data}), "data: expected an object".to_owned()));
    }
    for (event_type, members, named) in cases {
        for (shape, record, format) in shapes(&event(event_type, &members)) {
            // Protobuf has its own way of being wrong; here the other shapes are judged.
            if !shape.contains("proto") && !shape.contains("confluent") {
                check(&record, Source::App, format, RejectReason::BadValue, &named);
            }
        }
    }
    for (name, value) in [("id", json!(1)), ("user_id", json!([])), ("type", json!({})), ("time", json!(1.5))] {
        let record = TestMessage::of_value(event("app.login", &json!({name: value})).to_string());
        check(&record, Source::App, Format::Json, RejectReason::BadValue, name);
    }
    for name in ["channel", "origin"] {
        let record = TestMessage::of_value(event("app.login", &json!({name: 1})).to_string());
        check(&record, Source::App, Format::Json, RejectReason::BadValue, name);
    }
}

#[test]
fn a_number_beyond_all_bounds_is_bad_and_not_malformed() {
    for number in ["1e999", "-1e999", "123456789012345678901234567890", "99999999999999999999e99999999999"] {
        let text =
            format!(r#"{{"id":"e","user_id":"u","type":"payment.completed","time":1,"data":{{"amount":{number}}}}}"#);
        check(&TestMessage::of_value(text), Source::App, Format::Json, RejectReason::BadValue, "");
    }
}

#[test]
fn a_number_beyond_all_bounds_is_ignored_where_the_type_has_no_such_field() {
    for number in ["1e999", "-1e999", "123456789012345678901234567890", "99999999999999999999e99999999999"] {
        for data in ["amount", "due", "max_per_month", "interests", "granted", "what"] {
            let text = |more: &str, end: &str| {
                format!(
                    r#"{{"data":{{"{data}":{number},"x":"1e999"}},{more}"id":"e","type":"app.login","user_id":"u","time":1{end}"#
                )
            };
            let read = |text: String| decode(&TestMessage::of_value(text), Source::App, Format::Json);
            for more in [String::new(), format!("\"what\":[{number}],"), format!("\"source\":{number},")] {
                let decoded = read(text(&more, "}"));
                assert!(matches!(decoded, Decoded::Event { .. }), "{data} {number} {more}: {decoded:?}");
            }
            let broken = read(text("", ""));
            assert!(
                matches!(&broken, Decoded::Reject(reject) if reject.reason == RejectReason::Malformed),
                "{broken:?}"
            );
            let unnamed = read(text("\"id\":1e999,", "}").replace("\"id\":\"e\",", ""));
            assert!(
                matches!(&unnamed, Decoded::Reject(reject) if reject.reason == RejectReason::BadValue),
                "{unnamed:?}"
            );
        }
        let binary = TestMessage::of_value(format!(r#"{{"amount":{number}}}"#))
            .header("ce_specversion", "1.0")
            .header("ce_id", "e")
            .header("ce_subject", "u")
            .header("ce_time", "1");
        for (event_type, counts) in [("app.login", true), ("payment.completed", false)] {
            let decoded = decode(&binary.clone().header("ce_type", event_type), Source::App, Format::Json);
            assert_eq!(matches!(decoded, Decoded::Event { .. }), counts, "{event_type} {number}: {decoded:?}");
        }
    }
    let beyond = schema::EventData {
        amount: Some(i64::MIN),
        kind: 99,
        preferred_channel: 99,
        due: Some(schema::Instant { at: Some(schema::instant::At::EpochMs(i64::MAX)) }),
        ..schema::EventData::default()
    };
    // Of max_per_month, a uint32, more than that holds; of granted, a bool, more than one.
    let more = [0x88, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x80, 0x01, 0x07];
    let data = [beyond.encode_to_vec(), more.to_vec()].concat();
    let of_type = |name: &str| {
        let event = schema::Event { id: "e".into(), user_id: "u".into(), r#type: name.into(), ..Default::default() };
        let time = [0x22, 0x02, 0x08, 0x01];
        let value = [event.encode_to_vec(), time.to_vec(), vec![0x3a, data.len() as u8], data.clone()].concat();
        decode(&TestMessage::of_value(value), Source::App, Format::Protobuf)
    };
    assert!(matches!(of_type("app.login"), Decoded::Event { .. }), "{:?}", of_type("app.login"));
    for (name, field) in [("payment.completed", "data.amount"), ("survey.answered", "data.max_per_month")] {
        let (reason, detail) = reason(of_type(name));
        assert!(reason == RejectReason::BadValue && detail.starts_with(field), "{name}: {detail}");
    }
}

#[test]
fn a_time_before_the_earliest_is_taken_for_seconds_and_no_other_time_is() {
    let earliest = Timestamp::parse("1990-01-01T00:00:00Z").unwrap();
    let read = |record: &TestMessage, format| {
        let input = InputSpec { earliest, ..input(Source::App, format) };
        Decoder::new(input, 1, MAX_SKEW_MS).decode(record, PartitionId(0), None)
    };
    let cases = [
        ("app.login", json!(1_772_359_200), false),
        ("app.login", json!("1989-12-31T23:59:59.999Z"), false),
        ("weather.changed", json!(0), false),
        ("user.erased", json!(0), false),
        ("app.login", json!("1990-01-01T00:00:00Z"), true),
    ];
    for (event_type, time, is_read) in cases {
        for (shape, record, format) in shapes(&event(event_type, &json!({"time": time}))) {
            match read(&record, format) {
                Decoded::Event { .. } => assert!(is_read, "{event_type} at {time} as {shape}"),
                Decoded::Reject(reject) => {
                    assert!(!is_read, "{event_type} at {time} as {shape}: {reject}");
                    assert_eq!(reject.reason, RejectReason::BadValue);
                    let expected =
                        "time: before stream.earliest, 1990-01-01T00:00:00.000Z: seconds? expected milliseconds";
                    assert_eq!(reject.detail, expected);
                }
                other @ Decoded::Rekey { .. } => panic!("{other:?}"),
            }
        }
    }
    let of_long_ago = json!({"data": {"amount": 1, "original_time": 1, "due": 1, "coupon": "c", "expires": 1}});
    for event_type in ["payment.refunded", "loan.due_scheduled", "coupon.issued"] {
        for (shape, record, format) in shapes(&event(event_type, &of_long_ago)) {
            let decoded = read(&record, format);
            assert!(matches!(decoded, Decoded::Event { .. }), "{event_type} as {shape}: {decoded:?}");
        }
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
fn fields_that_a_type_does_not_have_are_not_judged() {
    let members = json!({"data": {"amount": -1, "scene": 7, "granted": "x", "due": "soon", "kind": "gold"}});
    for (shape, record, format) in shapes(&event("app.login", &members)) {
        let decoded = decode(&record, Source::App, format);
        assert!(matches!(decoded, Decoded::Event { .. }), "{shape}: {decoded:?}");
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
