//! Batches that can't be committed, or not as they are: tried less and less often, with less in them, and named all the
//! while.

use tideline::broker::memory::{Fault, Memory};
use tideline::runtime::Lane;
use tideline::runtime::board::status::LaneStatus;
use tideline::settings::Period;
use tideline::telemetry::reasons_not_ready;

use testkit::lane_world::*;

const SECOND_MS: u64 = 1_000;

fn lane_status(world: &World) -> LaneStatus {
    world.context.board.read(|status| status.lanes[&0].clone())
}

/// Time goes by in steps of 10 ms, and the lane with it.
fn pass(world: &World, lane: &mut Lane<Memory>, ms: u64, mut look: impl FnMut()) {
    for _ in 0..ms / 10 {
        world.time.advance_ms(10);
        (0..6).for_each(|_| _ = lane.step().unwrap());
        look();
    }
}

#[test]
fn a_batch_that_cannot_succeed_is_written_less_and_less_often_and_failing_stands_until_a_commit_succeeds() {
    let world = World::new(|options| {
        options.partitions = 1;
        options.settings.patience = Period::of_secs(3_600);
    });
    world.feed(APP, &payment("u1", "a", 0));
    (0..500).for_each(|_| world.broker.inject(Fault::AbortOnCommit));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, SECOND_MS, || {});
    pass(&world, &mut lane, 100 * SECOND_MS, || {
        let reasons = world.context.board.read(reasons_not_ready);
        assert!(reasons.iter().any(|reason| reason.contains("commit: ")), "failing is said all the while: {reasons:?}");
    });
    let aborted = lane_status(&world).transactions.aborted;
    assert!((8..=12).contains(&aborted), "{aborted} transactions in 100 s");
    world.broker.clear_faults();
    pass(&world, &mut lane, 31 * SECOND_MS, || {});
    assert_eq!((world.lag(), lane_status(&world).trouble), (0, None));
}

#[test]
fn a_batch_that_was_not_taken_in_time_is_halved_and_tried_by_a_new_producer() {
    let outputs = |faults: usize| {
        let world = World::new(|options| options.partitions = 1);
        for n in 0..64 {
            world.feed(APP, &payment(&format!("u{}", n % 8), &format!("e{n}"), n * HOUR_MS));
        }
        (0..faults).for_each(|_| world.broker.inject(Fault::TimedOut));
        let mut lane = world.lane(0);
        let mut batches = Vec::new();
        pass(&world, &mut lane, 30 * SECOND_MS, || {
            let LaneStatus { transactions, last_batch_records, .. } = lane_status(&world);
            batches.push((transactions.committed, last_batch_records));
        });
        batches.dedup_by_key(|batch| batch.0);
        let first = batches.into_iter().find(|(committed, _)| *committed > 0).unwrap().1;
        assert_eq!(lane_status(&world).transactions.aborted, faults as u64);
        assert_eq!((world.lag(), world.broker.waiting_faults().len()), (0, 0));
        (first, world.outputs())
    };
    let (whole, calm) = outputs(0);
    let (halved, troubled) = outputs(3);
    assert_eq!((whole, halved), (64, 8), "64 records, then 32, 16, and 8 got through");
    assert_eq!(troubled, calm);
}

#[test]
fn a_slice_of_deadlines_that_was_not_taken_in_time_is_halved_too() {
    let world = World::new(|options| {
        (options.partitions, options.max_effects) = (1, 64);
        options.now = tideline::domain::Timestamp::of_millis(START_MS + 40 * DAY_MS);
        options.settings.idle_reach = Period::of_secs(60 * 86_400);
    });
    for n in 0..64 {
        world.feed(APP, &payment(&format!("u{n}"), &format!("e{n}"), n));
    }
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    (0..3).for_each(|_| world.broker.inject(Fault::TimedOut));
    let mut slices = Vec::new();
    pass(&world, &mut lane, 120 * SECOND_MS, || {
        let told = world.context.board.read(|status| status.partitions[&P0].timers_fired);
        slices.push(told);
    });
    slices.dedup();
    assert_eq!(world.broker.waiting_faults().len(), 0, "each was met");
    let largest = slices.windows(2).map(|two| two[1] - two[0]).max();
    assert!(largest <= Some(16), "64 deadlines were too many, and 32: {slices:?}");
    assert!(slices.last() >= Some(&64), "all fire in the end: {slices:?}");
}
