//! How a lane ends: at the end of its inputs, by a stop, or because it can not go on; and what bounds a batch until then.

use tideline::broker::Isolation;
use tideline::broker::memory::Fault;
use tideline::domain::{PartitionId, Timestamp};
use tideline::runtime::{LaneError, Mode, StepOutcome};
use tideline::settings::{Period, Size};

use testkit::lane_world::*;

#[test]
fn with_every_input_at_its_end_stream_time_follows_the_clock() {
    let now = Timestamp::of_millis(START_MS + 40 * DAY_MS);
    let world = World::new(|options| {
        (options.partitions, options.now) = (1, now);
        options.settings.idle_reach = Period::of_secs(60 * 86_400);
    });
    let users = users_on(P0, 1, 1);
    world.feed(APP, &payment(&users[0], "a", 0));
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let stream_time = |world: &World| world.record(P0).unwrap().stream_time.unwrap();
    assert_eq!(stream_time(&world), Timestamp::of_millis(START_MS));
    world.time.advance_ms(59_000);
    for _ in 0..500 {
        lane.step().unwrap();
    }
    assert_eq!(stream_time(&world), Timestamp::of_millis(START_MS), "59 s are not 60 s");
    world.time.advance_ms(1_000);
    world.step_until(&mut lane, "the clock's time", |world| stream_time(world) >= now);
    let fell = world.outputs().pop().unwrap();
    assert_eq!((fell["reason"].as_str(), fell["current"].as_str()), (Some("timer"), Some("inactive")), "{fell}");
    world.assert_record_and_offsets_agree(P0);
}

#[test]
fn a_run_until_the_end_waits_for_what_lanes_forward_to_each_other_and_then_moves_every_watermark() {
    let until = Timestamp::of_millis(START_MS + 50 * DAY_MS);
    let ends = |merchant_is_keyed| {
        let world = World::new(|options| {
            (options.merchant_is_keyed, options.partitions, options.max_effects) = (merchant_is_keyed, 4, 2);
            options.settings.mode = Mode::UntilEnd { until: Some(until), ignore_silent: false };
        });
        world.feed_some();
        let world = world.again(3, |_| {});
        let lanes = (0..3).map(|index| world.lane(index)).collect();
        world.run_to_the_end(lanes).unwrap();
        assert_eq!(world.lag(), 0);
        for partition in (0..4).map(PartitionId) {
            assert_eq!(world.record(partition).unwrap().watermark, Some(until));
        }
        world
    };
    let (straight, forwarded) = (ends(true), ends(false));
    assert_eq!(forwarded.tally().rekeyed, 12);
    // Forwarded events come late, so that reasons may differ; what is true at the end does not.
    let last_tiers = |world: &World| {
        let tiers = world.outputs().into_iter().filter(|output| output["type"] == "tideline.tier_changed");
        tiers
            .map(|it| (it["user_id"].to_string(), it["current"].to_string()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(last_tiers(&straight), last_tiers(&forwarded));
}

#[test]
fn a_stop_commits_what_is_in_hand_and_leaves() {
    let world = World::new(|options| options.settings.commit_interval = Period::of_secs(3_600));
    world.feed_some();
    let mut lane = world.lane(0);
    for _ in 0..50 {
        lane.step().unwrap();
    }
    assert_eq!(world.outputs().len(), 0, "the batch is in hand");
    world.context.stop.stop();
    let steps = (0..5).map(|_| lane.step().unwrap()).take_while(|stepped| *stepped == StepOutcome::Continue).count();
    assert!(steps < 5);
    lane.close();
    assert_eq!((world.outputs().len(), world.lag()), (6, 0));
}

#[test]
fn a_batch_is_bounded_and_so_is_what_waits() {
    let world = World::new(|options| {
        (options.partitions, options.poll_records) = (1, 10);
        options.settings.commit_interval = Period::of_secs(3_600);
        (options.settings.batch_records, options.settings.buffer_records) = (7, 20);
    });
    let user = &users_on(P0, 1, 1)[0];
    for n in 0..100 {
        world.feed(APP, &payment(user, &format!("a{n}"), n));
    }
    world.feed(MERCHANT, &payment(user, "last", 100));
    let mut lane = world.lane(0);
    let mut waiting = 0;
    world.step_until(&mut lane, "everything consumed", |world| {
        let inputs = world.context.board.read(|status| status.partitions.get(&P0).map(|it| it.inputs.clone()));
        waiting = waiting.max(inputs.iter().flatten().map(|input| input.waiting).max().unwrap_or_default());
        let last = world.lane_status(0).last_batch_records;
        assert!(last <= 7, "a batch of {last}");
        // The last four are under the bound of a batch that nothing fills.
        world.lag() <= 4
    });
    assert!((10..=30).contains(&waiting), "{waiting} waited");
}

#[test]
fn a_batch_is_committed_once_its_outputs_hold_enough_bytes() {
    let world = World::new(|options| {
        options.settings.commit_interval = Period::of_secs(3_600);
        (options.settings.batch_bytes, options.settings.turn_records) = (Size::of_bytes(500), 1);
    });
    world.feed_some();
    let mut lane = world.lane(0);
    world.step_until(&mut lane, "most outputs", |world| world.outputs().len() >= 5);
    assert!(world.lane_status(0).transactions.committed >= 3);
}

#[test]
fn a_lane_that_can_not_go_on_names_what_it_tried_and_for_how_long() {
    let world = World::new(|_| {});
    world.feed_some();
    let mut lane = world.lane(0);
    let failing_step = |_| {
        world.broker.inject(Fault::AbortOnCommit);
        world.time.advance_ms(50);
        lane.step().err()
    };
    let error = (0..20_000).find_map(failing_step).expect("it goes on for ever");
    assert!(matches!(error, LaneError::GaveUp { .. }), "{error}");
    assert!(error.to_string().contains("commit: "), "{error}");
    assert_eq!(world.read("tier-changes", Isolation::ReadCommitted).len(), 0);
}

#[test]
fn lanes_on_threads_run_to_the_end() {
    let world = World::new(|options| {
        (options.partitions, options.merchant_is_keyed) = (4, false);
        options.settings.mode = Mode::UntilEnd { until: None, ignore_silent: false };
    });
    world.feed_some();
    let clock = tideline::runtime::Clock::system();
    let context = &world.context;
    tideline::runtime::run(&world.broker, &world.job, 2, &clock, &context.board, context.tables.clone(), &context.stop)
        .unwrap();
    assert_eq!(world.lag(), 0);
    assert_eq!(world.outputs().len(), 12);
}

/// Two processes of one name take the id from each other at every commit.
#[test]
fn a_lane_that_is_fenced_again_and_again_ends_and_says_what_to_do() {
    let world = World::new(|_| {});
    world.feed_some();
    let mut lane = world.lane(0);
    for _ in 0..20_000 {
        if world.broker.waiting_faults().is_empty() {
            world.broker.inject(Fault::FencedOnCommit);
        }
        world.time.advance_ms(50);
        if let Err(error) = lane.step() {
            assert!(matches!(error, LaneError::GaveUp { .. }), "{error}");
            assert!(error.to_string().contains("another process runs with the same application.instance"), "{error}");
            return;
        }
    }
    panic!("it never ends; {:?}", world.context.board);
}

#[test]
fn a_lane_without_partitions_is_ready_and_keeps_no_run_from_its_end() {
    let world = World::new(|options| {
        options.partitions = 1;
        options.settings.mode = Mode::UntilEnd { until: None, ignore_silent: false };
    });
    world.feed_some();
    let world = world.again(2, |_| {});
    world.run_to_the_end(vec![world.lane(0), world.lane(1)]).unwrap();
    assert_eq!((world.outputs().len(), world.lag()), (3, 0));
}
