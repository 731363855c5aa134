//! Whatever befalls a lane (full slices, aborts, crashes, restarts under new rules, at any moment) leaves the outputs,
//! the counts and the state that an undisturbed one has.

use proptest::prelude::*;
use tideline::domain::{Body, DAY_MS, Event, EventId, HOUR_MS, Input, Origin, Source, Timestamp, Token, UserId};
use tideline::engine::{Disposition, Effect, Engine, EngineSettings, Handled, Partition};
use tideline::rules::Rules;
use tideline::state::codec::Header;
use tideline::state::{Dimension, InputPosition, PartitionRecord, Population};

use super::{coordinates, settings};

const START: i64 = 20_000 * DAY_MS;
const USERS: u8 = 4;

/// What may happen before an event is handled.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Nothing,
    Commit,
    Abort,
    Crash,
}

/// A lane of one partition, as far as the core sees it.
struct Lane {
    settings: EngineSettings,
    partition: Partition,
    /// Events handled: committed, and with those in hand.
    committed: usize,
    next: usize,
    done: Done,
    in_hand: Done,
}

/// What readers see, and what became of each event.
#[derive(Debug, Default, PartialEq)]
struct Done {
    effects: Vec<Effect>,
    dispositions: Vec<Disposition>,
}

impl Lane {
    fn new(settings: EngineSettings) -> Self {
        let partition = Partition::new(Engine::new(settings.clone()).unwrap());
        Self { settings, partition, committed: 0, next: 0, done: Done::default(), in_hand: Done::default() }
    }

    fn befall(&mut self, deed: Deed) {
        match deed {
            Deed::Nothing => {}
            Deed::Commit => self.commit(),
            Deed::Abort => {
                self.partition.discard();
                self.rewind();
            }
            Deed::Crash => self.restart(self.settings.clone()),
        }
    }

    fn commit(&mut self) {
        self.partition.install();
        self.committed = self.next;
        self.done.effects.append(&mut self.in_hand.effects);
        self.done.dispositions.append(&mut self.in_hand.dispositions);
        for dimension in Dimension::ALL {
            let recounted = recounted(&self.partition);
            let cells = |population: &Population| cells(population, dimension).to_vec();
            assert_eq!(cells(self.partition.population()), cells(&recounted), "{dimension:?}");
        }
        assert!(self.partition.timer_count() <= self.partition.user_count(), "a timer a key at the most");
    }

    /// Whoever comes next finds what is committed, and nothing else.
    fn restart(&mut self, settings: EngineSettings) {
        self.partition.discard();
        let position = |source: Source| InputPosition { topic: source.as_str().into(), ..InputPosition::default() };
        let mut record = PartitionRecord { inputs: Source::ALL.map(position).to_vec(), ..PartitionRecord::default() };
        self.partition.fill_record(&mut record);
        let record = PartitionRecord::decode(&record.encode()).unwrap();
        let mut restored = Partition::new(Engine::new(settings.clone()).unwrap());
        for (key, value) in self.partition.users().snapshot() {
            restored.restore_user(&key, Some(&value)).unwrap();
        }
        restored.restore_position(&record).unwrap();
        (self.partition, self.settings) = (restored, settings);
        self.rewind();
    }

    fn rewind(&mut self) {
        self.next = self.committed;
        self.in_hand = Done::default();
    }

    fn handle(&mut self, event: &Event) {
        let effects = &mut self.in_hand.effects;
        match self.partition.handle_event(Input(event.source as u8), event, &coordinates(0), effects).unwrap() {
            Handled::TimersFirst => self.commit(),
            Handled::Done(disposition) => {
                self.in_hand.dispositions.push(disposition);
                self.next += 1;
            }
        }
    }

    /// Handles all events. Before the event `new_rules.0`, and after what came before it is committed, the rules
    /// change.
    fn run(&mut self, events: &[Event], mut deeds: impl Iterator<Item = Deed>, new_rules: (usize, Rules)) {
        let (at, rules) = new_rules;
        let mut rules = Some(rules);
        while self.next < events.len() {
            self.befall(deeds.next().unwrap_or(Deed::Nothing));
            if self.next == at
                && let Some(rules) = rules.take()
            {
                self.commit();
                self.restart(EngineSettings { rules, ..self.settings.clone() });
            }
            self.handle(&events[self.next]);
        }
        self.commit();
    }
}

fn recounted(partition: &Partition) -> Population {
    let mut population = Population::default();
    for (key, value) in partition.users().snapshot() {
        if std::str::from_utf8(&key).is_err() {
            continue;
        }
        let header = Header::read(&value).unwrap();
        let tier = header.tier.map_or(0, |tier| usize::from(tier.0));
        for (dimension, cell) in [(Dimension::Tier, tier), (Dimension::Stage, header.stage as usize)] {
            let mut cells = population.cells(dimension).to_vec();
            cells.resize(cells.len().max(cell + 1), 0);
            cells[cell] += 1;
            population.set(dimension, cells);
        }
    }
    population
}

/// Of a dimension, but for the empty ones at the end.
fn cells(population: &Population, dimension: Dimension) -> &[u64] {
    let cells = population.cells(dimension);
    let last = cells.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
    &cells[..last]
}

fn body() -> impl Strategy<Value = Body> {
    let payment = || Body::PaymentCompleted { amount: 5, scene: None, merchant: None, coupon: None, auto: false };
    let time = || (0..300 * DAY_MS).prop_map(|ms| Timestamp::of_millis(START + ms));
    prop_oneof![
        8 => Just(payment()),
        2 => (time(), any::<bool>()).prop_map(|(original_time, full)| Body::PaymentRefunded {
            original: None, original_time, amount: 5, full, auto: false
        }),
        1 => (prop::option::of((0..2u64).prop_map(Token)), time())
            .prop_map(|(loan, due)| Body::LoanDueScheduled { loan, due }),
        1 => Just(Body::UserRegistered),
        1 => Just(Body::UserErased),
        1 => Just(Body::Unknown),
        2 => Just(Body::AppLogin),
    ]
}

/// Events in the order of their times, but for some; some come twice, some of those under another time.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let late = prop_oneof![6 => Just(0), 2 => 0..5 * HOUR_MS, 1 => 0..200 * DAY_MS];
    let event = (0..USERS, 0..40 * HOUR_MS, late, prop::sample::select(&Source::ALL[..]), 0..12u64, body());
    prop::collection::vec(event, 1..80).prop_map(|events| {
        let mut clock = START;
        let numbered = events.into_iter().enumerate();
        numbered
            .map(|(i, (user, step, late, source, repeats, body))| {
                // Now and then everybody is silent for months.
                clock += if step < HOUR_MS { 100 * DAY_MS } else { step };
                Event {
                    id: EventId((i as u64).saturating_sub(if repeats == 0 { 3 } else { 0 })),
                    user: UserId::new(&format!("u{user}")).unwrap(),
                    source,
                    time: Timestamp::of_millis(clock - late),
                    channel: source.channel(),
                    origin: Origin::Own,
                    body,
                }
            })
            .collect()
    })
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => Just(Deed::Nothing), 3 => Just(Deed::Commit), 1 => Just(Deed::Abort), 1 => Just(Deed::Crash)
    ];
    prop::collection::vec(deed, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_that_befalls_a_lane_shows(
        events in events(),
        deeds in deeds(),
        slice in 1..4usize,
        silent_after in prop::option::of(2 * HOUR_MS..60 * DAY_MS),
        change_at in 0..100usize,
    ) {
        let settings = |max_effects| EngineSettings {
            silent_after_ms: vec![None, silent_after, None, None],
            max_effects,
            ..settings(Rules::default())
        };
        let mut stricter = Rules { generation: 2, hold_days: 3, min_silence_days: 20.0, ..Rules::default() };
        stricter.rungs[1].active_days = 2;

        let mut undisturbed = Lane::new(settings(100_000));
        undisturbed.run(&events, std::iter::empty(), (change_at, stricter.clone()));
        let mut disturbed = Lane::new(settings(slice));
        disturbed.run(&events, deeds.into_iter(), (change_at, stricter));
        prop_assert_eq!(&undisturbed.done, &disturbed.done);
        prop_assert_eq!(undisturbed.partition.users().snapshot(), disturbed.partition.users().snapshot());
    }
}
