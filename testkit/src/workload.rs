//! What benchmarks give the core to do: payments of users that all pay now and then.

use std::sync::Arc;

use prost::Message as _;
use tideline::domain::{Body, DAY_MS, Event, EventId, Input, Origin, PartitionId, Source, Timestamp, UserId};
use tideline::engine::{Engine, EngineSettings, Handled, Partition};
use tideline::ingest::protobuf::schema;
use tideline::ingest::{Decoded, Decoder, Format, InputSpec};
use tideline::record::{Coordinates, Header, Message};
use tideline::rules::Rules;
use tideline::settings::Period;

/// Events a batch: what a lane folds between two commits.
pub const BATCH: usize = 5_000;
pub const START: i64 = 20_000 * DAY_MS;

pub fn engine() -> Arc<Engine> {
    Engine::new(EngineSettings {
        rules: Rules::default(),
        lateness: Period::of_secs(3_600),
        silent_after_ms: vec![None],
        max_effects: 10_000,
        emit_from: None,
        retention_ms: 7 * DAY_MS,
        ignore_silent: false,
        partitions: 1,
    })
    .unwrap()
}

/// A partition whose users have all paid once a month for some months, so that states are of a usual size; and the time
/// that it is then.
pub fn warmed(users: usize) -> (Partition, i64) {
    let mut partition = Partition::new(engine());
    let mut clock = START;
    for round in 0..4u64 {
        let step = 30 * DAY_MS / users as i64;
        let paying = (0..users).map(|user| {
            clock += step;
            payment(round * users as u64 + user as u64, user, clock)
        });
        fold(&mut partition, paying);
    }
    (partition, clock)
}

pub fn payment(id: u64, user: usize, at: i64) -> Event {
    Event {
        id: EventId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        user: UserId::new(&format!("user-{user:08}")).unwrap(),
        source: Source::App,
        time: Timestamp::of_millis(at),
        channel: Source::App.channel(),
        origin: Origin::Own,
        body: Body::PaymentCompleted { amount: 1200, scene: None, merchant: None, coupon: None, auto: false },
    }
}

/// What an upstream app publishes.
pub fn json(id: usize, user: usize, at: i64) -> Vec<u8> {
    let time = Timestamp::of_millis(at);
    format!(
        r#"{{"id":"pay-{id:016}","user_id":"user-{user:08}","type":"payment.completed","time":"{time}","channel":"app","data":{{"amount":1200,"scene":"transport","merchant":"metro-line-{}"}}}}"#,
        user % 20
    )
    .into_bytes()
}

/// The same as protobuf.
pub fn protobuf(id: usize, user: usize, at: i64) -> Vec<u8> {
    let data = schema::EventData {
        amount: Some(1200),
        scene: "transport".to_owned(),
        merchant: format!("metro-line-{}", user % 20),
        ..Default::default()
    };
    let time = Some(schema::Instant { at: Some(schema::instant::At::EpochMs(at)) });
    let event = schema::Event {
        id: format!("pay-{id:016}"),
        user_id: format!("user-{user:08}"),
        r#type: "payment.completed".to_owned(),
        time,
        data: Some(data),
        ..Default::default()
    };
    event.encode_to_vec()
}

pub struct Value(pub Vec<u8>);

impl Message for Value {
    fn offset(&self) -> i64 {
        0
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }
}

pub fn decoder(format: Format) -> Decoder {
    let input = InputSpec {
        topic: Arc::from("app.events"),
        source: Some(Source::App),
        origin: Origin::Own,
        format,
        keyed: true,
        max_record: 1 << 20,
        earliest: Timestamp::MIN,
    };
    Decoder::new(input, 1, 0)
}

pub fn decode(decoder: &Decoder, value: &Value) -> Event {
    match decoder.decode(value, PartitionId(0), None) {
        Decoded::Event { event, .. } => event,
        other => panic!("{other:?}"),
    }
}

pub fn fold(partition: &mut Partition, events: impl Iterator<Item = Event>) -> usize {
    let at = Coordinates { topic: Arc::from("app.events"), partition: PartitionId(0), offset: 0 };
    let mut effects = Vec::new();
    let mut made = 0;
    let mut commit = |partition: &mut Partition, effects: &mut Vec<_>| {
        std::hint::black_box(partition.changes().map(|change| change.value.map_or(0, <[u8]>::len)).sum::<usize>());
        partition.install();
        made += effects.len();
        effects.clear();
    };
    for (i, event) in events.enumerate() {
        while partition.handle_event(Input(0), &event, &at, &mut effects).unwrap() == Handled::TimersFirst {
            commit(partition, &mut effects);
        }
        if i % BATCH == BATCH - 1 {
            commit(partition, &mut effects);
        }
    }
    commit(partition, &mut effects);
    made
}
