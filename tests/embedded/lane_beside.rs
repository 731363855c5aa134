//! What is done beside a lane, on the machine's clock: nothing that hangs there keeps the lane from serving what it
//! can, and from answering the group. And what a restore keeps when its partition is revoked on the way.

use std::time::{Duration, Instant};

use tideline::broker::Broker;
use tideline::broker::memory::Fault;
use tideline::domain::PartitionId;
use tideline::runtime::board::status::{Phase, RestoreStage};
use tideline::runtime::{Clock, Lane, LaneContext};
use tideline::settings::Period;

use super::spy::{At, Spy};
use testkit::lane_world::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A lane on the machine's clock, whose calls can be held.
struct Real {
    world: World,
    spy: Spy,
    lane: Lane<Spy>,
}

impl Real {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        Self::after(change, |_| {})
    }

    /// Of a partition of which nothing was ever committed nobody knows what it must forward, so all wait for it: not of
    /// one of which something was, `before`.
    fn after(change: impl FnOnce(&mut Options), before: impl FnOnce(&World)) -> Self {
        let mut world = World::new(|options| {
            options.settings.poll_timeout = Period::of_millis(1);
            options.settings.restore_timeout = Period::of_millis(1);
            change(options);
        });
        before(&world.again(1, |_| {}));
        world.context = LaneContext { clock: Clock::system(), ..world.context.clone() };
        let spy = Spy::new(world.broker.clone());
        let lane = Lane::new(spy.clone(), world.job.clone(), world.context.clone(), 0).unwrap();
        Self { world, spy, lane }
    }

    fn step_until(&mut self, what: &str, done: impl Fn(&World, &Spy) -> bool) {
        let since = Instant::now();
        while !done(&self.world, &self.spy) {
            assert!(since.elapsed() < PATIENCE, "never came: {what}; {:?}", self.world.context.board);
            self.lane.step().unwrap();
        }
    }
}

fn is_restoring(world: &World, partition: PartitionId, at: RestoreStage) -> bool {
    matches!(world.phase(partition), Phase::Restoring { stage, .. } if stage == at)
}

fn user_on(partition: PartitionId) -> String {
    users_on(partition, 2, 1)[0].clone()
}

/// Per user no number twice and none left out.
fn assert_exactly_once(world: &World) {
    let mut next = std::collections::BTreeMap::new();
    for output in world.outputs() {
        let next: &mut u64 = next.entry(output["user_id"].to_string()).or_insert(1);
        assert_eq!(output["sequence"].as_u64(), Some(*next), "{output}");
        *next += 1;
    }
}

#[test]
fn a_restore_that_hangs_keeps_no_served_partition_from_flowing() {
    for at in [At::OpenWriters(P1), At::Committed(P1), At::Changelog(P1), At::Earliest(P1)] {
        let mut real = Real::after(
            |_| {},
            |before| {
                for partition in [P0, P1] {
                    before.feed(APP, &payment(&user_on(partition), "before", -1));
                }
                before.drain(&mut before.lane(0));
            },
        );
        real.spy.shut(at);
        for (n, partition) in [P0, P1].into_iter().enumerate() {
            real.world.feed(APP, &payment(&user_on(partition), "a", n as i64));
        }
        real.step_until("hung, and the other consumed", |world, spy| {
            spy.waiting(at) == 1 && world.tally().consumed == 1
        });
        let waiting = [RestoreStage::Fencing, RestoreStage::Offsets, RestoreStage::Reading];
        assert!(waiting.iter().any(|&stage| is_restoring(&real.world, P1, stage)), "{:?}", real.world.phase(P1));
        real.world.feed(APP, &payment(&user_on(P0), "b", 2));
        real.step_until("more consumed", |world, _| world.tally().consumed == 2);
        real.spy.open(at);
        real.step_until("all consumed", |world, _| world.tally().consumed == 3);
        assert_exactly_once(&real.world);
    }
}

#[test]
fn so_many_partitions_are_restored_at_once_as_the_settings_say() {
    let mut real = Real::new(|options| (options.partitions, options.settings.restores_at_once) = (8, 3));
    let gates: Vec<_> = (0..8).map(|partition| At::Committed(PartitionId(partition))).collect();
    gates.iter().for_each(|&at| real.spy.shut(at));
    let waiting = |spy: &Spy| gates.iter().map(|&at| spy.waiting(at)).sum::<usize>();
    real.step_until("three wait", |_, spy| waiting(spy) == 3);
    for _ in 0..100 {
        real.lane.step().unwrap();
    }
    assert_eq!(waiting(&real.spy), 3);
    gates.iter().for_each(|&at| real.spy.open(at));
    real.step_until("all served", |world, _| world.lane_status(0).restores == 8);
}

#[test]
fn a_rebalance_is_answered_while_a_restore_hangs_and_spares_the_others() {
    let mut real = Real::new(|_| {});
    real.spy.shut(At::Committed(P1));
    real.step_until("one hung, one served", |world, spy| {
        spy.waiting(At::Committed(P1)) == 1 && world.phase(P0) == Phase::Serving
    });
    real.world.broker.rebalance();
    real.step_until("returned", |world, _| world.lane_status(0).returns == 1 && world.phase(P0) == Phase::Serving);
    real.spy.open(At::Committed(P1));
    real.step_until("served", |world, _| world.phase(P1) == Phase::Serving);
    assert_eq!((real.world.lane_status(0).restores, real.world.lane_status(0).returns), (2, 1));
}

/// The restore comes to its end after the partition was revoked, and another has it, and writes.
#[test]
fn what_a_cancelled_restore_came_to_is_not_served() {
    let mut real = Real::new(|options| options.partitions = 1);
    let user = &users_on(P0, 1, 1)[0];
    real.spy.shut(At::Earliest(P0));
    real.step_until("all but done", |_, spy| spy.waiting(At::Earliest(P0)) == 1);
    // The second comes before the first by name, so that it is given the only partition. It has not let go when the
    // first has: so the first is told nothing of the generation that gives the second everything.
    let others = real.world.again(2, |options| options.settings.name = "a".to_owned());
    let mut second = others.lane(1);
    real.world.broker.rebalance();
    real.step_until("revoked", |world, _| world.lane_status(0).parked == 1);
    (0..10).for_each(|_| _ = real.lane.step().unwrap());
    assert_eq!(real.world.lane_status(0).parked, 1);
    real.world.feed(APP, &payment(user, "a", 0));
    others.drain(&mut second);
    assert_eq!(others.outputs().len(), 1);
    second.close();
    // Only now it comes back, with what was true before.
    real.spy.open(At::Earliest(P0));
    real.world.feed(APP, &payment(user, "b", DAY_MS));
    real.step_until("consumed", |world, _| world.lag() == 0);
    assert_exactly_once(&real.world);
    assert_eq!(real.world.lane_status(0).returns, 0, "another has written in between");
    assert_eq!(real.world.tally().consumed, 1, "what the second has consumed is not consumed again");
}

#[test]
fn the_group_is_answered_while_an_outcome_is_in_doubt_and_nothing_is_handled() {
    let mut real = Real::new(|_| {});
    real.step_until("served", |world, _| [P0, P1].iter().all(|&p| world.phase(p) == Phase::Serving));
    real.spy.shut(At::Producer);
    real.world.broker.inject(Fault::OutcomeUnknown { applied: true });
    for partition in [P0, P1] {
        real.world.feed(APP, &payment(&user_on(partition), "a", 0));
    }
    real.step_until("in doubt", |_, spy| spy.waiting(At::Producer) == 1);
    let written = real.world.read("tier-changes", tideline::broker::Isolation::ReadUncommitted).len();
    // The first partition goes to another; the lane lets go of both, and is given the second one.
    let others = real.world.again(2, |options| options.settings.name = "a".to_owned());
    let mut second = others.lane(1);
    real.step_until("revoked", |world, _| !world.lane_status(0).is_assigned);
    second.step().unwrap();
    let polls = real.spy.polls.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..50 {
        second.step().unwrap();
        real.lane.step().unwrap();
    }
    assert!(real.spy.polls.load(std::sync::atomic::Ordering::Relaxed) > polls + 10, "it polls on");
    let now = real.world.read("tier-changes", tideline::broker::Isolation::ReadUncommitted).len();
    assert_eq!(now, written, "nothing more is written in doubt");
    real.spy.open(At::Producer);
    for (n, partition) in [P0, P1].into_iter().enumerate() {
        real.world.feed(APP, &payment(&user_on(partition), "b", DAY_MS + n as i64));
    }
    let since = Instant::now();
    while real.world.lag() > 0 {
        assert!(since.elapsed() < PATIENCE, "{:?}", real.world.context.board);
        others.time.advance_ms(1);
        second.step().unwrap();
        real.lane.step().unwrap();
    }
    assert_exactly_once(&real.world);
    assert_eq!(real.world.outputs().len(), 2);
}

#[test]
fn a_partition_that_can_not_be_started_is_started_later_from_what_is_in_memory() {
    let mut real = Real::new(|options| options.partitions = 1);
    real.spy.fail(At::Start(P0), 2);
    real.world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "a", 0));
    real.step_until("consumed", |world, _| world.lag() == 0);
    assert_eq!((real.world.lane_status(0).restores, real.world.lane_status(0).returns), (1, 2));
    assert!(real.world.lane_status(0).trouble.is_none());
}

/// Users enough that their state is read in many steps.
fn with_many_users(count: usize) -> World {
    let world = World::new(|options| (options.partitions, options.poll_records) = (1, 10));
    for user in users_on(P0, 1, count) {
        world.feed(APP, &payment(&user, &user, 0));
    }
    world.drain(&mut world.lane(0));
    world
}

fn half_read(world: &World, lane: &mut Lane<tideline::broker::memory::Memory>) {
    world.step_until(lane, "half read", |world| matches!(world.phase(P0), Phase::Restoring { remaining: 1..60, .. }));
}

#[test]
fn a_changelog_that_is_half_read_is_read_on_after_a_rebalance() {
    let world = with_many_users(100).again(1, |_| {});
    let all = world.read("changelog", tideline::broker::Isolation::ReadCommitted).len() as u64;
    let mut lane = world.lane(0);
    half_read(&world, &mut lane);
    world.broker.rebalance();
    world.step_until(&mut lane, "served", |world| world.phase(P0) == Phase::Serving);
    assert_eq!(world.lane_status(0).restored_records, all, "nothing was read twice");
    assert_eq!(world.users_in_memory(), 100);
}

#[test]
fn a_changelog_that_is_half_read_is_read_on_to_what_others_have_written_meanwhile() {
    let world = with_many_users(100).again(1, |_| {});
    let user = &users_on(P0, 1, 1)[0];
    let mut lane = world.lane(0);
    half_read(&world, &mut lane);
    let others = world.again(2, |options| options.settings.name = "a".to_owned());
    let mut second = others.lane(1);
    world.broker.rebalance();
    world.step_until(&mut lane, "revoked", |world| world.lane_status(0).parked == 1);
    (0..10).for_each(|_| _ = lane.step().unwrap());
    assert_eq!(world.lane_status(0).parked, 1, "it was not told of the generation that gives the second everything");
    world.feed(APP, &payment(user, "more", DAY_MS));
    others.drain(&mut second);
    second.close();
    world.step_until(&mut lane, "served", |world| world.phase(P0) == Phase::Serving);
    let all = world.read("changelog", tideline::broker::Isolation::ReadCommitted).len() as u64;
    assert_eq!(world.lane_status(0).restored_records, all);
    let users = world.registry.table(P0).unwrap();
    let user = users.user(&tideline::domain::UserId::new(user).unwrap()).unwrap().unwrap();
    assert_eq!(user.facts.history.days().len(), 2, "what the other folded is not forgotten");
    assert!(world.broker.open_writers(P0).unwrap().is_empty());
}

/// What failed before a partition was revoked is not held against it when it comes back.
#[test]
fn a_failure_is_forgotten_when_its_partition_goes() {
    let world = World::new(|options| {
        options.partitions = 1;
        options.settings.patience = Period::of_secs(10);
    });
    let spy = Spy::new(world.broker.clone());
    spy.fail(At::Changelog(P0), u64::MAX);
    let mut lane = Lane::new(spy.clone(), world.job.clone(), world.context.clone(), 0).unwrap();
    let mut pass = |seconds: u64| {
        (0..seconds * 100).try_for_each(|_| {
            world.time.advance_ms(10);
            lane.step().map(|_| ())
        })
    };
    pass(8).unwrap();
    world.broker.rebalance();
    pass(8).unwrap();
    let error = pass(8).unwrap_err().to_string();
    assert!(error.contains("restore partition 0") && error.contains("find-hanging"), "{error}");
}
