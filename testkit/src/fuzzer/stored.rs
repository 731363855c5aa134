//! What is read back from the changelog: states of users, and partition records. It may be damaged, never misread.

use rand::RngExt;
use tideline::domain::{Body, DAY_MS, Event, EventId, Input, Origin, PartitionId, Source, Timestamp, UserId};
use tideline::engine::{Engine, Handled, Partition, Slice};
use tideline::record::Coordinates;
use tideline::state::codec::{Header, Kind, decode_erasure, decode_user, encode_erasure, encode_user};
use tideline::state::{PartitionRecord, StateError, User};

use super::corpus::Corpus;
use super::world;
use super::{Random, Target, bytes, pick, protobuf};
use crate::message::TestMessage;

const KEY: &str = "u1";
const MOST_SLICES: usize = 1000;

/// A user's state. What decodes is encoded to bytes that decode to the same user, and can be lived with.
pub struct State {
    engine: std::sync::Arc<Engine>,
    /// Used again, as the engine does: nothing of one state may be left in the next.
    user: User,
}

impl Default for State {
    fn default() -> Self {
        Self { engine: world::engine(None), user: User::default() }
    }
}

impl State {
    fn user(&mut self, value: &[u8]) -> Result<&'static str, String> {
        let user = &mut self.user;
        let header = match decode_user(value, user) {
            Ok(header) => header,
            Err(error) => return Ok(outcome(&error)),
        };
        let mut again = Vec::new();
        encode_user(user, header.rules_generation, &mut again);
        let mut twice = User::default();
        let header_again = decode_user(&again, &mut twice).map_err(|error| format!("encoded again, {error}"))?;
        if twice != *user || header_again != header {
            return Err(format!("encoded again, {twice:?} {header_again:?} instead of {user:?} {header:?}"));
        }
        let mut third = Vec::new();
        encode_user(&twice, header.rules_generation, &mut third);
        if third != again {
            return Err("the same user gives other bytes".to_owned());
        }
        self.live_on(value).map(|()| "user")
    }

    /// A restart with that state, a payment, and a long silence.
    fn live_on(&self, value: &[u8]) -> Result<(), String> {
        let mut partition = Partition::new(self.engine.clone());
        let failed = |error: StateError| error.to_string();
        partition.restore_user(KEY.as_bytes(), Some(value)).map_err(failed)?;
        let time = self.user.newest.unwrap_or(world::start()).max(Timestamp::MIN).min(Timestamp::MAX);
        let record = PartitionRecord { stream_time: Some(time), watermark: Some(time), ..PartitionRecord::default() };
        partition.restore_position(&record).map_err(failed)?;
        let event = Event {
            id: EventId(1),
            user: UserId::new(KEY).expect("a user"),
            source: Source::App,
            time,
            channel: Source::App.channel(),
            origin: Origin::Own,
            body: Body::PaymentCompleted { amount: 1, scene: None, merchant: None, coupon: None, auto: false },
        };
        let at = Coordinates { topic: "events".into(), partition: PartitionId(0), offset: 0 };
        let mut effects = Vec::new();
        let mut slices = 0..MOST_SLICES;
        while partition.handle_event(Input(0), &event, &at, &mut effects).map_err(failed)? == Handled::TimersFirst {
            slices.next().ok_or("the slices of timers don't end")?;
            partition.install();
        }
        let end = time.plus_millis(400 * DAY_MS);
        while partition.handle_time(Some(end), &mut effects).map_err(failed)? == Slice::Full {
            slices.next().ok_or("the slices of timers don't end")?;
            partition.install();
        }
        partition.install();
        Ok(())
    }
}

impl Target for State {
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random) {
        let other = pick(random, &corpus.samples).value.as_deref().unwrap_or_default();
        let value = input.value.get_or_insert_default();
        for _ in 0..*pick(random, &[1, 1, 1, 2, 3]) {
            match random.random_range(0..4u8) {
                // A varint ends where the high bit does: these make numbers longer, shorter, larger.
                0 if !value.is_empty() => {
                    let at = random.random_range(0..value.len());
                    value[at] = *pick(random, &[0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff]);
                }
                1 if value.len() > 16 => {
                    let at = random.random_range(16..value.len());
                    let number = *pick(random, &[0, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 35, 253_370_678_400_000 * 2]);
                    value.splice(at..=at, leb128(number));
                }
                _ => bytes::change(value, other, random),
            }
        }
    }

    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String> {
        let value = input.value.as_deref().unwrap_or_default();
        match Header::read(value) {
            Ok(header) if header.kind == Kind::Erasure => erasure(value, &header),
            Ok(_) => self.user(value),
            Err(error) => match decode_user(value, &mut self.user) {
                Err(same) if same == error => Ok(outcome(&error)),
                other => Err(format!("its header can't be read ({error}), but {other:?}")),
            },
        }
    }
}

fn erasure(value: &[u8], header: &Header) -> Result<&'static str, String> {
    let erased_at = match decode_erasure(value) {
        Ok(erased_at) => erased_at,
        Err(error) => return Ok(outcome(&error)),
    };
    let mut again = Vec::new();
    encode_erasure(erased_at, header.deadline.unwrap_or(erased_at), header.rules_generation, &mut again);
    if decode_erasure(&again) == Ok(erased_at) { Ok("erasure") } else { Err("encoded again, another".to_owned()) }
}

fn outcome(error: &StateError) -> &'static str {
    match error {
        StateError::UnknownVersion(_) => "unknown version",
        StateError::UnknownSection(_) => "unknown section",
        StateError::Damaged(what) => what,
    }
}

fn leb128(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A partition record. What decodes is encoded to what decodes to the same, and can be started from.
pub struct Record;

impl Target for Record {
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random) {
        let other = pick(random, &corpus.samples).value.as_deref().unwrap_or_default();
        let value = input.value.get_or_insert_default();
        for _ in 0..*pick(random, &[1, 1, 2, 3]) {
            if random.random() { protobuf::change(value, random) } else { bytes::change(value, other, random) }
        }
    }

    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String> {
        let value = input.value.as_deref().unwrap_or_default();
        let record = match PartitionRecord::decode(value) {
            Ok(record) => record,
            Err(error) if error.to_string().is_empty() => return Err("an error that says nothing".to_owned()),
            Err(_) => return Ok("unreadable"),
        };
        match PartitionRecord::decode(&record.encode()) {
            Ok(again) if again == record => {}
            other => return Err(format!("{record:?} encoded again: {other:?}")),
        }
        let mut partition = Partition::new(world::engine(Some(30 * DAY_MS)));
        let mut effects = Vec::new();
        partition.restore_position(&record).map_err(|error| error.to_string())?;
        partition.handle_time(Some(world::start()), &mut effects).map_err(|error| error.to_string())?;
        partition.fill_record(&mut PartitionRecord::default());
        partition.install();
        Ok("record")
    }
}
