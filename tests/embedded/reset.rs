//! A reset on the embedded log: from what lanes refuse to what they go on from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tideline::broker::Broker;
use tideline::broker::memory::{Fault, Memory, MemorySettings};
use tideline::domain::{PartitionId, Timestamp};
use tideline::runtime::Clock;
use tideline::runtime::operator::{Done, Impossible, ResetError, Resetter, Survey, Target};

use super::refusals::{folded, log, move_offset, refusal};
use testkit::lane_world::*;

const KEEP: Target = Target::Recorded { accept_loss: false };
/// Long for a group that answers at once.
const WAIT: Duration = Duration::from_secs(20);

fn join(world: &World, wait: Duration) -> Result<Resetter<Memory>, ResetError> {
    Resetter::join(&world.broker, &world.job, "reset", &Clock::system(), wait)
}

fn reset(world: &World, partition: PartitionId, target: &Target) -> Result<Done, ResetError> {
    let mut resetter = join(world, WAIT)?;
    let done = resetter.reset(partition, target, world.options.partitions == 1);
    resetter.close();
    done
}

/// A lane of a process that was started after the reset goes on, and folds this too.
fn goes_on(world: &World) -> World {
    let after = world.again(1, |_| {});
    after.feed(APP, &payment("u1", "after", 20 * DAY_MS));
    after.drain(&mut after.lane(0));
    after
}

/// What a run without any reset says of the same events.
fn undisturbed() -> Vec<Value> {
    goes_on(&folded(log())).outputs()
}

#[test]
fn offsets_come_back_to_what_is_recorded_and_nothing_is_said_twice() {
    type Tamper = fn(&World);
    let cases: [(&str, Tamper); 2] =
        [("behind", |world| move_offset(world, APP, 1)), ("ahead", |world| move_offset(world, APP, 9))];
    for (case, tamper) in cases {
        let world = folded(log());
        let users = world.changelog(P0).len() - 1;
        tamper(&world);
        refusal(&world.again(1, |_| {}));
        let done = reset(&world, P0, &KEEP).unwrap();
        assert_eq!(done, Done { users_forgotten: 0, positions: vec![3, 1, 0], lost: vec![] }, "{case}");
        assert_eq!(world.changelog(P0).len() - 1, users, "{case}");
        assert_eq!(goes_on(&world).outputs(), undisturbed(), "{case}");
    }
}

#[test]
fn from_the_earliest_history_is_folded_anew_and_outputs_keep_their_ids() {
    let world = folded(log());
    let before = world.outputs();
    assert!(!before.is_empty());
    let done = reset(&world, P0, &Target::Earliest).unwrap();
    assert_eq!(done, Done { users_forgotten: 1, positions: vec![0, 0, 0], lost: vec![] });
    assert_eq!(world.changelog(P0).len(), 1, "the partition record alone");
    let after = goes_on(&world).outputs();
    let mut times = BTreeMap::<String, usize>::new();
    after.iter().for_each(|output| *times.entry(output["id"].to_string()).or_default() += 1);
    for output in &before {
        assert_eq!(times[&output["id"].to_string()], 2, "said again, by the same id: {output}");
    }
    let mut once: Vec<_> = after.into_iter().collect();
    once.dedup();
    assert_eq!(once, undisturbed());
}

#[test]
fn from_given_offsets_only_what_lies_behind_them_is_folded() {
    let world = folded(log());
    let from = [(APP, 2), (MERCHANT, i64::MAX)].into();
    let target = Target::From(BTreeMap::from([(P0, from)]));
    assert_eq!(reset(&world, P0, &target).unwrap().positions, [2, 1, 0], "the end where there is nothing so late");
    let after = world.again(1, |_| {});
    after.feed(APP, &payment("u1", "after", 20 * DAY_MS));
    let mut lane = after.lane(0);
    after.drain(&mut lane);
    let held = after.registry.table(P0).unwrap();
    let id = tideline::domain::UserId::new("u1").unwrap();
    assert_eq!(held.user(&id).unwrap().unwrap().facts.history.days().len(), 2);
}

#[test]
fn a_partition_without_a_record_can_only_start_anew() {
    let paid_once = || {
        let world = World::new(|options| options.partitions = 1);
        world.feed(APP, &payment("u1", "e0", 0));
        world
    };
    // Its offsets, but none of its state.
    let bare = paid_once();
    move_offset(&bare, APP, 1);
    assert!(refusal(&bare).contains("no partition record"));
    let refused = reset(&bare, P0, &KEEP);
    assert!(matches!(refused, Err(ResetError::Impossible { why: Impossible::NoRecord, .. })), "{refused:?}");
    reset(&bare, P0, &Target::Earliest).unwrap();
    assert_eq!(goes_on(&bare).outputs(), goes_on(&paid_once()).outputs());
}

#[test]
fn a_partition_that_nobody_has_read_needs_no_record() {
    let world = World::new(|options| options.partitions = 1);
    move_offset(&world, APP, 0);
    assert!(refusal(&world).contains("no partition record"));
    assert_eq!(reset(&world, P0, &KEEP).unwrap().positions, [0, 0, 0]);
    goes_on(&world);
}

#[test]
fn input_that_was_lost_is_passed_over_only_when_that_is_accepted() {
    let world = folded(Memory::new(topics(1), MemorySettings { partition_bytes: 2_000, ..MemorySettings::default() }));
    for n in 0..100 {
        world.feed(APP, &payment("u1", &format!("later{n}"), 5 * DAY_MS + n));
    }
    let earliest = world.broker.earliest(P0).unwrap()[0].1;
    let refused = reset(&world, P0, &KEEP);
    assert!(matches!(refused, Err(ResetError::Impossible { why: Impossible::Truncated { .. }, .. })), "{refused:?}");
    let done = reset(&world, P0, &Target::Recorded { accept_loss: true }).unwrap();
    assert_eq!(done.positions, [earliest, 1, 0]);
    let after = world.again(1, |_| {});
    after.drain(&mut after.lane(0));
}

#[test]
fn who_was_erased_stays_forgotten() {
    let world = folded(log());
    world.feed(APP, &Told { kind: "user.erased", ..payment("u1", "erased", 6 * DAY_MS) });
    let erasing = world.again(1, |_| {});
    erasing.drain(&mut erasing.lane(0));
    let before = world.outputs();
    let done = reset(&world, P0, &Target::Earliest).unwrap();
    assert_eq!(done.users_forgotten, 0);
    let again = world.again(1, |_| {});
    let mut lane = again.lane(0);
    again.drain(&mut lane);
    assert_eq!(world.outputs(), before, "what was told before the erasure is suppressed");
    assert_eq!(again.users_in_memory(), 1, "the erasure alone");
}

#[test]
fn what_was_forwarded_is_read_again_only_where_it_is_not_forwarded_again() {
    let world = World::new(|options| options.merchant_is_keyed = false);
    for partition in [P0, P1] {
        world.feed(MERCHANT, &payment(&users_on(partition, 2, 1)[0], "e", 0));
    }
    world.drain(&mut world.lane(0));
    let survey = Survey::of(&world.broker, P0, Duration::ZERO).unwrap();
    let topics = world.broker.topics();
    let end = survey.ends[REKEY.index()].1;
    assert!(end > 0);
    assert_eq!(survey.positions(&Target::Earliest, true, topics).unwrap(), [0, 0, end]);
    assert_eq!(survey.positions(&Target::Earliest, false, topics).unwrap(), [0, 0, 0]);
    let mut resetter = join(&world, WAIT).unwrap();
    for partition in [P0, P1] {
        resetter.reset(partition, &Target::Earliest, true).unwrap();
    }
    resetter.close();
    let again = world.again(1, |_| {});
    let mut lane = again.lane(0);
    again.drain(&mut lane);
    assert_eq!(again.users_in_memory(), 2);
    let outputs = again.outputs();
    assert_eq!(outputs.len(), 4, "each twice: {outputs:?}");
}

#[test]
fn while_anybody_is_served_nothing_is_reset() {
    let world = folded(log());
    let mut lane = world.lane(0);
    world.step_until(&mut lane, "served", |world| world.context.board.read(tideline::runtime::Status::is_ready));
    let changelog = world.changelog(P0);
    let refused = join(&world, Duration::from_millis(1)).map(drop);
    assert!(matches!(refused, Err(ResetError::OthersLive { owned: 0, all: 1, .. })), "{refused:?}");
    assert_eq!(world.changelog(P0), changelog);
}

#[test]
fn who_joins_in_the_middle_keeps_a_reset_from_being_committed() {
    let world = folded(log());
    let mut resetter = join(&world, WAIT).unwrap();
    let _lane = world.lane(0);
    let refused = resetter.reset(P0, &Target::Earliest, true);
    assert!(matches!(refused, Err(ResetError::GroupChanged)), "{refused:?}");
    assert!(world.changelog(P0).len() > 1);
}

#[test]
fn a_reset_that_fails_leaves_the_partition_as_it_was_or_reset() {
    for fault in [
        Fault::AbortOnCommit,
        Fault::SendOffsetsRefused,
        Fault::FencedOnSendOffsets,
        Fault::FencedOnCommit,
        Fault::OutcomeUnknown { applied: false },
        Fault::OutcomeUnknown { applied: true },
    ] {
        let world = folded(log());
        let before = world.changelog(P0);
        move_offset(&world, APP, 1);
        world.broker.inject(fault);
        let failed = reset(&world, P0, &Target::Earliest);
        assert!(matches!(failed, Err(ResetError::Transaction { .. })), "{}: {failed:?}", fault.as_str());
        if fault != (Fault::OutcomeUnknown { applied: true }) {
            assert_eq!(world.changelog(P0), before, "{}", fault.as_str());
        }
        // The same command again; it ends what the first one left open.
        reset(&world, P0, &Target::Earliest).unwrap();
        assert_eq!(world.changelog(P0).len(), 1, "{}", fault.as_str());
        goes_on(&world);
    }
}

#[test]
fn a_fresh_partition_says_that_it_has_no_time_yet() {
    let world = folded(log());
    reset(&world, P0, &Target::Earliest).unwrap();
    let record = world.record(P0).unwrap();
    assert_eq!((record.stream_time, record.watermark), (None, None::<Timestamp>));
    assert_eq!((record.zone.as_str(), record.partitions), ("UTC", 1));
}
