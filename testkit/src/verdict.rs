//! What an application is fed, what it must make of it, and the judgement: promise 1, as a read_committed reader sees
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::Command;

use serde_json::Value;
use tideline::broker::kafka::PlainProducer;
use tideline::domain::{PartitionId, Source};
use tideline::generate::{Disorder, Generator, Settings};
use tideline::record::Outgoing;

use crate::application::{Application, Process};
use crate::journey;
use crate::places::program;

/// Where watermarks move at the end of generated events: behind all of them, before the clock.
const UNTIL: &str = "2026-11-01T00:00:00Z";

/// What is fed.
#[derive(Debug, Clone)]
pub enum Events {
    /// The realistic year of `tests/journey`.
    Journey,
    Generated(Settings),
}

impl Events {
    /// In order and whole, so that outputs don't depend on how they are shared out.
    pub fn generated(users: u32, records: u64, days: u32) -> Self {
        let disorder = Disorder { late: 0.0, duplicates: 0.0, bad: 0.0 };
        Self::Generated(Settings { users, records, days, disorder, ..Settings::default() })
    }

    pub fn until(&self) -> &'static str {
        match self {
            Self::Journey => journey::UNTIL,
            Self::Generated(_) => UNTIL,
        }
    }

    pub fn count(&self) -> u64 {
        match self {
            Self::Journey => journey::EVENTS,
            Self::Generated(settings) => settings.records,
        }
    }

    /// Hands over each event in order of arrival (the journey: source by source): source, user, line.
    pub fn each(&self, mut take: impl FnMut(Source, &str, &[u8])) {
        match self {
            Self::Journey => {
                for name in journey::SOURCES {
                    let source = Source::parse(name).expect("a source");
                    for line in journey::events(name).lines() {
                        let event: Value = serde_json::from_str(line).expect("an event");
                        take(source, event["user_id"].as_str().expect("a user"), line.as_bytes());
                    }
                }
            }
            Self::Generated(settings) => {
                for record in Generator::new(settings.clone()) {
                    take(record.source, &record.user.to_string(), &record.value);
                }
            }
        }
    }

    /// Writes them to the inputs, keyed by user, as any producer of events would.
    pub fn feed(&self, application: &Application) {
        self.feed_by(application, |user| (None, user.to_owned()));
    }

    /// Writes them where `route` has them go, by user: to which partition (else the key decides), under which key.
    pub fn feed_by(&self, application: &Application, route: impl Fn(&str) -> (Option<PartitionId>, String)) {
        self.feed_where(application, |_, user| route(user));
    }

    /// The same, by source too.
    pub fn feed_where(&self, application: &Application, route: impl Fn(Source, &str) -> (Option<PartitionId>, String)) {
        let producer = PlainProducer::new(application.settings()).expect("a producer");
        self.each(|source, user, line| {
            // An application may read some of the sources only.
            let of_source = application.config.inputs.iter().find(|input| input.source == source);
            let Some(input) = of_source else { return };
            let (partition, key) = route(source, user);
            let record = Outgoing {
                topic: input.topic.as_str().into(),
                partition,
                key: Some(key.into()),
                value: Some(line.into()),
                headers: Vec::new(),
                timestamp: None,
            };
            producer.send(&record).expect("send");
        });
        producer.flush().expect("flush");
    }

    /// Runs an instance alone until all is read and due, and judges everything written by anyone so far.
    pub fn finish(&self, application: &Application, instance: &str) {
        self.finish_by(application, &[instance]);
    }

    /// The same by several, none of which gets a partition of another.
    pub fn finish_by(&self, application: &Application, instances: &[&str]) {
        let start = |instance: &&str| application.start_fast_until(instance, self.until());
        let running: Vec<_> = instances.iter().map(start).collect();
        running.into_iter().for_each(Process::succeed);
        self.judge(application);
    }

    /// Promise 1, and outputs equal to those of a run without faults.
    pub fn judge(&self, application: &Application) {
        assert_eq!(application.dead_letters(), 0, "every event can be used");
        let outputs = application.outputs();
        check_sequences(&outputs, &self.lives());
        match self {
            Self::Journey => journey::check_outputs(outputs),
            Self::Generated(_) => check_equal(outputs, self.replayed(application)),
        }
    }

    /// Of users that are erased: how many lives they have at most.
    pub fn lives(&self) -> BTreeMap<String, usize> {
        const ERASED: &[u8] = br#""type":"user.erased""#;
        let mut lives = BTreeMap::new();
        self.each(|_, user, line| {
            if line.windows(ERASED.len()).any(|part| part == ERASED) {
                *lives.entry(user.to_owned()).or_insert(1) += 1;
            }
        });
        lives
    }

    /// What the program makes of the same events in files, without a broker.
    fn replayed(&self, application: &Application) -> Vec<Value> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |source: Source| folder.path().join(format!("{}.jsonl", source.as_str()));
        let mut files: BTreeMap<Source, BufWriter<File>> = BTreeMap::new();
        for input in &application.config.inputs {
            let file = File::create(path(input.source)).expect("create a file");
            files.insert(input.source, BufWriter::new(file));
        }
        self.each(|source, _, line| {
            let Some(file) = files.get_mut(&source) else { return };
            file.write_all(line).and_then(|()| file.write_all(b"\n")).expect("write an event");
        });
        let mut replay = Command::new(program());
        replay.args(["replay", "--until", self.until(), "--config"]).arg(application.config_file("replay", ""));
        for (source, file) in files {
            file.into_inner().expect("write events");
            replay.arg("--input").arg(format!("{}={}", source.as_str(), path(source).display()));
        }
        let output = replay.output().expect("tideline starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// Per user no gap and no repeat in the sequence. A user that was erased begins anew: each number comes at most once
/// for each of its `lives` (one, if it isn't named), and never more often than the one before it.
pub fn check_sequences(outputs: &[Value], lives: &BTreeMap<String, usize>) {
    let mut users = BTreeMap::<&str, (BTreeMap<u64, usize>, BTreeSet<(&str, &str)>)>::new();
    for output in outputs {
        let text = |field: &str| output[field].as_str().unwrap_or_else(|| panic!("{output} has no {field}"));
        let (numbers, seen) = users.entry(text("user_id")).or_default();
        *numbers.entry(output["sequence"].as_u64().expect("a sequence")).or_default() += 1;
        // An id alone may come again in another life, once the erasure before it is forgotten, too.
        assert!(seen.insert((text("id"), text("time"))), "a repeat: {output}");
    }
    for (user, (numbers, _)) in users {
        let mut at_most = lives.get(user).copied().unwrap_or(1);
        for (expected, (&number, &count)) in (1..).zip(&numbers) {
            assert_eq!(number, expected, "{user} has a gap: {numbers:?}");
            assert!(count <= at_most, "{user} has a gap or a repeat at {number}: {numbers:?}");
            at_most = count;
        }
    }
}

/// The same outputs about each user, in the same order, but for what depends on partitions.
pub fn check_equal(got: Vec<Value>, expected: Vec<Value>) {
    let (got, expected) = (by_user(got), by_user(expected));
    for (user, expected) in &expected {
        assert_eq!(got.get(user), Some(expected), "{user}");
    }
    assert_eq!(got.len(), expected.len(), "users of whom nothing was expected");
}

fn by_user(outputs: Vec<Value>) -> BTreeMap<String, Vec<Value>> {
    let mut users = BTreeMap::<_, Vec<Value>>::new();
    for mut output in outputs {
        let fields = output.as_object_mut().expect("an object");
        fields.remove("topic");
        fields.remove("cause");
        users.entry(output["user_id"].as_str().expect("a user").to_owned()).or_default().push(output);
    }
    // An erased user that comes back begins its sequence anew.
    let order = |output: &Value| (output["sequence"].as_u64(), output["time"].as_str().map(str::to_owned));
    users.values_mut().for_each(|outputs| outputs.sort_by_key(order));
    users
}
