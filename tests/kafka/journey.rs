//! A realistic year through `tideline run` on the real broker, as its user runs it: also when it is killed on the way.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tideline::broker::kafka::admin::{Admin, wishes};
use tideline::broker::kafka::{Isolation, KafkaBroker, PlainProducer, read_partition};
use tideline::config::Config;
use tideline::domain::PartitionId;
use tideline::record::{Message, Offset, Outgoing};

use crate::common::journey;
use crate::kafka_cluster::{Cluster, unique};

const PATIENCE: Duration = Duration::from_secs(240);

/// An application of its own on the shared broker, with the year in its inputs.
struct Application {
    config: Config,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Application {
    fn new(group_protocol: &str, lanes: usize) -> Self {
        let id = unique("journey");
        let inputs: String = journey::SOURCES
            .map(|source| format!("[[inputs]]\ntopic = \"{id}.{source}\"\nsource = \"{source}\"\n"))
            .concat();
        let text = format!(
            r#"
            [application]
            id = "{id}"
            lanes = {lanes}
            [kafka]
            bootstrap = "{}"
            group_protocol = "{group_protocol}"
            session_timeout = "2s"
            heartbeat_interval = "300ms"
            {inputs}
            [topics]
            tier_changes = "{id}.tier-changes"
            dormancy_risk = "{id}.dormancy-risk"
            user_profiles = "{id}.user-profiles"
            dead_letters = "{id}.dead-letters"
            rekey = "{id}.rekey"
            changelog = "{id}.changelog"
            [stream]
            # Many transactions, so that a kill has something to break.
            batch_records = 500
            [telemetry]
            listen = "127.0.0.1:0"
            "#,
            Cluster::shared().bootstrap_servers(),
        );
        let config = Config::parse("journey", &text).expect("a sound configuration");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tideline.toml");
        std::fs::write(&file, text).expect("write the configuration");
        let application = Self { config, file, _folder: folder };
        application.create_topics();
        application.feed();
        application
    }

    fn create_topics(&self) {
        let admin = Admin::new(self.config.kafka_settings()).expect("an administration client");
        let with = self.config.topic_settings();
        for wish in wishes(&self.config.topic_names(), &with) {
            admin.create(&wish, &with, self.config.topics.partitions).expect("create a topic");
        }
    }

    /// Keyed by user, as any producer of events would write it.
    fn feed(&self) {
        let producer = PlainProducer::new(self.config.kafka_settings()).expect("a producer");
        for (source, input) in journey::SOURCES.into_iter().zip(&self.config.inputs) {
            for line in journey::events(source).lines() {
                let event: Value = serde_json::from_str(line).expect("an event");
                let record = Outgoing {
                    topic: input.topic.as_str().into(),
                    partition: None,
                    key: Some(event["user_id"].as_str().expect("a user").into()),
                    value: Some(line.into()),
                    headers: Vec::new(),
                    timestamp: None,
                };
                producer.send(&record).expect("send");
            }
        }
        producer.flush().expect("flush");
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_tideline"))
            .args(["run", "--until-end", "--until", journey::UNTIL, "--config"])
            .arg(&self.file)
            .stdout(Stdio::null())
            .spawn()
            .expect("tideline starts")
    }

    fn run_to_the_end(&self) {
        let status = self.start().wait().expect("tideline is our child");
        assert!(status.success(), "{status}");
    }

    /// How many records of the inputs are committed.
    fn progress(&self, broker: &KafkaBroker) -> u64 {
        let committed = |partition| broker.last_committed(PartitionId(partition)).expect("last committed offsets");
        let offsets = (0..self.config.topics.partitions).flat_map(committed).map(|committed| committed.offset);
        offsets.sum::<Offset>().unsigned_abs()
    }

    fn read(&self, topic: &str, partitions: i32) -> Vec<Value> {
        let (shown, to) = (Isolation::Committed, Isolation::Uncommitted);
        let settings = self.config.kafka_settings();
        let read = |partition| read_partition(&settings, topic, PartitionId(partition), shown, to).expect("read");
        let records = (0..partitions).flat_map(read);
        records.map(|record| serde_json::from_slice(record.value().expect("a value")).expect("JSON")).collect()
    }

    fn check_outputs(&self) {
        let (topics, partitions) = (self.config.topic_names(), self.config.topics.partitions);
        assert_eq!(self.read(&topics.dead_letters, partitions), Vec::<Value>::new());
        journey::check_outputs(
            [&topics.tier_changes, &topics.dormancy_risk].into_iter().flat_map(|topic| self.read(topic, partitions)),
        );
    }
}

#[test]
fn two_lanes_under_kip_848_give_the_expected_outputs() {
    let application = Application::new("consumer", 2);
    application.run_to_the_end();
    application.check_outputs();
    // A second run finds nothing to do, and says nothing twice.
    application.run_to_the_end();
    application.check_outputs();
}

#[test]
fn a_lane_killed_five_times_gives_the_expected_outputs() {
    const KILLS: u64 = 5;
    let application = Application::new("classic", 1);
    let broker = KafkaBroker::new(application.config.kafka_settings(), application.config.topic_names());
    let broker = broker.expect("sound settings");
    let deadline = Instant::now() + PATIENCE;
    for kill in 1..=KILLS {
        let mut child = application.start();
        // Each gets a little further than the one before.
        while application.progress(&broker) < kill * journey::EVENTS / (KILLS + 2) {
            assert!(Instant::now() < deadline, "stuck before kill {kill}");
            assert!(child.try_wait().expect("our child").is_none(), "it ended before kill {kill}");
        }
        child.kill().expect("kill -9");
        child.wait().expect("our child");
    }
    assert!(application.progress(&broker) < journey::EVENTS, "the last kill came before the end");
    application.run_to_the_end();
    application.check_outputs();
}
