//! Whose an id is: of a CloudEvent its sender's too, in every mode; of our own shapes the source's alone.

use serde_json::{Value, json};
use tideline::domain::{EventId, Source, Token};
use tideline::ingest::{Decoded, Format, RejectReason};

use super::{decode, shapes};
use testkit::message::TestMessage;

fn id_of(record: &TestMessage, source: Source, format: Format) -> EventId {
    match decode(record, source, format) {
        Decoded::Event { event, .. } => event.id,
        other => panic!("{other:?}"),
    }
}

fn payment() -> Value {
    json!({"id": "1", "user_id": "u1", "type": "payment.completed", "time": "2026-03-01T10:00:00Z",
           "data": {"amount": 100}})
}

/// The record with another sender, or none, in the place of the one that it has.
fn sent_by(record: &TestMessage, sender: Option<&str>) -> TestMessage {
    const OTHER: &str = "/somewhere/else";
    let mut record = record.clone();
    if let Some(place) = record.headers.iter().position(|(name, _)| name == b"ce_source") {
        record.headers.remove(place);
        return sender.into_iter().fold(record, |record, sender| record.header("ce_source", sender));
    }
    let text = String::from_utf8(record.value.unwrap()).unwrap();
    let written = format!("\"source\":\"{OTHER}\"");
    assert!(text.contains(&written), "{text}");
    let value =
        text.replace(&written, &sender.map_or("\"x\":0".to_owned(), |sender| format!("\"source\":\"{sender}\"")));
    TestMessage { value: Some(value.into_bytes()), ..record }
}

#[test]
fn one_id_of_two_senders_is_two_cloudevents_in_every_mode() {
    let mut modes = 0;
    for (shape, record, format) in shapes(&payment()) {
        let plain = EventId::new(Source::App, "1");
        if !shape.contains("cloudevent") && !shape.contains("binary") {
            assert_eq!(id_of(&record, Source::App, format), plain, "{shape}");
            continue;
        }
        modes += 1;
        for sender in ["/ios", "/web", "https://example.org/a?b=c"] {
            let id = id_of(&sent_by(&record, Some(sender)), Source::App, format);
            assert_eq!(id, plain.within(Token::of(sender)), "{shape} of {sender}");
            let of_merchant = id_of(&sent_by(&record, Some(sender)), Source::Merchant, format);
            assert_ne!(of_merchant, id, "{shape}: the input's source counts too");
        }
        // The specification wants one. Without it the id is all there is.
        assert_eq!(id_of(&sent_by(&record, None), Source::App, format), plain, "{shape}");
        assert_eq!(id_of(&sent_by(&record, Some("")), Source::App, format), plain, "{shape}");
    }
    assert_eq!(modes, 6);
}

#[test]
fn a_sender_may_stand_anywhere_and_means_nothing_in_tideline_json() {
    let expected = EventId::new(Source::App, "1").within(Token::of("/ios"));
    let rest = r#""subject":"u1","type":"app.login","time":"2026-03-01T10:00:00Z""#;
    for members in [
        r#""specversion":"1.0","id":"1","source":"/ios""#,
        r#""source":"/ios","id":"1","specversion":"1.0""#,
        r#""source":"/web","source":"\/ios","id":"1","specversion":"1.0""#,
    ] {
        let record = TestMessage::of_value(format!("{{{members},{rest}}}"));
        assert_eq!(id_of(&record, Source::App, Format::Json), expected, "{members}");
    }
    for source in [json!("app"), json!("/ios"), json!(5), json!({}), Value::Null] {
        let mut event = payment();
        event["source"] = source;
        let record = TestMessage::of_value(event.to_string());
        assert_eq!(id_of(&record, Source::App, Format::Json), EventId::new(Source::App, "1"), "{event}");
    }
    let no_text = r#"{"specversion":"1.0","id":"1","source":5,"subject":"u1","type":"app.login","time":1}"#;
    match decode(&TestMessage::of_value(no_text), Source::App, Format::Json) {
        Decoded::Reject(reject) => {
            assert_eq!((reject.reason, reject.detail.as_str()), (RejectReason::BadValue, "source: expected a text"));
        }
        other => panic!("{other:?}"),
    }
}
