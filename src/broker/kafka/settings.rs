//! How the client is set up: the properties that follow from its settings.
//!
//! Must not know: topics of one application, any client object. What exactly-once depends on can't be overridden.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::util::Timeout;

use crate::broker::rights::{Lacking, Right};
use crate::broker::{BrokerError, Isolation};
pub use crate::broker::{GroupProtocol, KafkaSettings};
use crate::domain::PartitionId;
use crate::settings::Period;

use super::client_error::ClientError;
use super::client_properties;
use super::triage;

impl From<Period> for Timeout {
    fn from(period: Period) -> Self {
        Self::After(period.duration())
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
        BrokerError::client(what, triage::of_client(error), ClientError::hiding(error, &self.client))
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
            .set("fetch.message.max.bytes", self.fetch_bytes.bytes().to_string())
            // The default of 1 s stalls a fast reader.
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.min.messages", self.queued_records.to_string())
            .set("queued.max.messages.kbytes", (self.queued_bytes.bytes() >> 10).to_string());
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
            .set(
                "statistics.interval.ms",
                millis((self.transaction_timeout.duration() / 4).min(Duration::from_secs(5))),
            )
            // What was written needs no event of its own: a record counts as in flight until it is acknowledged either
            // way.
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
            .set("compression.type", self.compression.as_str())
            .set("message.max.bytes", self.max_message.bytes().to_string())
            .set("queue.buffering.max.messages", self.send_queue_records.to_string());
        config
    }

    /// What every client needs; reads the level of the log, so the subscriber must be set up already.
    pub(super) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
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

fn millis(period: impl Into<Duration>) -> String {
    period.into().as_millis().to_string()
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
