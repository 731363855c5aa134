//! Other readers of the same bytes, which ours must agree with: a tree of JSON, the generated protobuf, and, of the two
//! ways in which ours reads JSON, the other one.

use prost::Message as _;
use serde_json::{Map, Value};
use tideline::domain::{EventId, Token, UserId};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{Decoded, Format, RejectReason};
use tideline::record::Message as _;

use crate::message::TestMessage;

/// For a record whose headers tell nothing, so that its shape is that of its format.
pub fn agrees(record: &TestMessage, format: Format, decoded: &Decoded) -> Result<(), String> {
    let Some(value) = record.value.as_deref().filter(|value| !value.is_empty()) else { return Ok(()) };
    match format {
        Format::Json | Format::Cloudevents => json(value, format, decoded),
        Format::Protobuf if value.first() != Some(&0) => protobuf(value, decoded),
        Format::Protobuf | Format::ConfluentProtobuf => match value {
            [0, _, _, _, _, 0, message @ ..] => protobuf(message, decoded),
            _ => Ok(()),
        },
    }
}

fn json(value: &[u8], format: Format, decoded: &Decoded) -> Result<(), String> {
    // A tree is pickier, as it also looks into what is ignored; so it says nothing where it fails.
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(value) else { return Ok(()) };
    if let Decoded::Reject(reject) = decoded {
        return if reject.reason == RejectReason::Malformed {
            Err(format!("it is JSON, but {reject}"))
        } else {
            Ok(())
        };
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_cloudevent = format == Format::Cloudevents || !text("specversion").is_empty();
    let sender = if is_cloudevent { text("source") } else { "" };
    same(decoded, text(if is_cloudevent { "subject" } else { "user_id" }), text("id"), sender)
}

fn protobuf(value: &[u8], decoded: &Decoded) -> Result<(), String> {
    let malformed = match decoded {
        // Groups, which the generated reader skips and proto3 does not have.
        Decoded::Reject(reject) if reject.detail.contains("wire type is unknown") => return Ok(()),
        Decoded::Reject(reject) if reject.reason == RejectReason::TooLarge => return Ok(()),
        Decoded::Reject(reject) => matches!(reject.reason, RejectReason::Malformed | RejectReason::Empty),
        _ => false,
    };
    match (schema::Event::decode(value), decoded) {
        (Ok(_), Decoded::Reject(reject)) if malformed => Err(format!("it is protobuf, but {reject}")),
        (Err(error), _) if !malformed => Err(format!("it is no protobuf ({error}), but {decoded:?}")),
        (Ok(event), _) => same(decoded, &event.user_id, &event.id, ""),
        (Err(_), _) => Ok(()),
    }
}

/// The same record with a member that nobody knows, and whose name has an escape, so that the shortcut for plain JSON
/// is not taken. None where it isn't JSON, or would be too long.
pub fn not_plain(record: &TestMessage, max_record: usize) -> Option<TestMessage> {
    let inner = record.value.as_deref()?.strip_prefix(b"{")?;
    let is_protobuf = record
        .headers
        .iter()
        .any(|(_, value)| String::from_utf8_lossy(value.as_deref().unwrap_or_default()).contains("protobuf"));
    let is_empty = inner.trim_ascii_start().starts_with(b"}");
    let member: &[u8] = if is_empty { b"{\"\\u0000\":0" } else { b"{\"\\u0000\":0," };
    let value = [member, inner].concat();
    let changed = TestMessage { value: Some(value), ..record.clone() };
    (!is_protobuf && changed.size() <= max_record).then_some(changed)
}

/// Details may name other columns; events and reasons are the same.
pub fn reads_alike(shortcut: &Decoded, judge: &Decoded) -> Result<(), String> {
    match (shortcut, judge) {
        (Decoded::Reject(a), Decoded::Reject(b)) if a.reason == b.reason => Ok(()),
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("{a:?}, but without the shortcut {b:?}")),
    }
}

/// `sender`: of a CloudEvent who sent it, if it says so.
fn same(decoded: &Decoded, user: &str, id: &str, sender: &str) -> Result<(), String> {
    match decoded {
        Decoded::Event { event, .. } | Decoded::Rekey { event, .. } => {
            let told = EventId::new(event.source, id);
            let told = if sender.is_empty() { told } else { told.within(Token::of(sender)) };
            if UserId::new(user) == Some(event.user) && told == event.id {
                Ok(())
            } else {
                Err(format!("the user is {user:?} and the id {id:?}, but {event:?}"))
            }
        }
        Decoded::Reject(_) => Ok(()),
    }
}
