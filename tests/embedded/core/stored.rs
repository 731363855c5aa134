//! Changelogs as earlier programs wrote them (`tests/stored/COMMIT`): each is restored, and the outputs that follow are
//! the ones that followed then.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tideline::domain::{
    Body, Channel, DAY_MS, Event, EventId, HOUR_MS, MessageEvent, Origin, Source, Timestamp, Token, UserId,
};
use tideline::engine::{Announcement, Engine, Partition};
use tideline::rules::{Rules, Ruleset};
use tideline::state::codec::{Header, Kind, decode_user, encode_user};
use tideline::state::{Dimension, InputPosition, PartitionRecord, User};

use super::{advance, emitter, handle, json_of, partition, settings};

fn path(commit: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored").join(commit).join(name)
}

fn read(commit: &str, name: &str) -> String {
    fs::read_to_string(path(commit, name)).unwrap()
}

/// The partition, and its record.
fn restored(commit: &str) -> (Partition, PartitionRecord) {
    let mut partition = partition(settings(Rules::default()));
    let mut record = None;
    for line in read(commit, "changelog.hex").lines() {
        let (key, value) = line.split_once(' ').unwrap();
        let (key, value) = (hex::decode(key).unwrap(), hex::decode(value).unwrap());
        if key == PartitionRecord::KEY {
            record = Some(PartitionRecord::decode(&value).unwrap());
        } else {
            partition.restore_user(&key, Some(&value)).unwrap();
        }
    }
    let record = record.unwrap();
    partition.restore_position(&record).unwrap();
    (partition, record)
}

fn payment(user: &str, id: u64, hours: i64) -> Event {
    Event {
        id: EventId(id),
        user: UserId::new(user).unwrap(),
        source: Source::App,
        time: Timestamp::of_millis(20_000 * DAY_MS + hours * HOUR_MS),
        channel: Source::App.channel(),
        origin: Origin::Own,
        body: Body::PaymentCompleted { amount: 20, scene: None, merchant: None, coupon: None, auto: false },
    }
}

fn outputs(signals: &[Announcement]) -> Vec<Value> {
    let emitter = emitter(&Engine::new(settings(Rules::default())).unwrap());
    signals.iter().map(|signal| json_of(signal, &emitter)).collect()
}

fn expected(commit: &str) -> Vec<Value> {
    read(commit, "outputs.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_an_earlier_program_has_written_gives_the_outputs_that_it_gave() {
    let (mut partition, _) = restored("0104ecd");
    let mut signals = Vec::new();
    handle(&mut partition, &payment("regular", 900, 45 * 24), &mut signals);
    handle(&mut partition, &payment("gone", 901, 2), &mut signals);
    handle(&mut partition, &payment("back", 902, 5 * 24 + 9), &mut signals);
    advance(&mut partition, Timestamp::of_millis(20_300 * DAY_MS), &mut signals);
    let (outputs, expected) = (outputs(&signals), expected("0104ecd"));
    assert_eq!(outputs.len(), expected.len());
    for (mut output, expected) in outputs.into_iter().zip(expected) {
        // These two are what this program says otherwise.
        for name in ["id", "rule_version"] {
            output.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(output, expected);
    }
}

#[test]
fn a_record_whose_digest_is_of_an_earlier_scheme_is_written_anew_though_nothing_happens() {
    let (mut partition, earlier) = restored("0104ecd");
    assert_eq!((earlier.digest_scheme, earlier.rules_digest.len()), (0, 8));
    assert!(partition.is_dirty());
    assert_eq!(partition.changes().count(), 0, "no user is written for it");
    let mut record = earlier.clone();
    partition.fill_record(&mut record);
    let version = Ruleset::new(Rules::default()).unwrap().version().to_owned();
    assert_eq!((record.digest_scheme, &record.rules_digest), (Ruleset::DIGEST_SCHEME, &version));
    partition.discard();
    assert!(partition.is_dirty(), "what failed is done again");
    partition.install();
    assert!(!partition.is_dirty());
    partition.restore_position(&record).unwrap();
    assert!(!partition.is_dirty(), "a record that says the same is not written again");
}

/// Numbers that are the same on every machine, for ever (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn body(numbers: &mut Numbers, day: i64) -> Body {
    let token = |number: u64| (number > 0).then_some(Token(number * 0x1234_5678_9abc));
    let amount = (numbers.below(9) * 100_000_000_000_000 + numbers.below(5_000)) as i64;
    let time = |days: i64| Timestamp::of_millis((20_000 + days) * DAY_MS + 9 * HOUR_MS);
    match numbers.below(24) {
        0 => Body::UserRegistered,
        1 => Body::AppLogin,
        2 => Body::AppViewed { category: token(numbers.below(3)) },
        3 => Body::CardBound { credit: None },
        4 | 5 => Body::PaymentRefunded {
            original: (numbers.below(2) == 0).then_some(EventId(numbers.below(400))),
            original_time: time(day - numbers.below(20) as i64),
            amount,
            full: numbers.below(2) == 0,
            auto: numbers.below(4) == 0,
        },
        6 => Body::LoanDueScheduled { loan: token(numbers.below(11)), due: time(day + numbers.below(40) as i64) },
        7 => Body::LoanRepaid { amount, product: None, loan: token(numbers.below(11)), auto: numbers.below(2) == 0 },
        8 => Body::LoanDrawn { amount, product: None, loan: None, auto: false },
        9 => Body::WealthBought { amount, product: None, auto: false },
        10 => Body::Message { event: MessageEvent::Sent, campaign: token(numbers.below(3)), channel: None },
        11 if numbers.below(6) == 0 => Body::UserErased,
        12 => Body::Unknown,
        _ => Body::PaymentCompleted {
            amount,
            scene: token(numbers.below(90)),
            merchant: None,
            coupon: None,
            auto: numbers.below(9) == 0,
        },
    }
}

/// 30 events a day of a hundred users, some of them late, some of them twice.
fn events(days: std::ops::Range<i64>) -> Vec<Event> {
    let mut events = Vec::new();
    for day in days {
        let mut numbers = Numbers(day as u64);
        for number in 0..30 {
            let late = if numbers.below(10) == 0 { numbers.below(30) as i64 } else { 0 };
            let at = (20_000 + day - late) * DAY_MS + number * HOUR_MS / 2;
            // A few users do most.
            let user = numbers.below(100) * numbers.below(100) / 100;
            events.push(Event {
                id: EventId(day as u64 * 100 + numbers.below(100)),
                user: UserId::new(&format!("u{user:03}")).unwrap(),
                source: Source::App,
                time: Timestamp::of_millis(at),
                channel: Channel::App,
                origin: Origin::Own,
                body: body(&mut numbers, day),
            });
        }
    }
    events
}

const WRITTEN: std::ops::Range<i64> = 0..260;
const AFTERWARDS: std::ops::Range<i64> = 260..330;

/// The outputs that follow once the changelog is restored.
fn afterwards(partition: &mut Partition) -> Vec<Value> {
    let mut signals = Vec::new();
    for event in events(AFTERWARDS) {
        handle(partition, &event, &mut signals);
    }
    advance(partition, Timestamp::of_millis(20_900 * DAY_MS), &mut signals);
    outputs(&signals)
}

/// Two dozen kinds of events over nine months, of which some users have left nothing but an erasure.
#[test]
fn the_program_before_the_second_version_of_state_gives_the_outputs_that_it_gave() {
    let (mut partition, record) = restored("ae67942");
    assert_eq!(partition.population(), &record.population);
    assert_eq!(afterwards(&mut partition), expected("ae67942"));
}

#[test]
fn no_user_grows_by_the_second_version_and_both_versions_live_in_one_changelog() {
    let (mut partition, _) = restored("ae67942");
    let before = partition.users().snapshot();
    let mut user = User::default();
    let mut decoded = Vec::new();
    for (key, value) in before.iter().filter(|(_, value)| Header::read(value).unwrap().kind == Kind::User) {
        assert_eq!(value[0], 1);
        let header = decode_user(value, &mut user).unwrap();
        let mut again = Vec::new();
        encode_user(&user, header.rules_generation, &mut again);
        assert!(again.len() <= value.len(), "{}: {} bytes, {} before", key.escape_ascii(), again.len(), value.len());
        let mut read = User::default();
        assert_eq!(decode_user(&again, &mut read).unwrap(), header);
        assert_eq!(read, user);
        decoded.push(user.clone());
    }
    assert!(decoded.len() > 50 && decoded.iter().any(|user| user.facts.loans.iter().count() > 1));
    let mut outputs = Vec::new();
    // Half of what follows, so that some users are of either version; then a restart.
    for event in events(AFTERWARDS).into_iter().take(40) {
        handle(&mut partition, &event, &mut outputs);
    }
    partition.install();
    let versions = |version: u8| partition.users().snapshot().iter().filter(|(_, value)| value[0] == version).count();
    assert!(versions(1) > 10 && versions(2) > 10, "{} and {}", versions(1), versions(2));
    let again = super::restored(&partition, settings(Rules::default()));
    assert_eq!(again.population(), partition.population());
    assert_eq!(again.users().snapshot(), partition.users().snapshot());
}

/// As of a changelog that was cut, or a record from before a dimension was counted.
#[test]
fn a_population_that_does_not_agree_with_the_users_is_counted_again() {
    let (whole, record) = restored("ae67942");
    let mut other = partition(settings(Rules::default()));
    let users = whole.users().snapshot();
    let (gone, kept) = users.iter().partition::<Vec<_>, _>(|(key, _)| key.starts_with(b"u") && key.ends_with(b"3"));
    kept.iter().for_each(|(key, value)| other.restore_user(key, Some(value)).unwrap());
    other.restore_position(&record).unwrap();
    let found = other.population().users().unwrap();
    assert_eq!(found, whole.population().users().unwrap() - gone.len() as u64);
    let mut lacking = record.clone();
    lacking.population.set(Dimension::Stage, Vec::new());
    let mut again = partition(settings(Rules::default()));
    users.iter().for_each(|(key, value)| again.restore_user(key, Some(value)).unwrap());
    again.restore_position(&lacking).unwrap();
    assert_eq!(again.population(), whole.population());
}

/// How `tests/stored` is written: at the commit that it is named by, `TIDELINE_STORED=COMMIT cargo test … --
/// --ignored`.
#[test]
#[ignore = "writes tests/stored"]
fn write_a_changelog() {
    let commit = std::env::var("TIDELINE_STORED").unwrap();
    let mut partition = partition(settings(Rules::default()));
    let mut signals = Vec::new();
    for event in events(WRITTEN) {
        handle(&mut partition, &event, &mut signals);
        partition.install();
    }
    let position = |source: Source| InputPosition { topic: source.as_str().into(), ..InputPosition::default() };
    let mut record = PartitionRecord { inputs: Source::ALL.map(position).to_vec(), ..PartitionRecord::default() };
    partition.fill_record(&mut record);
    let mut changelog = String::new();
    for (key, value) in partition.users().snapshot().into_iter().chain([(PartitionRecord::KEY.into(), record.encode())])
    {
        changelog += &format!("{} {}\n", hex::encode(key), hex::encode(value));
    }
    let outputs = afterwards(&mut partition);
    fs::create_dir_all(path(&commit, "")).unwrap();
    fs::write(path(&commit, "changelog.hex"), changelog).unwrap();
    let lines: String = outputs.iter().map(|output| format!("{output}\n")).collect();
    fs::write(path(&commit, "outputs.jsonl"), lines).unwrap();
}
