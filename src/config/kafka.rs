//! The section `[kafka]`: how the client is set up, and what becomes of it for `broker::kafka`.

use serde::{Deserialize, Serialize};

use crate::broker::ClientProperties;
use crate::settings::{Period, Size};

/// The connection to the broker; every wait, queue and retry of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// `host:port`, comma-separated. Default `127.0.0.1:9092`.
    pub bootstrap: String,
    /// `classic` or `consumer` (KIP-848: the broker assigns; sessions are its setting). Default `classic`.
    pub group_protocol: GroupProtocol,
    /// Who shares out partitions; only `range` keeps partition p of all inputs together. Default `range`.
    pub assignor: String,
    /// A member has a lasting name: a restart within the session moves nothing. Default false.
    pub static_membership: bool,
    /// A member not heard of for that long is dead; shorter ones backfire when the coordinator moves. Default 10s.
    pub session_timeout: Period,
    /// How soon members learn of a rebalance; at most a third of the session. Default 500ms.
    pub heartbeat_interval: Period,
    /// A member that doesn't poll for that long leaves the group. Default 5m.
    pub max_poll_interval: Period,
    /// The broker aborts a transaction that stays open for longer: the second line after fencing. Default 15s.
    pub transaction_timeout: Period,
    /// One call to the client should take no longer. Default 5s.
    pub call_timeout: Period,
    /// A call that fails in passing is made again for that long at the most. Default 30s.
    pub retry_bound: Period,
    /// The pause before such a call is made again. Default 20ms.
    pub retry_pause: Period,
    /// A restore that doesn't come forward for that long fails, and names its cause. Default 30s.
    pub no_progress_bound: Period,
    /// A poll hands over at most that many records. Default 2000.
    pub poll_records: usize,
    /// A poll ends at that many bytes of keys, headers and values; a larger record still comes through. Default 8MiB.
    pub poll_bytes: Size,
    /// Records read ahead, for each partition of a topic. Default 20000.
    pub queued_records: usize,
    /// Bytes of values read ahead, for each partition of a topic; of keys and headers 8 times that. Default 2MiB.
    pub queued_bytes: Size,
    /// One fetch brings at most that much of a partition; a larger record still comes through. Default 1MiB.
    pub fetch_bytes: Size,
    /// The broker holds a fetch back for that long while there is nothing; bounds how late an end is noticed. Default 20ms.
    pub fetch_wait: Period,
    /// Records written but not yet acknowledged; a full queue is waited for. Default 200000.
    pub send_queue_records: usize,
    /// The longest that a record waits to be sent with others. Default 5ms.
    pub linger: Period,
    /// `none`, `lz4`, `zstd`, `snappy` or `gzip`. Default `lz4`.
    pub compression: Compression,
    /// The largest record that may be written; the topics must allow it too. Default 4MiB.
    pub max_message: Size,
    /// Further properties of librdkafka: TLS, SASL and the like. Those that have a setting here, or that exactly once
    /// depends on, are refused. Their values are shown nowhere.
    pub client: ClientProperties,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    #[default]
    Classic,
    Consumer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    #[default]
    Lz4,
    Zstd,
    Snappy,
    Gzip,
}

impl Compression {
    /// As librdkafka names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            group_protocol: GroupProtocol::Classic,
            assignor: "range".to_owned(),
            static_membership: false,
            session_timeout: Period::of_secs(10),
            heartbeat_interval: Period::of_millis(500),
            max_poll_interval: Period::of_secs(300),
            transaction_timeout: Period::of_secs(15),
            call_timeout: Period::of_secs(5),
            retry_bound: Period::of_secs(30),
            retry_pause: Period::of_millis(20),
            no_progress_bound: Period::of_secs(30),
            poll_records: 2_000,
            poll_bytes: Size::of_mib(8),
            queued_records: 20_000,
            queued_bytes: Size::of_mib(2),
            fetch_bytes: Size::of_mib(1),
            fetch_wait: Period::of_millis(20),
            send_queue_records: 200_000,
            linger: Period::of_millis(5),
            compression: Compression::Lz4,
            max_message: Size::of_mib(4),
            client: ClientProperties::default(),
        }
    }
}

#[cfg(not(feature = "kafka"))]
impl super::Config {
    /// There is no client to make.
    pub(super) fn client_faults(&self, _known: &[crate::settings::Fault]) -> Vec<crate::settings::Fault> {
        Vec::new()
    }
}

#[cfg(feature = "kafka")]
mod client {
    use std::collections::BTreeMap;

    use super::{GroupProtocol, Kafka};
    use crate::broker::kafka::admin::TopicSettings;
    use crate::broker::{ClientProperties, kafka};
    use crate::config::fault::has_word;
    use crate::config::{Config, InputConfig};
    use crate::settings::Fault;

    /// The property, among those that are set, that a fault of the client's speaks of, or that asks for what it lacks.
    fn property_of<'a>(text: &str, client: &'a ClientProperties) -> Option<&'a str> {
        let names = || client.iter().map(|(name, _)| name);
        let asking: &[&str] = match () {
            () if text.contains("mechanism") || text.contains("sasl") => {
                &["sasl.mechanism", "sasl.mechanisms", "security.protocol"]
            }
            () if text.contains("ssl") => &["security.protocol"],
            () => &[],
        };
        names()
            .filter(|name| has_word(text, name))
            .max_by_key(|name| name.len())
            .or_else(|| asking.iter().find_map(|asking| names().find(|name| name == asking)))
    }

    impl Config {
        /// What only making the client shows, each with the path of the key concerned, where it can be told. Nothing is said
        /// on the strength of a key that is known to be faulty.
        pub(in crate::config) fn client_faults(&self, known: &[Fault]) -> Vec<Fault> {
            if known.iter().any(|fault| ["kafka", "kafka.client"].contains(&fault.path.as_str())) {
                return Vec::new();
            }
            let faulty: Vec<_> = known.iter().filter_map(|fault| fault.path.strip_prefix("kafka.client.")).collect();
            // Who the client is, is told by many properties together.
            if faulty.iter().any(|name| ["sasl", "ssl", "security", "enable"].iter().any(|of| name.starts_with(of))) {
                return Vec::new();
            }
            let settings_hold = !known.iter().any(|fault| fault.path.starts_with("kafka."));
            let mut settings = self.kafka_settings();
            settings.client = self.kafka.client.iter().filter(|(name, _)| !faulty.contains(name)).collect();
            let told = kafka::dry_run(&settings).into_iter().filter(|text| {
                !faulty.iter().any(|name| has_word(text, name))
                    && (settings_hold || kafka::settings_in(text).next().is_none())
            });
            told.map(|text| {
                let property = property_of(&text, &settings.client).map(|name| format!("kafka.client.{name}"));
                let setting = || kafka::settings_in(&text).next().map(str::to_owned);
                let path = property.or_else(setting).unwrap_or_else(|| "kafka.client".to_owned());
                Fault::new(path, text)
            })
            .collect()
        }

        /// What the client is told.
        pub fn kafka_settings(&self) -> kafka::KafkaSettings {
            let Kafka { bootstrap, group_protocol, assignor, compression, client, .. } = &self.kafka;
            kafka::KafkaSettings {
                bootstrap_servers: bootstrap.clone(),
                group_id: self.application.id.clone(),
                narrow_inputs: self.narrow_inputs(),
                group_protocol: match group_protocol {
                    GroupProtocol::Classic => kafka::GroupProtocol::Classic,
                    GroupProtocol::Consumer => kafka::GroupProtocol::Consumer,
                },
                assignor: assignor.clone(),
                static_membership: self.kafka.static_membership,
                session_timeout: self.kafka.session_timeout.duration(),
                heartbeat_interval: self.kafka.heartbeat_interval.duration(),
                max_poll_interval: self.kafka.max_poll_interval.duration(),
                transaction_timeout: self.kafka.transaction_timeout.duration(),
                call_timeout: self.kafka.call_timeout.duration(),
                retry_bound: self.kafka.retry_bound.duration(),
                retry_pause: self.kafka.retry_pause.duration(),
                no_progress_bound: self.kafka.no_progress_bound.duration(),
                poll_records: self.kafka.poll_records,
                poll_bytes: self.kafka.poll_bytes.bytes(),
                queued_records: self.kafka.queued_records,
                queued_kib: (self.kafka.queued_bytes.bytes() >> 10).max(1),
                fetch_bytes: self.kafka.fetch_bytes.bytes(),
                fetch_wait: self.kafka.fetch_wait.duration(),
                send_queue_records: self.kafka.send_queue_records,
                linger: self.kafka.linger.duration(),
                compression: compression.as_str().to_owned(),
                max_message_bytes: self.kafka.max_message.bytes(),
                client: client.clone(),
            }
        }

        /// Those with fewer partitions than the application, by topic.
        fn narrow_inputs(&self) -> BTreeMap<String, i32> {
            let count = |input: &InputConfig| input.partitions.filter(|&count| count != self.topics.partitions);
            self.inputs.iter().filter_map(|input| Some((input.topic.clone(), count(input)?))).collect()
        }

        /// What topics are created with.
        pub fn topic_settings(&self) -> TopicSettings {
            TopicSettings {
                // The broker's own default goes by −1.
                narrow_inputs: self.narrow_inputs(),
                replication: if self.topics.replication == 0 { -1 } else { i32::from(self.topics.replication) },
                input_retention: self.longest_retention().duration(),
                output_retention: self.topics.output_retention.duration(),
                dead_letter_retention: self.topics.dead_letter_retention.duration(),
                changelog_segment_bytes: self.topics.changelog_segment.bytes() as u64,
                changelog_segment_age: self.topics.changelog_segment_age.duration(),
                changelog_compaction_lag: self.topics.changelog_compaction_lag.duration(),
                changelog_tombstone_retention: self.topics.changelog_tombstone_retention.duration(),
                max_message_bytes: self.kafka.max_message.bytes(),
            }
        }
    }
}
