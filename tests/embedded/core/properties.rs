//! What must hold of the core for any events, in any order, cut into any batches.

use proptest::prelude::*;
use tideline::domain::{
    Body, DAY_MS, Event, EventId, Input, MessageEvent, Origin, OutputNames, Source, Stage, Tier, Timestamp, Token,
    UserId,
};
use tideline::emit::{Emitter, Output, OutputFormat};
use tideline::engine::{Announcement, AnnouncementKind, Disposition, Engine, EngineSettings, Handled, Partition};
use tideline::ingest::{MAX_AMOUNT, MAX_REFUND_AHEAD_MS};
use tideline::rules::Rules;
use tideline::rules::tier::tier_on;
use tideline::state::User;

use super::{advance, coordinates, handle, partition, restored, settings};

const START: i64 = 20_000 * DAY_MS;

fn sliced(max_effects: usize) -> Partition {
    partition(EngineSettings { max_effects, ..settings(Rules::default()) })
}

fn body() -> impl Strategy<Value = Body> {
    let token = || prop::option::of((0..3u64).prop_map(Token));
    let time = || (0..100 * DAY_MS).prop_map(|ms| Timestamp::of_millis(START + ms));
    prop_oneof![
        6 => (0..5000i64, token(), prop::bool::weighted(0.1)).prop_map(|(amount, scene, auto)| {
            Body::PaymentCompleted { amount, scene, merchant: None, coupon: None, auto }
        }),
        2 => (0..5000i64, time(), any::<bool>(), prop::option::of(0..9u64), prop::bool::weighted(0.1)).prop_map(
            |(amount, original_time, full, original, auto)| Body::PaymentRefunded {
                original: original.map(EventId), original_time, amount, full, auto
            }
        ),
        1 => (token(), time()).prop_map(|(loan, due)| Body::LoanDueScheduled { loan, due }),
        1 => (token(), any::<bool>())
            .prop_map(|(loan, auto)| Body::LoanRepaid { amount: 5, product: None, loan, auto }),
        1 => Just(Body::UserRegistered),
        1 => Just(Body::AppLogin),
        1 => Just(Body::Message { event: MessageEvent::Sent, campaign: None, channel: None }),
    ]
}

/// Events of a few users within a hundred days, each with its own id; a refund names an original that no other refund
/// names.
fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = (0..3u8, 0..100 * DAY_MS, body());
    prop::collection::vec(event, 1..most).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        numbered
            .map(|(i, (user, ms, mut body))| {
                if let Body::PaymentRefunded { original, .. } = &mut body {
                    *original = original.map(|_| EventId(1_000_000 + i as u64));
                }
                Event {
                    id: EventId(i as u64 + 1),
                    user: UserId::new(&format!("u{user}")).unwrap(),
                    source: Source::App,
                    time: Timestamp::of_millis(START + ms),
                    channel: Source::App.channel(),
                    origin: Origin::Own,
                    body,
                }
            })
            .collect()
    })
}

/// Events at the ends of what the wire lets through, in any order.
fn extreme_events() -> impl Strategy<Value = Vec<Event>> {
    let time = || {
        const ENDS: [i64; 7] =
            [0, 1, DAY_MS, START, START + 90 * DAY_MS, Timestamp::MAX.millis() - 1, Timestamp::MAX.millis()];
        prop_oneof![3 => prop::sample::select(&ENDS[..]), 1 => 0..=Timestamp::MAX.millis()]
            .prop_map(Timestamp::of_millis)
    };
    let amount = || prop::sample::select(&[0, 1, MAX_AMOUNT][..]);
    let payment = amount().prop_map(|amount| Body::PaymentCompleted {
        amount,
        scene: None,
        merchant: None,
        coupon: None,
        auto: false,
    });
    let refund = (amount(), time(), any::<bool>()).prop_map(|(amount, original_time, full)| Body::PaymentRefunded {
        original: None,
        original_time,
        amount,
        full,
        auto: false,
    });
    let body = prop_oneof![
        4 => payment,
        2 => refund,
        1 => time().prop_map(|due| Body::LoanDueScheduled { loan: None, due }),
        1 => Just(Body::LoanRepaid { amount: 1, product: None, loan: None, auto: true }),
        1 => Just(Body::UserRegistered),
        1 => Just(Body::AppLogin),
        1 => Just(Body::UserErased),
        1 => Just(Body::Unknown),
    ];
    prop::collection::vec((0..2u8, time(), body), 1..20).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        numbered
            .map(|(i, (user, time, mut body))| {
                if let Body::PaymentRefunded { original_time, .. } = &mut body {
                    *original_time = (*original_time).min(time.plus_millis(MAX_REFUND_AHEAD_MS));
                }
                Event {
                    id: EventId(i as u64),
                    user: UserId::new(&format!("u{user}")).unwrap(),
                    source: Source::App,
                    time,
                    channel: Source::App.channel(),
                    origin: Origin::Own,
                    body,
                }
            })
            .collect()
    })
}

/// Of each user what does not depend on the order of arrival.
fn histories(partition: &Partition) -> Vec<Option<User>> {
    let ids = ["u0", "u1", "u2"].map(|id| UserId::new(id).unwrap());
    ids.iter()
        .map(|id| {
            let mut user = partition.users().user(id).unwrap()?;
            user.sequence = 0;
            user.announced = None;
            user.stage = Stage::Active;
            user.remembered = Default::default();
            user.deadlines = Default::default();
            Some(user)
        })
        .collect()
}

fn fold(events: &[Event]) -> (Partition, Vec<Announcement>) {
    let mut partition = sliced(100);
    let mut signals = Vec::new();
    for event in events {
        assert_eq!(handle(&mut partition, event, &mut signals), Disposition::Applied);
    }
    partition.install();
    (partition, signals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_interleaving_within_the_horizon_leaves_the_same_history(
        (ordered, shuffled) in events(40).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        prop_assert_eq!(histories(&fold(&ordered).0), histories(&fold(&shuffled).0));
    }

    #[test]
    fn restored_state_is_live_state_byte_for_byte_and_goes_on_alike(events in events(60), cut in 0..60usize) {
        let cut = cut.min(events.len());
        let (mut live, _) = fold(&events[..cut]);
        let mut restored = restored(&live, settings(Rules::default()));
        prop_assert_eq!(live.users().snapshot(), restored.users().snapshot());
        prop_assert_eq!(live.population(), restored.population());

        let (mut of_live, mut of_restored) = (Vec::new(), Vec::new());
        for event in &events[cut..] {
            prop_assert_eq!(
                handle(&mut live, event, &mut of_live),
                handle(&mut restored, event, &mut of_restored)
            );
        }
        let end = Timestamp::of_millis(START + 300 * DAY_MS);
        advance(&mut live, end, &mut of_live);
        advance(&mut restored, end, &mut of_restored);
        prop_assert_eq!(of_live, of_restored);
        prop_assert_eq!(live.users().snapshot(), restored.users().snapshot());
        prop_assert_eq!(live.population(), restored.population());
    }

    #[test]
    fn the_ends_of_time_and_money_are_times_and_money_too(
        events in extreme_events(),
        zone in prop::sample::select(
            &["Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"][..]
        ),
    ) {
        let rules = Rules { zone: zone.to_owned(), ..Rules::default() };
        let mut live = partition(settings(rules.clone()));
        let mut signals = Vec::new();
        for event in &events {
            handle(&mut live, event, &mut signals);
            live.install();
            live = restored(&live, settings(rules.clone()));
        }
        advance(&mut live, Timestamp::MAX, &mut signals);
        let output = Output {
            topics: OutputNames::default(),
            format: OutputFormat::Json,
            source: "tideline".to_owned(),
        };
        let emitter = Emitter::new(&rules, "", output);
        for signal in &signals {
            let mut json = Vec::new();
            emitter.write_json(signal, &mut json);
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(value["time"].as_str().and_then(|time| Timestamp::parse(time).ok()), Some(signal.time));
        }
    }

    #[test]
    fn neither_batches_nor_slices_nor_aborted_attempts_show_in_the_outputs(
        events in events(60), batch in 1..9usize, slice in 1..4usize,
    ) {
        let end = Timestamp::of_millis(START + 300 * DAY_MS);
        let mut whole = sliced(1000);
        let mut expected = Vec::new();
        for event in &events {
            handle(&mut whole, event, &mut expected);
        }
        advance(&mut whole, end, &mut expected);

        let mut sliced = sliced(slice);
        let mut got = Vec::new();
        for events in events.chunks(batch) {
            // A batch that is dropped, and its slices with it, leaves nothing.
            let mut dropped = Vec::new();
            for event in events {
                let handled = sliced.handle_event(Input(0), event, &coordinates(0), &mut dropped).unwrap();
                if handled == Handled::TimersFirst {
                    break;
                }
            }
            sliced.discard();
            for event in events {
                handle(&mut sliced, event, &mut got);
            }
            sliced.install();
        }
        advance(&mut sliced, end, &mut got);
        prop_assert_eq!(expected, got);
        prop_assert_eq!(whole.users().snapshot(), sliced.users().snapshot());
    }

    #[test]
    fn sequences_have_no_gap_and_what_was_announced_is_true(events in events(60)) {
        let (mut partition, mut signals) = fold(&events);
        let end = Timestamp::of_millis(START + 200 * DAY_MS);
        advance(&mut partition, end, &mut signals);
        let engine = Engine::new(settings(Rules::default())).unwrap();
        for id in ["u0", "u1", "u2"].map(|id| UserId::new(id).unwrap()) {
            let of_user: Vec<_> = signals.iter().filter(|signal| signal.user == id).collect();
            let sequences: Vec<_> = of_user.iter().map(|signal| signal.sequence).collect();
            prop_assert_eq!(sequences, (1..=of_user.len() as u64).collect::<Vec<_>>());
            let Some(user) = partition.users().user(&id).unwrap() else { continue };
            let announced = of_user.iter().rev().find_map(|signal| match signal.kind {
                AnnouncementKind::TierChanged { current, .. } => Some(current),
                _ => None,
            });
            let as_of = partition.watermark().max(user.newest).unwrap();
            let day = engine.rules().zone().day(as_of);
            let tier = tier_on(&user.facts.history, user.facts.registered.at(), day, engine.rules()).tier;
            prop_assert_eq!(announced.unwrap_or(Tier::INACTIVE), tier);
        }
    }
}
