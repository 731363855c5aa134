//! A changelog as an earlier program wrote it (`tests/stored`, written at 0104ecd): it is restored, and the outputs that
//! follow are the ones that followed then.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tideline::domain::{Body, DAY_MS, Event, EventId, HOUR_MS, Origin, Source, Timestamp, UserId};
use tideline::engine::{Engine, Partition};
use tideline::rules::{Rules, Ruleset};
use tideline::state::PartitionRecord;

use super::{advance, emitter, handle, json_of, partition, settings};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored").join(name)).unwrap()
}

/// The partition, and its record.
fn restored() -> (Partition, PartitionRecord) {
    let mut partition = partition(settings(Rules::default()));
    let mut record = None;
    for line in read("changelog.hex").lines() {
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

#[test]
fn what_an_earlier_program_has_written_gives_the_outputs_that_it_gave() {
    let (mut partition, _) = restored();
    let mut signals = Vec::new();
    handle(&mut partition, &payment("regular", 900, 45 * 24), &mut signals);
    handle(&mut partition, &payment("gone", 901, 2), &mut signals);
    handle(&mut partition, &payment("back", 902, 5 * 24 + 9), &mut signals);
    advance(&mut partition, Timestamp::of_millis(20_300 * DAY_MS), &mut signals);
    let emitter = emitter(&Engine::new(settings(Rules::default())).unwrap());
    let outputs: Vec<_> = signals.iter().map(|signal| json_of(signal, &emitter)).collect();
    let expected: Vec<Value> = read("outputs.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
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
    let (mut partition, earlier) = restored();
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
