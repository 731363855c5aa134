//! A read_committed reader of tier changes as they come.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tideline::config::Config;
use tideline::domain::OutputTopic;

/// From where they end now.
pub fn tier_changes(config: &Config) -> BaseConsumer {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.kafka.bootstrap).set("group.id", "tail");
    client.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    client.set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = client.create().expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..config.topics.partitions {
        all.add_partition_offset(&config.topics.outputs[OutputTopic::TierChanges], partition, Offset::End)
            .expect("an offset");
    }
    consumer.assign(&all).expect("assign");
    consumer
}
