//! Records that can't be used, among records that can: each comes out as what it is, nothing is lost, the books
//! balance, and what is left of the good ones is what they leave alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tideline::domain::{DAY_MS, Event, Input, Origin, PartitionId, Source, Timestamp, partition_of};
use tideline::emit::{self, header};
use tideline::engine::{Disposition, Effect, Engine, EngineSettings, Handled, Partition};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{self, Decoded, Decoder, Format, InputSpec, Reject, RejectReason};
use tideline::record::{Coordinates, Message as _, Outgoing, text_header};
use tideline::rules::Rules;
use tideline::settings::Period;

use testkit::message::TestMessage;

const PARTITIONS: i32 = 4;
const MAX_VALUE: usize = 1 << 20;
const DEAD_LETTER_LIMIT: usize = MAX_VALUE + (64 << 10) + 1;
const NOW: &str = "2026-06-01T00:00:00+08:00";

/// A record, where it is met, and what must come of it: a reason, or what the engine says.
struct Case {
    what: &'static str,
    record: TestMessage,
    source: Source,
    partition: PartitionId,
    /// Of a record that is met in `rekey`.
    forwarded: bool,
    expected: &'static str,
}

impl Case {
    /// Of user `u1`, keyed and placed as it should be.
    fn new(what: &'static str, value: impl Into<Vec<u8>>, expected: &'static str) -> Self {
        let record = TestMessage { key: Some(b"u1".to_vec()), ..TestMessage::of_value(value) };
        Self { what, record, source: Source::App, partition: home("u1"), forwarded: false, expected }
    }

    /// A payment of `u1` with some members replaced; `null` takes one away, and the user's are changed with its id.
    fn payment(what: &'static str, id: &str, members: &Value, expected: &'static str) -> Self {
        Self::new(what, payment(id, members).to_string(), expected)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.record.headers.push(text_header(name, value));
        self
    }

    fn key(mut self, key: Option<&str>) -> Self {
        self.record.key = key.map(|key| key.as_bytes().to_vec());
        self
    }

    fn null(mut self) -> Self {
        self.record.value = None;
        self
    }

    fn on(self, partition: PartitionId) -> Self {
        Self { partition, ..self }
    }

    fn from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// As if it had been forwarded, to wherever it is met.
    fn forwarded(self) -> Self {
        let [source, format, origin, topic, partition, offset] = ingest::header::ALL;
        let headers = [
            (source, "app"),
            (format, "json"),
            (origin, "own"),
            (topic, "app.events"),
            (partition, "0"),
            (offset, "7"),
        ];
        let case = headers.into_iter().fold(self, |case, (name, value)| case.header(name, value));
        Self { forwarded: true, ..case }
    }
}

fn home(user: &str) -> PartitionId {
    partition_of(user.as_bytes(), PARTITIONS)
}

fn elsewhere(user: &str) -> PartitionId {
    PartitionId((home(user).0 + 1) % PARTITIONS)
}

fn payment(id: &str, members: &Value) -> Value {
    let mut event = json!({
        "id": id, "user_id": "u1", "type": "payment.completed", "time": "2026-05-31T11:00:00+08:00",
        "data": {"amount": 1200, "scene": "transport"},
    });
    let object = event.as_object_mut().expect("an object");
    for (name, value) in members.as_object().expect("an object") {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    event
}

fn protobuf() -> Vec<u8> {
    let data = schema::EventData { amount: Some(5), ..Default::default() };
    let at = schema::instant::At::Rfc3339("2026-05-31T11:00:00+08:00".to_owned());
    schema::Event {
        id: "p1".to_owned(),
        user_id: "u1".to_owned(),
        r#type: "payment.completed".to_owned(),
        time: Some(schema::Instant { at: Some(at) }),
        data: Some(data),
        ..Default::default()
    }
    .encode_to_vec()
}

/// What is met, in this order. The good ones set the scene: W is 11:00 on May 31, 180 days after December 2.
fn cases() -> Vec<Case> {
    let amount = |amount: &str| payment("e?", &json!({})).to_string().replace("1200", amount);
    let protobuf = protobuf();
    let mut cases = vec![
        Case::payment("a payment", "e1", &json!({"time": "2026-05-31T12:00:00+08:00"}), "applied"),
        Case::payment("the same id again", "e1", &json!({}), "duplicate"),
        Case::payment("the same id from another source", "e1", &json!({}), "applied").from(Source::Merchant),
        Case::payment("the largest amount", "e2", &json!({"data": {"amount": 1_000_000_000_000_000_i64}}), "applied"),
        Case::new("protobuf", protobuf.clone(), "applied").header("content-type", "application/protobuf"),
        Case::new("a null value", "", "empty").null(),
        Case::new("an empty value", "", "empty"),
        Case::new("no JSON", "hello", "malformed"),
        Case::new("half an object", r#"{"id":"e3","user_id"#, "malformed"),
        Case::new("a list", "[]", "malformed"),
        Case::new("two objects", "{}{}", "malformed"),
        Case::new("invalid UTF-8", b"{\"id\":\"\xc3\x28\"}", "malformed"),
        Case::new("invalid UTF-8 in what is ignored", b"{\"x\":\"\xff\"}", "malformed"),
        Case::new("half a surrogate pair", r#"{"id":"\ud800"}"#, "malformed"),
        Case::new("nesting without an end", "{\"data\":".repeat(100_000), "malformed"),
        Case::new("an unknown content type", "x", "unsupported").header("content-type", "application/avro"),
        Case::new("an unknown CloudEvents version", "{}", "unsupported").header("ce_specversion", "0.3"),
        Case::new("another message of the schema", [0, 0, 0, 0, 9, 2, 2], "unsupported")
            .header("content-type", "application/protobuf"),
        Case::payment("a time that is no time", "e?", &json!({"time": "yesterday"}), "bad_value"),
        Case::payment("a day that is no day", "e?", &json!({"time": "2026-02-30T00:00:00Z"}), "bad_value"),
        Case::payment("a time before 1970", "e?", &json!({"time": -1}), "bad_value"),
        Case::payment("a time with a fraction of a millisecond", "e?", &json!({"time": 1.5}), "bad_value"),
        Case::payment("the far future", "e?", &json!({"time": "9998-12-31T00:00:00Z"}), "future_time"),
        Case::payment("beyond the skew", "e?", &json!({"time": "2026-06-01T00:05:00.001+08:00"}), "future_time"),
        Case::payment("older than the horizon", "e?", &json!({"time": "2025-12-02T10:59:59+08:00"}), "too_old"),
        Case::payment("on a day that has left", "e?", &json!({"time": "2025-12-02T11:30:00+08:00"}), "too_old"),
        Case::payment("the earliest time", "e?", &json!({"time": 0}), "too_old"),
        Case::new("a negative amount", amount("-1"), "bad_value"),
        Case::new("an enormous amount", amount("1000000000000001"), "bad_value"),
        Case::new("an amount beyond 64 bits", amount("99999999999999999999"), "bad_value"),
        Case::new("an amount beyond any number", amount("1e999"), "bad_value"),
        Case::new("a fraction of an amount", amount("0.5"), "bad_value"),
        Case::new("an amount that is no number", amount("NaN"), "malformed"),
        Case::payment("no amount", "e?", &json!({"data": {}}), "missing_field"),
        Case::payment("a long id", &"e".repeat(129), &json!({}), "bad_value"),
        Case::payment("a long user id", "e?", &json!({"user_id": "u".repeat(65)}), "bad_value"),
        Case::payment("a value of 2 MB", "e?", &json!({"note": "x".repeat(2 << 20)}), "too_large"),
        Case::payment("an unknown type", "e4", &json!({"type": "payment.failed"}), "skipped"),
        Case::payment("a type on the wrong source", "e?", &json!({"type": "message.sent"}), "wrong_source"),
        Case::payment("a key that is another's", "e5", &json!({}), "rekeyed").key(Some("u2")),
        Case::payment("no key", "e6", &json!({}), "rekeyed").key(None),
        Case::payment("a partition that is another's", "e7", &json!({}), "rekeyed").on(elsewhere("u1")),
        Case::payment("a forwarded one where it belongs", "e8", &json!({}), "applied").forwarded(),
        Case::payment("a forwarded one astray", "e?", &json!({}), "misrouted").forwarded().on(elsewhere("u1")),
        Case::payment("the erasure of a user", "e9", &json!({"type": "user.erased", "user_id": "u3"}), "applied")
            .key(Some("u3"))
            .on(home("u3")),
        Case::payment("an event from before the erasure", "e0", &json!({"user_id": "u3"}), "suppressed")
            .key(Some("u3"))
            .on(home("u3")),
    ];
    for name in ["id", "user_id", "type", "time"] {
        cases.push(Case::payment("a required field absent", "e?", &json!({name: null}), "missing_field"));
        cases.push(Case::payment("a required field empty", "e?", &json!({name: ""}), "missing_field"));
        cases.push(Case::payment("a required field of another kind", "e?", &json!({name: {}}), "bad_value"));
    }
    // Wherever it is cut but between two fields, where it is whole: then one of them is missing.
    for cut in 1..protobuf.len() {
        let expected = match cut {
            _ if schema::Event::decode(&protobuf[..cut]).is_err() => "malformed",
            _ => "missing_field",
        };
        cases.push(
            Case::new("truncated protobuf", &protobuf[..cut], expected).header("content-type", "application/protobuf"),
        );
    }
    cases
}

/// Partitions, and what came out of them.
struct Bench {
    partitions: Vec<Partition>,
    effects: Vec<Effect>,
    consumed: u64,
    counts: BTreeMap<&'static str, u64>,
    letters: Vec<Outgoing>,
}

impl Bench {
    fn new() -> Self {
        let settings = EngineSettings {
            rules: Rules::default(),
            lateness: Period::of_secs(3_600),
            silent_after_ms: vec![None; Source::ALL.len() + 1],
            max_effects: 100,
            emit_from: None,
            retention_ms: 7 * DAY_MS,
            ignore_silent: false,
            partitions: PARTITIONS,
        };
        let engine = Engine::new(settings).expect("sound rules");
        Self {
            partitions: (0..PARTITIONS).map(|_| Partition::new(engine.clone())).collect(),
            effects: Vec::new(),
            consumed: 0,
            counts: BTreeMap::new(),
            letters: Vec::new(),
        }
    }

    /// Takes a record in, as a lane does; says what came of it.
    fn consume(&mut self, record: &TestMessage, source: Option<Source>, partition: PartitionId) -> &'static str {
        let topic: Arc<str> = source.map_or("rekey", Source::as_str).into();
        let spec = InputSpec {
            topic: topic.clone(),
            source,
            origin: Origin::Own,
            format: Format::Json,
            keyed: true,
            max_record: MAX_VALUE,
            earliest: Timestamp::MIN,
        };
        let now = Timestamp::parse(NOW).expect("a time");
        let at = Coordinates { topic, partition, offset: record.offset() };
        self.consumed += 1;
        let outcome = match Decoder::new(spec, PARTITIONS, 5 * 60_000).decode(record, partition, Some(now)) {
            Decoded::Reject(reject) => self.bury(record, &reject, &at),
            Decoded::Event { event, .. } => match self.fold(partition, source, &event, &at) {
                Disposition::Applied => "applied",
                Disposition::Skipped => "skipped",
                Disposition::Duplicate => "duplicate",
                Disposition::Suppressed => "suppressed",
                Disposition::Rejected(reject) => self.bury(record, &reject, &at),
            },
            Decoded::Rekey { event, to, shape } => {
                let forwarded = emit::rekey(record, &event, to, shape, &at, &Arc::from("rekey"));
                let TestMessage { offset, .. } = *record;
                let (key, value, headers) = (forwarded.key, forwarded.value, forwarded.headers);
                let outcome = self.consume(&TestMessage { offset, key, value, headers }, None, to);
                assert_eq!(outcome, "applied", "what is forwarded arrives");
                "rekeyed"
            }
        };
        *self.counts.entry(outcome).or_default() += 1;
        outcome
    }

    fn fold(&mut self, partition: PartitionId, source: Option<Source>, event: &Event, at: &Coordinates) -> Disposition {
        let input = Input(source.map_or(Source::ALL.len() as u8, |source| source as u8));
        let partition = &mut self.partitions[partition.0 as usize];
        loop {
            match partition.handle_event(input, event, at, &mut self.effects).expect("sound states") {
                Handled::Done(disposition) => return disposition,
                Handled::TimersFirst => partition.install(),
            }
        }
    }

    fn bury(&mut self, record: &TestMessage, reject: &Reject, at: &Coordinates) -> &'static str {
        let topic = Arc::from("dead-letters");
        self.letters.push(emit::dead_letter(record, reject, at, &topic, DEAD_LETTER_LIMIT));
        reject.reason.as_str()
    }

    fn states(&mut self) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
        self.partitions.iter_mut().for_each(Partition::install);
        self.partitions.iter().map(|partition| partition.users().snapshot()).collect()
    }
}

/// Takes in those of the cases that are kept; each comes out as it must.
fn run(kept: impl Fn(&Case) -> bool) -> Bench {
    let mut bench = Bench::new();
    for (number, mut case) in cases().into_iter().enumerate().filter(|(_, case)| kept(case)) {
        case.record.offset = number as i64;
        let source = (!case.forwarded).then_some(case.source);
        let outcome = bench.consume(&case.record, source, case.partition);
        assert_eq!(outcome, case.expected, "{}: {:?}", case.what, bench.letters.last());
    }
    bench
}

#[test]
fn every_record_comes_out_as_what_it_is_and_the_books_balance() {
    let bench = run(|_| true);
    let rekeyed = bench.counts["rekeyed"];
    assert_eq!(bench.consumed, cases().len() as u64 + rekeyed);
    assert_eq!(bench.consumed, bench.counts.values().sum::<u64>());
    let dead: u64 = RejectReason::ALL.iter().filter_map(|reason| bench.counts.get(reason.as_str())).sum();
    assert_eq!(dead, bench.letters.len() as u64);
    for reason in RejectReason::ALL {
        assert!(bench.counts.contains_key(reason.as_str()), "no case of {}", reason.as_str());
    }
}

#[test]
fn every_dead_letter_holds_its_record_and_says_why_and_whence() {
    let mut cases = cases();
    for letter in run(|_| true).letters {
        let told = |name: &str| {
            let of_name = letter.headers.iter().find(|(n, _)| n == name.as_bytes());
            of_name.and_then(|(_, value)| value.as_deref()).map(|value| std::str::from_utf8(value).expect("text"))
        };
        let offset: usize = told(header::OFFSET).expect("an offset").parse().expect("a number");
        let Case { what, record, source, partition, forwarded, expected } = &mut cases[offset];
        assert_eq!(told(header::REASON), Some(*expected), "{what}");
        assert!(told(header::ERROR).is_some_and(|error| !error.is_empty()), "{what}");
        assert_eq!(told(header::TOPIC), Some(if *forwarded { "rekey" } else { source.as_str() }), "{what}");
        assert_eq!(told(header::PARTITION), Some(partition.to_string().as_str()), "{what}");
        assert_eq!(letter.key, record.key, "{what}");
        assert_eq!(letter.headers[..record.headers.len()], record.headers, "{what}");
        match told(header::LENGTH) {
            None => assert_eq!(letter.value, record.value, "{what}"),
            Some(length) => {
                let (whole, kept) = (record.value().expect("a value"), letter.value.as_deref().expect("a value"));
                assert_eq!(length, whole.len().to_string(), "{what}");
                assert_eq!(told(header::SHA256), Some(hex::encode(Sha256::digest(whole)).as_str()), "{what}");
                assert!(whole.starts_with(kept) && kept.len() > MAX_VALUE, "{what}");
            }
        }
    }
}

#[test]
fn bad_records_leave_no_trace_in_what_good_ones_leave() {
    let is_good = |case: &Case| ["applied", "skipped", "rekeyed"].contains(&case.expected);
    let (mut all, mut good) = (run(|_| true), run(is_good));
    assert_eq!(all.effects, good.effects);
    assert_eq!(all.states(), good.states());
    assert_eq!(all.letters.len() + good.letters.len(), all.letters.len(), "a good record in the dead letters");
}
