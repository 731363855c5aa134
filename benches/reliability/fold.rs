//! The fold of what the inputs hold, one topic after the other: an order that no run had. A history must not depend on
//! it.

use std::collections::{HashMap, HashSet};

use tideline::domain::{Body, Event, EventId, Timestamp, UserId, Zone};
use tideline::engine::Engine;
use tideline::rules::{Ruleset, dormancy, tier};
use tideline::state::{Deadlines, PartitionRecord, StateError, User, UserDeadline, codec};

/// The users of one partition, folded anew.
pub struct Fold {
    zone: Zone,
    users: HashMap<UserId, User>,
    /// All of them: in this order a copy can come a week of event time after its original, which users forget.
    told: HashSet<EventId>,
    /// What is left of an erased user depends on what came before its erasure, and so on the order of arrival.
    erased: HashSet<UserId>,
    pub duplicates: u64,
    pub skipped: u64,
}

impl Fold {
    pub fn new(engine: &Engine) -> Self {
        let zone = engine.rules().zone().clone();
        Self { zone, users: HashMap::new(), told: HashSet::new(), erased: HashSet::new(), duplicates: 0, skipped: 0 }
    }

    pub fn apply(&mut self, event: &Event) {
        match event.body {
            Body::Unknown => self.skipped += 1,
            Body::UserErased => _ = self.erased.insert(event.user),
            _ => {
                let user = self.users.entry(event.user).or_default();
                if self.told.insert(event.id) {
                    user.apply(event, &self.zone);
                } else {
                    self.duplicates += 1;
                }
            }
        }
    }

    pub fn is_erased(&self, user: &UserId) -> bool {
        self.erased.contains(user)
    }

    pub fn knows(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    pub fn erased(&self) -> usize {
        self.erased.len()
    }

    /// Those that were never erased.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, &User)> {
        self.users.iter().filter(|(user, _)| !self.is_erased(user))
    }
}

/// What is wrong with a user's state, beside the fold of its events.
pub fn fault(state: &[u8], folded: &User, record: &PartitionRecord, rules: &Ruleset) -> Option<String> {
    let mut held = User::default();
    if let Err(error) = codec::decode_user(state, &mut held) {
        return Some(error.to_string());
    }
    if history(&held) != history(folded) {
        return Some(format!("another history than its events': {:?}, not {:?}", history(&held), history(folded)));
    }
    let as_of = held.newest.max(record.watermark).unwrap_or(Timestamp::MIN);
    let now = tier::tier_on(&held.facts.history, held.facts.registered.at(), rules.zone().day(as_of), rules);
    if now.tier != held.announced_tier() {
        return Some(format!("announced as {:?}, but {:?} as of {as_of}", held.announced_tier(), now.tier));
    }
    let mut deadlines = Deadlines::default();
    deadlines.set(UserDeadline::Tier, now.until);
    deadlines.set(UserDeadline::Stage, dormancy::next_stage(&held, rules).map(|(due, _)| due));
    if held.deadlines != deadlines {
        return Some(format!("deadlines {:?}, but {deadlines:?} as of {as_of}", held.deadlines));
    }
    let due = deadlines.next().filter(|due| Some(*due) <= record.watermark);
    due.map(|due| format!("a deadline at {due} passed in silence"))
}

/// What the events alone leave, in whatever order they came.
fn history(user: &User) -> User {
    User { newest: user.newest, facts: user.facts.clone(), ..User::default() }
}

/// A user's announced tier by name, its stage and its sequence.
pub fn announced(state: &[u8], rules: &Ruleset) -> Result<(String, String, u64), StateError> {
    let mut held = User::default();
    codec::decode_user(state, &mut held)?;
    let tier = rules.tier_name(held.announced_tier()).to_owned();
    Ok((tier, held.stage.as_str().to_owned(), held.sequence))
}
