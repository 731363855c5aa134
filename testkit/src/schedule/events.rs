//! What users do, and what goes wrong on the way: late, twice, astray, broken.

use std::collections::VecDeque;

use serde_json::json;
use tideline::domain::{Input, PartitionId, Partitioner};

use super::Counts;
use super::dice::Dice;
use crate::lane_world::{APP, DAY_MS, HOUR_MS, MERCHANT, START_MS, Told, World};

/// What must go wrong with some events.
pub const CLASSES: [&str; 7] = ["twice", "late", "astray", "broken", "too old", "future", "erased"];

const USERS: u64 = 30;

/// Events of a few users whose time goes on, one after the other.
pub struct Feed {
    dice: Dice,
    now_ms: i64,
    made: u64,
    /// What may be told again before it is forgotten.
    recent: VecDeque<(Input, Told)>,
    payments: VecDeque<(String, i64)>,
    /// All that was produced, in order: what a run to which nothing happens is given, each where its user lives.
    pub told: Vec<(Input, String, Vec<u8>)>,
    pub counts: Counts,
}

impl Feed {
    pub fn new(dice: Dice) -> Self {
        Self {
            dice,
            now_ms: START_MS,
            made: 0,
            recent: VecDeque::new(),
            payments: VecDeque::new(),
            told: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// `count` events in order of time, each where it belongs, none twice.
    pub fn ordered(world: &World, dice: &mut Dice, count: usize) -> Self {
        let mut feed = Self::new(Dice::new(dice.roll()));
        for _ in 0..count {
            let (input, event) = feed.event();
            feed.tell(world, input, &event);
        }
        feed
    }

    /// The same, with these inputs where another partitioner puts users.
    pub fn ordered_elsewhere(world: &World, dice: &mut Dice, count: usize, inputs: &[Input]) -> Self {
        let mut feed = Self::new(Dice::new(dice.roll()));
        for _ in 0..count {
            let (input, event) = feed.event();
            if !inputs.contains(&input) {
                feed.tell(world, input, &event);
                continue;
            }
            let (user, value) = (event.user.clone(), event.json().to_string().into_bytes());
            let partition = Partitioner::Consistent.partition_of(user.as_bytes(), world.options.partitions);
            world.produce(input, Some(partition), Some(user.as_bytes()), &value);
            feed.told.push((input, user, value));
        }
        feed
    }

    /// Puts an event where its user's events belong.
    fn tell(&mut self, world: &World, input: Input, event: &Told) {
        world.feed(input, event);
        self.told.push((input, event.user.clone(), event.json().to_string().into_bytes()));
    }

    /// Puts a record on any partition, under a key that is nobody's.
    fn tell_astray(&mut self, world: &World, input: Input, user: &str, value: &[u8]) {
        let partition = PartitionId(self.dice.below(world.options.partitions as u64) as i32);
        world.produce(input, Some(partition), Some(b"somebody"), value);
        self.told.push((input, user.to_owned(), value.to_vec()));
    }

    /// Produces one record.
    pub fn produce(&mut self, world: &World) {
        // Broken, too old and future ones only once every partition has a stream time.
        match self.dice.below(if self.made < 200 { 12 } else { 100 }) {
            0..12 => {
                let (input, event) = self.event();
                self.tell(world, input, &event);
                self.recent.push_back((input, event));
            }
            12..17 => {
                let Some((input, event)) = self.pick_recent() else { return };
                self.count("twice");
                self.tell(world, input, &event);
            }
            17..24 => {
                let (input, event) = self.payment();
                self.count("late");
                let ms = START_MS.max(event.ms - self.dice.below(3 * DAY_MS as u64) as i64);
                let event = Told { ms, ..event };
                self.tell(world, input, &event);
            }
            24..29 => {
                let (input, event) = self.event();
                self.count("astray");
                self.tell_astray(world, input, &event.user, event.json().to_string().as_bytes());
            }
            29..32 => {
                self.count("broken");
                self.tell_astray(world, APP, "somebody", b"{\"id\":");
            }
            32 => {
                let (input, event) = self.payment();
                self.count("too old");
                let event = Told { ms: event.ms - 400 * DAY_MS, ..event };
                self.tell(world, input, &event);
            }
            33 => {
                let (input, event) = self.payment();
                self.count("future");
                let event = Told { ms: event.ms + 40_000 * DAY_MS, ..event };
                self.tell(world, input, &event);
            }
            34 => {
                let user = format!("e{}", self.dice.below(3));
                self.count("erased");
                let event = Told { kind: "user.erased", data: json!({}), ..self.told(&user) };
                self.tell(world, APP, &event);
            }
            _ => {
                let (input, event) = self.event();
                self.tell(world, input, &event);
                self.recent.push_back((input, event));
            }
        }
        if self.recent.len() > 20 {
            self.recent.pop_front();
        }
    }

    fn count(&mut self, what: &'static str) {
        self.counts.add(what, 1);
    }

    fn pick_recent(&mut self) -> Option<(Input, Told)> {
        let at = self.dice.below(self.recent.len().max(1) as u64) as usize;
        self.recent.get(at).cloned()
    }

    /// The next event in order of time.
    fn event(&mut self) -> (Input, Told) {
        self.now_ms += self.dice.below(HOUR_MS as u64) as i64;
        if self.dice.once_in(80) {
            // Many deadlines fall due at once; less than an id is remembered for.
            self.now_ms += 5 * DAY_MS;
            self.recent.clear();
        }
        // Some come back again and again, some hardly ever: of those tiers fall and stages come.
        let user = self.dice.below(USERS).min(self.dice.below(USERS));
        let user = if self.dice.once_in(25) { format!("e{}", self.dice.below(3)) } else { format!("u{user}") };
        let told = self.told(&user);
        match self.dice.below(12) {
            0 => (APP, Told { kind: "app.login", data: json!({}), ..told }),
            1 => (APP, Told { kind: "user.registered", data: json!({}), ..told }),
            2 => (APP, Told { kind: "app.danced", data: json!({}), ..told }),
            3 => {
                let due = told.ms + 10 * DAY_MS;
                (APP, Told { kind: "loan.due_scheduled", data: json!({"due": due, "loan_id": "l"}), ..told })
            }
            4 if !self.payments.is_empty() => {
                let at = self.dice.below(self.payments.len() as u64) as usize;
                let (original, original_ms) = self.payments.remove(at).unwrap();
                let full = self.dice.once_in(2);
                let data = json!({
                    "original_id": original, "original_time": original_ms, "amount": 100, "full": full,
                });
                (MERCHANT, Told { kind: "payment.refunded", data, ..told })
            }
            _ => {
                self.payments.push_back((told.id.clone(), told.ms));
                if self.payments.len() > 50 {
                    self.payments.pop_front();
                }
                (self.dice.pick(&[APP, MERCHANT]), told)
            }
        }
    }

    /// A payment of anybody, now.
    fn payment(&mut self) -> (Input, Told) {
        let user = format!("u{}", self.dice.below(USERS));
        (self.dice.pick(&[APP, MERCHANT]), self.told(&user))
    }

    /// A payment now.
    fn told(&mut self, user: &str) -> Told {
        self.made += 1;
        Told {
            id: format!("x{}", self.made),
            user: user.to_owned(),
            kind: "payment.completed",
            ms: self.now_ms,
            data: json!({"amount": 100, "scene": format!("s{}", self.dice.below(3))}),
        }
    }
}
