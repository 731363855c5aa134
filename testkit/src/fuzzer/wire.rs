//! Records of every wire shape: decoded, folded, forwarded or buried, and none of them lost.

use std::sync::Arc;

use rand::RngExt;
use sha2::{Digest as _, Sha256};
use tideline::domain::{Body, Event, Input, Origin, PartitionId, Source, Timestamp, UserId, partition_of};
use tideline::emit::{self, header};
use tideline::engine::Disposition;
use tideline::ingest::{self, Decoded, Decoder, Format, InputSpec, MAX_AMOUNT, MAX_REFUND_AHEAD_MS, Reject};
use tideline::record::{Coordinates, Message as _, Outgoing, is_named};

use super::corpus::Corpus;
use super::world::{INPUTS, PARTITIONS, World};
use super::{Random, Target, bytes, json, oracle, pick, protobuf, record};
use crate::message::TestMessage;

const MAX_VALUE: usize = 8 << 10;
const DEAD_LETTER_LIMIT: usize = MAX_VALUE + (64 << 10) + 1;
const MAX_SKEW_MS: i64 = 5 * 60_000;
const REKEY: Input = Input(Source::ALL.len() as u8);

/// Magic byte, schema id, and the short path to the first message.
const FRAME: &[u8] = &[0, 0, 0, 0, 9, 0];

pub struct Wire {
    form: Form,
    format: Format,
    world: World,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An event as a JSON object.
    Json,
    /// The data alone, attributes in headers.
    Binary,
    Protobuf,
    Framed,
}

/// How a record comes in: taken from its offset, so that it goes with the record.
struct Place {
    input: Input,
    source: Option<Source>,
    partition: PartitionId,
    keyed: bool,
}

impl Wire {
    pub fn new(name: &str) -> Self {
        let (form, format) = match name {
            "json" => (Form::Json, Format::Json),
            "cloudevents" => (Form::Json, Format::Cloudevents),
            "cloudevents_binary" => (Form::Binary, Format::Json),
            "protobuf" => (Form::Protobuf, Format::Protobuf),
            "confluent" => (Form::Framed, Format::ConfluentProtobuf),
            other => panic!("no target {other}"),
        };
        Self { form, format, world: World::new() }
    }

    fn decoder(&self, source: Option<Source>, keyed: bool, partitions: i32) -> Decoder {
        let (topic, origin) = (Arc::from("events"), Origin::Telecom);
        let spec = InputSpec {
            topic,
            source,
            origin,
            format: self.format,
            keyed,
            max_record: MAX_VALUE,
            earliest: Timestamp::MIN,
        };
        Decoder::new(spec, partitions, MAX_SKEW_MS)
    }

    /// Whose event it is, and from which source it may come.
    fn told(&self, record: &TestMessage) -> Option<(Source, UserId)> {
        Source::ALL.into_iter().find_map(|source| {
            match self.decoder(Some(source), true, 1).decode(record, PartitionId(0), None) {
                Decoded::Event { event, .. } | Decoded::Rekey { event, .. } => Some((source, event.user)),
                Decoded::Reject(_) => None,
            }
        })
    }

    fn place(&self, record: &TestMessage) -> Place {
        let bits = record.offset.cast_unsigned();
        let any = Source::ALL[(bits >> 4 & 3) as usize];
        let told = self.told(record);
        let source = told.map(|(source, _)| source).filter(|_| bits & 7 != 1).unwrap_or(any);
        let home = told.map(|(_, user)| partition_of(user.as_bytes(), PARTITIONS)).filter(|_| bits >> 8 & 7 != 1);
        let partition = home.unwrap_or(PartitionId((bits >> 12 & 3) as i32));
        if record.header(ingest::header::SOURCE).is_some() && bits >> 16 & 3 != 1 {
            return Place { input: REKEY, source: None, partition, keyed: true };
        }
        Place { input: Input(source as u8), source: Some(source), partition, keyed: bits >> 20 & 15 != 1 }
    }

    /// Takes one record in, and says what came of it.
    fn consume(&mut self, record: &TestMessage, place: &Place) -> Result<&'static str, String> {
        let now = self.world.now;
        let decoder = self.decoder(place.source, place.keyed, PARTITIONS);
        let decoded = decoder.decode(record, place.partition, Some(now));
        if let Some(not_plain) = oracle::not_plain(record, MAX_VALUE) {
            oracle::reads_alike(&decoded, &decoder.decode(&not_plain, place.partition, Some(now)))?;
        }
        if record.headers.is_empty() && place.source.is_some() {
            oracle::agrees(record, self.format, &decoded)?;
        }
        self.book(place).consumed += 1;
        let topic = if place.input == REKEY { "rekey" } else { "events" };
        let at = Coordinates { topic: Arc::from(topic), partition: place.partition, offset: record.offset };
        match decoded {
            Decoded::Reject(reject) => self.bury(record, &reject, &at, place),
            Decoded::Rekey { .. } if place.input == REKEY => Err("forwarded twice".to_owned()),
            Decoded::Rekey { event, to, shape } => {
                in_range(&event, now)?;
                let outgoing = emit::rekey(record, &event, to, shape, &at, &Arc::from("rekey"));
                self.forward(record, &event, &at, outgoing, place)
            }
            Decoded::Event { event, origin } => {
                in_range(&event, now)?;
                if partition_of(event.user.as_bytes(), PARTITIONS) != place.partition {
                    return Err("kept, though it is another partition's".to_owned());
                }
                if place.input != REKEY && (origin.is_some() || record.key() != Some(event.user.as_bytes())) {
                    return Err(format!("kept, though its key isn't its user's (origin {origin:?})"));
                }
                self.fold(record, &event, &at, place)
            }
        }
    }

    fn fold(
        &mut self,
        record: &TestMessage,
        event: &Event,
        at: &Coordinates,
        place: &Place,
    ) -> Result<&'static str, String> {
        let disposition = self.world.fold(place.partition, place.input, event, at)?;
        let book = self.book(place);
        let (count, outcome) = match disposition {
            Disposition::Applied => (&mut book.applied, "applied"),
            Disposition::Skipped => (&mut book.skipped, "skipped"),
            Disposition::Duplicate => (&mut book.duplicate, "duplicate"),
            Disposition::Suppressed => (&mut book.suppressed, "suppressed"),
            Disposition::Rejected(reject) => return self.bury(record, &reject, at, place),
        };
        *count += 1;
        Ok(outcome)
    }

    /// What was forwarded is read as the very same event, where it was sent.
    fn forward(
        &mut self,
        record: &TestMessage,
        event: &Event,
        at: &Coordinates,
        outgoing: Outgoing,
        place: &Place,
    ) -> Result<&'static str, String> {
        let to = outgoing.partition.ok_or("forwarded to no partition")?;
        if outgoing.value != record.value || outgoing.key.as_deref() != Some(event.user.as_bytes()) {
            return Err("forwarded with another value or key".to_owned());
        }
        kept_headers(record, &outgoing, &ingest::header::ALL)?;
        let TestMessage { offset, .. } = *record;
        let again = TestMessage { offset, key: outgoing.key, value: outgoing.value, headers: outgoing.headers };
        let decoded = self.decoder(None, true, PARTITIONS).decode(&again, to, Some(self.world.now));
        let expected = Decoded::Event { event: *event, origin: Some(at.clone()) };
        if decoded != expected {
            return Err(format!("forwarded as {expected:?}, read as {decoded:?}"));
        }
        self.book(place).rekeyed += 1;
        self.consume(&again, &Place { input: REKEY, source: None, partition: to, keyed: true })?;
        Ok("rekeyed")
    }

    /// A dead letter keeps what it can of its record, and says why it is one.
    fn bury(
        &mut self,
        record: &TestMessage,
        reject: &Reject,
        at: &Coordinates,
        place: &Place,
    ) -> Result<&'static str, String> {
        let letter = emit::dead_letter(record, reject, at, &Arc::from("dead-letters"), DEAD_LETTER_LIMIT);
        let told = |name: &str| {
            let value =
                letter.headers.iter().find(|(n, _)| n == name.as_bytes()).and_then(|(_, value)| value.as_deref());
            value.and_then(|value| std::str::from_utf8(value).ok())
        };
        if told(header::REASON) != Some(reject.reason.as_str()) || reject.detail.len() > 200 {
            return Err(format!("a dead letter that doesn't say why: {reject:?}"));
        }
        let offset = at.offset.to_string();
        if told(header::OFFSET) != Some(offset.as_str()) || told(header::TOPIC) != Some(at.topic.as_ref()) {
            return Err("a dead letter that doesn't say whence".to_owned());
        }
        fits_well(record, &letter, &told)?;
        let (whole, kept) = (record.value.as_deref(), letter.value.as_deref());
        if told(header::LENGTH).is_none() && told(header::SHA256).is_none() {
            if whole != kept {
                return Err("a dead letter with another value".to_owned());
            }
        } else {
            cut_well(whole.unwrap_or_default(), kept.unwrap_or_default(), &letter, told)?;
        }
        *self.book(place).dead.entry(reject.reason).or_default() += 1;
        Ok(reject.reason.as_str())
    }

    fn book(&mut self, place: &Place) -> &mut super::world::Book {
        &mut self.world.books[place.input.index()]
    }
}

/// A letter is within its limit. Headers are dropped, and the key is cut, only where they must be.
fn fits_well<'a>(
    record: &TestMessage,
    letter: &Outgoing,
    told: &impl Fn(&str) -> Option<&'a str>,
) -> Result<(), String> {
    if letter.size() > DEAD_LETTER_LIMIT {
        return Err(format!("a dead letter of {} bytes", letter.size()));
    }
    let key = |key: &Option<Vec<u8>>| key.as_ref().map_or(0, Vec::len);
    let value = record.value.as_ref().map_or(0, Vec::len);
    let others = 2_048 + 10 * record.headers.len();
    match told(header::KEY_LENGTH) {
        None if letter.key != record.key => return Err("a dead letter with another key".to_owned()),
        Some(_) if key(&record.key) + others < DEAD_LETTER_LIMIT => return Err("a key is cut in vain".to_owned()),
        _ => {}
    }
    match told(header::HEADERS_LENGTH) {
        None => kept_headers(record, letter, &header::ALL),
        Some(_) if record.size() - value + others < DEAD_LETTER_LIMIT => Err("headers are dropped in vain".to_owned()),
        Some(_) => Ok(()),
    }
}

/// A value is cut only where it must be, to its beginning, with its length and digest told.
fn cut_well<'a>(
    whole: &[u8],
    kept: &[u8],
    letter: &Outgoing,
    told: impl Fn(&str) -> Option<&'a str>,
) -> Result<(), String> {
    let headers: usize =
        letter.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    let others = headers + letter.key.as_ref().map_or(0, Vec::len);
    let digest = hex::encode(Sha256::digest(whole));
    if told(header::LENGTH) != Some(whole.len().to_string().as_str()) || told(header::SHA256) != Some(digest.as_str()) {
        return Err("a value is cut, and its length or digest is another".to_owned());
    }
    if !whole.starts_with(kept) || kept.len() == whole.len() {
        return Err("a value is cut, but not to its beginning".to_owned());
    }
    if !kept.is_empty() && others + kept.len() > DEAD_LETTER_LIMIT {
        return Err(format!("a dead letter of {} bytes", others + kept.len()));
    }
    if others + whole.len() + 1024 < DEAD_LETTER_LIMIT {
        return Err("a value is cut, though there was room".to_owned());
    }
    Ok(())
}

/// Every header of the record is there, in order, but for those that are replaced.
fn kept_headers(record: &TestMessage, written: &Outgoing, replaced: &[&str]) -> Result<(), String> {
    let kept: Vec<_> = record.headers.iter().filter(|(name, _)| !is_named(name, replaced)).collect();
    if written.headers.iter().take(kept.len()).eq(kept) { Ok(()) } else { Err("a header is lost".to_owned()) }
}

/// What the contract says of any event.
fn in_range(event: &Event, now: Timestamp) -> Result<(), String> {
    let time_is = |at: Timestamp| (Timestamp::MIN..=Timestamp::MAX).contains(&at);
    let amount_is = |amount: i64| (0..=MAX_AMOUNT).contains(&amount);
    let body = match event.body {
        Body::PaymentCompleted { amount, .. }
        | Body::WealthBought { amount, .. }
        | Body::LoanDrawn { amount, .. }
        | Body::LoanRepaid { amount, .. }
        | Body::BillPaid { amount, .. } => amount_is(amount),
        Body::PaymentRefunded { amount, original_time, .. } => {
            amount_is(amount) && time_is(original_time) && original_time.since(event.time) <= MAX_REFUND_AHEAD_MS
        }
        Body::WealthRedeemed { amount, .. } | Body::RebateCredited { amount } => amount.is_none_or(amount_is),
        Body::CouponIssued { amount, expires, .. }
        | Body::CouponRedeemed { amount, expires, .. }
        | Body::CouponExpired { amount, expires, .. } => amount.is_none_or(amount_is) && expires.is_none_or(time_is),
        Body::LoanDueScheduled { due, .. } => time_is(due),
        _ => true,
    };
    let user = (1..=UserId::MAX_BYTES).contains(&event.user.as_bytes().len());
    let time = time_is(event.time) && event.time <= now.plus_millis(MAX_SKEW_MS);
    if body && user && time && may_send(event) { Ok(()) } else { Err(format!("out of range: {event:?}")) }
}

/// The contract's table of types, written down once more.
fn may_send(event: &Event) -> bool {
    match event.body {
        Body::Unknown | Body::UserErased => true,
        Body::PaymentCompleted { .. } | Body::PaymentRefunded { .. } | Body::CouponRedeemed { .. } => {
            matches!(event.source, Source::App | Source::Merchant)
        }
        Body::Message { .. } => event.source == Source::Sms,
        Body::BranchVisited
        | Body::TelecomPackageSubscribed
        | Body::TelecomPackageCancelled
        | Body::BillPaid { .. }
        | Body::RebateCredited { .. }
        | Body::ComplaintOpened
        | Body::ComplaintClosed => event.source == Source::Branch,
        _ => event.source == Source::App,
    }
}

impl Target for Wire {
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random) {
        let now = self.world.now;
        if random.random_ratio(3, 5) {
            self.retell(input, now, random);
        }
        let other = pick(random, &corpus.samples).value.as_deref().unwrap_or_default();
        for _ in 0..*pick(random, &[0, 0, 1, 1, 1, 2, 4]) {
            let value = input.value.get_or_insert_default();
            match random.random_range(0..8u8) {
                0..4 => self.change_structure(value, now, random),
                4..6 => bytes::change(value, other, random),
                _ => record::change(input, random),
            }
        }
        if random.random_ratio(1, 16) {
            record::forward(input, random);
        }
        if let Some((_, user)) = self.told(input).filter(|_| random.random_ratio(7, 8)) {
            input.key = Some(user.as_bytes().to_vec());
        }
        input.offset = i64::from(random.random::<u32>());
    }

    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String> {
        self.world.tick()?;
        let place = self.place(input);
        self.consume(input, &place)
    }

    fn finish(&mut self) -> Result<(), String> {
        self.world.end_episode()
    }
}

impl Wire {
    fn retell(&self, input: &mut TestMessage, now: Timestamp, random: &mut Random) {
        let value = input.value.get_or_insert_default();
        match self.form {
            Form::Json => json::change(value, false, now, random),
            Form::Binary => {
                json::change(value, true, now, random);
                record::change_attributes(input, now, random);
            }
            Form::Protobuf => protobuf::retell(value, now, random),
            Form::Framed => within_frame(value, |value| protobuf::retell(value, now, random)),
        }
    }

    fn change_structure(&self, value: &mut Vec<u8>, now: Timestamp, random: &mut Random) {
        match self.form {
            Form::Json => json::change(value, false, now, random),
            Form::Binary => json::change(value, true, now, random),
            Form::Protobuf => protobuf::change(value, random),
            Form::Framed => within_frame(value, |value| protobuf::change(value, random)),
        }
    }
}

fn within_frame(value: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) {
    if let Some(inner) = value.strip_prefix(FRAME) {
        let mut inner = inner.to_vec();
        change(&mut inner);
        *value = [FRAME, &inner].concat();
    }
}

const _: () = assert!(INPUTS == REKEY.0 as usize + 1);
