//! Changes of a protobuf message that leave it one: fields taken away, told twice, in another order, with other values.

use prost::Message as _;
use rand::RngExt;
use tideline::domain::Timestamp;
use tideline::ingest::protobuf::schema;

use super::record::{TYPES, id, time, user};
use super::{Random, bytes, pick};

/// One field as it stands on the wire.
#[derive(Clone)]
struct Field {
    tag: u64,
    /// With the length, where there is one.
    value: Vec<u8>,
}

const BYTES: u64 = 2;

/// One change of the fields of a message, or of one that it holds; nothing where there is no message.
pub fn change(value: &mut Vec<u8>, random: &mut Random) {
    let Some(mut fields) = fields(value) else { return };
    if fields.is_empty() {
        return;
    }
    let at = random.random_range(0..fields.len());
    match random.random_range(0..8u8) {
        0 => drop(fields.remove(at)),
        1 => {
            let again = fields[at].clone();
            fields.push(again);
        }
        2 => {
            let other = random.random_range(0..fields.len());
            fields.swap(at, other);
        }
        3 => fields[at].tag = any_varint(random) & 0xff,
        4 => fields.insert(at, Field { tag: u64::from(random.random::<u8>()), value: varint(any_varint(random)) }),
        _ => change_value(&mut fields[at], random),
    }
    *value = fields.iter().flat_map(|field| [varint(field.tag), field.value.clone()].concat()).collect();
}

fn change_value(field: &mut Field, random: &mut Random) {
    if field.tag & 7 != BYTES {
        field.value = varint(any_varint(random));
        return;
    }
    let mut rest = field.value.as_slice();
    let mut inner = match take_varint(&mut rest) {
        Some(_) => rest.to_vec(),
        None => return,
    };
    if random.random() {
        change(&mut inner, random);
    } else {
        bytes::change(&mut inner, pick(random, &bytes::TIMES).as_bytes(), random);
    }
    field.value = [varint(inner.len() as u64), inner].concat();
}

fn any_varint(random: &mut Random) -> u64 {
    match random.random_range(0..7u8) {
        0 => u64::MAX,
        1 => i64::MAX as u64,
        4 => i64::MIN as u64,
        2 => 1 << random.random_range(0..64),
        3 => 1_000_000_000_000_001,
        _ => random.random_range(0..40),
    }
}

/// Says something else, and good, where the bytes are an event.
pub fn retell(value: &mut Vec<u8>, now: Timestamp, random: &mut Random) {
    let Ok(mut event) = schema::Event::decode(value.as_slice()) else { return };
    event.user_id = user(random);
    event.id = id(random);
    event.time = instant(now, random);
    if random.random() {
        event.r#type = (*pick(random, &TYPES)).to_owned();
    }
    let data = event.data.get_or_insert_default();
    data.amount = Some(random.random_range(0..100_000));
    data.scene = format!("s{}", random.random_range(0..99));
    data.coupon = "c".to_owned();
    data.original_id = id(random);
    data.original_time = instant(now, random);
    data.full = Some(random.random());
    data.due = instant(now, random);
    data.loan_id = format!("l{}", random.random_range(0..12));
    data.granted = Some(random.random());
    data.auto = Some(random.random_ratio(1, 8));
    *value = event.encode_to_vec();
}

fn instant(now: Timestamp, random: &mut Random) -> Option<schema::Instant> {
    use schema::instant::At;
    let time = time(now, random);
    let at = if random.random() { At::EpochMs(time.millis()) } else { At::Rfc3339(time.to_string()) };
    Some(schema::Instant { at: Some(at) })
}

fn fields(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        let before = bytes;
        match tag & 7 {
            0 => drop(take_varint(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            BYTES => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                bytes = bytes.get(length..)?;
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
        fields.push(Field { tag, value: before[..before.len() - bytes.len()].to_vec() });
    }
    Some(fields)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
