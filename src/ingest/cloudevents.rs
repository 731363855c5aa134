//! CloudEvents 1.0. The subject is the user, `type`, `id` and `time` are ours, `channel` and `origin` extensions. The
//! `source` attribute says who sent the event, which is not our source: that is the input's. An id counts within both.

use super::attribute::Version;
use super::envelope::Envelope;
use super::field::{ChannelName, FieldKind, Id, Name, OriginName, Raw, Time, TypeName, User};
use super::json;
use super::members::Members;
use super::protobuf;
use super::shape::{CLOUDEVENTS_PREFIX, CONTENT_TYPE, MediaType};
use super::{Reject, RejectReason};
use crate::domain::{Source, Timestamp, Token};
use crate::record::Message;

/// The name that the user has here.
pub(super) const SUBJECT: &str = "subject";

/// Structured mode: judges the members of one JSON object, and makes its subject the envelope's user.
pub(super) fn structured(members: &mut Members) -> Result<(), Reject> {
    known_version(members.version)?;
    if members.has_base64 {
        return Err(Reject::new(RejectReason::Unsupported, "data_base64: expected data as JSON"));
    }
    if !members.data_is_json.optional("datacontenttype")?.unwrap_or(true) {
        return Err(Reject::new(RejectReason::Unsupported, "datacontenttype: expected JSON"));
    }
    members.envelope.user = members.subject;
    told_by(&mut members.envelope, members.sender)
}

/// Makes the id one within its sender. An event that names none, which the specification doesn't allow, has its id
/// alone.
fn told_by(envelope: &mut Envelope, sender: Raw<Token>) -> Result<(), Reject> {
    if let (Raw::Given(id), Some(sender)) = (envelope.id, sender.optional("source")?) {
        envelope.id = Raw::Given(id.within(sender));
    }
    Ok(())
}

/// Binary mode: attributes in headers, the value is the data. The envelope is new.
pub(super) fn binary(
    message: &impl Message,
    value: &[u8],
    source: Source,
    envelope: &mut Envelope,
) -> Result<(), Reject> {
    let (mut version, mut sender) = (Raw::Absent, Raw::Absent);
    let mut media = None;
    for (name, value) in message.headers() {
        // A null value says as little as an empty one.
        let value = value.unwrap_or_default();
        match name.strip_prefix(CLOUDEVENTS_PREFIX.as_bytes()) {
            Some(b"specversion") => version = header_text(Version, value)?,
            Some(b"id") => envelope.id = header_text(Id(source), value)?,
            Some(b"source") => sender = header_text(Name, value)?,
            Some(b"subject") => envelope.user = header_text(User, value)?,
            Some(b"type") => envelope.event_type = header_text(TypeName, value)?,
            Some(b"time") => envelope.time = time(value)?,
            Some(b"channel") => envelope.channel = header_text(ChannelName, value)?,
            Some(b"origin") => envelope.origin = header_text(OriginName, value)?,
            Some(_) => {}
            None if name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()) => media = Some(MediaType::of(value)?),
            None => {}
        }
    }
    known_version(version)?;
    told_by(envelope, sender)?;
    match media {
        Some(MediaType::Protobuf) => protobuf::data(value, &mut envelope.data),
        // A type that carries nothing may say so with any JSON value; what is no object is judged with the type.
        Some(MediaType::Json | MediaType::Cloudevents) | None => json::data(value, &mut envelope.data),
    }
}

fn known_version(version: Raw<bool>) -> Result<(), Reject> {
    if version.required("specversion")? {
        Ok(())
    } else {
        Err(Reject::new(RejectReason::Unsupported, "specversion: expected 1.0"))
    }
}

fn header_text<K: FieldKind>(kind: K, value: &[u8]) -> Result<Raw<K::Value>, Reject> {
    let text =
        std::str::from_utf8(value).map_err(|_| Reject::new(RejectReason::Malformed, "a ce_ header is not UTF-8"))?;
    Ok(kind.text(text))
}

/// A header holds text only, so epoch milliseconds come as digits.
fn time(value: &[u8]) -> Result<Raw<Timestamp>, Reject> {
    match std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()) {
        Some(millis) => Ok(Time.integer(millis)),
        None => header_text(Time, value),
    }
}
