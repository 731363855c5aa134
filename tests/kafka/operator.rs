//! What an operator does to topics with tools of his own, not with the program.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tideline::broker::kafka::KafkaSettings;
use tideline::domain::PartitionId;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

type Client = AdminClient<DefaultClientContext>;

fn administer<T>(settings: &KafkaSettings, task: impl AsyncFnOnce(&Client) -> T) -> T {
    let client: Client = ClientConfig::new().set("bootstrap.servers", &settings.bootstrap).create().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task(&client))
}

pub fn delete_topic(settings: &KafkaSettings, topic: &str) {
    let deleted = administer(settings, async |admin| admin.delete_topics(&[topic], &AdminOptions::new()).await);
    assert!(deleted.expect("delete a topic").iter().all(Result::is_ok));
}

/// Deletes a topic, and makes it as soon as the cluster lets it.
pub fn recreate(settings: &KafkaSettings, topic: &str, partitions: i32) {
    delete_topic(settings, topic);
    create(settings, topic, partitions);
}

pub fn create(settings: &KafkaSettings, topic: &str, partitions: i32) {
    let deadline = Instant::now() + PATIENCE;
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    loop {
        let made = administer(settings, async |admin| admin.create_topics([&wanted], &AdminOptions::new()).await);
        match made.expect("create a topic").pop().expect("an answer") {
            Ok(_) => return,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => assert!(Instant::now() < deadline, "{topic} never goes"),
            Err((_, code)) => panic!("create {topic}: {code}"),
        }
        std::thread::park_timeout(PAUSE);
    }
}

pub fn add_partitions(settings: &KafkaSettings, topic: &str, count: i32) {
    let wanted = NewPartitions::new(topic, count as usize);
    let made = administer(settings, async |admin| admin.create_partitions([&wanted], &AdminOptions::new()).await);
    assert!(made.expect("add partitions").iter().all(Result::is_ok));
}

pub fn delete_before(settings: &KafkaSettings, topic: &str, partition: PartitionId, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition.0, Offset::Offset(offset)).expect("an offset");
    administer(settings, async |admin| admin.delete_records(&list, &AdminOptions::new()).await.map(drop))
        .expect("delete records");
}
