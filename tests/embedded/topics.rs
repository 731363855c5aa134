//! Topics that change under an application: made anew, cut, given more partitions, gone. Nothing is lost in silence: a
//! start refuses, a living process leaves the partition and says why, and a reset goes there only when it is told to.

use std::time::Duration;

use tideline::broker::memory::{Memory, MemorySettings};
use tideline::broker::{Broker, Producer, Transaction};
use tideline::domain::PartitionId;
use tideline::record::Outgoing;
use tideline::runtime::board::status::{PartitionStatus, Phase, UnservedInput};
use tideline::runtime::operator::{Impossible, ResetError, Resetter, Survey, Target};
use tideline::runtime::{Clock, Lane, LaneError, TopicWatch, examine};
use tideline::telemetry::{LabelValues, reasons_not_ready, render};

use super::refusals::{folded, log, refusal};
use testkit::lane_world::*;

/// A lane that has read all there was, and the watch over its topics, on a clock that only the test moves.
struct Watched {
    world: World,
    lane: Lane<Memory>,
    watch: TopicWatch<Memory>,
}

impl Watched {
    fn new() -> Self {
        let world = folded(log()).again(1, |_| {});
        let mut lane = world.lane(0);
        world.step_until(&mut lane, "served", |world| world.context.board.read(tideline::runtime::Status::is_ready));
        let watch = TopicWatch::new(world.broker.clone(), world.job.clone(), world.context.clone());
        let mut watched = Self { world, lane, watch };
        watched.pass(5_000);
        watched
    }

    /// Time goes by in steps of 100 ms.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.world.time.advance_ms(100);
            (0..6).for_each(|_| _ = self.lane.step().unwrap());
            self.watch.look();
        }
    }

    fn status(&self) -> PartitionStatus {
        self.world.context.board.read(|status| status.partitions[&P0].clone())
    }

    /// Why the partition is left; nothing while it is served.
    fn cause(&self) -> String {
        match self.status().phase {
            Phase::Unserved(cause) => cause,
            Phase::Serving => String::new(),
            other => panic!("neither served nor left: {other:?}"),
        }
    }

    fn unserved(&self, input: tideline::domain::Input) -> UnservedInput {
        self.status().inputs[input.index()].unserved.expect("told")
    }

    fn pay(&self, names: &[&str], day: i64) {
        for (n, name) in names.iter().enumerate() {
            self.world.feed(APP, &payment("u1", name, day * DAY_MS + n as i64));
        }
    }

    /// Within 10 s of the change it is left for that reason, everywhere where an operator looks, and stays so.
    fn check_left(mut self, named: &[&str]) -> Self {
        self.pass(10_000);
        let cause = self.cause();
        for part in named {
            assert!(cause.contains(part), "{part:?} is not in {cause:?}");
        }
        assert!(!cause.contains("assignor") && cause.contains("reset") || cause.contains("--create"), "{cause}");
        let (changelog, committed) = (self.world.changelog(P0), self.world.committed(P0));
        self.pay(&["after"], 30);
        self.world.broker.rebalance();
        self.pass(60_000);
        assert_eq!(self.cause(), cause, "nothing is tried again");
        assert!(self.world.registry.table(P0).is_none(), "no answers of what is left");
        assert_eq!(
            (self.world.changelog(P0), self.world.committed(P0)),
            (changelog, committed),
            "nothing is committed"
        );
        self.world.context.board.read(|status| {
            assert!(reasons_not_ready(status).iter().any(|reason| reason.contains(&cause)), "{status:?}");
            let text = render(status, &LabelValues::of(&self.world.job), self.world.context.clock.wall());
            assert!(text.contains(r#"tideline_partition_phase{partition="0",phase="unserved"} 1"#), "{text}");
        });
        self
    }
}

fn reset(world: &World, target: &Target) -> Result<tideline::runtime::operator::Done, ResetError> {
    let mut resetter = Resetter::join(&world.broker, &world.job, "reset", &Clock::system(), Duration::from_secs(20))?;
    let done = resetter.reset(P0, target, true);
    resetter.close();
    done
}

const KEEP: Target = Target::Recorded { accept_loss: false };
const ACCEPT: Target = Target::Recorded { accept_loss: true };

/// By the run, by `check --online`, and by a reset that is not told to accept a loss.
fn check_refused(world: &World, named: &[&str]) {
    let examined = examine(&world.broker, P0, Duration::ZERO).unwrap().map(|refusal| refusal.to_string());
    let reset = reset(world, &KEEP).map(drop).unwrap_err().to_string();
    for (by, told) in
        [("run", refusal(&world.again(1, |_| {}))), ("check", examined.unwrap_or_default()), ("reset", reset)]
    {
        for part in named {
            assert!(told.contains(part), "{by}: {part:?} is not in {told:?}");
        }
    }
}

/// Everything that the topics hold is folded by who goes on now.
fn check_all_is_read(world: &World, expected: u64) {
    let after = world.again(1, |_| {});
    let mut lane = after.lane(0);
    after.step_until(&mut lane, "served", |world| world.context.board.read(tideline::runtime::Status::is_ready));
    after.drain(&mut lane);
    let consumed = after.context.board.read(|status| status.partitions[&P0].inputs[APP.index()].tally.consumed);
    assert_eq!(consumed, expected);
}

fn made_anew(records: usize) -> World {
    let world = folded(log());
    world.broker.recreate_topic("app").unwrap();
    for n in 0..records {
        world.feed(APP, &payment("u1", &format!("new{n}"), 6 * DAY_MS + n as i64));
    }
    world
}

/// Case 02c: the position lies beyond the end; and its two likes.
#[test]
fn a_topic_that_was_made_anew_is_refused_at_the_start_shorter_as_long_and_grown_past_the_position() {
    for records in [0, 2, 3, 9] {
        let world = made_anew(records);
        check_refused(&world, &["app was deleted and made anew", "its id is"]);
        if records < 3 {
            check_refused(&world, &[&format!("ends at {records}, before 3")]);
        }
        let done = reset(&world, &ACCEPT).unwrap();
        assert_eq!(done.positions, [0, 1, 0]);
        assert!(done.lost[0].contains("what the topic that was deleted held from 3 on"), "{:?}", done.lost);
        check_all_is_read(&world, records as u64);
        assert_eq!(world.changelog(P0).len(), 2, "the user stays");
    }
}

#[test]
fn an_input_that_was_cut_at_its_end_is_refused_at_the_start() {
    // Its id is the same: as after an unclean election.
    let world = folded(log());
    world.broker.cut_end("app", P0, 2).unwrap();
    check_refused(&world, &["app ends at offset 2, before 3"]);
    assert_eq!(reset(&world, &ACCEPT).unwrap().positions, [2, 1, 0]);
    world.feed(APP, &payment("u1", "later", 9 * DAY_MS));
    check_all_is_read(&world, 1);
}

#[test]
fn a_changelog_that_was_made_anew_is_refused_and_only_a_whole_reset_goes_on() {
    let watched = Watched::new();
    watched.world.broker.recreate_topic("changelog").unwrap();
    let watched = watched.check_left(&["changelog was deleted and made anew", "which held the rest of it"]);
    drop(watched.lane);
    assert!(refusal(&watched.world.again(1, |_| {})).contains("its changelog has no partition record"));
    reset(&watched.world, &Target::Earliest).unwrap();
    check_all_is_read(&watched.world, 4);
}

#[test]
fn a_topic_that_is_made_anew_under_a_living_member_is_left_with_what_was_read_in_between() {
    let mut watched = Watched::new();
    watched.world.broker.recreate_topic("app").unwrap();
    // Grown past the position before anything is fetched: no reader is told.
    watched.pay(&["n0", "n1", "n2", "n3", "n4"], 8);
    for _ in 0..40 {
        watched.world.time.advance_ms(10);
        watched.lane.step().unwrap();
    }
    assert_eq!(watched.world.committed(P0)[0].offset, 5, "it was read on as if nothing had been");
    let watched = watched.check_left(&["app was deleted and made anew", "begins at offset 0 and ends at 5"]);
    assert_eq!(watched.unserved(APP).doubtful_from, 3, "3 and 4 may be of either");
    assert_eq!(watched.unserved(APP).unread, 3 + 1, "0 to 2, and what came after");
    drop(watched.lane);
    check_refused(&watched.world, &["app was deleted and made anew"]);
}

#[test]
fn a_topic_that_is_made_anew_and_still_shorter_is_left_for_its_true_cause() {
    let mut watched = Watched::new();
    watched.world.broker.recreate_topic("app").unwrap();
    watched.pay(&["n0", "n1"], 8);
    watched.pass(10_000);
    assert!(watched.cause().contains("ends at 2, before 3"), "{}", watched.cause());
    let watched = watched.check_left(&["app was deleted and made anew"]);
    assert_eq!((watched.unserved(APP).doubtful_from, watched.status().inputs[0].next_offset), (3, 3));
    assert!(watched.unserved(APP).unread >= 3, "{:?}", watched.unserved(APP));
}

#[test]
fn records_that_are_deleted_before_a_living_member_reads_them_are_not_passed_over() {
    let watched = Watched::new();
    watched.pay(&["a", "b", "c"], 8);
    watched.world.broker.delete_records("app", P0, 5).unwrap();
    let watched = watched.check_left(&["app begins at offset 5, behind 3", "DeleteRecords"]);
    assert_eq!(watched.unserved(APP).unread, 4, "two that are gone, one that is there, and one that came after");
    drop(watched.lane);
    check_refused(&watched.world, &["app begins at offset 5, behind 3"]);
    let done = reset(&watched.world, &ACCEPT).unwrap();
    assert_eq!(done.lost, ["app: offsets 3 to 4, which were deleted before they were read"]);
    check_all_is_read(&watched.world, 2);
}

#[test]
fn what_is_uncommitted_is_dropped_with_the_partition() {
    let mut watched = Watched::new();
    let before = watched.world.outputs();
    watched.pay(&["a"], 8);
    // Handled, and not yet committed.
    for _ in 0..8 {
        watched.world.time.advance_ms(1);
        watched.lane.step().unwrap();
    }
    watched.world.broker.add_partitions("app", 4).unwrap();
    watched.world.time.advance_ms(5_000);
    watched.watch.look();
    let watched = watched.check_left(&["app has 4 partitions, 1 are configured"]);
    assert_eq!(watched.world.committed(P0)[0].offset, 3);
    assert_eq!(watched.world.outputs(), before);
}

#[test]
fn partitions_that_are_added_and_topics_that_go_are_named_for_all_partitions() {
    for (change, named) in [
        ((|broker| broker.add_partitions("rekey", 2)) as fn(&Memory) -> _, "rekey has 2 partitions, 1 are configured"),
        (|broker| broker.add_partitions("changelog", 2), "changelog has 2 partitions"),
        (|broker| broker.delete_topic("merchant"), "there is no topic merchant"),
    ] {
        let watched = Watched::new();
        change(&watched.world.broker).unwrap();
        watched.check_left(&[named]);
        let world = folded(log());
        change(&world.broker).unwrap();
        assert!(refusal(&world.again(1, |_| {})).contains(named), "at the start the run ends");
    }
}

#[test]
fn a_topic_that_is_gone_once_is_only_asked_for_again() {
    let mut watched = Watched::new();
    watched.world.broker.delete_topic("merchant").unwrap();
    watched.world.time.advance_ms(5_000);
    watched.watch.look();
    assert_eq!(watched.cause(), "");
    watched.world.time.advance_ms(5_000);
    watched.watch.look();
    assert!(watched.cause().contains("there is no topic merchant"));
}

#[test]
fn a_partition_that_comes_back_is_judged_by_its_topics_too() {
    let mut watched = Watched::new();
    watched.world.broker.rebalance();
    watched.lane.step().unwrap();
    watched.world.broker.recreate_topic("rekey").unwrap();
    for _ in 0..200 {
        watched.world.time.advance_ms(1);
        watched.lane.step().unwrap();
    }
    assert!(watched.cause().contains("rekey was deleted and made anew"), "{}", watched.cause());
}

#[test]
fn a_run_to_the_end_ends_with_the_cause() {
    let world = folded(log()).again(1, |options| {
        options.settings.mode = tideline::runtime::Mode::UntilEnd { until: None, ignore_silent: false };
    });
    world.broker.recreate_topic("app").unwrap();
    let ended = world.run_to_the_end(vec![world.lane(0)]);
    assert!(matches!(ended, Err(LaneError::Refused { partition: PartitionId(0), .. })), "{ended:?}");
}

/// Offsets that expired, of topics that are the same, are no loss: the record is the truth (DESIGN §2).
#[test]
fn a_group_without_offsets_goes_on_from_the_record_and_has_some_again() {
    let world = folded(log());
    world.broker.forget_offsets(P0);
    let after = world.again(1, |_| {});
    let mut lane = after.lane(0);
    after.step_until(&mut lane, "offsets again", |world| !world.committed(P0).is_empty());
    let offsets: Vec<_> = world.committed(P0).iter().map(|it| it.offset).collect();
    assert_eq!(offsets, [3, 1, 0]);
    drop(lane);
    world.feed(APP, &payment("u1", "later", 9 * DAY_MS));
    check_all_is_read(&world, 1);
}

#[test]
fn a_record_without_ids_takes_them_over_and_is_held_to_them_from_then_on() {
    let world = folded(log());
    forget_ids(&world);
    assert_eq!(world.record(P0).unwrap().inputs[0].topic_id, None);
    world.feed(APP, &payment("u1", "later", 9 * DAY_MS));
    check_all_is_read(&world, 1);
    let record = world.record(P0).unwrap();
    let told = world.broker.describe_topics().unwrap();
    let recorded: Vec<_> = record.inputs.iter().map(|it| it.topic_id).chain([record.changelog_topic_id]).collect();
    assert_eq!(recorded, told.iter().map(|topic| topic.id).collect::<Vec<_>>());
    assert_eq!(record.inputs[0].partitions, 1);
}

#[test]
fn without_ids_and_offsets_nothing_tells_a_new_topic_and_a_reset_says_so() {
    let world = folded(log());
    forget_ids(&world);
    world.broker.forget_offsets(P0);
    assert!(refusal(&world.again(1, |_| {})).contains("where the group has none"));
    let refused = reset(&world, &KEEP);
    assert!(matches!(refused, Err(ResetError::Impossible { why: Impossible::MayBeAnother { .. }, .. })), "{refused:?}");
    assert_eq!(reset(&world, &ACCEPT).unwrap().positions, [3, 1, 0]);
}

/// The partition record as a program wrote it that knew no ids.
fn forget_ids(world: &World) {
    let mut record = world.record(P0).unwrap();
    record.inputs.iter_mut().for_each(|input| (input.topic_id, input.partitions) = (None, 0));
    record.changelog_topic_id = None;
    let topics = world.broker.topics();
    let key = tideline::state::PartitionRecord::KEY;
    let value = record.encode();
    let mut producer = world.broker.producer("older").unwrap();
    let mut transaction = producer.begin().unwrap();
    transaction.send(topics.to_changelog(P0, key, Some(&value))).unwrap();
    transaction.commit().unwrap();
}

/// What a producer aborted at the end of an input.
fn abort(world: &World, count: usize) {
    let mut producer = world.broker.producer("upstream").unwrap();
    let mut transaction = producer.begin().unwrap();
    for _ in 0..count {
        let (topic, value) = (world.broker.topics().input(APP).clone(), Some(b"aborted".to_vec()));
        let (key, partition, headers) = (Some(b"u1".to_vec()), Some(P0), Vec::new());
        Outgoing { topic, partition, key, value, headers, timestamp: None }.lend(|it| transaction.send(it)).unwrap();
    }
    transaction.abort().unwrap();
}

#[test]
fn a_clean_stop_commits_the_end_that_was_read_so_that_an_aborted_tail_may_go() {
    let world = folded(log());
    abort(&world, 2);
    let again = world.again(1, |_| {});
    let mut lane = again.lane(0);
    again.step_until(&mut lane, "read to the end", |world| {
        world.context.board.read(|status| {
            status
                .partitions
                .get(&P0)
                .is_some_and(|it| it.inputs.first().is_some_and(|input| input.end_offset == Some(6)))
        })
    });
    again.context.stop.stop();
    while lane.step().unwrap() == tideline::runtime::StepOutcome::Continue {}
    lane.close();
    assert_eq!(world.committed(P0)[0].offset, 6, "two records and a marker");
    world.broker.delete_records("app", P0, 6).unwrap();
    check_all_is_read(&world, 0);
}

#[test]
fn after_a_kill_an_aborted_tail_cannot_be_told_from_a_loss_and_that_is_said() {
    let world = folded(log());
    abort(&world, 2);
    world.broker.delete_records("app", P0, 6).unwrap();
    assert!(refusal(&world.again(1, |_| {})).contains("after a kill they can't be told from one"));
}

#[test]
fn a_run_to_the_end_commits_the_end_that_was_read_and_no_more() {
    let to_end = |world: &World| {
        let run = world.again(1, |options| {
            options.settings.mode = tideline::runtime::Mode::UntilEnd { until: None, ignore_silent: false };
        });
        run.run_to_the_end(vec![run.lane(0)]).unwrap();
    };
    let world = folded(log());
    abort(&world, 2);
    to_end(&world);
    assert_eq!(world.committed(P0)[0].offset, 6);
    let number = world.record(P0).unwrap().transaction_number;
    to_end(&world);
    assert_eq!(world.record(P0).unwrap().transaction_number, number, "there was nothing to commit");
}

/// A log that keeps little loses what nobody reads; a survey names each input that lost something.
#[test]
fn a_survey_names_what_would_be_given_up() {
    let world = folded(Memory::new(topics(1), MemorySettings { partition_bytes: 2_000, ..MemorySettings::default() }));
    for n in 0..100 {
        world.feed(APP, &payment("u1", &format!("later{n}"), 5 * DAY_MS + n));
    }
    let survey = Survey::of(&world.broker, P0, Duration::ZERO).unwrap();
    assert_eq!(survey.losses(&KEEP, world.broker.topics()), Vec::<String>::new());
    let lost = survey.losses(&ACCEPT, world.broker.topics());
    assert!(lost.len() == 1 && lost[0].starts_with("app: offsets 3 to "), "{lost:?}");
}
