//! The protobuf of `proto/events/v1`, bare or in Confluent's framing.
//!
//! Field numbers stand here and in the schema; a test encodes every type with the generated code and reads it back
//! here.

use super::envelope::{Data, Envelope};
use super::field::{Amount, Count, FieldKind, Flag, Id, Name, Names, OriginalId, Raw, Time, TypeName, User};
use super::wire::{NotProtobuf, Value, WireReader};
use super::{Reject, RejectReason};
use crate::domain::{Channel, Origin, Source, Timestamp};

/// The generated types of `proto/events/v1`, for whoever writes events.
pub mod schema {
    include!(concat!(env!("OUT_DIR"), "/tideline.events.v1.rs"));
}

/// What frames of the Confluent registry begin with. No protobuf message does: it would be a tag of zero.
pub(super) const MAGIC: u8 = 0;

/// Numbers of fields that are read again for their texts.
pub(super) const DATA: u32 = 7;
pub(super) const CAMPAIGN: u32 = 14;
pub(super) const INTERESTS: u32 = 19;

/// Takes off Confluent's framing: the magic byte, a schema id of four bytes, and the path to the message in its schema.
pub(super) fn unframed(value: &[u8]) -> Result<&[u8], Reject> {
    let unsupported = |detail: &str| Reject::new(RejectReason::Unsupported, format!("framing: {detail}"));
    let (&magic, rest) = value.split_first().ok_or_else(|| malformed(NotProtobuf("it is empty")))?;
    if magic != MAGIC {
        return Err(unsupported("expected the magic byte 0"));
    }
    let (_schema_id, rest) =
        rest.split_at_checked(4).ok_or_else(|| malformed(NotProtobuf("it ends in the schema id")))?;
    let mut reader = WireReader::new(rest);
    // Zigzag varints: how many indexes, then each. A single 0 is short for the one path [0].
    let mut index = || reader.varint().map_err(malformed);
    let first = match index()? {
        0 => 0,
        2 => index()?,
        _ => return Err(unsupported("expected the schema's first message")),
    };
    if first != 0 {
        return Err(unsupported("expected the schema's first message"));
    }
    Ok(reader.rest())
}

/// Reads an `Event` into an envelope that is new.
pub(super) fn envelope(value: &[u8], source: Source, envelope: &mut Envelope) -> Result<(), Reject> {
    read_envelope(value, source, envelope).map_err(malformed)
}

/// Reads an `EventData` that is a value of its own into data that is new.
pub(super) fn data(value: &[u8], data: &mut Data) -> Result<(), Reject> {
    read_data(value, data).map_err(malformed)
}

fn malformed(error: NotProtobuf) -> Reject {
    Reject::new(RejectReason::Malformed, format!("not protobuf: {}", error.0))
}

fn read_envelope(bytes: &[u8], source: Source, envelope: &mut Envelope) -> Result<(), NotProtobuf> {
    let mut reader = WireReader::new(bytes);
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => envelope.id = text(Id(source), value)?,
            2 => envelope.user = text(User, value)?,
            3 => envelope.event_type = text(TypeName, value)?,
            4 => instant(value, &mut envelope.time)?,
            5 => envelope.channel = channel(value)?,
            6 => envelope.origin = origin(value)?,
            DATA => read_data(bytes_of(value)?, &mut envelope.data)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads into what may have been read before: a message that comes in parts is merged.
fn read_data(bytes: &[u8], data: &mut Data) -> Result<(), NotProtobuf> {
    let mut reader = WireReader::new(bytes);
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => data.amount = integer(Amount, value)?,
            2 => data.scene = text(Name, value)?,
            3 => data.merchant = text(Name, value)?,
            4 => data.coupon = text(Name, value)?,
            5 => data.auto = flag(value)?,
            6 => data.product = text(Name, value)?,
            7 => data.loan_id = text(Name, value)?,
            8 => data.original_id = text(OriginalId, value)?,
            9 => instant(value, &mut data.original_time)?,
            10 => data.full = flag(value)?,
            11 => instant(value, &mut data.due)?,
            12 => data.kind = card_kind(value)?,
            13 => instant(value, &mut data.expires)?,
            CAMPAIGN => data.campaign = text(Name, value)?,
            15 => data.channel = channel(value)?,
            16 => data.granted = flag(value)?,
            17 => data.max_per_month = integer(Count, value)?,
            18 => data.preferred_channel = channel(value)?,
            INTERESTS => data.interests = Names::join(data.interests, text(Name, value)?),
            20 => data.inviter = text(Name, value)?,
            21 => data.category = text(Name, value)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads an `Instant`. One that says nothing leaves what was there.
fn instant(value: Value<'_>, time: &mut Raw<Timestamp>) -> Result<(), NotProtobuf> {
    let mut reader = WireReader::new(bytes_of(value)?);
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => *time = integer(Time, value)?,
            2 => *time = text(Time, value)?,
            _ => {}
        }
    }
    Ok(())
}

fn channel(value: Value<'_>) -> Result<Raw<Channel>, NotProtobuf> {
    Ok(match schema::Channel::try_from(enumerator(value)?).unwrap_or(schema::Channel::Unknown) {
        schema::Channel::Unspecified => Raw::Absent,
        schema::Channel::Unknown => Raw::Given(Channel::Unknown),
        schema::Channel::App => Raw::Given(Channel::App),
        schema::Channel::Wechat => Raw::Given(Channel::Wechat),
        schema::Channel::Partner => Raw::Given(Channel::Partner),
        schema::Channel::Branch => Raw::Given(Channel::Branch),
        schema::Channel::Sms => Raw::Given(Channel::Sms),
        schema::Channel::Phone => Raw::Given(Channel::Phone),
        schema::Channel::Merchant => Raw::Given(Channel::Merchant),
    })
}

fn origin(value: Value<'_>) -> Result<Raw<Origin>, NotProtobuf> {
    Ok(match schema::Origin::try_from(enumerator(value)?) {
        Ok(schema::Origin::Unspecified) => Raw::Absent,
        Ok(schema::Origin::Own) => Raw::Given(Origin::Own),
        Ok(schema::Origin::Telecom) => Raw::Given(Origin::Telecom),
        Ok(schema::Origin::Partner) => Raw::Given(Origin::Partner),
        Err(_) => Raw::Bad(super::field::OriginName::EXPECTED),
    })
}

fn card_kind(value: Value<'_>) -> Result<Raw<bool>, NotProtobuf> {
    Ok(match schema::CardKind::try_from(enumerator(value)?) {
        Ok(schema::CardKind::Unspecified) => Raw::Absent,
        Ok(schema::CardKind::Debit) => Raw::Given(false),
        Ok(schema::CardKind::Credit) => Raw::Given(true),
        Err(_) => Raw::Bad(super::field::Card::EXPECTED),
    })
}

fn text<K: FieldKind>(kind: K, value: Value<'_>) -> Result<Raw<K::Value>, NotProtobuf> {
    let text = std::str::from_utf8(bytes_of(value)?).map_err(|_| NotProtobuf("a text is not UTF-8"))?;
    Ok(kind.text(text))
}

fn integer<K: FieldKind>(kind: K, value: Value<'_>) -> Result<Raw<K::Value>, NotProtobuf> {
    Ok(kind.integer(varint(value)?.cast_signed()))
}

fn flag(value: Value<'_>) -> Result<Raw<bool>, NotProtobuf> {
    Ok(Flag.flag(varint(value)? != 0))
}

fn enumerator(value: Value<'_>) -> Result<i32, NotProtobuf> {
    // As the wire format has it: the low 32 bits of a varint that negative numbers fill.
    Ok(varint(value)? as i32)
}

fn varint(value: Value<'_>) -> Result<u64, NotProtobuf> {
    match value {
        Value::Varint(number) => Ok(number),
        Value::Bytes(_) | Value::Fixed => Err(WRONG_WIRE_TYPE),
    }
}

fn bytes_of(value: Value<'_>) -> Result<&[u8], NotProtobuf> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Varint(_) | Value::Fixed => Err(WRONG_WIRE_TYPE),
    }
}

const WRONG_WIRE_TYPE: NotProtobuf = NotProtobuf("a field has another wire type than in the schema");
