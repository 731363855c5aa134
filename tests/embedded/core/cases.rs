//! Erasure, new generations of rules, silent folding: what the worked cases don't show.

use serde_json::Value;
use tideline::domain::{Body, DAY_MS, Event, EventId, Origin, Source, Stage, Tier, Timestamp, UserId};
use tideline::engine::{
    Announcement, AnnouncementKind, Disposition, Effect, Engine, OutputReason, Partition, Previous,
};
use tideline::ingest::MAX_AMOUNT;
use tideline::rules::{Rules, Rung};

use super::{advance, emitter, handle, json_of, partition, restored, settings};

const START: i64 = 20_000 * DAY_MS;

fn day(days: i64) -> Timestamp {
    Timestamp::of_millis(START + days * DAY_MS)
}

fn event(id: u64, at: Timestamp, body: Body) -> Event {
    Event {
        id: EventId(id),
        user: UserId::new("u1").unwrap(),
        source: Source::App,
        time: at,
        channel: Source::App.channel(),
        origin: Origin::Own,
        body,
    }
}

fn payment(id: u64, at: Timestamp) -> Event {
    let body = Body::PaymentCompleted { amount: 100, scene: None, merchant: None, coupon: None, auto: false };
    event(id, at, body)
}

fn tiers(signals: &[Announcement]) -> Vec<(OutputReason, Tier)> {
    let tier = |signal: &Announcement| match signal.kind {
        AnnouncementKind::TierChanged { current, .. } => Some((signal.reason, current)),
        _ => None,
    };
    signals.iter().filter_map(tier).collect()
}

#[test]
fn an_erased_user_is_gone_and_comes_back_as_another() {
    let mut partition = partition(settings(Rules::default()));
    let mut signals = Vec::new();
    assert_eq!(handle(&mut partition, &payment(1, day(0)), &mut signals), Disposition::Applied);
    partition.install();
    assert_eq!(handle(&mut partition, &event(2, day(1), Body::UserErased), &mut signals), Disposition::Applied);
    let changes: Vec<_> = partition.changes().map(|change| (change.key.to_vec(), change.value.is_some())).collect();
    assert_eq!(changes[0], (b"u1".to_vec(), false), "the changelog forgets the user");
    assert!(
        changes[1].1 && !changes[1].0.windows(2).any(|bytes| bytes == b"u1"),
        "what is kept doesn't tell whose it is"
    );
    partition.install();
    assert_eq!(partition.population().users().unwrap(), 0);

    // What happened up to the erasure is suppressed, also after a restart.
    let mut partition = restored(&partition, settings(Rules::default()));
    assert_eq!(handle(&mut partition, &payment(3, day(1)), &mut signals), Disposition::Suppressed);
    assert_eq!(handle(&mut partition, &payment(4, day(2)), &mut signals), Disposition::Applied);
    assert_eq!(handle(&mut partition, &payment(5, day(0)), &mut signals), Disposition::Suppressed);
    partition.install();
    let last = signals.last().unwrap();
    assert_eq!((last.incarnation, last.sequence), (day(1).millis(), 1));
    assert_eq!(signals[0].incarnation, 0);

    // The erasure is forgotten with the longest retention; then nothing is left of it but the incarnation.
    assert_eq!(partition.user_count(), 2);
    advance(&mut partition, day(32), &mut signals);
    assert_eq!(partition.user_count(), 1);
}

#[test]
fn an_erasure_is_remembered_from_when_it_came_on() {
    let late = settings(Rules::default());
    let unlimited = tideline::engine::EngineSettings { retention_ms: i64::MAX, ..late.clone() };
    // What the erasure comes at, and how long it suppresses what is older than it.
    for (settings, came, suppresses_at) in [(late, 40, &[41, 69][..]), (unlimited, 1, &[2, 170])] {
        let mut partition = partition(settings.clone());
        let mut signals = Vec::new();
        let other = |id, at| Event { user: UserId::new("u2").unwrap(), ..payment(id, at) };
        handle(&mut partition, &payment(1, day(0)), &mut signals);
        handle(&mut partition, &other(2, day(came)), &mut signals);
        assert_eq!(handle(&mut partition, &event(3, day(1), Body::UserErased), &mut signals), Disposition::Applied);
        partition.install();
        for &now in suppresses_at {
            partition = restored(&partition, settings.clone());
            handle(&mut partition, &other(now as u64, day(now)), &mut signals);
            let disposition = handle(&mut partition, &payment(now as u64 + 1000, day(0)), &mut signals);
            assert_eq!(disposition, Disposition::Suppressed, "erasure came on day {came}, it is day {now}");
            partition.install();
        }
    }
}

#[test]
fn an_aborted_erasure_leaves_the_user() {
    let mut partition = partition(settings(Rules::default()));
    let mut signals = Vec::new();
    handle(&mut partition, &payment(1, day(0)), &mut signals);
    partition.install();
    let before = partition.users().snapshot();
    handle(&mut partition, &event(2, day(1), Body::UserErased), &mut signals);
    partition.discard();
    assert_eq!(partition.users().snapshot(), before);
    assert_eq!(handle(&mut partition, &payment(3, day(1)), &mut signals), Disposition::Applied);
}

#[test]
fn a_new_generation_of_rules_re_evaluates_every_user_in_slices() {
    let mut signals = Vec::new();
    let mut old = partition(settings(Rules::default()));
    for n in 0..5 {
        let user = UserId::new(&format!("u{n}")).unwrap();
        for active_day in 0..2 {
            let id = n * 10 + active_day;
            handle(&mut old, &Event { user, ..payment(id, day(active_day as i64)) }, &mut signals);
        }
    }
    old.install();

    let mut rules = Rules { generation: 2, ..Rules::default() };
    rules.rungs[1].active_days = 2;
    let sliced = tideline::engine::EngineSettings { max_effects: 2, ..settings(rules.clone()) };
    let mut new = restored(&old, sliced.clone());
    signals.clear();
    advance(&mut new, day(1), &mut signals);
    assert_eq!(tiers(&signals), [(OutputReason::RuleChange, Tier::rung(1)); 5]);
    assert!(signals.iter().all(|signal| Some(signal.time) == old.watermark() && signal.cause.is_none()));

    // Once done it isn't done again.
    signals.clear();
    advance(&mut restored(&new, sliced), day(1), &mut signals);
    assert_eq!(signals, []);

    // Quietly, it uses no sequence; what follows later is announced.
    let mut quiet = restored(&old, settings(Rules { quiet: true, ..rules }));
    advance(&mut quiet, day(1), &mut signals);
    assert_eq!(signals, []);
    advance(&mut quiet, day(45), &mut signals);
    let of_u1: Vec<_> = signals.iter().filter(|signal| signal.user.as_str() == "u1").collect();
    assert_eq!(of_u1[0].sequence, 2);
    let previous = of_u1.iter().find_map(|signal| match signal.kind {
        AnnouncementKind::TierChanged { ref previous, .. } => previous.clone(),
        _ => None,
    });
    assert_eq!(previous, Some(Previous::Tier(Tier::rung(1))));
}

#[test]
fn a_tier_keeps_the_name_that_it_was_announced_under_whatever_becomes_of_the_ladder() {
    let mut signals = Vec::new();
    let mut old = partition(settings(Rules::default()));
    // u1 is high, u2 regular.
    for n in 0..10 {
        handle(&mut old, &payment(n, day(n as i64)), &mut signals);
        let user = UserId::new("u2").unwrap();
        if n < 7 {
            handle(&mut old, &Event { user, ..payment(n, day(n as i64)) }, &mut signals);
        }
    }
    old.install();

    let mut with_gold = Rules { generation: 2, ..Rules::default() };
    with_gold.rungs.insert(2, Rung { name: "gold".to_owned(), active_days: 6, ..with_gold.rungs[1].clone() });
    let mut without_regular = Rules { generation: 3, ..Rules::default() };
    without_regular.rungs.remove(1);
    let mut renamed = Rules { generation: 2, ..Rules::default() };
    renamed.rungs[2].name = "oro".to_owned();
    // The rules in their order, and what is announced of whom: previous and current tier by name.
    let cases = [
        (vec![with_gold.clone()], vec![("u2", "regular", "gold", Some("up"))]),
        (vec![without_regular.clone()], vec![("u2", "regular", "low", None)]),
        (vec![renamed], vec![("u1", "high", "oro", None)]),
        (vec![with_gold, without_regular], vec![("u2", "regular", "gold", Some("up")), ("u2", "gold", "low", None)]),
    ];
    for (changes, expected) in cases {
        let mut lane = restored(&old, settings(Rules::default()));
        let mut announced = Vec::new();
        for rules in changes {
            // One user a slice, and a restart after each.
            let settings = tideline::engine::EngineSettings { max_effects: 1, ..settings(rules.clone()) };
            let engine = Engine::new(settings.clone()).unwrap();
            let emitter = emitter(&engine);
            let mut effects = Vec::new();
            for _ in 0..3 {
                lane = restored(&lane, settings.clone());
                lane.handle_time(None, &mut effects).unwrap();
                lane.install();
            }
            let signals = effects.into_iter().filter_map(Effect::announcement);
            announced.extend(signals.map(|signal| json_of(&signal, &emitter)));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seen: Vec<_> = announced
            .iter()
            .map(|json| ["user_id", "previous", "current", "direction"].map(|name| text(&json[name])))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(user, previous, current, direction)| {
                [Some(*user), Some(*previous), Some(*current), *direction].map(|text| text.map(str::to_owned))
            })
            .collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_stage_that_new_rules_would_not_have_announced_is_not_taken_back() {
    let mut signals = Vec::new();
    let mut old = partition(settings(Rules::default()));
    handle(&mut old, &payment(1, day(0)), &mut signals);
    advance(&mut old, day(10), &mut signals);
    let stage = |signals: &[Announcement]| {
        signals.iter().any(|signal| matches!(signal.kind, AnnouncementKind::DormancyRisk { .. }))
    };
    assert!(stage(&signals));
    signals.clear();
    let mut new = restored(&old, settings(Rules { generation: 2, min_silence_days: 60.0, ..Rules::default() }));
    advance(&mut new, day(11), &mut signals);
    assert_eq!(signals, []);
    let user = new.users().user(&UserId::new("u1").unwrap()).unwrap().unwrap();
    assert_eq!(user.stage, Stage::AtRisk);
}

#[test]
fn at_one_instant_users_come_in_order_and_of_each_the_tier_before_the_stage() {
    for max_effects in [1, 100] {
        let rules = Rules { zone: "UTC".to_owned(), ..Rules::default() };
        let mut partition = partition(tideline::engine::EngineSettings { max_effects, ..settings(rules) });
        let mut signals = Vec::new();
        // The rung is lost 37 days after the payment's; a loan's due date makes the warning wait for the same midnight.
        for (n, name) in ["u2", "u1"].into_iter().enumerate() {
            let user = UserId::new(name).unwrap();
            let schedule = Body::LoanDueScheduled { loan: None, due: day(34) };
            handle(&mut partition, &Event { user, ..payment(n as u64, day(0)) }, &mut signals);
            handle(&mut partition, &Event { user, ..event(n as u64 + 10, day(0), schedule) }, &mut signals);
        }
        signals.clear();
        advance(&mut partition, day(38), &mut signals);
        assert!(signals.iter().all(|signal| signal.time == day(37)));
        let is_tier = |signal: &Announcement| matches!(signal.kind, AnnouncementKind::TierChanged { .. });
        let order: Vec<_> = signals.iter().map(|signal| (signal.user.as_str(), is_tier(signal))).collect();
        assert_eq!(order, [("u1", true), ("u1", false), ("u2", true), ("u2", false)], "slices of {max_effects}");
    }
}

#[test]
fn outputs_older_than_emit_from_are_folded_in_silence() {
    let mut signals = Vec::new();
    let from = tideline::engine::EngineSettings { emit_from: Some(day(3)), ..settings(Rules::default()) };
    let mut partition = partition(from);
    for n in 0..5 {
        handle(&mut partition, &payment(n, day(n as i64)), &mut signals);
    }
    assert_eq!(tiers(&signals), [(OutputReason::Behaviour, Tier::rung(1))]);
    assert_eq!(signals[0].sequence, 1);
}

#[test]
fn a_duplicate_leaves_no_trace_whenever_it_is_committed() {
    // The second event comes again under another time, by which the first would be forgotten.
    let events = [payment(1, day(0)), payment(2, day(5)), payment(2, day(10)), payment(1, day(5))];
    let expected = [Disposition::Applied, Disposition::Applied, Disposition::Duplicate, Disposition::Duplicate];
    for commits in [false, true] {
        let mut partition = partition(settings(Rules::default()));
        for (event, expected) in events.iter().zip(&expected) {
            assert_eq!(handle(&mut partition, event, &mut Vec::new()), *expected, "commits: {commits}");
            if commits {
                partition.install();
            }
        }
    }
}

#[test]
fn a_warning_beyond_all_times_is_never_due() {
    let mut signals = Vec::new();
    let mut partition = partition(settings(Rules { min_silence_days: 1e300, ..Rules::default() }));
    handle(&mut partition, &payment(1, day(0)), &mut signals);
    advance(&mut partition, day(200), &mut signals);
    let stage = |signal: &Announcement| match signal.kind {
        AnnouncementKind::DormancyRisk { stage, .. } => Some(stage),
        _ => None,
    };
    assert_eq!(signals.iter().filter_map(stage).collect::<Vec<_>>(), [Stage::Dormant, Stage::Lost]);
}

#[test]
fn sums_are_whole_however_many_amounts_they_are_of() {
    let mut signals = Vec::new();
    let mut partition = partition(settings(Rules::default()));
    const TIMES: i64 = 9_300;
    let amount_of = |partition: &Partition| {
        let user = partition.users().user(&UserId::new("u1").unwrap()).unwrap().unwrap();
        user.facts.history.days().iter().map(|bucket| bucket.amount).sum::<i128>()
    };
    for n in 0..TIMES {
        let body =
            Body::PaymentCompleted { amount: MAX_AMOUNT, scene: None, merchant: None, coupon: None, auto: false };
        handle(&mut partition, &event(n as u64, day(0).plus_millis(n), body), &mut signals);
    }
    partition.install();
    assert_eq!(amount_of(&partition), i128::from(TIMES) * i128::from(MAX_AMOUNT));
    // As it stands in the changelog, and in what follows from it.
    let mut partition = restored(&partition, settings(Rules::default()));
    signals.clear();
    advance(&mut partition, day(38), &mut signals);
    let emitter = emitter(&Engine::new(settings(Rules::default())).unwrap());
    let lost = signals.iter().map(|signal| json_of(signal, &emitter)).find(|json| json["current"] == "inactive");
    assert_eq!(lost.unwrap()["evidence"]["amount_90"].to_string(), "9300000000000000000");
    for n in 0..TIMES {
        let original_time = day(0).plus_millis(n);
        let (original, amount) = (None, MAX_AMOUNT);
        let body = Body::PaymentRefunded { original, original_time, amount, full: false, auto: false };
        handle(&mut partition, &event((TIMES + n) as u64, day(38), body), &mut signals);
    }
    partition.install();
    assert_eq!(amount_of(&partition), 0);
}

#[test]
fn a_generation_that_decides_no_output_judges_nobody_anew_and_the_next_one_knows_the_names_from_before_it() {
    let mut first = partition(settings(Rules::default()));
    handle(&mut first, &payment(1, day(0)), &mut Vec::new());
    first.install();
    let mut second = restored(&first, settings(Rules { generation: 2, ..Rules::default() }));
    let mut effects = Vec::new();
    second.handle_time(None, &mut effects).unwrap();
    assert_eq!((effects.len(), second.changes().count()), (0, 0), "nobody is judged anew");
    second.install();
    let mut rungs = Rules::default().rungs;
    rungs[0].name = "base".to_owned();
    let mut third = restored(&second, settings(Rules { generation: 3, rungs, ..Rules::default() }));
    third.handle_time(None, &mut effects).unwrap();
    let announced: Vec<_> = effects.into_iter().filter_map(Effect::announcement).collect();
    assert_eq!(tiers(&announced), [(OutputReason::RuleChange, Tier::rung(0))]);
    let AnnouncementKind::TierChanged { previous, .. } = &announced[0].kind else { panic!("{announced:?}") };
    assert_eq!(previous, &Some(Previous::Retired("low".into())));
}
