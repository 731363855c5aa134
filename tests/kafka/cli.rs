//! The commands that need a cluster, run as their user runs them: topics, check, generate, and a run that is told to
//! stop.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tideline::broker::Isolation;
use tideline::broker::TopicSettings;
use tideline::broker::kafka::admin::{Admin, wishes};
use tideline::broker::kafka::read_partition;
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, Source};
use tideline::record::Message;
use tideline::settings::Size;

use testkit::application::{await_that, output_keys};
use testkit::kafka_cluster::{Cluster, unique};

const PATIENCE: Duration = Duration::from_secs(120);

/// An application of its own on the shared broker; no topic exists yet.
pub struct Application {
    folder: tempfile::TempDir,
    text: String,
}

impl Application {
    pub fn new() -> Self {
        let id = unique("cli");
        let inputs = Source::ALL
            .map(Source::as_str)
            .map(|source| format!("[[inputs]]\ntopic = \"{id}.{source}\"\nsource = \"{source}\"\n"));
        let text = format!(
            "[application]\nid = \"{id}\"\n[kafka]\nbootstrap = \"{}\"\nsession_timeout = \"2s\"\n\
             heartbeat_interval = \"300ms\"\n{}[topics]\n{}\
             rekey = \"{id}.rekey\"\nchangelog = \"{id}.changelog\"\npartitions = 4\n[telemetry]\nlisten = \"127.0.0.1:0\"\n",
            Cluster::shared().bootstrap_servers(),
            inputs.concat(),
            output_keys(&format!("{id}.")),
        );
        Self { folder: tempfile::tempdir().unwrap(), text }
    }

    /// With that replaced in its configuration.
    pub fn with(&self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from));
        Self { folder: tempfile::tempdir().unwrap(), text: self.text.replace(from, to) }
    }

    pub fn config(&self) -> Config {
        Config::parse("test", &self.text).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let file = self.folder.path().join("tideline.toml");
        std::fs::write(&file, &self.text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tideline"));
        command.args(args).arg("--config").arg(file);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// The command ends with that code, and what it says contains all of these.
pub fn check(output: &Output, code: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn topics_are_shown_then_created_and_a_check_says_what_is_wrong_with_them() {
    let application = Application::new();
    check(&application.run(&["topics"]), 0, &["missing", "would create", "nothing was changed"]);
    let missing = ["changelog: the topic is missing", "sms: the topic is missing"];
    check(&application.run(&["check", "--online"]), 1, &missing);
    check(&application.run(&["run", "--until-end"]), 1, &["the topic is missing", "tideline topics --create"]);
    check(&application.run(&["topics", "--create"]), 0, &["created "]);
    check(&application.run(&["topics"]), 0, &["as it should be"]);
    check(&application.run(&["check", "--online"]), 0, &["10 topics as they should be"]);
    // Again: there is nothing left to do.
    check(&application.run(&["topics", "--create"]), 0, &["as it should be"]);

    let another_count = application.with("partitions = 4", "partitions = 6");
    let fault = "the number of partitions is 4, should be 6";
    check(&another_count.run(&["check", "--online"]), 1, &[fault]);
    check(&another_count.run(&["topics"]), 1, &["FAULT", fault]);
    check(&another_count.run(&["run", "--until-end"]), 1, &[fault]);
}

/// Topics that somebody else made, each with what they may well have been made with.
#[test]
fn a_check_says_what_topics_that_others_made_lead_to() {
    let application = Application::new();
    let config = application.config();
    let admin = Admin::new(config.kafka_settings()).unwrap();
    let with = config.topic_settings();
    for mut wish in wishes(&config.topic_names(), &with) {
        if wish.name.ends_with(".app") {
            wish.config.insert("retention.ms", "-1".to_owned());
            wish.config.insert("min.insync.replicas", "2".to_owned());
        } else if wish.name.ends_with(".tier-changes") {
            wish.config.insert("max.message.bytes", "1048588".to_owned());
            wish.config.insert("retention.ms", "3600000".to_owned());
        }
        admin.create(&wish, &with, 4).unwrap();
    }
    await_that("every topic is known", || {
        let output = application.run(&["check", "--online"]);
        !String::from_utf8_lossy(&output.stderr).contains("is missing")
    });
    let notes = [
        ".app: keeps records for ever, longer than inputs[0].retention, 7d",
        ".app: min.insync.replicas is 2, above the replication factor, 1",
        ".tier-changes: max.message.bytes is 1048588, below kafka.max_message, 4194304",
    ];
    check(&application.run(&["check", "--online"]), 0, &notes);
    // Each needs another time only once: what was differently made is still what it was.
    check(&application.run(&["topics"]), 0, &["retention.ms is 3600000, not 604800000"]);

    let settings = TopicSettings { max_message: Size::of_bytes(1_048_588), ..with };
    let small = application.with(".dead-letters", ".small-dead-letters");
    let wished = wishes(&small.config().topic_names(), &settings);
    let wish = wished.iter().find(|wish| wish.name.ends_with(".small-dead-letters")).unwrap();
    admin.create(wish, &settings, 4).unwrap();
    let fault = ".small-dead-letters: max.message.bytes is 1048588, below kafka.max_message, 4194304";
    await_that("the topic is known", || {
        !String::from_utf8_lossy(&small.run(&["check", "--online"]).stderr).contains("is missing")
    });
    check(&small.run(&["check", "--online"]), 1, &[fault, "kafka-configs.sh --alter"]);
    check(&small.run(&["run", "--until-end"]), 1, &[fault]);
}

#[test]
fn brokers_that_have_kip_848_switched_off_are_named_where_it_is_asked_for() {
    let cluster = Cluster::start_with(1, "group.coordinator.rebalance.protocols=classic");
    let application = Application::new();
    let here = application.with(&Cluster::shared().bootstrap_servers(), &cluster.bootstrap_servers());
    check(&here.run(&["topics", "--create"]), 0, &[]);
    check(&here.run(&["check", "--online"]), 0, &[]);
    let there = here.with("session_timeout", "group_protocol = \"consumer\"\nsession_timeout");
    let fault = "the brokers have switched KIP-848 off, which kafka.group_protocol = \"consumer\" asks for";
    check(&there.run(&["check", "--online"]), 1, &[fault, "kafka.group_protocol = \"classic\""]);
    check(&there.run(&["run", "--until-end"]), 1, &[fault]);
    let asked = application.with("session_timeout", "group_protocol = \"consumer\"\nsession_timeout");
    check(&asked.run(&["topics", "--create"]), 0, &[]);
    check(&asked.run(&["check", "--online"]), 0, &["10 topics as they should be"]);
}

/// By user, in the order of the sequence; without what depends on partitions.
pub fn by_user(outputs: impl Iterator<Item = Value>) -> BTreeMap<String, Vec<Value>> {
    let mut users = BTreeMap::<_, Vec<Value>>::new();
    for mut output in outputs {
        let fields = output.as_object_mut().unwrap();
        fields.remove("topic");
        fields.remove("cause");
        users.entry(output["user_id"].as_str().unwrap().to_owned()).or_default().push(output);
    }
    // An erased user that comes back begins its sequence anew.
    let order = |output: &Value| (output["sequence"].as_u64(), output["time"].as_str().map(str::to_owned));
    users.values_mut().for_each(|outputs| outputs.sort_by_key(order));
    users
}

pub fn written(config: &Config) -> Vec<Value> {
    let (settings, mut outputs) = (config.kafka_settings(), Vec::new());
    for topic in OutputTopic::announcements().map(|output| &config.topics.outputs[output]) {
        for partition in (0..config.topics.partitions).map(PartitionId) {
            let (shown, to) = (Isolation::ReadCommitted, Isolation::ReadUncommitted);
            let records = read_partition(&settings, topic, partition, shown, to).unwrap();
            outputs.extend(records.iter().map(|record| serde_json::from_slice(record.value().unwrap()).unwrap()));
        }
    }
    outputs
}

pub fn replayed(folder: &Path, until: &str) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tideline"));
    command.args(["replay", "--until", until]);
    for source in Source::ALL.map(Source::as_str) {
        command.arg("--input").arg(format!("{source}={}/{source}.jsonl", folder.display()));
    }
    let output = command.output().unwrap();
    check(&output, 0, &[]);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn generated_users_get_the_same_outputs_from_kafka_as_from_files() {
    let application = Application::new();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    // In order: what is late is judged by its partition's stream time, and files are one partition.
    let start = ["--start", "2026-01-01T00:00:00+08:00"];
    let order = ["--late", "0", "--duplicates", "0", "--bad", "0"];
    let what = [&["--events", "20000", "--days", "150", "--users", "300"][..], &start, &order].concat();
    let until = "2026-09-01T00:00:00Z";
    let files = tempfile::tempdir().unwrap();
    let to_files = [&["generate", "--out", files.path().to_str().unwrap()][..], &what].concat();
    check(&application.run(&to_files), 0, &[]);
    check(&application.run(&[&["generate", "--kafka"][..], &what].concat()), 0, &["20000 records written to "]);
    // By their events' times a topic's retention might take them at once.
    let (settings, topic) = (application.config().kafka_settings(), application.config().inputs[0].topic.clone());
    let sent =
        read_partition(&settings, &topic, PartitionId(0), Isolation::ReadCommitted, Isolation::ReadCommitted).unwrap();
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let hour_ago = hour_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!(!sent.is_empty() && sent.iter().all(|record| record.timestamp().unwrap() > hour_ago));
    check(&application.run(&["run", "--until-end", "--until", until]), 0, &[]);

    let (written, replayed) = (written(&application.config()), replayed(files.path(), until));
    assert!(replayed.len() > 1_000, "only {} outputs", replayed.len());
    assert_eq!(written.len(), replayed.len());
    let (written, replayed) = (by_user(written.into_iter()), by_user(replayed.into_iter()));
    for (user, expected) in &replayed {
        assert_eq!(written.get(user), Some(expected), "{user}");
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_run_becomes_ready_and_stops_cleanly_when_told_to() {
    let application = Application::new().with("[telemetry]\n", "[telemetry]\nlog_format = \"json\"\n");
    check(&application.run(&["topics", "--create"]), 0, &[]);
    let mut child = application.command(&["run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.by_ref().find_map(|line| {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        line["address"].as_str().map(|address| address.parse::<SocketAddr>().unwrap())
    });
    let address = address.expect("the log names the address of the pages");
    let deadline = Instant::now() + PATIENCE;
    while !get(address, "/readyz").starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < deadline, "{}", get(address, "/readyz"));
    }
    let text = get(address, "/metrics");
    for partition in 0..4 {
        let series = format!("tideline_partition_phase{{partition=\"{partition}\",phase=\"serving\"}} 1");
        assert!(text.contains(&series), "{series} is missing in {text}");
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<_> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("everything in hand is committed")), "{rest:#?}");
}
