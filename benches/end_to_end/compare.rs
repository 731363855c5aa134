//! tideline, the Kafka Streams peer and a bare loop in turn, on one broker with the same topics. An engine has a core,
//! the broker the other one; each is timed by the peer's stopwatch, which ends it once all input is committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::peer::{Peer, Run, Work, Written};
use super::report;
use testkit::application::output_keys;

/// Prefixes of the loaded inputs: 0.5 M events of 50,000 users, 2 M of 200,000.
const HALF: &str = "h.";
const MILLIONS: &str = "m.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Tideline,
    Bare,
    PeerOnDisk,
    PeerInMemory,
}

impl Engine {
    pub const ALL: [Self; 4] = [Self::Tideline, Self::Bare, Self::PeerOnDisk, Self::PeerInMemory];

    fn name(self) -> &'static str {
        match self {
            Self::Tideline => "tideline",
            Self::Bare => "bare",
            Self::PeerOnDisk => "peer-rocksdb",
            Self::PeerInMemory => "peer-memory",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Tideline => "tideline",
            Self::Bare => "bare rdkafka loop",
            Self::PeerOnDisk => "Kafka Streams, RocksDB",
            Self::PeerInMemory => "Kafka Streams, in memory",
        }
    }
}

/// One engine on one input.
#[derive(Debug, Clone)]
pub struct Measured {
    pub records: f64,
    pub cpu_s: f64,
    pub wall_s: f64,
    pub resident_mib: f64,
    pub broker_cpu_s: f64,
    pub outputs: u64,
    /// Of the outputs, in canonical form; none where they can't be read.
    pub hash: Option<String>,
    pub changelog: Written,
}

/// An engine on both inputs, or on one.
#[derive(Debug, Clone)]
pub struct Row {
    pub engine: Engine,
    pub half: Option<Measured>,
    pub millions: Option<Measured>,
}

/// Measures on `h`, `m` or `both`; whether tideline's outputs are the peer's.
pub fn run(folder: &Path, work: &Path, which: &str) -> bool {
    let inputs: &[&str] = match which {
        "h" => &[HALF],
        "m" => &[MILLIONS],
        _ => &[HALF, MILLIONS],
    };
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let peer = Peer::serve(folder, work);
    let mut rows = Engine::ALL.map(|engine| Row { engine, half: None, millions: None });
    for &input in inputs {
        for row in &mut rows {
            let measured = measure(&peer, row.engine, input, stamp);
            *(if input == HALF { &mut row.half } else { &mut row.millions }) = Some(measured);
        }
    }
    report::print_and_file(&rows, &format!("compare PEER_FOLDER WORKDIR {which}"))
}

/// Names are new for each run: topics and groups of earlier ones may still be there.
fn measure(peer: &Peer, engine: Engine, input: &str, stamp: u64) -> Measured {
    let name = format!("{}-{stamp}", engine.name());
    let (outputs, group) = (format!("{input}{name}."), format!("{input}{name}"));
    let time = |work: Work<'_>| peer.time(&Run { name: &name, input, work });
    let own_changelogs = || ["users", "timers"].map(|store| format!("{group}-{store}-changelog")).to_vec();
    let prepared = |command: &dyn Fn(PathBuf) -> Vec<String>| {
        let config = prepare(peer, &outputs, &group, input);
        let told = time(Work::Command { outputs: &outputs, group: &group, command: &command(config) });
        (told, vec![format!("{outputs}changelog")])
    };
    let (told, changelogs) = match engine {
        Engine::Tideline => prepared(&|config| {
            [env!("CARGO_BIN_EXE_tideline"), "run", "--config"]
                .map(str::to_owned)
                .into_iter()
                .chain([text(&config)])
                .collect()
        }),
        Engine::Bare => {
            let this = std::env::current_exe().expect("this program has a path");
            prepared(&|config| vec![text(&this), "bare".to_owned(), text(&config)])
        }
        Engine::PeerOnDisk => (time(Work::Own(&["--cache-mb", "0"])), own_changelogs()),
        Engine::PeerInMemory => (time(Work::Own(&["--store", "memory", "--cache-mb", "0"])), own_changelogs()),
    };
    let number = |name: &str| told[name].as_f64().unwrap_or_else(|| panic!("no {name} in {told}"));
    Measured {
        records: number("records"),
        cpu_s: number("cpu_s"),
        wall_s: number("wall_s"),
        resident_mib: number("rss_mb"),
        broker_cpu_s: number("broker_cpu_s"),
        outputs: told["canon"]["outputs"].as_u64().unwrap_or_default(),
        hash: told["canon"]["hash"].as_str().filter(|_| told["canon"]["broken"] == 0).map(str::to_owned),
        changelog: peer.written(&changelogs),
    }
}

/// A configuration on the peer's topics, with outputs of its own, which are created. All else is as the program has it;
/// but that the events' year is over must not move the clock.
fn prepare(peer: &Peer, outputs: &str, group: &str, input: &str) -> PathBuf {
    let sources = ["app", "sms", "branch", "merchant"];
    let inputs =
        sources.map(|source| format!("[[inputs]]\ntopic = \"{input}{source}.events\"\nsource = \"{source}\"\n"));
    let keys = output_keys(outputs);
    let text = format!(
        r#"
application.id = "{group}"
kafka.bootstrap = "{}"
stream.idle_after = "300d"
telemetry.listen = "127.0.0.1:0"

[topics]
partitions = 4
{keys}
rekey = "{outputs}rekey"
changelog = "{outputs}changelog"
output_retention = "3650d"

{}"#,
        peer.bootstrap(),
        inputs.concat()
    );
    let file = peer.work().join(format!("{group}.toml"));
    fs::write(&file, text).expect("write a configuration");
    let mut topics = Command::new(env!("CARGO_BIN_EXE_tideline"));
    let created = topics.args(["topics", "--create", "--config"]).arg(&file).output().expect("tideline starts");
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    file
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
