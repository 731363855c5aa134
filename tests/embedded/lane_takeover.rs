//! A lane that follows another: what its predecessor left open ends first, and what contradicts the log is refused.

use tideline::broker::Broker;
use tideline::broker::memory::{Fault, Memory};
use tideline::domain::Input;
use tideline::runtime::board::status::{Phase, RestoreStage};

use testkit::lane_world::*;

#[test]
fn what_a_dead_predecessor_left_open_is_fenced_before_anything_is_restored() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    let mut dying = world.lane(0);
    // Its process ends in the middle of a transaction: nothing of it is ever ended by itself.
    world.broker.inject(Fault::OutcomeUnknown { applied: false });
    world.step_until(&mut dying, "the fault", |world| world.broker.waiting_faults().is_empty());
    drop(dying);
    assert_eq!(world.broker.open_writers(P0).unwrap(), ["lane-0".into()]);

    let survivors = world.again(2, |_| {});
    let mut survivor = survivors.lane(1);
    survivors.drain(&mut survivor);
    assert_eq!(survivors.lane_status(1).fenced, 1);
    assert_eq!(survivors.outputs().len(), 3);
}

/// A lone broker that was killed may forget to end in a partition what its coordinator has ended: taking the id doesn't
/// help.
#[test]
fn what_hangs_under_its_own_id_is_ended_in_that_partition() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    drop(lane);

    let world = world.again(1, |_| {});
    let mut lane = world.lane(0);
    // By then the lane has taken its id: what opens a transaction under it now, it does not end.
    let is_begun = |phase| matches!(phase, Phase::Restoring { stage: RestoreStage::Fencing, .. });
    world.step_until(&mut lane, "the restore has begun", |world| is_begun(world.phase(P0)));
    world.leave_open("lane-0", "changelog");
    assert_eq!(world.broker.open_writers(P0).unwrap(), ["lane-0".into()]);

    world.step_until(&mut lane, "served", |world| world.phase(P0) == Phase::Serving);
    assert_eq!(world.broker.open_writers(P0).unwrap(), [] as [std::sync::Arc<str>; 0]);
    world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "more", 4 * DAY_MS));
    world.drain(&mut lane);
    assert_eq!(world.tally().consumed, 1);
}

/// The next commit of the same id would show what hangs of a transaction that was not committed: in the outputs, too.
#[test]
fn what_hangs_of_a_transaction_in_doubt_is_ended_before_the_next() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    let mut lane = world.lane(0);
    world.broker.inject(Fault::OutcomeUnknown { applied: false });
    world.step_until(&mut lane, "the fault", |world| world.broker.waiting_faults().is_empty());
    let is_open = |world: &World| !world.broker.open_writers(P0).unwrap().is_empty();
    world.step_until(&mut lane, "the id is taken", |world| !is_open(world));
    world.leave_open("lane-0", "changelog");

    world.step_until(&mut lane, "the hanging one is ended", |world| !is_open(world));
    world.drain(&mut lane);
    assert_eq!(world.outputs().len(), 3);
    for topic in ["changelog", "tier-changes", "dormancy-risk", "dead-letters"] {
        assert_eq!(world.touches(topic), (1, 0), "what ends that which hangs in {topic}, and is not seen");
    }
}

/// The next commit of the same id would commit them, whatever became of their transaction: somebody would find offsets
/// for which there are no outputs.
#[test]
fn offsets_that_hang_end_as_their_transaction_did_before_the_next() {
    for applied in [false, true] {
        let world = World::new(|options| options.partitions = 2);
        world.feed_some();
        let mut lane = world.lane(0);
        for fault in [Fault::OutcomeUnknown { applied }, Fault::OffsetsHang] {
            world.broker.inject(fault);
        }
        let is_pending = || [P0, P1].map(|partition| world.broker.partition_offsets(partition).unwrap().is_pending);
        world.step_until(&mut lane, "the offsets hang", |world| world.broker.waiting_faults().is_empty());
        assert!(applied || is_pending() == [false; 2], "they are dropped as the id is taken");
        world.step_until(&mut lane, "they end", |_| is_pending() == [false; 2]);
        let transactions = world.lane_status(0).transactions;
        assert_eq!((transactions.committed, transactions.unknown), (0, 1), "before the next commit");
        world.step_until(&mut lane, "all is read", |world| {
            let are_served = [P0, P1].into_iter().all(|partition| world.phase(partition) == Phase::Serving);
            assert!(are_served, "applied: {applied}; memory knows what became of it");
            world.lag() == 0
        });
        drop(lane);

        let world = world.again(1, |_| {});
        let mut lane = world.lane(0);
        world.drain(&mut lane);
        assert_eq!(world.outputs().len(), 6, "applied: {applied}");
    }
}

/// Nobody holds the id any more under which they are pending; what had been committed stands in the record.
#[test]
fn offsets_that_a_dead_owner_left_hanging_are_dropped_by_the_next() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    let mut dead = world.lane(1);
    world.drain(&mut dead);
    world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "more", 4 * DAY_MS));
    for fault in [Fault::OutcomeUnknown { applied: true }, Fault::OffsetsHang] {
        world.broker.inject(fault);
    }
    world.step_until(&mut dead, "the offsets hang", |world| world.broker.waiting_faults().is_empty());
    drop(dead);

    let world = world.again(1, |_| {});
    let mut lane = world.lane(0);
    world.step_until(&mut lane, "served", |world| world.phase(P0) == Phase::Serving);
    world.drain(&mut lane);
    assert_eq!(world.tally().consumed, 0, "all was in the record");
    assert_eq!(world.lag(), 0, "and the offsets are sent again");
}

fn run_refused(world: &World) -> String {
    let mut lane = world.lane(0);
    for _ in 0..1_000 {
        world.time.advance_ms(1);
        match lane.step() {
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    panic!("nothing is refused; {:?}", world.context.board);
}

#[test]
fn what_contradicts_the_log_is_refused_and_reset_is_named() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    world.drain(&mut world.lane(0));

    let other_zone = world.again(1, |options| options.rules.zone = "Asia/Shanghai".to_owned());
    let refused = run_refused(&other_zone);
    assert!(refused.contains("zone UTC, now it is Asia/Shanghai") && refused.contains("tideline reset"), "{refused}");

    let other_rules = world.again(1, |options| options.rules.hold_days = 3);
    assert!(run_refused(&other_rules).contains("rules of generation 1"));

    // Somebody moves the group ahead of what is remembered.
    let mut producer = world.broker.producer("somebody").unwrap();
    let mut source = world.broker.source("somebody").unwrap();
    move_offset(&mut source, &mut producer, APP, 7);
    drop(source);
    let refused = run_refused(&world.again(1, |_| {}));
    assert!(refused.contains("ahead of the partition record") && refused.contains("tideline reset"), "{refused}");
}

fn move_offset(
    source: &mut <Memory as Broker>::Source,
    producer: &mut <Memory as Broker>::Producer,
    input: Input,
    offset: i64,
) {
    use tideline::broker::{CommitMetadata, ForwardProgress, OffsetCommit, Producer, Source, Transaction};
    source.poll(std::time::Duration::ZERO, &mut Vec::new()).unwrap();
    let generation = source.generation().unwrap();
    let note = CommitMetadata { transactional_id: "somebody".into(), number: 1 };
    let mut transaction = producer.begin().unwrap();
    transaction
        .send_offsets(
            &[OffsetCommit { input, partition: P0, offset, note, front: ForwardProgress::default() }],
            &generation,
        )
        .unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_member_with_older_rules_leaves_the_partition_unserved_and_says_so() {
    let world = World::new(|options| (options.partitions, options.rules.generation) = (1, 2));
    world.feed_some();
    world.drain(&mut world.lane(0));
    let older = world.again(1, |options| options.rules.generation = 1);
    let mut lane = older.lane(0);
    older.step_until(&mut lane, "unserved", |world| matches!(world.phase(P0), Phase::Unserved(_)));
    assert!(!older.context.board.read(tideline::runtime::Status::is_ready));
    let Phase::Unserved(why) = older.phase(P0) else { panic!("served") };
    assert!(why.contains("generation 2") && why.contains("generation 1"), "{why}");
}

#[test]
fn a_changelog_that_was_cut_is_refused() {
    let world = World::new(|options| options.partitions = 1);
    world.feed_some();
    world.drain(&mut world.lane(0));
    // A user goes, and the record still counts it.
    world
        .broker
        .produce(tideline::record::Outgoing {
            topic: world.broker.topics().changelog.clone(),
            partition: Some(P0),
            key: Some(users_on(P0, 1, 1)[0].clone().into_bytes()),
            value: None,
            headers: Vec::new(),
            timestamp: None,
        })
        .unwrap();
    let refused = run_refused(&world.again(1, |_| {}));
    assert!(refused.contains("2 users where its record counts 3"), "{refused}");
}
