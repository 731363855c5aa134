//! Transactions that hang in outputs, which have other partitions than the inputs.

use tideline::broker::memory::Fault;
use tideline::broker::{Broker as _, Ending};
use tideline::domain::{OutputTopic, PartitionId};
use tideline::runtime::takeover;

use testkit::lane_world::{APP, DAY_MS, P0, P1, World, payment, users_on};

const OUTPUT_PARTITIONS: i32 = 7;

fn world() -> World {
    let world = World::new(|options| options.output_partitions = Some(OUTPUT_PARTITIONS));
    feed(&world, 0);
    world
}

/// So many users that each partition of each output gets something.
fn feed(world: &World, day: i64) {
    for user in [P0, P1].into_iter().flat_map(|partition| users_on(partition, 2, 30)) {
        world.feed(APP, &payment(&user, &format!("{user}-{day}"), day * DAY_MS));
        world.produce(APP, None, Some(user.as_bytes()), b"{");
    }
}

/// Partitions of outputs in which something stands open.
fn open(world: &World) -> Vec<(String, PartitionId)> {
    let topics = world.broker.topics().outputs.all().clone().map(|topic| topic.to_string());
    let of = |topic: String| {
        let open = world.broker.open_partitions(&topic).unwrap();
        open.into_iter().map(move |partition| (topic.clone(), partition)).collect::<Vec<_>>()
    };
    topics.into_iter().flat_map(of).collect()
}

fn calm() -> World {
    let calm = world();
    let mut lane = calm.lane(0);
    calm.drain(&mut lane);
    feed(&calm, 200);
    calm.drain(&mut lane);
    calm
}

#[test]
fn what_hangs_in_outputs_with_more_partitions_than_the_inputs_is_ended_as_it_ended_for_its_coordinator() {
    let calm = calm();
    for applied in [true, false] {
        let world = World::new(|options| options.output_partitions = Some(OUTPUT_PARTITIONS));
        let mut lane = world.lane(0);
        // Each partition first tells its front, in a transaction without outputs; the faults are for the next.
        let has_told = |world: &World| [P0, P1].into_iter().all(|partition| world.record(partition).is_some());
        world.step_until(&mut lane, "the fronts are told", has_told);
        feed(&world, 0);
        for fault in [Fault::OutcomeUnknown { applied }, Fault::OutputsHang] {
            world.broker.inject(fault);
        }
        world.step_until(&mut lane, "the faults", |world| world.broker.waiting_faults().is_empty());
        assert!(open(&world).len() > OUTPUT_PARTITIONS as usize, "{:?}", open(&world));
        world.step_until(&mut lane, "what hangs is ended", |world| open(world).is_empty());
        // An abort, and a commit, of what comes next change nothing of it.
        world.broker.inject(Fault::AbortOnCommit);
        feed(&world, 200);
        world.drain(&mut lane);
        assert_eq!(world.outputs(), calm.outputs(), "applied: {applied}");
        assert_eq!(world.dead_letters(), calm.dead_letters(), "applied: {applied}");
    }
}

#[test]
fn what_hangs_is_ended_in_all_partitions_of_all_outputs() {
    for ending in [Ending::Abort, Ending::Commit] {
        let world = world();
        let last = PartitionId(OUTPUT_PARTITIONS - 1);
        for topic in world.broker.topics().outputs.all() {
            world.leave_open_in("lane-0", topic, last);
            // So that it hangs: taking the id doesn't end it.
            world.broker.inject(Fault::OutputsHang);
            takeover::fence(&world.broker, "lane-0").unwrap();
        }
        assert_eq!(open(&world).len(), OutputTopic::ALL.len());
        takeover::resolve_hanging(&world.broker, "lane-0", &[P0].into(), ending).unwrap();
        assert_eq!(open(&world), [], "{ending:?}");
        for topic in world.broker.topics().outputs.all() {
            let expected = if ending == Ending::Commit { (1, 1) } else { (OUTPUT_PARTITIONS as usize, 0) };
            assert_eq!(world.touches(topic), expected, "{topic}");
        }
    }
}
