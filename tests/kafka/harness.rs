//! The conformance harness on the shared broker: fresh topics and a fresh group for each law.

use std::sync::Arc;
use std::time::Duration;

use tideline::broker::TopicSettings;
use tideline::broker::kafka::admin::{Admin, wishes};
use tideline::broker::kafka::{GroupProtocol, KafkaBroker, KafkaSettings, PlainProducer, read_partition};
use tideline::broker::{Broker as _, BrokerError, Topics};
use tideline::domain::{OutputNames, PartitionId};
use tideline::record::{Message as _, Offset, Outgoing};
use tideline::settings::Period;

use testkit::conformance::{Harness, Isolation, Stored};
use testkit::kafka_cluster::{Cluster, unique};

use super::operator;

/// Sessions as short as the broker of the tests allows, retries that outlast them.
pub fn settings(protocol: GroupProtocol) -> KafkaSettings {
    settings_for(Cluster::shared(), protocol)
}

pub fn settings_for(cluster: &Cluster, protocol: GroupProtocol) -> KafkaSettings {
    // The client reads the level of the log when it is made. RUST_LOG shows more; the first test sets it up.
    let warnings = tracing_subscriber::filter::LevelFilter::WARN.into();
    let filter = tracing_subscriber::EnvFilter::builder().with_default_directive(warnings).from_env_lossy();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    KafkaSettings {
        bootstrap: cluster.bootstrap_servers(),
        group_id: unique("group"),
        group_protocol: protocol,
        session_timeout: Period::of_secs(6),
        heartbeat_interval: Period::of_millis(200),
        transaction_timeout: Period::of_secs(10),
        retry_bound: Period::of_secs(20),
        no_progress_bound: Period::of_secs(6),
        ..KafkaSettings::default()
    }
}

/// Names of topics that no other test has; `inputs` inputs, the last is `rekey`.
pub fn fresh_topics(inputs: usize, partitions: i32) -> Topics {
    let base = unique("law");
    let named = |name: &str| -> Arc<str> { format!("{base}-{name}").into() };
    let mut all: Vec<Arc<str>> = (0..inputs - 1).map(|i| named(&format!("in{i}"))).collect();
    all.push(named("rekey"));
    Topics {
        inputs: all,
        changelog: named("changelog"),
        outputs: OutputNames::named(|row| named(row.name).to_string()),
        partitions,
    }
}

/// Creates what `topics` names.
pub fn create(settings: &KafkaSettings, topics: &Topics) {
    let admin = Admin::new(settings.clone()).expect("an administration client");
    let with = TopicSettings::default();
    for wish in wishes(topics, &with) {
        admin.create(&wish, &with, topics.partitions).expect("create a topic");
    }
}

/// A broker of the classic protocol, with an application of its own.
pub struct Classic(pub KafkaHarness);

/// The same under KIP-848.
pub struct Kip848(pub KafkaHarness);

pub struct KafkaHarness {
    pub broker: KafkaBroker,
    pub settings: KafkaSettings,
    pub plain: PlainProducer,
}

impl KafkaHarness {
    /// An application of its own, with settings of its own.
    pub fn with(settings: KafkaSettings, inputs: usize, partitions: i32) -> Self {
        let topics = fresh_topics(inputs, partitions);
        create(&settings, &topics);
        let plain = PlainProducer::new(settings.clone()).expect("a plain producer");
        Self { broker: KafkaBroker::new(settings.clone(), topics).expect("sound settings"), settings, plain }
    }

    /// A commit returns before its records can be read. So what is open is waited for, but not for long: laws keep
    /// transactions open, too.
    fn read(&self, topic: &str, partition: PartitionId, isolation: Isolation) -> Vec<Stored> {
        let read = |settings: &KafkaSettings, shown, to| read_partition(settings, topic, partition, shown, to);
        let records = match isolation {
            Isolation::ReadUncommitted => read(&self.settings, Isolation::ReadUncommitted, Isolation::ReadUncommitted),
            Isolation::ReadCommitted => {
                let hasty = KafkaSettings { no_progress_bound: Period::of_secs(2), ..self.settings.clone() };
                match read(&hasty, Isolation::ReadCommitted, Isolation::ReadUncommitted) {
                    Err(BrokerError::NoProgress { .. }) => {
                        read(&self.settings, Isolation::ReadCommitted, Isolation::ReadCommitted)
                    }
                    records => records,
                }
            }
        };
        let records = records.expect("read a partition");
        let stored = records.iter().map(|record| Stored {
            offset: record.offset(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
        });
        stored.collect()
    }
}

macro_rules! harness {
    ($harness:ident, $protocol:expr) => {
        impl Harness for $harness {
            type Broker = KafkaBroker;

            const PATIENCE: Duration = Duration::from_secs(60);
            const POLL: Duration = Duration::from_millis(50);

            fn fresh(inputs: usize, partitions: i32) -> Self {
                Self(KafkaHarness::with(settings($protocol), inputs, partitions))
            }

            fn broker(&self) -> &KafkaBroker {
                &self.0.broker
            }

            fn produce(&self, record: Outgoing) -> Offset {
                self.0.plain.write(&record).expect("write a record")
            }

            fn read(&self, topic: &str, partition: PartitionId, isolation: Isolation) -> Vec<Stored> {
                self.0.read(topic, partition, isolation)
            }

            fn recreate(&self, topic: &str) {
                operator::recreate(&self.0.settings, topic, self.0.broker.topics().partitions);
            }

            fn add_partitions(&self, topic: &str, count: i32) {
                operator::add_partitions(&self.0.settings, topic, count);
            }

            fn delete_before(&self, topic: &str, partition: PartitionId, offset: Offset) {
                operator::delete_before(&self.0.settings, topic, partition, offset);
            }

            /// The broker compacts when it likes.
            fn compact(&self, _: &str) -> bool {
                false
            }
        }
    };
}

harness!(Classic, GroupProtocol::Classic);
harness!(Kip848, GroupProtocol::Consumer);
