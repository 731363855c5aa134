//! A lane on the embedded log: what one batch does, what each failure leaves, what is resumed and what is refused.

use tideline::broker::Isolation;
use tideline::broker::memory::{Fault, Memory};
use tideline::broker::{Broker, Committed};
use tideline::domain::{Input, PartitionId, Timestamp};
use tideline::pipeline::tally::Tally;
use tideline::runtime::board::status::{LaneStatus, Phase, RestoreStage};
use tideline::runtime::{Lane, LaneError, Mode, StepOutcome};
use tideline::settings::{Period, Size};

use testkit::lane_world::*;

/// Three payments of each of three users on each partition, two inputs, in order.
fn feed_some(world: &World) {
    for partition in (0..world.options.partitions).map(PartitionId) {
        for (n, user) in users_on(partition, world.options.partitions, 3).iter().enumerate() {
            for day in 0..3 {
                let input = if day == 1 { MERCHANT } else { APP };
                world.feed(input, &payment(user, &format!("{user}-{day}"), day * DAY_MS + n as i64));
            }
        }
    }
}

fn of_lane(world: &World, lane: usize) -> LaneStatus {
    world.context.board.read(|status| status.lanes[&lane].clone())
}

fn phase(world: &World, partition: PartitionId) -> Phase {
    world.context.board.read(|status| status.partitions.get(&partition).map(|it| it.phase.clone()).unwrap_or_default())
}

fn tally(world: &World) -> Tally {
    let mut sum = Tally::default();
    world.context.board.read(|status| {
        status.partitions.values().flat_map(|partition| &partition.inputs).for_each(|input| sum += input.tally);
    });
    sum
}

/// Every offset that the group has committed for a partition carries this lane's note, and agrees with the record.
fn assert_record_and_offsets_agree(world: &World, partition: PartitionId) {
    let record = world.record(partition).expect("a partition record");
    let committed = world.committed(partition);
    assert_eq!(committed.len(), 3, "every input's offset is committed: {committed:?}");
    for Committed { input, offset, note } in committed {
        assert_eq!(record.inputs[input.index()].next_offset, offset);
        let note = note.expect("a note");
        assert_eq!((&*note.transactional_id, note.number), (&*record.transactional_id, record.transaction_number));
    }
}

#[test]
fn a_batch_commits_outputs_state_and_offsets_together() {
    let world = World::new(|_| {});
    feed_some(&world);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    for partition in [P0, P1] {
        assert_record_and_offsets_agree(&world, partition);
        assert_eq!(world.changelog(partition).len(), 3 + 1);
    }
    assert_eq!(world.outputs().len(), 6, "each user leaves inactive once");
    let tally = tally(&world);
    assert_eq!((tally.consumed, tally.applied), (18, 18));
    assert!(world.context.board.read(tideline::runtime::Status::is_ready));
    assert_eq!(world.users_in_memory(), 6);
}

#[test]
fn whatever_a_record_is_it_is_counted_once_and_what_cannot_be_used_is_kept() {
    let world = World::new(|_| {});
    let user = &users_on(P0, 2, 1)[0];
    let stranger = &users_on(P1, 2, 1)[0];
    world.feed(APP, &payment(user, "a", 0));
    world.feed(APP, &payment(user, "a", 0));
    world.feed(APP, &Told { kind: "app.danced", ..payment(user, "b", 1) });
    world.produce(APP, Some(P0), Some(user.as_bytes()), b"no json");
    world.produce(APP, Some(P0), Some(user.as_bytes()), b"");
    world.feed(APP, &payment(user, "future", 2_000 * DAY_MS));
    world.feed(APP, &Told { kind: "user.erased", ..payment(user, "erased", 10) });
    world.feed(APP, &payment(user, "before the erasure", 9));
    world.produce(APP, Some(P0), Some(user.as_bytes()), payment(stranger, "astray", 11).json().to_string().as_bytes());
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let inputs = world.context.board.read(|status| status.partitions[&P0].inputs.clone());
    let app = inputs[APP.index()].tally;
    assert!(app.balances(), "{app:?}");
    assert_eq!(
        (app.consumed, app.applied, app.duplicate, app.skipped, app.suppressed, app.rekeyed, app.dead_lettered()),
        (9, 2, 1, 1, 1, 1, 3)
    );
    assert_eq!(world.dead_letters(), 3);
    let rekeyed = world.context.board.read(|status| status.partitions[&P1].inputs[REKEY.index()].tally);
    assert_eq!((rekeyed.consumed, rekeyed.applied), (1, 1), "it arrived where its user lives");
    let caused = world.outputs().into_iter().find(|output| output["user_id"] == **stranger).unwrap();
    assert_eq!(caused["cause"], serde_json::json!({"topic": "app", "partition": 0, "offset": 8}));

    world.feed(APP, &payment(user, "later", 12));
    world.drain(&mut lane);
    assert_eq!(world.dead_letters(), 3, "the next batch writes its own only");
}

#[test]
fn a_failed_transaction_leaves_memory_as_it_was_and_the_outputs_of_a_run_without_faults() {
    let calm = World::new(|_| {});
    feed_some(&calm);
    calm.drain(&mut calm.lane(0));
    // With small batches much of what was read still waits in the merge when the fault comes.
    for (fault, batch_records) in [
        (Fault::AbortOnCommit, 100),
        (Fault::AbortOnCommit, 5),
        (Fault::SendRefused, 100),
        (Fault::SendOffsetsRefused, 100),
        (Fault::FencedOnSendOffsets, 100),
        (Fault::FencedOnCommit, 5),
        (Fault::OutcomeUnknown { applied: false }, 100),
        (Fault::OutcomeUnknown { applied: true }, 100),
    ] {
        let world = World::new(|options| options.settings.batch_records = batch_records);
        feed_some(&world);
        let mut lane = world.lane(0);
        world.broker.inject(fault);
        world.step_until(&mut lane, "the fault", |world| world.broker.waiting_faults().is_empty());
        assert_eq!(world.users_in_memory(), 0, "{}: nothing is installed before its commit is known", fault.as_str());
        assert_eq!(tally(&world), Tally::default(), "{}", fault.as_str());
        let mut consumed = 0;
        world.step_until(&mut lane, "everything consumed", |world| {
            consumed = tally(world).consumed;
            world.lag() == 0 && consumed >= 18
        });
        assert_eq!(consumed, 18, "{}: each record counts once", fault.as_str());
        assert_eq!(world.outputs(), calm.outputs(), "{}", fault.as_str());
        let transactions = of_lane(&world, 0).transactions;
        match fault {
            Fault::AbortOnCommit | Fault::SendRefused | Fault::SendOffsetsRefused => {
                assert_eq!(transactions.aborted, 1);
            }
            Fault::OutcomeUnknown { .. } => assert_eq!(transactions.unknown, 1),
            _ => assert_eq!(transactions.fatal, 1),
        }
        for partition in [P0, P1] {
            assert_record_and_offsets_agree(&world, partition);
            assert_eq!(world.changelog(partition).len(), 4, "{}", fault.as_str());
        }
        assert_eq!(of_lane(&world, 0).restores, 2, "{}: nothing had to be restored again", fault.as_str());
    }
}

#[test]
fn a_restarted_lane_goes_on_from_the_record_and_says_nothing_twice() {
    let world = World::new(|_| {});
    feed_some(&world);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let (outputs, changelog) = (world.outputs(), world.changelog(P0));
    drop(lane);

    let world = world.again(1, |_| {});
    let mut lane = world.lane(0);
    world.step_until(&mut lane, "restored", |world| world.users_in_memory() == 6);
    for _ in 0..500 {
        world.time.advance_ms(1);
        lane.step().unwrap();
    }
    assert_eq!((world.outputs(), world.changelog(P0)), (outputs, changelog));
    let user = &users_on(P0, 2, 1)[0];
    world.feed(APP, &payment(user, "more", 4 * DAY_MS));
    world.drain(&mut lane);
    assert_eq!(tally(&world).consumed, 1);
    assert_record_and_offsets_agree(&world, P0);
    let number = |world: &World| world.record(P0).unwrap().transaction_number;
    assert!(number(&world) > 1, "numbers go on after a restart");
}

/// Users who are `new`, and then an event in the next month: all of them fall under it.
fn feed_a_months_end(world: &World, users: usize) -> Vec<String> {
    let users = users_on(P0, world.options.partitions, users + 1);
    for user in &users[1..] {
        world.feed(APP, &Told { kind: "user.registered", data: serde_json::json!({}), ..payment(user, user, 0) });
    }
    world.feed(APP, &payment(&users[0], "next month", 60 * DAY_MS));
    users
}

#[test]
fn timers_fire_in_slices_that_each_commit_unchanged_offsets_and_the_event_follows_the_last() {
    let world = World::new(|options| (options.partitions, options.max_effects) = (1, 2));
    feed_a_months_end(&world, 7);
    let mut lane = world.lane(0);
    let mut slices = Vec::new();
    world.step_until(&mut lane, "everything consumed", |world| {
        if let Some(record) = world.record(P0) {
            assert_record_and_offsets_agree(world, P0);
            let fell = world.outputs().iter().filter(|output| output["reason"] == "calendar").count();
            slices.push((record.transaction_number, record.inputs[APP.index()].next_offset, fell));
        }
        world.lag() == 0
    });
    assert_record_and_offsets_agree(&world, P0);
    slices.dedup();
    let fallen: Vec<_> = slices.iter().map(|&(_, offset, fell)| (offset, fell)).collect();
    assert_eq!(fallen, [(7, 2), (7, 4), (7, 6), (8, 7)], "each slice is committed at the offset of the event");
}

#[test]
fn a_stale_owner_in_the_middle_of_slices_writes_nothing() {
    let world = World::new(|options| (options.partitions, options.max_effects) = (1, 2));
    feed_a_months_end(&world, 7);
    let mut zombie = world.lane(0);
    world.step_until(&mut zombie, "the first slice", |world| {
        world.outputs().iter().any(|output| output["reason"] == "calendar")
    });
    // It has more slices to go when the group takes it for dead.
    world.broker.expire("lane-0");
    let survivors = world.again(2, |_| {});
    let mut survivor = survivors.lane(1);
    survivors.drain(&mut survivor);
    let (outputs, record) = (survivors.outputs(), survivors.record(P0));
    assert_eq!(outputs.iter().filter(|output| output["reason"] == "calendar").count(), 7);
    for _ in 0..50 {
        zombie.step().unwrap();
    }
    assert_eq!((survivors.outputs(), survivors.record(P0)), (outputs, record));
}

fn step_both(world: &World, a: &mut Lane<Memory>, b: &mut Lane<Memory>, what: &str, done: impl Fn(&World) -> bool) {
    for _ in 0..5_000 {
        if done(world) {
            return;
        }
        world.time.advance_ms(1);
        a.step().unwrap();
        b.step().unwrap();
    }
    panic!("never came: {what}; {:?}", world.context.board);
}

#[test]
fn what_is_revoked_and_given_back_is_committed_first_and_not_restored_again() {
    let world = World::new(|_| {});
    feed_some(&world);
    let mut first = world.lane(0);
    world.step_until(&mut first, "serving", |world| [P0, P1].iter().all(|&p| phase(world, p) == Phase::Serving));
    assert_eq!(of_lane(&world, 0).restores, 2);
    let mut second = world.lane(1);
    step_both(&world, &mut first, &mut second, "a partition each", |world| {
        world.lag() == 0 && [0, 1].iter().all(|lane| world.context.board.read(|s| s.lanes[lane].is_assigned))
    });
    assert_eq!((of_lane(&world, 0).restores, of_lane(&world, 0).returns), (2, 1), "one came back");
    assert_eq!(of_lane(&world, 1).restores, 1);
    assert_eq!(of_lane(&world, 1).fenced, 0, "nobody is fenced in a planned hand-over");
    assert_eq!(of_lane(&world, 0).transactions.aborted, 0);
    assert_eq!(of_lane(&world, 0).transactions.fatal, 0);
    assert_eq!(tally(&world).consumed, 18);
}

#[test]
fn what_was_lost_is_restored_though_nobody_else_wrote() {
    let world = World::new(|_| {});
    feed_some(&world);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    world.broker.inject(Fault::PartitionLost);
    world.step_until(&mut lane, "restored again", |world| of_lane(world, 0).restores == 4);
    assert_eq!(of_lane(&world, 0).returns, 0, "state of a lost partition is never taken up again");
}

#[test]
fn parked_state_is_not_taken_up_when_another_has_written_in_between() {
    let world = World::new(|options| options.partitions = 1);
    let user = &users_on(P0, 1, 1)[0];
    world.feed(APP, &payment(user, "a", 0));
    let mut first = world.lane(0);
    world.drain(&mut first);
    // The second joins before the first by name, so that it is given the only partition.
    let mut second = Lane::new(
        world.broker.clone(),
        world.again(2, |options| options.settings.name = "a".to_owned()).job,
        world.context.clone(),
        1,
    )
    .unwrap();
    // It has not let go yet when the first has: so the first is told nothing of the generation in between.
    world.broker.rebalance();
    world.step_until(&mut first, "revoked", |world| of_lane(world, 0).parked == 1);
    (0..10).for_each(|_| _ = first.step().unwrap());
    assert_eq!(of_lane(&world, 0).parked, 1);
    world.feed(APP, &payment(user, "b", DAY_MS));
    for _ in 0..1_000 {
        world.time.advance_ms(1);
        second.step().unwrap();
        if world.lag() == 0 {
            break;
        }
    }
    assert_eq!(world.lag(), 0, "the second has written");
    second.close();
    world.feed(APP, &payment(user, "c", 2 * DAY_MS));
    world.drain(&mut first);
    let user = world.registry.table(P0).unwrap();
    let user = user.user(&tideline::domain::UserId::new(&users_on(P0, 1, 1)[0]).unwrap()).unwrap().unwrap();
    assert_eq!(user.history.days().len(), 3, "the payment that the second folded is not forgotten");
}

#[test]
fn what_a_dead_predecessor_left_open_is_fenced_before_anything_is_restored() {
    let world = World::new(|options| options.partitions = 1);
    feed_some(&world);
    let mut dying = world.lane(0);
    // Its process ends in the middle of a transaction: nothing of it is ever ended by itself.
    world.broker.inject(Fault::OutcomeUnknown { applied: false });
    world.step_until(&mut dying, "the fault", |world| world.broker.waiting_faults().is_empty());
    drop(dying);
    assert_eq!(world.broker.open_writers(P0).unwrap(), ["lane-0".into()]);

    let survivors = world.again(2, |_| {});
    let mut survivor = survivors.lane(1);
    survivors.drain(&mut survivor);
    assert_eq!(of_lane(&survivors, 1).fenced, 1);
    assert_eq!(survivors.outputs().len(), 3);
}

/// A lone broker that was killed may forget to end in a partition what its coordinator has ended: taking the id doesn't
/// help.
#[test]
fn what_hangs_under_its_own_id_is_ended_in_that_partition() {
    let world = World::new(|options| options.partitions = 1);
    feed_some(&world);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    drop(lane);

    let world = world.again(1, |_| {});
    let mut lane = world.lane(0);
    // By then the lane has taken its id: what opens a transaction under it now, it does not end.
    let is_begun = |phase| matches!(phase, Phase::Restoring { stage: RestoreStage::Fencing, .. });
    world.step_until(&mut lane, "the restore has begun", |world| is_begun(phase(world, P0)));
    world.leave_open("lane-0", "changelog");
    assert_eq!(world.broker.open_writers(P0).unwrap(), ["lane-0".into()]);

    world.step_until(&mut lane, "served", |world| phase(world, P0) == Phase::Serving);
    assert_eq!(world.broker.open_writers(P0).unwrap(), [] as [std::sync::Arc<str>; 0]);
    world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "more", 4 * DAY_MS));
    world.drain(&mut lane);
    assert_eq!(tally(&world).consumed, 1);
}

/// The next commit of the same id would show what hangs of a transaction that was not committed: in the outputs, too.
#[test]
fn what_hangs_of_a_transaction_in_doubt_is_ended_before_the_next() {
    let world = World::new(|options| options.partitions = 1);
    feed_some(&world);
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
        feed_some(&world);
        let mut lane = world.lane(0);
        for fault in [Fault::OutcomeUnknown { applied }, Fault::OffsetsHang] {
            world.broker.inject(fault);
        }
        let is_pending = || [P0, P1].map(|partition| world.broker.partition_offsets(partition).unwrap().is_pending);
        world.step_until(&mut lane, "the offsets hang", |world| world.broker.waiting_faults().is_empty());
        assert!(applied || is_pending() == [false; 2], "they are dropped as the id is taken");
        world.step_until(&mut lane, "they end", |_| is_pending() == [false; 2]);
        let transactions = of_lane(&world, 0).transactions;
        assert_eq!((transactions.committed, transactions.unknown), (0, 1), "before the next commit");
        world.step_until(&mut lane, "all is read", |world| {
            let are_served = [P0, P1].into_iter().all(|partition| phase(world, partition) == Phase::Serving);
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
    feed_some(&world);
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
    world.step_until(&mut lane, "served", |world| phase(world, P0) == Phase::Serving);
    world.drain(&mut lane);
    assert_eq!(tally(&world).consumed, 0, "all was in the record");
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
    feed_some(&world);
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
    feed_some(&world);
    world.drain(&mut world.lane(0));
    let older = world.again(1, |options| options.rules.generation = 1);
    let mut lane = older.lane(0);
    older.step_until(&mut lane, "unserved", |world| matches!(phase(world, P0), Phase::Unserved(_)));
    assert!(!older.context.board.read(tideline::runtime::Status::is_ready));
    let Phase::Unserved(why) = phase(&older, P0) else { panic!("served") };
    assert!(why.contains("generation 2") && why.contains("generation 1"), "{why}");
}

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
    assert_record_and_offsets_agree(&world, P0);
}

#[test]
fn a_run_until_the_end_waits_for_what_lanes_forward_to_each_other_and_then_moves_every_watermark() {
    let until = Timestamp::of_millis(START_MS + 50 * DAY_MS);
    let ends = |merchant_is_keyed| {
        let world = World::new(|options| {
            (options.merchant_is_keyed, options.partitions, options.max_effects) = (merchant_is_keyed, 4, 2);
            options.settings.mode = Mode::UntilEnd { until: Some(until), ignore_silent: false };
        });
        feed_some(&world);
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
    assert_eq!(tally(&forwarded).rekeyed, 12);
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
    feed_some(&world);
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
        let last = of_lane_or_default(world).last_batch_records;
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
    feed_some(&world);
    let mut lane = world.lane(0);
    world.step_until(&mut lane, "most outputs", |world| world.outputs().len() >= 5);
    assert!(of_lane(&world, 0).transactions.committed >= 3);
}

fn of_lane_or_default(world: &World) -> LaneStatus {
    world.context.board.read(|status| status.lanes.get(&0).cloned().unwrap_or_default())
}

#[test]
fn a_lane_that_can_not_go_on_names_what_it_tried_and_for_how_long() {
    let world = World::new(|_| {});
    feed_some(&world);
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
    feed_some(&world);
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
    feed_some(&world);
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
    feed_some(&world);
    let world = world.again(2, |_| {});
    world.run_to_the_end(vec![world.lane(0), world.lane(1)]).unwrap();
    assert_eq!((world.outputs().len(), world.lag()), (3, 0));
}

#[test]
fn a_changelog_that_was_cut_is_refused() {
    let world = World::new(|options| options.partitions = 1);
    feed_some(&world);
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
