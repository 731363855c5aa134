//! What stands still is named with its cause; what somebody has left open in a partition of ours is ended, and nothing
//! else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tideline::broker::Broker;
use tideline::domain::PartitionId;
use tideline::runtime::board::status::Interventions;
use tideline::runtime::{Call, Cause, Clock, Lane, LaneContext, LaneError, Stall, Watchdog};
use tideline::settings::Period;

use super::spy::{At, Spy};
use testkit::lane_world::*;

const AFTER_MS: u64 = 30_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A lane that has consumed all there was, and its watchdog, on a clock that only the test moves.
struct Watched {
    world: World,
    spy: Spy,
    lane: Lane<Spy>,
    watchdog: Watchdog<Spy>,
}

impl Watched {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let world = World::new(|options| {
            options.partitions = 1;
            options.settings.stall_after = Period::of_millis(AFTER_MS);
            change(options);
        });
        world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "first", 0));
        let spy = Spy::new(world.broker.clone());
        let lane = Lane::new(spy.clone(), world.job.clone(), world.context.clone(), 0).unwrap();
        let watchdog = Watchdog::new(spy.clone(), world.job.clone(), world.context.clone());
        let mut watched = Self { world, spy, lane, watchdog };
        watched.pass(1_000);
        assert_eq!(watched.world.lag(), 0);
        watched
    }

    /// Time goes by in steps of 100 ms; says by which causes partitions were named meanwhile.
    fn pass(&mut self, ms: u64) -> BTreeMap<Cause, Stall> {
        let mut named = BTreeMap::new();
        for _ in 0..ms / 100 {
            self.world.time.advance_ms(100);
            (0..6).for_each(|_| _ = self.lane.step().unwrap());
            self.watchdog.look();
            named.extend(self.stalls().into_iter().map(|stall| (stall.cause, stall)));
        }
        named
    }

    fn stalls(&self) -> Vec<Stall> {
        self.world.context.board.read(|status| status.stalls.clone())
    }

    fn interventions(&self) -> Interventions {
        self.world.context.board.read(|status| status.interventions)
    }
}

#[test]
fn what_has_nothing_to_do_is_not_named() {
    let mut watched = Watched::new(|_| {});
    assert!(watched.pass(10 * AFTER_MS).is_empty());
    assert_eq!(watched.interventions(), Interventions::default());
}

/// When the partition last came forward.
fn moved_ms(watched: &Watched) -> u64 {
    watched.world.context.board.read(|status| status.partitions[&P0].moved_ms)
}

#[test]
fn deadlines_that_fire_are_a_step_forward_and_time_that_follows_the_clock_is_none() {
    let mut watched = Watched::new(|options| {
        options.now = tideline::domain::Timestamp::of_millis(START_MS + 5 * DAY_MS);
        options.max_effects = 2;
        options.settings.idle_reach = Period::of_secs(60 * 86_400);
    });
    for n in 0..8 {
        watched.world.feed(APP, &payment(&format!("u{n}"), &format!("e{n}"), n));
    }
    watched.pass(1_000);
    let (read_ms, before) = (moved_ms(&watched), watched.world.record(P0).unwrap().stream_time);
    watched.pass(300_000);
    assert!(watched.world.record(P0).unwrap().stream_time > before, "it follows the clock");
    assert_eq!(moved_ms(&watched), read_ms, "which is no step forward");

    // A week later all of them fall at one instant, in slices.
    watched.world.time.advance_ms(8 * DAY_MS as u64);
    let (mut steps, mut fired) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        watched.pass(100);
        steps.push(moved_ms(&watched));
        fired.push(watched.world.context.board.read(|status| status.partitions[&P0].timers_fired));
    }
    steps.dedup();
    fired.dedup();
    assert!(fired.last() >= Some(&8), "{fired:?}");
    assert!(steps.len() >= 3 && *steps.last().unwrap() > read_ms, "each slice is a step forward: {steps:?}");
}

#[test]
fn an_open_transaction_of_a_dead_owner_is_named_and_ended() {
    let mut watched = Watched::new(|_| {});
    watched.world.leave_open("dead", "changelog");
    assert!(watched.pass(AFTER_MS - 2_000).is_empty());
    assert_eq!(watched.interventions(), Interventions::default(), "it may be a transaction like any other");
    let named = watched.pass(2 * AFTER_MS);
    let Stall { partition, detail, .. } = &named[&Cause::OpenTransaction];
    assert_eq!(*partition, Some(P0));
    assert!(detail.contains("in its changelog, from "), "{detail}");
    assert_eq!(watched.interventions(), Interventions { fenced: 1, renewed: 0 });
    assert!(watched.world.broker.open_writers(P0).unwrap().is_empty());
    assert_eq!(watched.stalls(), [], "it is over");
}

#[test]
fn an_open_transaction_of_our_own_is_ended_by_its_lane() {
    let mut watched = Watched::new(|_| {});
    watched.world.leave_open("lane-0", "changelog");
    let named = watched.pass(3 * AFTER_MS);
    assert!(named.contains_key(&Cause::OpenTransaction), "{named:?}");
    assert_eq!(watched.interventions(), Interventions { fenced: 0, renewed: 1 });
    assert!(watched.world.broker.open_writers(P0).unwrap().is_empty());
    watched.world.feed(APP, &payment(&users_on(P0, 1, 1)[0], "more", DAY_MS));
    watched.pass(1_000);
    assert_eq!(watched.world.lag(), 0, "the lane goes on");
}

/// The next abort of the same id would throw away what hangs of a transaction that was committed.
#[test]
fn what_hangs_of_a_committed_transaction_is_committed_when_its_lane_takes_its_id_anew() {
    let mut watched = Watched::new(|_| {});
    let mut end_what_is_open = || {
        watched.world.leave_open("lane-0", "changelog");
        while !watched.world.broker.open_writers(P0).unwrap().is_empty() {
            watched.world.time.advance_ms(100);
            watched.watchdog.look();
            let _ = watched.lane.step().unwrap();
        }
        ["changelog", "tier-changes", "dormancy-risk", "dead-letters"].map(|topic| watched.world.touches(topic))
    };
    assert_eq!(end_what_is_open(), [(0, 0); 4], "taking the id ended it");
    assert_eq!(end_what_is_open(), [(1, 1), (0, 0), (0, 0), (0, 0)], "what stands open after that hangs");
}

#[test]
fn an_open_transaction_of_an_inputs_producer_is_named_and_left_alone() {
    let mut watched = Watched::new(|_| {});
    watched.world.leave_open("somebody", "app");
    let named = watched.pass(4 * AFTER_MS);
    assert!(named[&Cause::OpenTransaction].detail.starts_with("in app, from "), "{named:?}");
    assert_eq!(watched.interventions(), Interventions::default());
    assert!(watched.world.broker.last_stable_offset("app", P0).unwrap() < 2, "it is still open");
}

#[test]
fn pending_offsets_are_named_and_the_last_to_commit_is_fenced_but_rarely() {
    let mut watched = Watched::new(|_| {});
    let mut standing = watched.world.broker.partition_offsets(P0).unwrap();
    for committed in &mut standing.committed {
        committed.note.as_mut().unwrap().transactional_id = "ghost".into();
    }
    standing.is_pending = true;
    watched.spy.pretend(standing);
    let named = watched.pass(4 * AFTER_MS);
    assert_eq!(named[&Cause::PendingOffsets].detail, "the last to commit was ghost");
    assert_eq!(watched.interventions(), Interventions { fenced: 1, renewed: 0 }, "once is enough for a while");
}

#[test]
fn an_input_that_is_waited_for_is_named() {
    let mut watched = Watched::new(|options| options.settings.merge_wait = Period::of_secs(3_600));
    // The client says no more where that input ends.
    watched.spy.mute(MERCHANT);
    let user = &users_on(P0, 1, 1)[0];
    watched.world.feed(MERCHANT, &payment(user, "second", 1));
    watched.world.feed(APP, &payment(user, "third", 2));
    let named = watched.pass(2 * AFTER_MS);
    assert_eq!(named[&Cause::MergeWait].detail, "for merchant");
}

/// Lanes on threads, with the watchdog beside them, until `done`.
fn run_until(spy: &Spy, world: &World, context: &LaneContext, mut done: impl FnMut(&LaneContext) -> bool) {
    std::thread::scope(|scope| {
        let lanes = scope.spawn(|| {
            tideline::runtime::run(
                spy,
                &world.job,
                1,
                &context.clock,
                &context.board,
                context.tables.clone(),
                &context.stop,
            )
        });
        let since = Instant::now();
        while !done(context) {
            let has_ended = lanes.is_finished();
            if has_ended || since.elapsed() > PATIENCE {
                context.stop.stop();
                panic!("never came; ended: {has_ended}; {:?}", context.board);
            }
            std::thread::yield_now();
        }
        context.stop.stop();
        lanes.join().unwrap().unwrap();
    });
}

fn hung(context: &LaneContext, partition: Option<PartitionId>, call: &str) -> bool {
    let is_it = |stall: &Stall| stall.cause == Cause::HungCall && stall.partition == partition && stall.detail == call;
    context.board.read(|status| status.stalls.iter().any(is_it))
}

#[test]
fn a_call_that_does_not_return_is_named_while_it_lasts() {
    let world = World::new(|options| options.settings.stall_after = Period::of_millis(50));
    for partition in [P0, P1] {
        world.feed(APP, &payment(&users_on(partition, 2, 1)[0], "a", 0));
    }
    for (at, partition, call) in
        [(At::Committed(P1), Some(P1), "committed_offsets"), (At::SendOffsets, None, "send_offsets")]
    {
        let context = LaneContext { clock: Clock::system(), ..world.again(1, |_| {}).context };
        let spy = Spy::new(world.broker.clone());
        spy.shut(at);
        let mut was_named = false;
        if at == At::SendOffsets {
            world.feed(APP, &payment(&users_on(P0, 2, 1)[0], "b", DAY_MS));
        }
        run_until(&spy, &world, &context, |context| {
            if !was_named && hung(context, partition, call) {
                was_named = true;
                spy.open(at);
            }
            was_named && !hung(context, partition, call)
        });
    }
}

#[test]
fn a_call_that_never_returns_ends_the_run_which_names_it() {
    let world = World::new(|options| {
        options.settings.stall_after = Period::of_millis(50);
        options.settings.patience = Period::of_millis(300);
    });
    world.feed(APP, &payment(&users_on(P0, 2, 1)[0], "a", 0));
    let context = LaneContext { clock: Clock::system(), ..world.again(1, |_| {}).context };
    let spy = Spy::new(world.broker.clone());
    spy.shut(At::SendOffsets);
    let ended = tideline::runtime::run(
        &spy,
        &world.job,
        2,
        &context.clock,
        &context.board,
        context.tables.clone(),
        &context.stop,
    );
    let Err(LaneError::CallTimedOut { call: Call::SendOffsets, waited, .. }) = ended else { panic!("{ended:?}") };
    assert!(waited > world.job.settings.patience.duration());
    spy.open(At::SendOffsets);
}
