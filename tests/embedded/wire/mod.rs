//! The wire: records to events in every shape, and what is written back.

mod dead_letters;
mod identities;
mod noise;
mod reasons;
mod reasons_of_values;
mod routing;
mod outputs;
mod texts;
mod types;

use std::sync::Arc;

use prost::Message as _;
use serde_json::{Value, json};
use tideline::domain::{Origin, PartitionId, Source, Timestamp};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{Decoded, Decoder, Format, InputSpec};
use tideline::record::Coordinates;

use testkit::message::TestMessage;

const MAX_VALUE: usize = 4096;
const MAX_SKEW_MS: i64 = 5 * 60_000;

fn input(source: Source, format: Format) -> InputSpec {
    InputSpec {
        topic: Arc::from("events"),
        source: Some(source),
        origin: Origin::Telecom,
        format,
        keyed: true,
        max_record: MAX_VALUE,
        earliest: Timestamp::MIN,
    }
}

/// Decodes as the one partition of an input of that source and format, at a clock that no good event is ahead of.
fn decode(record: &TestMessage, source: Source, format: Format) -> Decoded {
    let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
    Decoder::new(input(source, format), 1, MAX_SKEW_MS).decode(record, PartitionId(0), Some(now))
}

fn coordinates(topic: &str, partition: i32, offset: i64) -> Coordinates {
    Coordinates { topic: Arc::from(topic), partition: PartitionId(partition), offset }
}

/// The shapes that one event can come in: what it is called, the record, the format that its input must be configured
/// with.
fn shapes(event: &Value) -> Vec<(&'static str, TestMessage, Format)> {
    let protobuf = to_protobuf(event).encode_to_vec();
    let framed = [&[0, 0, 0, 0, 9, 0], protobuf.as_slice()].concat();
    let long_path = [&[0, 0, 0, 0, 9, 2, 0], protobuf.as_slice()].concat();
    let cloudevent = to_cloudevent(event);
    let binary = |value: Vec<u8>| {
        let attributes = cloudevent.as_object().unwrap().iter().filter(|(name, _)| *name != "data");
        attributes.fold(TestMessage::of_value(value), |record, (name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            record.header(&format!("ce_{name}"), text)
        })
    };
    let data = event.get("data").unwrap_or(&Value::Null);
    let mut shapes = vec![
        ("json", TestMessage::of_value(event.to_string()), Format::Json),
        (
            "json told by content type",
            TestMessage::of_value(event.to_string()).header("content-type", "application/json"),
            Format::Protobuf,
        ),
        ("cloudevents", TestMessage::of_value(cloudevent.to_string()), Format::Cloudevents),
        (
            "cloudevents told by content type",
            TestMessage::of_value(cloudevent.to_string())
                .header("content-type", "application/cloudevents+json; charset=utf-8"),
            Format::Protobuf,
        ),
        ("cloudevents among json", TestMessage::of_value(cloudevent.to_string()), Format::Json),
        ("binary", binary(data.to_string().into_bytes()).header("content-type", "application/json"), Format::Protobuf),
        ("binary without content type", binary(data.to_string().into_bytes()), Format::Json),
        ("protobuf", TestMessage::of_value(protobuf.clone()), Format::Protobuf),
        (
            "protobuf told by content type",
            TestMessage::of_value(protobuf).header("content-type", "application/x-protobuf"),
            Format::Json,
        ),
        ("confluent", TestMessage::of_value(framed.clone()), Format::ConfluentProtobuf),
        ("confluent among protobuf", TestMessage::of_value(framed), Format::Protobuf),
        ("confluent with a long path", TestMessage::of_value(long_path), Format::ConfluentProtobuf),
    ];
    let data = to_protobuf(event).data.unwrap_or_default().encode_to_vec();
    if !data.is_empty() {
        shapes.push((
            "binary with protobuf",
            binary(data).header("content-type", "application/protobuf"),
            Format::Json,
        ));
    }
    shapes
}

fn to_cloudevent(event: &Value) -> Value {
    let mut cloudevent = event.clone();
    let object = cloudevent.as_object_mut().unwrap();
    if let Some(user) = object.remove("user_id") {
        object.insert("subject".to_owned(), user);
    }
    object.insert("specversion".to_owned(), json!("1.0"));
    object.insert("source".to_owned(), json!("/somewhere/else"));
    cloudevent
}

fn to_protobuf(event: &Value) -> schema::Event {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    schema::Event {
        id: text(&event["id"]),
        user_id: text(&event["user_id"]),
        r#type: text(&event["type"]),
        time: instant(&event["time"]),
        channel: channel(&event["channel"]),
        origin: match event["origin"].as_str() {
            None => 0,
            Some("own") => 1,
            Some("telecom") => 2,
            Some("partner") => 3,
            Some(_) => 99,
        },
        data: event.get("data").map(|data| schema::EventData {
            amount: data["amount"].as_i64(),
            scene: text(&data["scene"]),
            merchant: text(&data["merchant"]),
            coupon: text(&data["coupon"]),
            auto: data["auto"].as_bool(),
            product: text(&data["product"]),
            loan_id: text(&data["loan_id"]),
            original_id: text(&data["original_id"]),
            original_time: instant(&data["original_time"]),
            full: data["full"].as_bool(),
            due: instant(&data["due"]),
            kind: match data["kind"].as_str() {
                None => 0,
                Some("debit") => 1,
                Some("credit") => 2,
                Some(_) => 99,
            },
            expires: instant(&data["expires"]),
            campaign: text(&data["campaign"]),
            channel: channel(&data["channel"]),
            granted: data["granted"].as_bool(),
            max_per_month: data["max_per_month"].as_u64().map(|n| n as u32),
            preferred_channel: channel(&data["preferred_channel"]),
            interests: data["interests"].as_array().map_or_else(Vec::new, |all| all.iter().map(text).collect()),
            inviter: text(&data["inviter"]),
            category: text(&data["category"]),
        }),
    }
}

fn instant(value: &Value) -> Option<schema::Instant> {
    use schema::instant::At;
    let at = value.as_i64().map(At::EpochMs).or_else(|| value.as_str().map(|text| At::Rfc3339(text.to_owned())));
    at.map(|at| schema::Instant { at: Some(at) })
}

fn channel(value: &Value) -> i32 {
    use schema::Channel;
    let channel = match value.as_str() {
        None => Channel::Unspecified,
        Some("app") => Channel::App,
        Some("wechat") => Channel::Wechat,
        Some("partner") => Channel::Partner,
        Some("branch") => Channel::Branch,
        Some("sms") => Channel::Sms,
        Some("phone") => Channel::Phone,
        Some("merchant") => Channel::Merchant,
        Some("unknown") => Channel::Unknown,
        Some(_) => return 99,
    };
    channel.into()
}
