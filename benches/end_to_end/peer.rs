//! The peer's own scripts: its broker with the loaded topics, its stopwatch for any engine, and its reader of outputs.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use testkit::kafka_cluster::{free_ports, libs};

/// Cores, as `taskset` takes them.
const BROKER_CORE: &str = "0";
const ENGINE_CORE: &str = "1";

pub struct Peer {
    folder: PathBuf,
    work: PathBuf,
    port: u16,
    /// Whether its broker is ours to stop.
    started: bool,
}

/// One run: which engine, on which input, and where its outputs are.
pub struct Run<'a> {
    pub name: &'a str,
    /// The prefix of the input topics.
    pub input: &'a str,
    pub work: Work<'a>,
}

pub enum Work<'a> {
    /// A job of the peer's, by its arguments. Its outputs and its application are named after input and name.
    Own(&'a [&'a str]),
    /// Any command: it is stopped once its group has committed all input and its outputs are still.
    Command { outputs: &'a str, group: &'a str, command: &'a [String] },
}

/// Records in a topic, their bytes (key and value), and bytes on the broker's disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    pub records: u64,
    pub bytes: u64,
    pub disk: u64,
}

impl Peer {
    /// With its broker serving; one that already serves from this folder is left as it is.
    pub fn serve(folder: &Path, work: &Path) -> Self {
        fs::create_dir_all(work).expect("the work folder");
        let folder = folder.canonicalize().expect("the peer's folder");
        let work = work.canonicalize().expect("the work folder");
        let serving = serving_port(&work);
        let port = serving.unwrap_or_else(|| free_ports(1)[0]);
        let peer = Self { folder, work, port, started: serving.is_none() };
        if peer.started {
            // The cleaner sleeps: what was written to a changelog can still be counted afterwards.
            peer.script("serve", &[("BROKER_EXTRA", "log.cleaner.backoff.ms=86400000")]);
        }
        peer
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn work(&self) -> &Path {
        &self.work
    }

    fn script(&self, mode: &str, environment: &[(&str, &str)]) {
        let mut script = Command::new("bash");
        script.arg(self.folder.join("run.sh")).arg(libs()).arg(&self.work).arg(self.port.to_string()).arg(mode);
        script.env("BROKER_CORE", BROKER_CORE).envs(environment.iter().copied());
        assert!(script.status().expect("bash runs").success(), "run.sh {mode} failed");
    }

    /// What its stopwatch says of a run.
    pub fn time(&self, run: &Run<'_>) -> Value {
        let mut stopwatch = Command::new("python3");
        stopwatch.arg(self.folder.join("bench.py")).arg("run").arg("--work").arg(&self.work);
        stopwatch.args(["--bootstrap", &self.bootstrap(), "--name", run.name, "--input", run.input]);
        stopwatch.args(["--core", ENGINE_CORE, "--broker-core", BROKER_CORE]);
        match run.work {
            Work::Own(arguments) => stopwatch.arg("--").args(arguments),
            Work::Command { outputs, group, command } => {
                stopwatch.args(["--out", outputs, "--group", group, "--exec", "--"]).args(command)
            }
        };
        assert!(stopwatch.status().expect("python3 runs").success(), "{} was not timed", run.name);
        let results = fs::read_to_string(self.work.join("results.jsonl")).expect("results");
        let row: Value = serde_json::from_str(results.lines().last().expect("a result")).expect("JSON");
        assert_eq!((&row["name"], &row["input"]), (&run.name.into(), &run.input.into()), "another's result");
        row
    }

    /// What stands in topics, counted by its own reader.
    pub fn written(&self, topics: &[String]) -> Written {
        let mut java = Command::new("java");
        let build = self.work.join("build");
        java.arg("-cp").arg(format!("{0}/bench.jar:{0}/libs/*", build.display()));
        java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "bench.Main", "stats"]);
        java.args(["--bootstrap", &self.bootstrap(), "--topics", &topics.join(",")]);
        let told = java.output().expect("java runs");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let sum = |what: &str| topics.iter().filter_map(|topic| told[topic][what].as_u64()).sum();
        Written { records: sum("records"), bytes: sum("bytes"), disk: sum("disk") }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.started {
            self.script("stop", &[]);
        }
    }
}

/// The port of the broker whose data are in this folder, if it answers.
fn serving_port(work: &Path) -> Option<u16> {
    let properties = fs::read_to_string(work.join("broker/server.properties")).ok()?;
    let (_, rest) = properties.split_once("advertised.listeners=PLAINTEXT://127.0.0.1:")?;
    let port = rest.lines().next()?.parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}
