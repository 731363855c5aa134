//! One record passed over by hand, on the embedded log.

use std::time::Duration;

use tideline::broker::Broker;
use tideline::broker::Isolation;
use tideline::broker::memory::{Memory, MemoryMessage};
use tideline::domain::{Input, OutputTopic};
use tideline::emit::header;
use tideline::record::{Message, Offset};
use tideline::runtime::Clock;
use tideline::runtime::operator::{Impossible, ResetError, Resetter, Survey};
use tideline::runtime::operator::{Plan, Skip, Unskippable};

use super::refusals::{folded, log};
use testkit::lane_world::*;

fn skip_of(input: Input, offset: Offset, without_reading: bool) -> Skip {
    Skip { input, partition: P0, offset, without_reading }
}

fn planned(world: &World, skip: Skip) -> Result<Plan, ResetError> {
    let survey = Survey::of(&world.broker, P0, Duration::ZERO).unwrap();
    skip.plan(&world.broker, &survey, &world.job)
}

fn skipped(world: &World, skip: Skip) -> Result<Plan, ResetError> {
    let wait = Duration::from_secs(20);
    let mut resetter: Resetter<Memory> =
        Resetter::join(&world.broker, &world.job, "reset", &Clock::system(), wait).unwrap();
    let plan = resetter.skip(&skip);
    resetter.close();
    plan
}

/// Three records of `APP` are folded; the next is the one, and one more comes after it.
fn stuck() -> World {
    let world = folded(log());
    for (id, day) in [("bad", 20), ("after", 40)] {
        world.feed(APP, &payment("u1", id, day * DAY_MS));
    }
    world
}

fn letters(world: &World) -> Vec<MemoryMessage> {
    let topic = world.broker.topics().outputs[OutputTopic::DeadLetters].clone();
    world.broker.read(&topic, P0, 0, Isolation::ReadCommitted, usize::MAX).unwrap()
}

fn text(letter: &MemoryMessage, name: &str) -> Option<String> {
    letter.header(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// What a run says that was never given the record.
fn without_it() -> Vec<serde_json::Value> {
    let world = folded(log());
    world.feed(APP, &payment("u1", "after", 40 * DAY_MS));
    world.drain(&mut world.lane(0));
    anonymous(world.outputs())
}

/// Without offsets, which differ.
fn anonymous(mut outputs: Vec<serde_json::Value>) -> Vec<serde_json::Value> {
    outputs.iter_mut().for_each(|output| drop(output.as_object_mut().unwrap().remove("cause")));
    outputs
}

#[test]
fn the_next_record_goes_to_the_dead_letters_and_the_partition_goes_on_behind_it() {
    for without_reading in [false, true] {
        let world = stuck();
        let before = (world.changelog(P0), world.committed(P0));
        let plan = planned(&world, skip_of(APP, 3, without_reading)).unwrap();
        assert_eq!(plan.positions, [4, 1, 0]);
        assert_eq!((world.changelog(P0), world.committed(P0), letters(&world).len()), (before.0, before.1, 0));

        assert_eq!(skipped(&world, skip_of(APP, 3, without_reading)).unwrap(), plan, "as it was shown");
        let record = world.record(P0).unwrap();
        let recorded: Vec<_> = record.inputs.iter().map(|input| input.next_offset).collect();
        let committed: Vec<_> = world.committed(P0).iter().map(|committed| committed.offset).collect();
        assert_eq!((&recorded[..], &committed[..]), (&[4, 1, 0][..], &[4, 1, 0][..]));
        let all = letters(&world);
        let [letter] = &all[..] else { panic!("{} letters", all.len()) };
        assert_eq!(text(letter, header::REASON).as_deref(), Some("malformed"));
        assert!(text(letter, header::ERROR).unwrap().starts_with("skipped by hand"));
        let place = [header::TOPIC, header::PARTITION, header::OFFSET].map(|name| text(letter, name).unwrap());
        assert_eq!(place, ["app", "0", "3"]);
        assert_eq!(letter.value().is_none(), without_reading);
        assert_eq!(text(letter, header::UNREAD).is_some(), without_reading);

        let after = world.again(1, |_| {});
        after.drain(&mut after.lane(0));
        assert_eq!(anonymous(after.outputs()), without_it());
    }
}

#[test]
fn only_the_next_record_can_be_skipped() {
    let world = stuck();
    let before = (world.changelog(P0), world.committed(P0));
    for (input, offset, without_reading, expected) in [
        (APP, 2, false, Unskippable::Passed { next: 3 }),
        (APP, 2, true, Unskippable::Passed { next: 3 }),
        (APP, 4, false, Unskippable::NotNext { first: 3 }),
        (APP, 4, true, Unskippable::NotNext { first: 3 }),
        (MERCHANT, 1, false, Unskippable::NoRecord { next: None }),
        (REKEY, 5, false, Unskippable::NoRecord { next: None }),
    ] {
        for outcome in [planned, skipped].map(|of| of(&world, skip_of(input, offset, without_reading))) {
            let Err(ResetError::Impossible { why: Impossible::Unskippable(why), .. }) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(why, expected);
        }
    }
    assert_eq!((world.changelog(P0), world.committed(P0), letters(&world).len()), (before.0, before.1, 0));
}

#[test]
fn the_first_record_of_all_can_be_skipped() {
    let world = World::new(|options| options.partitions = 1);
    world.feed(APP, &payment("u1", "bad", 0));
    world.feed(APP, &payment("u1", "good", DAY_MS));
    assert_eq!(skipped(&world, skip_of(APP, 0, false)).unwrap().positions, [1, 0, 0]);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    assert_eq!((world.users_in_memory(), letters(&world).len()), (1, 1));
}
