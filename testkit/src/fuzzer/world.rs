//! Partitions that fold what was decoded as a lane would, and the books of what went in and what came out.
//!
//! Commits are small and slices of timers smaller, so that their edges are met often. At the end of an episode all
//! silence is played to its end, and a restart from the changelog must find what is held.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tideline::domain::{Body, DAY_MS, Event, HOUR_MS, Input, OutputNames, PartitionId, Source, Timestamp, UserId};
use tideline::emit::{Emitter, Output, OutputFormat};
use tideline::engine::{
    AnnouncementKind, Disposition, Effect, Engine, EngineSettings, Handled, Partition, Previous, Slice,
};
use tideline::ingest::RejectReason;
use tideline::record::Coordinates;
use tideline::rules::Rules;
use tideline::settings::Period;

pub const PARTITIONS: i32 = 4;
/// One a source, and `rekey`.
pub const INPUTS: usize = Source::ALL.len() + 1;
const EPISODE: u64 = 3000;
const COMMIT_EVERY: u64 = 8;
/// More slices than there can be timers at once: beyond it, they don't end.
const MOST_SLICES: usize = 10_000;

/// What became of the records of one input.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub consumed: u64,
    pub applied: u64,
    pub skipped: u64,
    pub duplicate: u64,
    pub suppressed: u64,
    pub rekeyed: u64,
    pub dead: BTreeMap<RejectReason, u64>,
}

impl Book {
    fn came_out(&self) -> u64 {
        let dead: u64 = self.dead.values().sum();
        self.applied + self.skipped + self.duplicate + self.suppressed + self.rekeyed + dead
    }
}

pub struct World {
    pub now: Timestamp,
    pub books: [Book; INPUTS],
    /// Records given from outside.
    pub given: u64,
    engine: Arc<Engine>,
    emitter: Emitter,
    room: Vec<u8>,
    shards: Vec<Shard>,
    sequences: HashMap<UserId, u64>,
    effects: Vec<Effect>,
}

/// A partition, and its changelog with the last value of each key.
struct Shard {
    partition: Partition,
    changelog: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl World {
    pub fn new() -> Self {
        let engine = engine(None);
        let output =
            Output { topics: OutputNames::default(), format: OutputFormat::Json, source: "tideline".to_owned() };
        Self {
            now: start(),
            books: Default::default(),
            given: 0,
            emitter: Emitter::new(engine.rules().rules(), engine.rule_version(), output),
            room: Vec::new(),
            shards: (0..PARTITIONS).map(|_| Shard::new(&engine)).collect(),
            engine,
            sequences: HashMap::new(),
            effects: Vec::new(),
        }
    }

    /// To be called for each record from outside: time goes on.
    pub fn tick(&mut self) -> Result<(), String> {
        if self.given.is_multiple_of(EPISODE) {
            self.end_episode()?;
        }
        self.given += 1;
        self.now = self.now.plus_millis(HOUR_MS);
        Ok(())
    }

    pub fn fold(
        &mut self,
        partition: PartitionId,
        input: Input,
        event: &Event,
        at: &Coordinates,
    ) -> Result<Disposition, String> {
        let shard = &mut self.shards[partition.0 as usize];
        let disposition = shard.fold(input, event, at, &mut self.effects)?;
        self.announced()?;
        if disposition == Disposition::Applied && event.body == Body::UserErased {
            self.sequences.remove(&event.user);
        }
        if self.given.is_multiple_of(COMMIT_EVERY) {
            let shard = &mut self.shards[partition.0 as usize];
            shard.commit();
            if disposition == Disposition::Applied {
                shard.holds(event)?;
            }
        }
        Ok(disposition)
    }

    /// Signals can be written, and each user's are numbered without a gap.
    fn announced(&mut self) -> Result<(), String> {
        for signal in self.effects.drain(..).filter_map(Effect::announcement) {
            let last = self.sequences.entry(signal.user).or_default();
            if signal.sequence != *last + 1 {
                return Err(format!("a user's signal {} follows {last}", signal.sequence));
            }
            *last = signal.sequence;
            let stays = matches!(
                &signal.kind,
                AnnouncementKind::TierChanged { previous: Some(Previous::Tier(previous)), current, .. }
                    if previous == current
            );
            if stays {
                return Err(format!("a change to the same tier: {signal:?}"));
            }
            let value = self.emitter.lend(&signal, &mut self.room, |record| record.value.unwrap_or_default().to_vec());
            serde_json::from_slice::<serde_json::Value>(&value).map_err(|error| format!("{error} in an output"))?;
        }
        Ok(())
    }

    pub fn end_episode(&mut self) -> Result<(), String> {
        let end = self.now.plus_millis(400 * DAY_MS);
        for at in 0..self.shards.len() {
            self.shards[at].advance(end, &mut self.effects)?;
            self.announced()?;
            self.shards[at].restarts_as_it_is(&self.engine)?;
            self.shards[at] = Shard::new(&self.engine);
        }
        self.sequences.clear();
        self.now = start();
        self.balance()
    }

    /// Per input, what was consumed is what came out; and nothing came from nowhere.
    fn balance(&self) -> Result<(), String> {
        for book in &self.books {
            if book.consumed != book.came_out() {
                return Err(format!("the books don't balance: {book:?}"));
            }
        }
        let [sources @ .., _] = &self.books;
        let consumed: u64 = self.books.iter().map(|book| book.consumed).sum();
        let forwarded: u64 = sources.iter().map(|book| book.rekeyed).sum();
        if consumed != self.given + forwarded {
            return Err(format!("{} given and {forwarded} forwarded, but {consumed} consumed", self.given));
        }
        Ok(())
    }
}

impl Shard {
    fn new(engine: &Arc<Engine>) -> Self {
        Self { partition: Partition::new(engine.clone()), changelog: BTreeMap::new() }
    }

    fn fold(
        &mut self,
        input: Input,
        event: &Event,
        at: &Coordinates,
        effects: &mut Vec<Effect>,
    ) -> Result<Disposition, String> {
        for _ in 0..MOST_SLICES {
            match self.partition.handle_event(input, event, at, effects).map_err(|error| error.to_string())? {
                Handled::Done(disposition) => return Ok(disposition),
                Handled::TimersFirst => self.commit(),
            }
        }
        Err("the slices of timers don't end".to_owned())
    }

    fn advance(&mut self, to: Timestamp, effects: &mut Vec<Effect>) -> Result<(), String> {
        for _ in 0..MOST_SLICES {
            let slice = self.partition.handle_time(Some(to), effects).map_err(|error| error.to_string())?;
            self.commit();
            if slice == Slice::Complete {
                return Ok(());
            }
        }
        Err("the slices of timers don't end".to_owned())
    }

    fn commit(&mut self) {
        for change in self.partition.changes() {
            match change.value {
                Some(value) => self.changelog.insert(change.key.to_vec(), value.to_vec()),
                None => self.changelog.remove(change.key),
            };
        }
        self.partition.install();
    }

    /// What was applied is in its user; what was erased is nowhere.
    fn holds(&self, event: &Event) -> Result<(), String> {
        let user = self.partition.users().user(&event.user).map_err(|error| error.to_string())?;
        match user {
            None if event.body == Body::UserErased => Ok(()),
            Some(user) if event.body != Body::UserErased && user.newest >= Some(event.time) => Ok(()),
            user => Err(format!("applied, and yet: {user:?}")),
        }
    }

    /// A restart from the changelog finds the same users, counted alike.
    fn restarts_as_it_is(&self, engine: &Arc<Engine>) -> Result<(), String> {
        let held = self.partition.users().snapshot();
        if !held.iter().map(|(key, value)| (key, value)).eq(&self.changelog) {
            return Err("what is held is not what the changelog has".to_owned());
        }
        let mut restored = Partition::new(engine.clone());
        for (key, value) in &self.changelog {
            restored.restore_user(key, Some(value)).map_err(|error| error.to_string())?;
        }
        let mut record = Default::default();
        self.partition.fill_record(&mut record);
        restored.restore_position(&record).map_err(|error| error.to_string())?;
        if restored.users().snapshot() != held || restored.population() != self.partition.population() {
            return Err("what is restored is not what was held".to_owned());
        }
        Ok(())
    }
}

pub fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T00:00:00Z").expect("a time")
}

/// With the contract's rules, and one that asks for sums and scenes, so that all of a history is looked at.
pub fn engine(silent_after_ms: Option<i64>) -> Arc<Engine> {
    let mut rules = Rules::default();
    rules.rungs[1].amount = 100;
    rules.rungs[1].scenes = 2;
    let settings = EngineSettings {
        rules,
        lateness: Period::of_secs(3_600),
        silent_after_ms: vec![silent_after_ms; INPUTS],
        max_effects: 3,
        emit_from: None,
        retention_ms: 7 * DAY_MS,
        ignore_silent: false,
        partitions: PARTITIONS,
    };
    Engine::new(settings).expect("sound rules")
}
