//! A lane on the embedded log: what one batch does, what each failure leaves, what is resumed and what is refused.

use tideline::broker::memory::{Fault, Memory};
use tideline::pipeline::Tally;
use tideline::runtime::Lane;
use tideline::runtime::board::status::Phase;

use testkit::lane_world::*;

#[test]
fn a_batch_commits_outputs_state_and_offsets_together() {
    let world = World::new(|_| {});
    world.feed_some();
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    for partition in [P0, P1] {
        world.assert_record_and_offsets_agree(partition);
        assert_eq!(world.changelog(partition).len(), 3 + 1);
    }
    assert_eq!(world.outputs().len(), 6, "each user leaves inactive once");
    let tally = world.tally();
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
    calm.feed_some();
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
        world.feed_some();
        let mut lane = world.lane(0);
        world.broker.inject(fault);
        world.step_until(&mut lane, "the fault", |world| world.broker.waiting_faults().is_empty());
        assert_eq!(world.users_in_memory(), 0, "{}: nothing is installed before its commit is known", fault.as_str());
        assert_eq!(world.tally(), Tally::default(), "{}", fault.as_str());
        let mut consumed = 0;
        world.step_until(&mut lane, "everything consumed", |world| {
            consumed = world.tally().consumed;
            world.lag() == 0 && consumed >= 18
        });
        assert_eq!(consumed, 18, "{}: each record counts once", fault.as_str());
        assert_eq!(world.outputs(), calm.outputs(), "{}", fault.as_str());
        let transactions = world.lane_status(0).transactions;
        match fault {
            Fault::AbortOnCommit | Fault::SendRefused | Fault::SendOffsetsRefused => {
                assert_eq!(transactions.aborted, 1);
            }
            Fault::OutcomeUnknown { .. } => assert_eq!(transactions.unknown, 1),
            _ => assert_eq!(transactions.fatal, 1),
        }
        for partition in [P0, P1] {
            world.assert_record_and_offsets_agree(partition);
            assert_eq!(world.changelog(partition).len(), 4, "{}", fault.as_str());
        }
        assert_eq!(world.lane_status(0).restores, 2, "{}: nothing had to be restored again", fault.as_str());
    }
}

#[test]
fn a_restarted_lane_goes_on_from_the_record_and_says_nothing_twice() {
    let world = World::new(|_| {});
    world.feed_some();
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
    assert_eq!(world.tally().consumed, 1);
    world.assert_record_and_offsets_agree(P0);
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
            world.assert_record_and_offsets_agree(P0);
            let fell = world.outputs().iter().filter(|output| output["reason"] == "calendar").count();
            slices.push((record.transaction_number, record.inputs[APP.index()].next_offset, fell));
        }
        world.lag() == 0
    });
    world.assert_record_and_offsets_agree(P0);
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
    world.feed_some();
    let mut first = world.lane(0);
    world.step_until(&mut first, "serving", |world| [P0, P1].iter().all(|&p| world.phase(p) == Phase::Serving));
    assert_eq!(world.lane_status(0).restores, 2);
    let mut second = world.lane(1);
    step_both(&world, &mut first, &mut second, "a partition each", |world| {
        world.lag() == 0 && [0, 1].iter().all(|lane| world.context.board.read(|s| s.lanes[lane].is_assigned))
    });
    assert_eq!((world.lane_status(0).restores, world.lane_status(0).returns), (2, 1), "one came back");
    assert_eq!(world.lane_status(1).restores, 1);
    assert_eq!(world.lane_status(1).fenced, 0, "nobody is fenced in a planned hand-over");
    assert_eq!(world.lane_status(0).transactions.aborted, 0);
    assert_eq!(world.lane_status(0).transactions.fatal, 0);
    assert_eq!(world.tally().consumed, 18);
}

#[test]
fn what_was_lost_is_restored_though_nobody_else_wrote() {
    let world = World::new(|_| {});
    world.feed_some();
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    world.broker.inject(Fault::PartitionLost);
    world.step_until(&mut lane, "restored again", |world| world.lane_status(0).restores == 4);
    assert_eq!(world.lane_status(0).returns, 0, "state of a lost partition is never taken up again");
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
    world.step_until(&mut first, "revoked", |world| world.lane_status(0).parked == 1);
    (0..10).for_each(|_| _ = first.step().unwrap());
    assert_eq!(world.lane_status(0).parked, 1);
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
    assert_eq!(user.facts.history.days().len(), 3, "the payment that the second folded is not forgotten");
}
