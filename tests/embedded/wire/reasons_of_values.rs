//! Records whose shape is right and of which a value is not: absent, of the wrong kind, or beyond all bounds.

use prost::Message as _;
use serde_json::{Value, json};
use tideline::domain::{PartitionId, Source, Timestamp};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{Decoded, Decoder, Format, InputSpec, RejectReason};

use super::reasons::{check, event, reason};
use super::{MAX_SKEW_MS, TestMessage, decode, input, shapes};

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
fn fields_that_a_type_does_not_have_are_not_judged() {
    let members = json!({"data": {"amount": -1, "scene": 7, "granted": "x", "due": "soon", "kind": "gold"}});
    for (shape, record, format) in shapes(&event("app.login", &members)) {
        let decoded = decode(&record, Source::App, format);
        assert!(matches!(decoded, Decoded::Event { .. }), "{shape}: {decoded:?}");
    }
}
