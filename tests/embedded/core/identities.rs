//! No two outputs have one id, whoever is erased, forgotten and comes back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tideline::domain::{Body, DAY_MS, Event, EventId, HOUR_MS, Origin, Source, Timestamp, UserId};
use tideline::engine::{Disposition, Engine, EngineSettings};
use tideline::rules::Rules;
use tideline::settings::Period;

use super::{advance, emitter, handle, json_of, partition, restored, settings};

const START: i64 = 20_000 * DAY_MS;

fn event(id: u64, user: u8, ms: i64, body: Body) -> Event {
    Event {
        id: EventId(id),
        user: UserId::new(&format!("u{user}")).unwrap(),
        source: Source::App,
        time: Timestamp::of_millis(START + ms),
        channel: Source::App.channel(),
        origin: Origin::Own,
        body,
    }
}

fn payment() -> Body {
    Body::PaymentCompleted { amount: 100, scene: None, merchant: None, coupon: None, auto: false }
}

/// What is done to a user, how long after the event before, and how late it comes.
fn deeds() -> impl Strategy<Value = Vec<(u8, i64, i64, Body)>> {
    let body = prop_oneof![4 => Just(payment()), 2 => Just(Body::UserErased), 1 => Just(Body::UserRegistered)];
    let after = prop_oneof![Just(0), Just(1), 0..DAY_MS, 0..12 * DAY_MS];
    let late = prop_oneof![3 => Just(0), 1 => Just(1), 1 => 0..2 * DAY_MS, 1 => 0..30 * DAY_MS];
    prop::collection::vec((0..2u8, after, late, body), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_two_outputs_have_one_id_whoever_comes_back(deeds in deeds(), retention_ms in 1..20 * DAY_MS) {
        let settings = EngineSettings { retention_ms, lateness: Period::of_secs(3_600), ..settings(Rules::default()) };
        let emitter = emitter(&Engine::new(settings.clone()).unwrap());
        let mut live = partition(settings);
        let mut signals = Vec::new();
        let mut now = 40 * DAY_MS;
        for (id, (user, after, late, body)) in deeds.into_iter().enumerate() {
            now += after;
            handle(&mut live, &event(id as u64, user, now - late, body), &mut signals);
            live.install();
        }
        advance(&mut live, Timestamp::of_millis(START + now + 300 * DAY_MS), &mut signals);
        let mut ids = BTreeMap::new();
        for signal in &signals {
            let id = json_of(signal, &emitter)["id"].as_str().unwrap().to_owned();
            if let Some(other) = ids.insert(id, signal) {
                prop_assert!(false, "{signal:?} has the id of {other:?}");
            }
        }
    }
}

#[test]
fn an_erasure_outlives_the_letters_of_its_user() {
    // An input that keeps a week, dead letters that are kept two: read on the last day, dead, and sent again on the
    // last day.
    let config = tideline::config::Config::default();
    let memory = config.engine_settings().retention_ms;
    assert_eq!(memory, 21 * DAY_MS);
    let settings = EngineSettings { retention_ms: memory, ..settings(Rules::default()) };
    let mut live = partition(settings.clone());
    let mut signals = Vec::new();
    handle(&mut live, &event(1, 1, 0, payment()), &mut signals);
    handle(&mut live, &event(2, 1, HOUR_MS, Body::UserErased), &mut signals);
    for days in [1, 6, 13, 15, 20] {
        handle(&mut live, &event(days as u64 + 100, 2, days * DAY_MS, payment()), &mut signals);
        live.install();
        live = restored(&live, settings.clone());
        let redriven = handle(&mut live, &event(days as u64 + 200, 1, HOUR_MS - 1, payment()), &mut signals);
        assert_eq!(redriven, Disposition::Suppressed, "after {days} days");
    }
}

#[test]
fn an_erasure_is_remembered_for_longer_once_retentions_grow() {
    let with = |days: i64| EngineSettings { retention_ms: days * DAY_MS, ..settings(Rules::default()) };
    let mut before = partition(with(7));
    let mut signals = Vec::new();
    handle(&mut before, &event(1, 1, 0, Body::UserErased), &mut signals);
    before.install();
    for (days_remembered, days, expected) in [
        (7, 6, Disposition::Suppressed),
        (7, 8, Disposition::Applied),
        (21, 20, Disposition::Suppressed),
        (21, 22, Disposition::Applied),
    ] {
        let mut now = restored(&before, with(days_remembered));
        advance(&mut now, Timestamp::of_millis(START + days * DAY_MS + HOUR_MS), &mut signals);
        // As after one more restart.
        let mut now = restored(&now, with(days_remembered));
        let old = handle(&mut now, &event(2, 1, -1, payment()), &mut signals);
        assert_eq!(old, expected, "remembered for {days_remembered} days, {days} days later");
    }
}

#[test]
fn an_erasure_is_never_too_old_and_what_it_suppresses_does_not_die_again() {
    let settings = EngineSettings { retention_ms: 400 * DAY_MS, ..settings(Rules::default()) };
    let mut live = partition(settings);
    let mut signals = Vec::new();
    let year = 365 * DAY_MS;
    handle(&mut live, &event(1, 1, year, payment()), &mut signals);
    let too_old = |disposition| matches!(disposition, Disposition::Rejected(_));
    assert!(too_old(handle(&mut live, &event(2, 1, 0, payment()), &mut signals)), "on a day that has left");
    assert!(too_old(handle(&mut live, &event(3, 2, 0, payment()), &mut signals)), "older than W less the horizon");
    for user in [1, 2] {
        let erasure = event(4, user, HOUR_MS, Body::UserErased);
        assert_eq!(handle(&mut live, &erasure, &mut signals), Disposition::Applied, "u{user}");
        // A letter of the user's, sent again: as a letter it would be kept once more.
        let redriven = event(5, user, 0, payment());
        assert_eq!(handle(&mut live, &redriven, &mut signals), Disposition::Suppressed, "u{user}");
        assert!(too_old(handle(&mut live, &event(6, user, 2 * HOUR_MS, payment()), &mut signals)), "u{user}");
        assert_eq!(handle(&mut live, &event(7, user, year, payment()), &mut signals), Disposition::Applied);
    }
}
