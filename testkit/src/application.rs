//! An application of its own on a broker, run as its user runs it: processes of the program, which a test kills, pauses
//! and replaces, and what they have written. What that must be, `events` says; whether it is, `verdict`.
//!
//! Each process has an instance (its stable member and transactional ids) and a log of each of its starts.

use std::cell::Cell;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tideline::broker::Isolation;
use tideline::broker::kafka::admin::{Admin, TopicStep, plan, wishes};
use tideline::broker::kafka::{GroupProtocol, KafkaBroker, KafkaMessage, KafkaSettings, read_partition};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, Source};
use tideline::record::{Message, Offset};

use crate::kafka_cluster::{Cluster, unique};
use crate::places::program;

/// The longest that a test waits for one thing.
pub const PATIENCE: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(5);

/// How an application is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the program connects: a proxy's address, maybe.
    pub bootstrap: String,
    /// Where the test itself writes and reads.
    pub direct: String,
    pub group_protocol: GroupProtocol,
    pub sources: Vec<Source>,
    /// More of each input's keys (TOML).
    pub of_each_input: String,
    /// Laid over the rest.
    more: toml::Table,
}

impl Setup {
    pub fn on(cluster: &Cluster, group_protocol: GroupProtocol) -> Self {
        let bootstrap = cluster.bootstrap_servers();
        Self {
            direct: bootstrap.clone(),
            bootstrap,
            group_protocol,
            sources: Source::ALL.into(),
            of_each_input: String::new(),
            more: toml::Table::new(),
        }
    }

    /// The program reaches the broker there; the test itself doesn't take that way.
    pub fn through(mut self, address: &dyn Display) -> Self {
        self.bootstrap = address.to_string();
        self
    }

    /// With these keys of the configuration (TOML) on top of all others.
    pub fn with(mut self, toml: &str) -> Self {
        overlay(&mut self.more, toml.parse().expect("sound TOML"));
        self
    }

    pub fn lanes(self, lanes: usize) -> Self {
        self.with(&format!("application.lanes = {lanes}"))
    }

    /// Short sessions and small transactions, so that a fault finds something to break; the idle clock never ticks, so
    /// that outputs depend on the input alone.
    fn table(&self, id: &str) -> toml::Table {
        let topic = |source: &Source| format!("{id}.{}", source.as_str());
        let inputs: String = self
            .sources
            .iter()
            .map(|source| {
                let (topic, source, more) = (topic(source), source.as_str(), &self.of_each_input);
                format!("[[inputs]]\ntopic = \"{topic}\"\nsource = \"{source}\"\n{more}\n")
            })
            .collect();
        let outputs = output_keys(&format!("{id}."));
        let text = format!(
            r#"
            application.id = "{id}"
            stream = {{ batch_records = 500, idle_after = "1d" }}
            telemetry = {{ listen = "127.0.0.1:0", log_format = "json" }}
            [kafka]
            bootstrap = "{}"
            group_protocol = "{}"
            session_timeout = "2s"
            heartbeat_interval = "300ms"
            transaction_timeout = "10s"
            call_timeout = "3s"
            [topics]
            {outputs}
            rekey = "{id}.rekey"
            changelog = "{id}.changelog"
            {inputs}
            "#,
            self.bootstrap,
            self.group_protocol.as_str(),
        );
        let mut table = text.parse().expect("sound TOML");
        overlay(&mut table, self.more.clone());
        table
    }
}

fn overlay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => overlay(under, over),
            (_, value) => _ = under.insert(key, value),
        }
    }
}

pub struct Application {
    /// As the test itself connects.
    pub config: Config,
    table: toml::Table,
    folder: tempfile::TempDir,
    starts: Cell<u32>,
}

impl Application {
    /// Creates its topics.
    pub fn new(setup: &Setup) -> Self {
        let table = setup.table(&unique("application"));
        let mut direct = table.clone();
        overlay(&mut direct, format!("kafka.bootstrap = \"{}\"", setup.direct).parse().expect("sound TOML"));
        let config = Config::parse("test", &direct.to_string()).expect("a sound configuration");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let application = Self { config, table, folder, starts: Cell::new(0) };
        application.create_topics();
        application
    }

    fn create_topics(&self) {
        let admin = Admin::new(self.settings()).expect("an administration client");
        let with = self.config.topic_settings();
        let wished = wishes(&self.config.topic_names(), &with);
        for wish in &wished {
            admin.create(wish, &with, self.config.topics.partitions).expect("create a topic");
        }
        // A topic is known to all brokers a little after its creation.
        let names: Vec<_> = wished.iter().map(|wish| wish.name.clone()).collect();
        await_that("the topics are there", || {
            let steps = plan(&wished, &admin.describe(&names).expect("describe topics"));
            steps.iter().all(|step| matches!(step, TopicStep::Note(_)))
        });
    }

    pub fn settings(&self) -> KafkaSettings {
        self.config.kafka_settings()
    }

    pub fn broker(&self) -> KafkaBroker {
        KafkaBroker::new(self.settings(), self.config.topic_names()).expect("sound settings")
    }

    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.config.topics.partitions).map(PartitionId)
    }

    /// Every process started from now on has these keys (TOML) on top.
    pub fn lay_over(&mut self, toml: &str) {
        overlay(&mut self.table, toml.parse().expect("sound TOML"));
    }

    /// A process that runs until it is told to stop.
    pub fn start(&self, instance: &str) -> Process {
        self.launch(instance, &["run"], "")
    }

    /// The same, with these keys on top.
    pub fn start_with(&self, instance: &str, with: &str) -> Process {
        self.launch(instance, &["run"], with)
    }

    /// A process that runs until every input is at its end; then its watermarks move there.
    pub fn start_until(&self, instance: &str, until: &str) -> Process {
        self.launch(instance, &["run", "--until-end", "--until", until], "")
    }

    /// A process that runs until every input is at its end, and leaves the watermarks where they are.
    pub fn start_to_end(&self, instance: &str) -> Process {
        self.launch(instance, &["run", "--until-end"], "")
    }

    /// The same, and as fast as it can.
    pub fn start_fast_until(&self, instance: &str, until: &str) -> Process {
        self.launch(instance, &["run", "--until-end", "--until", until], "stream.batch_records = 20000")
    }

    fn launch(&self, instance: &str, args: &[&str], with: &str) -> Process {
        self.starts.set(self.starts.get() + 1);
        let file = self.config_file(instance, with);
        let log = self.folder.path().join(format!("{:03}-{instance}.log", self.starts.get()));
        let child = Command::new(program())
            .args(args)
            .arg("--config")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("create a log"))
            .spawn()
            .expect("tideline starts");
        Process { child, log, instance: instance.to_owned() }
    }

    /// The configuration of an instance, with these keys on top, as a file.
    pub fn config_file(&self, instance: &str, with: &str) -> PathBuf {
        let mut table = self.table.clone();
        overlay(&mut table, with.parse().expect("sound TOML"));
        overlay(&mut table, format!("application.instance = \"{instance}\"").parse().expect("sound TOML"));
        let file = self.folder.path().join(format!("{instance}.toml"));
        fs::write(&file, table.to_string()).expect("write the configuration");
        file
    }

    /// How many records of the inputs are committed, `rekey` not counted.
    pub fn progress(&self, broker: &KafkaBroker) -> u64 {
        let rekey = self.config.topic_names().rekey_input();
        let committed = |partition| broker.last_committed(partition).expect("last committed offsets");
        let own = self.partitions().flat_map(committed).filter(|committed| committed.input != rekey);
        own.map(|committed| committed.offset).sum::<Offset>().unsigned_abs()
    }

    /// What is committed in a partition, once nothing is open there.
    pub fn committed(&self, topic: &str, partition: PartitionId) -> Vec<KafkaMessage> {
        let (shown, to) = (Isolation::ReadCommitted, Isolation::ReadUncommitted);
        read_partition(&self.settings(), topic, partition, shown, to).expect("read a partition")
    }

    /// The values of a topic of JSON, as a read_committed reader sees them.
    pub fn read(&self, topic: &str) -> Vec<Value> {
        let told = self.partitions().flat_map(|partition| self.told(topic, partition));
        told.map(|record| serde_json::from_slice(record.value().expect("a value")).expect("JSON")).collect()
    }

    /// What is committed, but for what only ends that which a broker left hanging.
    fn told(&self, topic: &str, partition: PartitionId) -> impl Iterator<Item = KafkaMessage> {
        let ends =
            |it: &KafkaMessage| it.value().is_none() && it.key().is_some_and(|key| key.starts_with(b"released-"));
        self.committed(topic, partition).into_iter().filter(move |record| !ends(record))
    }

    pub fn outputs(&self) -> Vec<Value> {
        let topics = &self.config.topics;
        OutputTopic::announcements().map(|output| &topics.outputs[output]).flat_map(|topic| self.read(topic)).collect()
    }

    pub fn dead_letters(&self) -> usize {
        self.partitions()
            .map(|partition| self.told(&self.config.topics.outputs[OutputTopic::DeadLetters], partition).count())
            .sum()
    }
}

impl Drop for Application {
    /// Whoever looks into a failed test wants the logs.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("the logs of the processes are kept in {}", self.folder.path().display());
        }
    }
}

/// A process of the program. Dropped, it is killed.
pub struct Process {
    child: Child,
    log: PathBuf,
    pub instance: String,
}

impl Process {
    /// `kill -9`; returns when it is gone.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// `kill -9` at this very moment.
    pub fn kill_now(&mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("our child");
    }

    /// SIGTERM; waits for a clean end.
    pub fn stop(self) {
        self.signal("TERM");
        self.succeed();
    }

    /// The number by which the system knows it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "no process to signal");
    }

    /// Waits for its end, which must be a success.
    pub fn succeed(mut self) {
        let mut status = None;
        await_that(&format!("{} ends", self.instance), || {
            status = self.ended();
            status.is_some()
        });
        assert!(
            status.is_some_and(|status| status.success()),
            "{} ended with {status:?}:\n{}",
            self.instance,
            self.log()
        );
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("read a log")
    }

    /// Where its pages are, once it says so.
    pub fn address(&self) -> Option<SocketAddr> {
        let of_line = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["address"].as_str()?.parse().ok()
        };
        self.log().lines().find_map(of_line)
    }

    /// What it answers; `None` while it can't be asked.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()?).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The sum of a metric's series that carry this label text; 0 while the process can't be asked.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics").unwrap_or_default();
        let series = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Partitions that it serves now.
    pub fn serving(&self) -> usize {
        self.metric("tideline_partition_phase", "phase=\"serving\"") as usize
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; there is nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so; panics, naming it, when patience runs out.
pub fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::park_timeout(PAUSE);
    }
}

/// The keys of the table `[topics]` that name the outputs, each `prefix` and its name by default.
pub fn output_keys(prefix: &str) -> String {
    OutputTopic::ALL.map(|it| format!("{} = \"{prefix}{}\"\n", it.row().key, it.row().name)).concat()
}
