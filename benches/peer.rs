//! The core against another program: folds what the Kafka Streams peer generates, and compares the outputs with the
//! hash that the peer's README gives. Fails where they differ; says what decoding, merging and folding took.
//!
//! `cargo bench --bench peer -- PEER_FOLDER [h. l. m.]`. Builds the peer, so it needs a JDK 17 and Maven; no broker.
//!
//! A line of the generator's dump is a record: topic, partition, offset, JSON, divided by tabs. Each partition is
//! merged by event time and folded by itself, as it would be live.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and stops at what is amiss"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tideline::domain::{DAY_MS, Event, Input, Origin, PartitionId, Source, Timestamp};
use tideline::engine::{
    Announcement, AnnouncementKind, Disposition, Effect, Engine, EngineSettings, Handled, Partition, Previous,
};
use tideline::ingest::{Decoded, Decoder, Format, InputSpec};
use tideline::merge::{Merge, MergeBounds, NextHead};
use tideline::record::{Coordinates, Header, Message};
use tideline::rules::Rules;
use tideline::settings::Period;

const PARTITIONS: i32 = 4;
/// Events between two commits.
const BATCH: usize = 1000;
const TOPICS: [(&str, Source); 4] = [
    ("app.events", Source::App),
    ("sms.events", Source::Sms),
    ("branch.events", Source::Branch),
    ("merchant.events", Source::Merchant),
];

/// The generator's arguments, by the input's name.
const INPUTS: [(&str, &str); 3] = [
    ("h.", "--seed 1 --events 500000 --users 50000"),
    ("l.", "--seed 2 --events 100000 --users 10000 --late 20"),
    ("m.", "--seed 1 --events 2000000 --users 200000"),
];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some((folder, names)) = arguments.split_first() else {
        println!("left out: no folder of the peer was given (cargo bench --bench peer -- PEER_FOLDER [h. l. m.])");
        return ExitCode::SUCCESS;
    };
    let peer = Peer::build(Path::new(folder));
    let mut agrees = true;
    for (name, arguments) in INPUTS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let dump = peer.dump(name, arguments);
        let mut tally = Tally::default();
        for partition in 0..PARTITIONS {
            fold(&dump, partition, &mut tally);
        }
        agrees &= tally.agrees(name, &peer.hash(name));
    }
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The peer, built below our own build folder.
struct Peer {
    folder: PathBuf,
    build: PathBuf,
}

impl Peer {
    fn build(folder: &Path) -> Self {
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer");
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(folder.join("pom.xml")).arg(format!("-Dout={}", build.display()));
        maven.args(["package", "dependency:copy-dependencies"]);
        maven.arg(format!("-DoutputDirectory={}", build.join("libs").display()));
        assert!(maven.status().unwrap().success(), "the peer doesn't build");
        Self { folder: folder.to_owned(), build }
    }

    fn dump(&self, name: &str, arguments: &str) -> Vec<u8> {
        let file = self.build.join(format!("{name}tsv"));
        let mut java = Command::new("java");
        java.arg("-cp").arg(format!("{0}/bench.jar:{0}/libs/*", self.build.display()));
        java.args(["bench.Main", "gen"]).args(arguments.split(' ')).arg("--dump").arg(&file);
        assert!(java.status().unwrap().success(), "the generator of the peer fails");
        std::fs::read(file).unwrap()
    }

    /// What the table of its README says of an input.
    fn hash(&self, name: &str) -> String {
        let readme = std::fs::read_to_string(self.folder.join("README.md")).unwrap();
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        row.trim_end_matches([' ', '|']).rsplit(' ').next().unwrap().to_owned()
    }
}

/// What came of the records, and the outputs as the peer's `canon` writes them.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, u64>,
    lines: Vec<String>,
    took: Duration,
}

impl Tally {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Reports, and says whether the outputs are the peer's.
    fn agrees(mut self, name: &str, expected: &str) -> bool {
        self.lines.sort_unstable();
        let hash = hex::encode(Sha256::digest(self.lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()));
        let records: u64 = self.counts.values().sum();
        println!("{name} {records} records {:?}, {} outputs", self.counts, self.lines.len());
        println!("{name} {:.0} ns a record to merge, fold and encode", self.took.as_nanos() as f64 / records as f64);
        let verdict = if hash == expected { "as the peer's" } else { "DIFFERENT from the peer's" };
        println!("{name} SHA-256 of the outputs {hash}: {verdict}");
        hash == expected
    }
}

struct Record<'a> {
    offset: i64,
    key: &'a [u8],
    value: &'a [u8],
}

impl Message for Record<'_> {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        Some(self.key)
    }

    fn value(&self) -> Option<&[u8]> {
        Some(self.value)
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }
}

fn fold(dump: &[u8], number: i32, tally: &mut Tally) {
    let settings = EngineSettings {
        rules: Rules::default(),
        lateness: Period::of_secs(3_600),
        silent_after_ms: vec![None; TOPICS.len()],
        max_effects: 500,
        emit_from: None,
        retention_ms: 7 * DAY_MS,
        ignore_silent: false,
        partitions: PARTITIONS,
    };
    let engine = Engine::new(settings).unwrap();
    let mut partition = Partition::new(engine.clone());
    let mut merge = merged(dump, number, tally);
    let mut effects = Vec::new();
    let mut since_commit = 0;
    let started = Instant::now();
    while let NextHead::Ready(input) = merge.next(0) {
        let ((event, at), _) = merge.pop(input).unwrap();
        loop {
            match partition.handle_event(input, &event, &at, &mut effects).unwrap() {
                Handled::TimersFirst => partition.install(),
                Handled::Done(Disposition::Rejected(reject)) => break tally.count(reject.reason.as_str()),
                Handled::Done(disposition) => break tally.count(&format!("{disposition:?}")),
            }
        }
        since_commit += 1;
        if since_commit == BATCH {
            partition.install();
            since_commit = 0;
        }
    }
    partition.install();
    tally.took += started.elapsed();
    let announced = effects.into_iter().filter_map(Effect::announcement);
    tally.lines.extend(announced.map(|announcement| canonical(&announcement, &engine)));
}

/// The partition's events of all topics; every topic is at its end.
fn merged(dump: &[u8], number: i32, tally: &mut Tally) -> Merge<(Event, Coordinates)> {
    let bounds = MergeBounds { buffer_items: usize::MAX, buffer_bytes: usize::MAX, wait_ms: 0 };
    let mut merge = Merge::new(TOPICS.len(), bounds);
    let decoders = TOPICS.map(|(topic, source)| {
        let spec = InputSpec {
            topic: Arc::from(topic),
            source: Some(source),
            origin: Origin::Own,
            format: Format::Json,
            keyed: true,
            max_record: 1 << 20,
            earliest: Timestamp::MIN,
        };
        Decoder::new(spec, PARTITIONS, 0)
    });
    for line in dump.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(4, |&byte| byte == b'\t');
        let [topic, partition, offset, value] = [(); 4].map(|()| parts.next().unwrap());
        let parsed = |bytes| std::str::from_utf8(bytes).unwrap().parse::<i64>().unwrap();
        if parsed(partition) != i64::from(number) {
            continue;
        }
        let input = TOPICS.iter().position(|(name, _)| name.as_bytes() == topic).unwrap();
        let json: serde_json::Value = serde_json::from_slice(value).unwrap();
        let record = Record { offset: parsed(offset), key: json["user_id"].as_str().unwrap().as_bytes(), value };
        match decoders[input].decode(&record, PartitionId(number), None) {
            Decoded::Event { event, .. } => {
                let topic = Arc::clone(&decoders[input].input().topic);
                let at = Coordinates { topic, partition: PartitionId(number), offset: record.offset };
                merge.push(Input(input as u8), Some(event.time), 0, (event, at));
            }
            Decoded::Rekey { .. } => panic!("murmur2 differs from the peer's"),
            Decoded::Reject(reject) => tally.count(reject.reason.as_str()),
        }
    }
    (0..TOPICS.len()).for_each(|input| merge.end(Input(input as u8)));
    merge
}

/// `user|sequence|type|time|reason|previous|current|stage|previous_stage|silent_since`
fn canonical(announcement: &Announcement, engine: &Engine) -> String {
    let millis = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.millis().to_string());
    let (kind, rest) = match &announcement.kind {
        AnnouncementKind::TierChanged { previous, current, .. } => {
            let previous = match previous {
                None => "-",
                Some(Previous::Tier(tier)) => engine.tier_name(*tier),
                Some(Previous::Retired(name)) => name,
            };
            ("tier_changed", format!("{previous}|{}|-|-|-", engine.tier_name(*current)))
        }
        AnnouncementKind::DormancyRisk { stage, previous_stage, silent_since, .. } => {
            let rest = format!("-|-|{}|{}|{}", stage.as_str(), previous_stage.as_str(), millis(*silent_since));
            ("dormancy_risk", rest)
        }
        AnnouncementKind::DormancyCleared { stage, silent_since, .. } => {
            ("dormancy_cleared", format!("-|-|{}|-|{}", stage.as_str(), millis(*silent_since)))
        }
    };
    let (user, sequence, time) = (announcement.user.as_str(), announcement.sequence, announcement.time.millis());
    format!("{user}|{sequence:010}|{kind}|{time}|{}|{rest}", announcement.reason.as_str())
}
