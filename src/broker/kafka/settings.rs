//! How the client is set up: typed settings with their defaults, and the properties that follow from them.
//!
//! Must not know: topics of one application, any client object. What exactly-once depends on can't be overridden.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::broker::rights::{Lacking, Right};
use crate::broker::{BrokerError, ClientProperties, Isolation};
use crate::domain::PartitionId;

use super::client_properties;
use super::triage;

/// How a member of the consumer group joins and is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupProtocol {
    /// Sessions and the assignment are the members' business. A rebalance stops every partition for some 100 ms.
    #[default]
    Classic,
    /// KIP-848: the broker assigns; partitions that don't move flow on. Sessions are the broker's setting.
    Consumer,
}

impl GroupProtocol {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// The settings of the Kafka client. Every wait, queue and retry is bounded by one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated. Default `127.0.0.1:9092`.
    pub bootstrap_servers: String,
    /// The consumer group of the application. Default `tideline`.
    pub group_id: String,
    /// Inputs that have another number of partitions than the application, by topic: fewer. Whoever owns partition p of
    /// the others reads p of these, too, where there is one; the group doesn't share them out, for it would do so by
    /// other ranges. Default none.
    pub narrow_inputs: BTreeMap<String, i32>,
    /// Default `classic`.
    pub group_protocol: GroupProtocol,
    /// Who shares out the partitions. Default `range`, the only one that keeps partition p of all inputs together;
    /// with another one the source refuses to run as soon as an assignment is split.
    pub assignor: String,
    /// Default false. A member then has a lasting name, and a restart within the session moves nothing.
    pub static_membership: bool,
    /// A member not heard of for that long is dead. Classic protocol only. Default 10 s: shorter ones backfire when the
    /// group's coordinator moves, which takes 9–13 s.
    pub session_timeout: Duration,
    /// Classic protocol only; how soon members learn of a rebalance. Default 500 ms.
    pub heartbeat_interval: Duration,
    /// A member that doesn't poll for that long leaves the group. Default 5 min.
    pub max_poll_interval: Duration,
    /// The broker aborts a transaction that stays open for longer: the second line after fencing. Default 15 s.
    pub transaction_timeout: Duration,
    /// One call to the client (a seek, a commit, a look-up) should take no longer. Default 5 s. The client overruns it at
    /// times; that is logged.
    pub call_timeout: Duration,
    /// A call that fails in passing is made again for that long at the most. Default 30 s.
    pub retry_bound: Duration,
    /// Pause before such a call is made again. Default 20 ms.
    pub retry_pause: Duration,
    /// A restore or a look-up that doesn't come forward for that long fails, and names its cause. Default 30 s.
    pub no_progress_bound: Duration,
    /// A poll hands over at most that many records. Default 2,000.
    pub poll_records: usize,
    /// A poll ends at that many bytes of keys, headers and values. Default 8 MiB; a larger record still comes through.
    pub poll_bytes: usize,
    /// Read ahead at most that many records of each partition of a topic. Default 20,000.
    pub queued_records: usize,
    /// Read ahead at most that much of each partition of a topic. Default 2,048 KiB.
    pub queued_kib: usize,
    /// One fetch brings at most that much of a partition. Default 1 MiB; a larger record still comes through.
    pub fetch_bytes: usize,
    /// The broker holds a fetch back for that long while there is nothing. Default 20 ms. Also bounds how late the end of
    /// a partition is noticed, and the merge waits for that.
    pub fetch_wait: Duration,
    /// The longest that a record waits to be sent with others. Default 5 ms.
    pub linger: Duration,
    /// Default `lz4`.
    pub compression: String,
    /// The largest record that may be written, in bytes. Default 4 MiB. The topics must allow it too.
    pub max_message_bytes: usize,
    /// Records written but not yet acknowledged. Default 200,000; a full queue is waited for.
    pub send_queue_records: usize,
    /// Further properties of the client, as librdkafka names them: TLS, SASL and the like. Those that exactly-once
    /// depends on are left out ([`super::judge`] names them).
    pub client: ClientProperties,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".into(),
            group_id: "tideline".into(),
            narrow_inputs: BTreeMap::new(),
            group_protocol: GroupProtocol::Classic,
            assignor: "range".into(),
            static_membership: false,
            session_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_millis(500),
            max_poll_interval: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(15),
            call_timeout: Duration::from_secs(5),
            retry_bound: Duration::from_secs(30),
            retry_pause: Duration::from_millis(20),
            no_progress_bound: Duration::from_secs(30),
            poll_records: 2_000,
            poll_bytes: 8 << 20,
            queued_records: 20_000,
            queued_kib: 2_048,
            fetch_bytes: 1 << 20,
            fetch_wait: Duration::from_millis(20),
            linger: Duration::from_millis(5),
            compression: "lz4".into(),
            max_message_bytes: 4 << 20,
            send_queue_records: 200_000,
            client: ClientProperties::default(),
        }
    }
}

impl KafkaSettings {
    /// By whose name the broker knows this client, as far as the configuration says. A value of it is not shown.
    pub(super) fn principal(&self) -> String {
        let of = |name: &str| self.client.get(name).map(str::to_ascii_lowercase);
        match of("security.protocol").as_deref() {
            Some("sasl_plaintext" | "sasl_ssl") if of("sasl.username").is_some() => {
                "the user that kafka.client's sasl.username names".to_owned()
            }
            Some("sasl_plaintext" | "sasl_ssl") => "the SASL principal of kafka.client".to_owned(),
            Some("ssl") => "the subject of kafka.client's certificate".to_owned(),
            _ => "User:ANONYMOUS".to_owned(),
        }
    }

    /// That these are refused.
    pub(super) fn lacking(&self, rights: Vec<Right>) -> Lacking {
        Lacking { rights, principal: self.principal() }
    }

    /// Whether that input has that partition.
    pub(super) fn has(&self, topic: &str, partition: PartitionId) -> bool {
        self.narrow_inputs.get(topic).is_none_or(|&count| partition.0 < count)
    }

    /// Why a client couldn't be made, without the properties' values.
    pub(super) fn creation_error(&self, what: impl fmt::Display, error: &KafkaError) -> BrokerError {
        let reason = self.client.without_values(&client_properties::plain(error));
        BrokerError::Client { what: what.to_string(), reason, class: triage::of_client(error) }
    }

    /// Reads inputs on behalf of a member, outside of the group.
    pub(super) fn ungrouped(&self, member: &str) -> ClientConfig {
        let mut config = self.consumer(Isolation::ReadCommitted);
        // A position that is out of range is an error: going on elsewhere would pass over what was never read.
        config.set("auto.offset.reset", "error").set("enable.partition.eof", "true").set("client.id", member);
        config
    }

    /// A member of the consumer group.
    pub(super) fn member(&self, member: &str) -> ClientConfig {
        let mut config = self.ungrouped(member);
        config
            .set("max.poll.interval.ms", millis(self.max_poll_interval))
            .set("group.protocol", self.group_protocol.as_str());
        match self.group_protocol {
            GroupProtocol::Classic => config
                .set("partition.assignment.strategy", &self.assignor)
                .set("session.timeout.ms", millis(self.session_timeout))
                .set("heartbeat.interval.ms", millis(self.heartbeat_interval)),
            GroupProtocol::Consumer => config.set("group.remote.assignor", &self.assignor),
        };
        if self.static_membership {
            config.set("group.instance.id", member);
        }
        config
    }

    /// A member of the group of a process's name, which reads nothing.
    pub(super) fn claimant(&self, group: &str, client: &str) -> ClientConfig {
        let mut config = self.consumer(Isolation::ReadCommitted);
        config
            .set("group.id", group)
            .set("client.id", client)
            .set("group.protocol", GroupProtocol::Classic.as_str())
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", millis(self.session_timeout))
            .set("heartbeat.interval.ms", millis(self.heartbeat_interval))
            .set("max.poll.interval.ms", millis(self.max_poll_interval));
        config
    }

    /// Reads one partition from its start to its end, outside of the group.
    pub(super) fn reader(&self, isolation: Isolation) -> ClientConfig {
        let mut config = self.consumer(isolation);
        config
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            // Reading all of a log, size is what counts.
            .set("fetch.message.max.bytes", (8 << 20).to_string())
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "32768");
        config
    }

    /// Asks for offsets and watermarks, never reads.
    pub(super) fn observer(&self, isolation: Isolation) -> ClientConfig {
        self.consumer(isolation)
    }

    fn consumer(&self, isolation: Isolation) -> ClientConfig {
        let mut config = self.common();
        config
            .set("group.id", &self.group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set(
                "isolation.level",
                match isolation {
                    Isolation::ReadCommitted => "read_committed",
                    Isolation::ReadUncommitted => "read_uncommitted",
                },
            )
            .set("fetch.wait.max.ms", millis(self.fetch_wait))
            .set("fetch.message.max.bytes", self.fetch_bytes.to_string())
            // The default of 1 s stalls a fast reader.
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.min.messages", self.queued_records.to_string())
            .set("queued.max.messages.kbytes", self.queued_kib.to_string());
        config
    }

    /// Holds a transactional id.
    pub(super) fn transactional(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.plain_producer();
        let debug = self.client.get("debug").map_or("broker".to_owned(), |more| format!("{more},broker"));
        config
            // The only way to hear of every connection that fails: see `context::Watch`.
            .set("debug", debug)
            .set_log_level(RDKafkaLogLevel::Debug)
            .set("transactional.id", transactional_id)
            // What names a quota as the cause of a time-out.
            .set("statistics.interval.ms", millis((self.transaction_timeout / 4).min(Duration::from_secs(5))))
            // What was written needs no event of its own: a record counts as in flight until it is acknowledged either way.
            .set("delivery.report.only.error", "true")
            .set("transaction.timeout.ms", millis(self.transaction_timeout))
            // send_offsets waits for that long when the one before is still being finished; the default is 100.
            .set("retry.backoff.ms", "5");
        config
    }

    /// Writes without transactions, but neither loses nor doubles a record.
    pub(super) fn plain_producer(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("enable.idempotence", "true")
            // As the Java client has it.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", millis(self.linger))
            .set("compression.type", &self.compression)
            .set("message.max.bytes", self.max_message_bytes.to_string())
            .set("queue.buffering.max.messages", self.send_queue_records.to_string());
        config
    }

    /// What every client needs; reads the level of the log, so the subscriber must be set up already.
    pub(super) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "tideline")
            .set("allow.auto.create.topics", "false");
        if cfg!(feature = "tls") {
            config.set("ssl.ca.location", "probe");
        }
        for (name, value) in self.client.iter().filter(|(name, _)| !client_properties::is_guarded(name)) {
            config.set(name, value);
        }
        config
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_reaches_every_client() {
        let settings =
            KafkaSettings { client: [("security.protocol", "ssl")].into_iter().collect(), ..KafkaSettings::default() };
        for config in [settings.member("a"), settings.transactional("t"), settings.reader(Isolation::ReadCommitted)] {
            assert_eq!(config.get("security.protocol"), Some("ssl"));
        }
    }

    #[test]
    fn a_transactional_client_always_tells_of_its_connections() {
        for (debug, expected) in [(None, "broker"), (Some("eos"), "eos,broker")] {
            let client = debug.map(|debug| ("debug", debug)).into_iter().collect();
            let config = KafkaSettings { client, ..KafkaSettings::default() }.transactional("t");
            assert_eq!(config.get("debug"), Some(expected));
            assert!(matches!(config.log_level, RDKafkaLogLevel::Debug), "{:?}", config.log_level);
        }
    }

    #[test]
    fn session_settings_are_the_brokers_under_the_consumer_protocol() {
        let settings = KafkaSettings { group_protocol: GroupProtocol::Consumer, ..KafkaSettings::default() };
        let config = settings.member("a");
        assert_eq!(config.get("group.remote.assignor"), Some("range"));
        for refused in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
            assert_eq!(config.get(refused), None, "{refused}");
        }
    }
}
