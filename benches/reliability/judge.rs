//! The judgement of a run, from its topics alone, as a read_committed reader finds them once everything has stopped.
//! Partition by partition, so that memory stays bounded: a partition's users are held, its records are not.
//!
//! - Nothing is lost: the partition record stands behind the last record of each input; dead letters and forwarded
//!   records are those that decoding the inputs again gives, each once.
//! - The history of each user is the fold of its events; tier and deadlines follow from it (`fold`).
//! - The outputs about each user are a chain that ends where the state stands (`chain`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tideline::broker::Isolation;
use tideline::broker::kafka::{KafkaMessage, scan_partition};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, Timestamp, UserId, partition_of};
use tideline::emit::header as dead_letter_header;
use tideline::engine::Engine;
use tideline::ingest::{Decoded, Decoder};
use tideline::record::{Message, Offset};
use tideline::state::PartitionRecord;
use tideline::state::codec::{Header, Kind};

use super::chain::{Chain, Names, Output};
use super::fold::{self, Fold};

/// Faults that are told in full.
const TOLD: usize = 10;
/// Partitions judged at a time.
const JUDGES: usize = 2;

/// The users' state in the changelog of a partition, by id.
type States = HashMap<Box<[u8]>, Box<[u8]>>;
/// Where a record stood: input by number, partition, offset.
type Place = (usize, i32, Offset);

/// What was found, summed over partitions.
#[derive(Debug, Default)]
pub struct Judgement {
    pub counts: BTreeMap<&'static str, u64>,
    faults: u64,
    told: Vec<String>,
    /// As decoding the inputs gives them.
    dead: HashSet<Place>,
    forwarded: HashSet<Place>,
}

impl Judgement {
    fn count(&mut self, what: &'static str, by: u64) {
        *self.counts.entry(what).or_default() += by;
    }

    fn fault(&mut self, text: String) {
        self.faults += 1;
        if self.told.len() < TOLD {
            self.told.push(text);
        }
    }

    fn add(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(what, count)| self.count(what, count));
        self.faults += other.faults;
        self.told.extend(other.told.into_iter().take(TOLD.saturating_sub(self.told.len())));
        self.dead.extend(other.dead);
        self.forwarded.extend(other.forwarded);
    }

    /// Prints; whether all holds.
    pub fn print(&self) -> bool {
        for (what, count) in &self.counts {
            println!("  {count:>12} {what}");
        }
        println!("  {:>12} faults", self.faults);
        self.told.iter().for_each(|fault| println!("    {fault}"));
        self.faults == 0
    }
}

/// What judges of all partitions share.
struct Court<'a> {
    config: &'a Config,
    engine: Arc<Engine>,
    decoders: Vec<Decoder>,
    now: Timestamp,
}

/// Judges what an application has written. `now`: nothing that was fed lies after it.
pub fn judge(config: &Config, now: Timestamp) -> Judgement {
    let engine = Engine::new(config.engine_settings()).expect("sound rules");
    let (partitions, skew_ms) = (config.topics.partitions, config.stream.ingest.max_skew.millis());
    let decoders = config
        .input_specs()
        .into_iter()
        .map(|spec| Decoder::new(spec, partitions, skew_ms).partitioned_by(config.topics.partitioner))
        .collect();
    let court = Court { config, engine, decoders, now };
    let (next, all) = (AtomicI32::new(0), Mutex::new(Judgement::default()));
    thread::scope(|scope| {
        for _ in 0..JUDGES {
            scope.spawn(|| {
                loop {
                    let partition = next.fetch_add(1, Ordering::Relaxed);
                    if partition >= partitions {
                        return;
                    }
                    let judged = court.partition(PartitionId(partition));
                    all.lock().expect("no judge panics while it holds this").add(judged);
                }
            });
        }
    });
    let mut judgement = all.into_inner().expect("no judge panics while it holds this");
    court.forwarded(&mut judgement);
    court.dead_letters(&mut judgement);
    judgement
}

impl Court<'_> {
    fn partition(&self, partition: PartitionId) -> Judgement {
        let mut judgement = Judgement::default();
        let (states, record) = self.states(partition);
        let fold = self.fold(partition, &record, &mut judgement);
        let rules = self.engine.rules();
        for (user, folded) in fold.users() {
            let fault = match states.get(user.as_bytes()) {
                None => Some("not in the changelog".to_owned()),
                Some(state) => fold::fault(state, folded, &record, rules),
            };
            fault.into_iter().for_each(|fault| judgement.fault(format!("{user:?}: {fault}")));
        }
        judgement.count("users whose history and tier were compared", fold.users().count() as u64);
        judgement.count("users left out of that: erased", fold.erased() as u64);
        judgement.count("duplicates", fold.duplicates);
        judgement.count("skipped records", fold.skipped);
        judgement.count("bytes of users' state", states.values().map(|state| state.len() as u64).sum());
        judgement.count("users held", states.len() as u64);
        let strangers = states.keys().filter(|key| match UserId::new(std::str::from_utf8(key).unwrap_or_default()) {
            None => false,
            Some(user) => !fold.is_erased(&user) && !fold.knows(&user),
        });
        for key in strangers {
            judgement.fault(format!("{} has a state, but no events", String::from_utf8_lossy(key)));
        }
        self.outputs(partition, &states, &fold, &mut judgement);
        judgement
    }

    /// What the changelog holds: the last value of each key, and the partition record.
    fn states(&self, partition: PartitionId) -> (States, PartitionRecord) {
        let (mut states, mut record) = (States::new(), PartitionRecord::default());
        self.read(&self.config.topics.changelog, partition, |message| {
            let key = message.key().unwrap_or_default();
            match message.value() {
                Some(value) if key == PartitionRecord::KEY => {
                    record = PartitionRecord::decode(value).expect("a partition record");
                }
                // Erasures that are remembered stand under a hash.
                Some(value) if Header::read(value).is_ok_and(|header| header.kind == Kind::User) => {
                    states.insert(key.into(), value.into());
                }
                _ => _ = states.remove(key),
            }
        });
        (states, record)
    }

    /// The fold of all that the inputs hold of a partition.
    fn fold(&self, partition: PartitionId, record: &PartitionRecord, judgement: &mut Judgement) -> Fold {
        let mut fold = Fold::new(&self.engine);
        for (input, decoder) in self.decoders.iter().enumerate() {
            let topic = decoder.input().topic.clone();
            let next = record.inputs.get(input).map_or(0, |position| position.next_offset);
            self.read(&topic, partition, |message| {
                let place = (input, partition.0, message.offset());
                judgement.count("records read", 1);
                if message.offset() >= next {
                    judgement.fault(format!("{place:?} was never consumed: the partition stands at {next}"));
                }
                match decoder.decode(&message, partition, Some(self.now)) {
                    Decoded::Event { event, .. } => fold.apply(&event),
                    Decoded::Rekey { .. } => _ = judgement.forwarded.insert(place),
                    Decoded::Reject(_) => _ = judgement.dead.insert(place),
                }
            });
        }
        fold
    }

    fn outputs(&self, partition: PartitionId, states: &States, fold: &Fold, judgement: &mut Judgement) {
        let (mut chains, mut names) = (HashMap::<UserId, Chain>::new(), Names::default());
        let topics = &self.config.topics;
        for topic in OutputTopic::announcements().map(|output| &topics.outputs[output]) {
            self.read(topic, partition, |message| {
                let output: Output<'_> =
                    serde_json::from_slice(message.value().expect("a value")).expect("an output in JSON");
                judgement.count("outputs", 1);
                if partition_of(output.user_id.as_bytes(), topics.partitions) != partition {
                    judgement.fault(format!("an output in another partition than its user's: {output:?}"));
                }
                let user = UserId::new(output.user_id).expect("a user id");
                chains.entry(user).or_default().add(&output, &mut names);
            });
        }
        let rules = self.engine.rules();
        for (user, chain) in &mut chains {
            let fault = match states.get(user.as_bytes()) {
                _ if fold.is_erased(user) => chain.fault_of_lives(),
                None => Some("outputs about a user without a state".to_owned()),
                Some(state) => match fold::announced(state, rules) {
                    Err(error) => Some(error.to_string()),
                    Ok(held) => chain.fault(&held, &mut names),
                },
            };
            fault.into_iter().for_each(|fault| judgement.fault(format!("{user:?}: {fault}")));
        }
        let silent = |user: &UserId| !fold.is_erased(user) && !chains.contains_key(user);
        for (key, state) in states {
            let user = UserId::new(std::str::from_utf8(key).expect("a user id")).expect("a user id");
            let told = fold::announced(state, rules).map_or(0, |(_, _, sequence)| sequence);
            if told > 0 && silent(&user) {
                judgement.fault(format!("{user:?}: {told} outputs were lost"));
            }
        }
    }

    /// What was to be forwarded stands in `rekey`, each once.
    fn forwarded(&self, judgement: &mut Judgement) {
        use tideline::ingest::header::{OFFSET, PARTITION, TOPIC};
        judgement.count("forwarded records", judgement.forwarded.len() as u64);
        let mut expected = std::mem::take(&mut judgement.forwarded);
        self.match_up(&self.config.topics.rekey, [TOPIC, PARTITION, OFFSET], &mut expected, judgement);
    }

    /// What can't be used is in the dead letters, each once.
    fn dead_letters(&self, judgement: &mut Judgement) {
        use dead_letter_header::{OFFSET, PARTITION, TOPIC};
        judgement.count("dead letters", judgement.dead.len() as u64);
        let mut expected = std::mem::take(&mut judgement.dead);
        self.match_up(
            &self.config.topics.outputs[OutputTopic::DeadLetters],
            [TOPIC, PARTITION, OFFSET],
            &mut expected,
            judgement,
        );
    }

    /// The records of a topic say by their headers where they come from: that must be `expected`, each once.
    fn match_up(&self, topic: &str, headers: [&str; 3], expected: &mut HashSet<Place>, judgement: &mut Judgement) {
        for partition in (0..self.config.topics.partitions).map(PartitionId) {
            self.read(topic, partition, |message| {
                let [from, partition, offset] =
                    headers.map(|name| String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned());
                let input = self.decoders.iter().position(|decoder| *decoder.input().topic == *from);
                let place = input.zip(partition.parse().ok()).zip(offset.parse().ok());
                let place = place.map(|((input, partition), offset)| (input, partition, offset));
                if !place.is_some_and(|place| expected.remove(&place)) {
                    judgement.fault(format!("{topic} has {place:?} twice, or without reason"));
                }
            });
        }
        for place in expected.iter() {
            judgement.fault(format!("{topic} lacks {place:?}"));
        }
    }

    fn read(&self, topic: &str, partition: PartitionId, mut each: impl FnMut(KafkaMessage)) {
        let settings = self.config.kafka_settings();
        let (shown, to) = (Isolation::ReadCommitted, Isolation::ReadUncommitted);
        let mut each = |message| {
            each(message);
            ControlFlow::Continue(())
        };
        scan_partition(&settings, topic, partition, shown, to, &mut each).expect("read a partition");
    }
}
