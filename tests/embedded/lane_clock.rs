//! Whom a process believes about the time, and what follows the clock where nothing comes.

use tideline::broker::Isolation;
use tideline::broker::{Broker as _, BrokerTime, Topics};
use tideline::domain::{OutputTopic, Timestamp};
use tideline::record::Message;
use tideline::runtime::ClockAgreement;
use tideline::settings::Period;
use tideline::state::Dimension;
use tideline::telemetry::{reasons_not_ready, remarks};

use super::refusals::refusal;
use testkit::lane_world::*;

const MINUTE_MS: u64 = 60_000;

/// One partition, its clock 3 days after the start, and a broker with a clock of its own that is right.
fn world(change: impl FnOnce(&mut Options)) -> World {
    let world = World::new(|options| {
        (options.partitions, options.now) = (1, Timestamp::of_millis(START_MS + 3 * DAY_MS));
        change(options);
    });
    let clock = world.context.clock.clone();
    world.broker.keep_time(move || BrokerTime::At(Timestamp::of_millis(clock.monotonic_ms().cast_signed())));
    world
}

fn stream_time(world: &World) -> Option<Timestamp> {
    world.record(P0).and_then(|record| record.stream_time)
}

fn standing(world: &World) -> ClockAgreement {
    world.context.board.read(|status| status.clock.clone())
}

/// Time goes by in steps of 100 ms, and the lane with it.
fn pass(world: &World, lane: &mut tideline::runtime::Lane<tideline::broker::memory::Memory>, ms: u64) {
    for _ in 0..ms / 100 {
        world.time.advance_ms(100);
        (0..6).for_each(|_| _ = lane.step().unwrap());
    }
}

#[test]
fn a_start_with_a_clock_that_is_far_ahead_moves_nothing_and_is_named() {
    let world = world(|_| {});
    world.time.set_wall_ahead_ms(400 * DAY_MS);
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 10 * MINUTE_MS);
    assert_eq!(stream_time(&world), Some(Timestamp::of_millis(START_MS + 2 * DAY_MS)), "only the event moved it");
    assert_eq!(world.outputs().len(), 1, "nobody is announced lost: {:?}", world.outputs());
    assert_eq!(standing(&world), ClockAgreement::Apart { ahead_ms: 400 * DAY_MS });
    let reasons = world.context.board.read(reasons_not_ready).join("\n");
    assert!(reasons.contains("clock is 34560000 s ahead of the broker's"), "{reasons}");
    let remarks = world.context.board.read(remarks).join("\n");
    assert!(remarks.contains("partition 0: stream time does not follow the clock"), "{remarks}");

    // The future never moves stream time, by whose clock ever it is the future.
    world.feed(APP, &payment("u1", "future", 100 * DAY_MS));
    world.feed(APP, &payment("u1", "b", 3 * DAY_MS));
    world.drain(&mut lane);
    assert_eq!(world.dead_letters(), 1, "and what is of today lives");
    assert_eq!(stream_time(&world), Some(Timestamp::of_millis(START_MS + 3 * DAY_MS)));

    world.time.set_wall_ahead_ms(0);
    pass(&world, &mut lane, 3 * MINUTE_MS);
    assert_eq!(standing(&world), ClockAgreement::Agrees { ahead_ms: 0 });
    let now = world.context.clock.wall();
    assert!(now.since(stream_time(&world).unwrap()) <= 10_000, "set right, it is followed");
    assert!(world.context.board.read(reasons_not_ready).is_empty());
}

/// Retention goes by the stamps of records, and brokers refuse those from the future: none comes from a clock that is
/// wrong.
#[test]
fn what_is_written_bears_the_brokers_time_where_the_machines_is_wrong() {
    for ahead_ms in [400 * DAY_MS, 2 * 3_600_000, -400 * DAY_MS] {
        let world = world(|_| {});
        world.time.set_wall_ahead_ms(ahead_ms);
        world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
        world.produce(APP, Some(P0), Some(b"u1"), b"no event");
        let mut lane = world.lane(0);
        pass(&world, &mut lane, MINUTE_MS);
        let now_ms = world.context.clock.monotonic_ms().cast_signed();
        let topics = world.broker.topics().clone();
        for topic in [&topics.outputs[OutputTopic::TierChanges], &topics.outputs[OutputTopic::DeadLetters]] {
            let records = world.broker.read(topic, P0, 0, Isolation::ReadCommitted, usize::MAX).unwrap();
            let stamps: Vec<_> = records.iter().map(Message::timestamp).collect();
            assert_eq!(stamps.len(), 1, "{topic}");
            let is_now = stamps[0].is_some_and(|stamp| (now_ms - 2 * 60_000..=now_ms).contains(&stamp));
            assert!(is_now, "{topic}, {ahead_ms} ms ahead: {stamps:?}, not {now_ms}");
        }
    }
}

/// A wrong clock that stream time could reach: nothing but the comparison keeps it from following.
#[test]
fn a_start_with_a_clock_that_is_a_day_ahead_moves_nothing() {
    let world = world(|_| {});
    world.time.set_wall_ahead_ms(DAY_MS);
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 10 * MINUTE_MS);
    assert_eq!(standing(&world), ClockAgreement::Apart { ahead_ms: DAY_MS });
    assert_eq!(stream_time(&world), Some(Timestamp::of_millis(START_MS + 2 * DAY_MS)), "only the event moved it");
}

#[test]
fn with_a_clock_that_is_far_behind_no_event_of_today_dies() {
    let world = world(|_| {});
    world.time.set_wall_ahead_ms(-400 * DAY_MS);
    for day in 0..3 {
        world.feed(APP, &payment("u1", &format!("e{day}"), day * DAY_MS));
    }
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 2 * MINUTE_MS);
    assert_eq!((world.lag(), world.dead_letters()), (0, 0));
    assert_eq!(stream_time(&world), Some(Timestamp::of_millis(START_MS + 2 * DAY_MS)));
    assert_eq!(standing(&world), ClockAgreement::Apart { ahead_ms: -400 * DAY_MS });
}

#[test]
fn a_clock_that_jumps_while_it_is_followed_moves_nothing() {
    let world = world(|_| {});
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 2 * MINUTE_MS);
    let before = stream_time(&world).unwrap();
    assert!(world.context.clock.wall().since(before) <= 10_000, "it follows: {before}");
    world.time.set_wall_ahead_ms(400 * DAY_MS);
    pass(&world, &mut lane, 10 * MINUTE_MS);
    assert!(stream_time(&world).unwrap().since(before) <= 10_000, "not one step with it");
    assert!(matches!(standing(&world), ClockAgreement::Apart { .. }));
}

#[test]
fn the_clocks_are_compared_again_every_hour() {
    let world = world(|options| options.settings.idle_tick = Period::of_secs(3_600));
    let (asked, clock) = (std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0)), world.context.clock.clone());
    let counted = asked.clone();
    world.broker.keep_time(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        BrokerTime::At(Timestamp::of_millis(clock.monotonic_ms().cast_signed()))
    });
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    for (minutes, times) in [(50, 1), (15, 2), (60, 3)] {
        pass(&world, &mut lane, minutes * MINUTE_MS);
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), times, "after {minutes} min more");
    }
}

#[test]
fn where_the_brokers_time_cannot_be_had_the_clock_is_followed_on_trust_which_is_said() {
    let world = world(|_| {});
    world.broker.keep_time(|| BrokerTime::Untold("it has none".to_owned()));
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 2 * MINUTE_MS);
    assert!(world.context.clock.wall().since(stream_time(&world).unwrap()) <= 10_000);
    assert!(world.context.board.read(reasons_not_ready).is_empty(), "it is ready all the same");
    let remarks = world.context.board.read(remarks).join("\n");
    assert!(remarks.contains("on trust") && remarks.contains("it has none"), "{remarks}");
}

#[test]
fn stream_time_that_was_moved_ahead_of_the_clock_is_refused_by_name() {
    let world = world(|_| {});
    world.feed(APP, &payment("u1", "a", 2 * DAY_MS));
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    drop(lane);
    let day_before = Timestamp::of_millis(START_MS + DAY_MS);
    world.broker.keep_time(move || BrokerTime::At(day_before));
    let refused = refusal(&world.again(1, |options| options.now = day_before));
    for part in ["its stream time is 2026-01-07T", "ahead of the broker's clock (2026-01-06T", "stream.max_skew"] {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
}

/// `tests/cases/05c-a-pause-ends-a-backfill/steps.md`.
#[test]
fn a_pause_does_not_end_a_backfill() {
    let portion = |world: &World, n: i64| {
        for at in 20 * n..20 * (n + 1) {
            world.feed(APP, &payment("u1", &format!("e{at}"), at * 3 * DAY_MS));
        }
    };
    let loaded = |pause_ms: u64| {
        let world = world(|options| {
            options.now = Timestamp::of_millis(START_MS + 300 * DAY_MS);
            (options.settings.idle_after, options.settings.idle_tick) = (Period::of_secs(2), Period::of_secs(1));
        });
        let mut lane = world.lane(0);
        portion(&world, 0);
        world.drain(&mut lane);
        pass(&world, &mut lane, pause_ms);
        if pause_ms > 0 {
            let remarks = world.context.board.read(remarks).join("\n");
            for part in
                ["partition 0", "243 days behind the clock", "stream.idle_reach, 7 days", "raise stream.idle_reach"]
            {
                assert!(remarks.contains(part), "{part:?} is not in {remarks:?}");
            }
            assert!(world.context.board.read(reasons_not_ready).is_empty(), "a pause is no fault");
        }
        portion(&world, 1);
        world.drain(&mut lane);
        assert_eq!(world.dead_letters(), 0);
        world.outputs()
    };
    assert_eq!(loaded(10_000), loaded(0), "outputs as of one portion");
}

#[test]
fn a_partition_that_never_saw_an_event_follows_no_clock() {
    let world = world(|_| {});
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 3 * MINUTE_MS);
    assert_eq!(stream_time(&world), None);
    assert_eq!(world.context.board.read(remarks), Vec::<String>::new(), "nobody waits for anything");
}

#[test]
fn compacted_logs_of_a_quiet_partition_are_touched_once_in_a_segments_time_by_nobody() {
    let world = world(|options| options.now = Timestamp::of_millis(START_MS + 300 * DAY_MS));
    world.feed(APP, &payment("u1", "a", 0));
    let mut lane = world.lane(0);
    pass(&world, &mut lane, 3 * 3_600_000 + MINUTE_MS);
    let topics = topics(1);
    for topic in topics.compacted() {
        let stored = world.read(topic, Isolation::ReadCommitted);
        let touches = stored.iter().filter(|(_, _, key, _)| key.as_deref() == Some(Topics::TOUCH_KEY));
        assert!(touches.clone().all(|(_, _, _, value)| value.is_empty()));
        assert!(touches.count() >= 4, "{topic}: one at once, then one an hour: {stored:?}");
    }
    let users = world.record(P0).unwrap().population.cells(Dimension::Stage).to_vec();
    drop(lane);
    let again = world.again(1, |_| {});
    let mut lane = again.lane(0);
    again.step_until(&mut lane, "restored", |again| again.users_in_memory() == 1);
    assert_eq!(users.iter().sum::<u64>(), 1, "a touch is no user");
}
