//! What a good record may say, and changes of its key and headers.

use rand::RngExt;
use tideline::domain::{DAY_MS, HOUR_MS, Timestamp};
use tideline::ingest::header;
use tideline::record::text_header;

use super::{Random, bytes, pick};
use crate::message::TestMessage;

/// Every type of the contract, the ones that leave more behind more often; and some that are none.
pub const TYPES: [&str; 60] = [
    "payment.completed",
    "payment.completed",
    "payment.completed",
    "payment.completed",
    "payment.completed",
    "payment.completed",
    "payment.refunded",
    "payment.refunded",
    "payment.refunded",
    "loan.due_scheduled",
    "loan.due_scheduled",
    "loan.repaid",
    "loan.repaid",
    "user.registered",
    "user.registered",
    "user.erased",
    "user.erased",
    "message.sent",
    "message.sent",
    "app.downloaded",
    "app.login",
    "app.viewed",
    "app.uninstalled",
    "card.bound",
    "wealth.bought",
    "wealth.redeemed",
    "loan.drawn",
    "coupon.issued",
    "coupon.redeemed",
    "coupon.expired",
    "checkin.done",
    "redpacket.opened",
    "course.joined",
    "course.completed",
    "group.joined",
    "adviser.added",
    "push.opened",
    "push.permission_changed",
    "survey.answered",
    "consent.changed",
    "message.delivered",
    "message.failed",
    "message.clicked",
    "message.replied",
    "message.opted_out",
    "branch.visited",
    "branch.visited",
    "telecom.package_subscribed",
    "telecom.package_cancelled",
    "bill.paid",
    "bill.paid",
    "rebate.credited",
    "complaint.opened",
    "complaint.closed",
    "payment.failed",
    "Payment.completed",
    "payment.completed ",
    "user.erased\0",
    "x",
    "",
];

pub const CHANNELS: [&str; 10] =
    ["app", "wechat", "partner", "branch", "sms", "phone", "merchant", "unknown", "fax", ""];

pub const ORIGINS: [&str; 5] = ["own", "telecom", "partner", "abroad", ""];

/// Few users, so that much happens to each; some at the ends of what a user id may be.
pub fn user(random: &mut Random) -> String {
    match random.random_range(0..24u8) {
        0 => "用户\u{1f30a}".to_owned(),
        1 => "u".repeat(64),
        2 => "u".repeat(65),
        3 => "\0".to_owned(),
        n => format!("u{n}"),
    }
}

/// Mostly one that was never seen.
pub fn id(random: &mut Random) -> String {
    match random.random_range(0..20u8) {
        0 => "i".repeat(128),
        1 => "i".repeat(129),
        2 | 3 => format!("e{}", random.random_range(0..40u8)),
        _ => format!("e{}", random.random::<u32>()),
    }
}

/// Mostly just now, or some time of the last year.
pub fn time(now: Timestamp, random: &mut Random) -> Timestamp {
    match random.random_range(0..40u8) {
        0 => Timestamp::MIN,
        1 => Timestamp::MAX,
        2 => now.plus_millis(random.random_range(0..HOUR_MS)),
        3..8 => now.minus_millis(random.random_range(0..400 * DAY_MS)),
        8..14 => now.minus_millis(random.random_range(0..40 * DAY_MS)),
        _ => now.minus_millis(random.random_range(0..HOUR_MS)),
    }
}

const HEADERS: [&str; 20] = [
    "content-type",
    "Content-Type",
    "ce_specversion",
    "ce_id",
    "ce_subject",
    "ce_type",
    "ce_time",
    "ce_channel",
    "ce_origin",
    "ce_",
    "trace",
    "",
    header::SOURCE,
    header::FORMAT,
    header::ORIGIN,
    header::TOPIC,
    header::PARTITION,
    header::OFFSET,
    tideline::emit::header::REASON,
    tideline::emit::header::LENGTH,
];

const VALUES: [&str; 30] = [
    "",
    "1.0",
    "0.3",
    "application/json",
    "APPLICATION/JSON ; charset=utf-8",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/protobuf",
    "application/x-protobuf",
    "application/avro",
    "text/plain",
    "json",
    "cloudevents",
    "cloudevents-binary",
    "protobuf",
    "confluent-protobuf",
    "app",
    "sms",
    "branch",
    "merchant",
    "own",
    "telecom",
    "partner",
    "u1",
    "0",
    "-1",
    "2147483648",
    "9223372036854775808",
    "payment.completed",
    "1772324130250",
];

/// One change of the key or of the headers.
pub fn change(record: &mut TestMessage, random: &mut Random) {
    let at = if record.headers.is_empty() { 0 } else { random.random_range(0..record.headers.len()) };
    match random.random_range(0..16u8) {
        0 => record.key = None,
        1 | 2 => record.key = Some(user(random).into_bytes()),
        3 => bytes::change(record.key.get_or_insert_default(), b"u1", random),
        4 => record.value = None,
        5 | 6 if at < record.headers.len() => drop(record.headers.remove(at)),
        7 if at < record.headers.len() => {
            let again = record.headers[at].clone();
            record.headers.push(again);
        }
        8..11 if at < record.headers.len() => {
            bytes::change(record.headers[at].1.get_or_insert_default(), b"app", random);
        }
        11 if at < record.headers.len() => record.headers[at].0 = pick(random, &HEADERS).as_bytes().to_vec(),
        12 if at < record.headers.len() => record.headers[at].1 = Some(value(random)),
        _ => {
            let header = (pick(random, &HEADERS).as_bytes().to_vec(), Some(value(random)));
            record.headers.insert(at, header);
        }
    }
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.random_range(0..8u8) {
        0 => pick(random, &bytes::TIMES).as_bytes().to_vec(),
        1 => pick(random, &bytes::NUMBERS).as_bytes().to_vec(),
        2 => b"\xff\xfe".to_vec(),
        _ => pick(random, &VALUES).as_bytes().to_vec(),
    }
}

/// Says something else, and good, in the attributes of a binary CloudEvent.
pub fn change_attributes(record: &mut TestMessage, now: Timestamp, random: &mut Random) {
    for (name, value) in &mut record.headers {
        let text = match std::str::from_utf8(name).unwrap_or_default() {
            "ce_id" => id(random),
            "ce_subject" => user(random),
            "ce_time" => time(now, random).to_string(),
            "ce_type" if random.random_ratio(1, 2) => (*pick(random, &TYPES)).to_owned(),
            "ce_channel" => (*pick(random, &CHANNELS)).to_owned(),
            "ce_origin" => (*pick(random, &ORIGINS)).to_owned(),
            _ => continue,
        };
        *value = Some(text.into_bytes());
    }
}

/// As if forwarded: the headers that `rekey` asks for, most of them good.
pub fn forward(record: &mut TestMessage, random: &mut Random) {
    let offset = random.random::<u32>().to_string();
    for (name, value) in [
        (header::SOURCE, *pick(random, &["app", "sms", "branch", "merchant"])),
        (
            header::FORMAT,
            *pick(random, &["json", "cloudevents", "cloudevents-binary", "protobuf", "confluent-protobuf"]),
        ),
        (header::ORIGIN, *pick(random, &["own", "telecom", "partner"])),
        (header::TOPIC, "app.events"),
        (header::PARTITION, *pick(random, &["0", "1", "2", "3"])),
        (header::OFFSET, offset.as_str()),
    ] {
        record.headers.push(text_header(name, value));
    }
}
