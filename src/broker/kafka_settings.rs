//! The settings of the Kafka client: every wait, queue and retry of it is bounded by one of them.
//!
//! Must not know: the client itself; which of its properties follow from these is said in `kafka::settings`. So a
//! configuration is read and checked by a build without the client, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::properties::ClientProperties;
use crate::settings::{Faults, Period, Size, settings};

settings! {
    /// The connection to the broker; every wait, queue and retry of the client.
    #[derive(Eq)]
    pub struct KafkaSettings {
        /// Where the brokers are: `host:port`, comma-separated.
        pub bootstrap: String = "127.0.0.1:9092".to_owned(),
        /// `classic`, or `consumer` (KIP-848: the broker assigns; sessions are its setting).
        pub group_protocol: GroupProtocol = GroupProtocol::Classic,
        /// Who assigns partitions; only `range` keeps partition p of all inputs together. With another one a run ends
        /// as soon as an assignment is split.
        pub assignor: String = "range".to_owned(),
        /// A member has a lasting name: a restart within the session moves nothing.
        pub static_membership: bool = false,
        /// A member not heard of for that long is dead. Shorter: quicker failover, but it backfires when the group's
        /// coordinator moves, which takes 9–13 s. Of the classic protocol only.
        pub session_timeout: Period = Period::of_secs(10),
        /// How soon members learn of a rebalance; at most a third of the session. Of the classic protocol only.
        pub heartbeat_interval: Period = Period::of_millis(500),
        /// A member that doesn't poll for that long leaves the group.
        pub max_poll_interval: Period = Period::of_secs(300),
        /// The broker aborts a transaction that stays open for longer: the second line after fencing.
        pub transaction_timeout: Period = Period::of_secs(15),
        /// One call to the client (a seek, a commit, a look-up) should take no longer. The client overruns it at times;
        /// that is logged.
        pub call_timeout: Period = Period::of_secs(5),
        /// How long a transient failure is retried.
        pub retry_bound: Period = Period::of_secs(30),
        /// The pause before such a retry.
        pub retry_pause: Period = Period::of_millis(20),
        /// A restore or a look-up that makes no progress for that long fails, and names its cause.
        pub no_progress_bound: Period = Period::of_secs(30),
        /// A poll returns at most that many records.
        pub poll_records: usize = 2_000,
        /// A poll ends at that many bytes of keys, headers and values; a larger record is still returned.
        pub poll_bytes: Size = Size::of_mib(8),
        /// Records read ahead, for each partition of a topic.
        pub queued_records: usize = 20_000,
        /// Bytes of values read ahead, for each partition of a topic; of keys and headers 8 times that.
        pub queued_bytes: Size = Size::of_mib(2),
        /// One fetch brings at most that much of a partition; a larger record is still fetched.
        pub fetch_bytes: Size = Size::of_mib(1),
        /// The broker holds a fetch back for that long while there is nothing. It bounds how late the end of a
        /// partition is noticed, and the merge waits for that.
        pub fetch_wait: Period = Period::of_millis(20),
        /// Records written but not yet acknowledged; a full queue is waited for.
        pub send_queue_records: usize = 200_000,
        /// The longest that a record waits to be sent with others.
        pub linger: Period = Period::of_millis(5),
        /// `none`, `lz4`, `zstd`, `snappy` or `gzip`.
        pub compression: Compression = Compression::Lz4,
        /// The largest record that may be written; the topics must allow it too.
        pub max_message: Size = Size::of_mib(4),
        /// Further properties of librdkafka, by its names in quotes: TLS (in a build with the feature `tls`), SASL and
        /// the like. Those that have a setting here, or that exactly once depends on, are refused. Their values are
        /// shown nowhere.
        pub client: ClientProperties = ClientProperties::default() => "\"security.protocol\" = \"ssl\"",
        /// The consumer group of the application. Of `[application]`.
        #[serde(skip)]
        pub group_id: String = "tideline".to_owned(),
        /// Inputs that have fewer partitions than the application, by topic. Whoever owns partition p of the others
        /// reads p of these, too, where there is one; the group doesn't assign them, for it would do so by other
        /// ranges. Of `[[inputs]]`.
        #[serde(skip)]
        pub narrow_inputs: BTreeMap<String, i32> = BTreeMap::new(),
    }
}

/// How a member of the consumer group joins and is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Sessions and the assignment are the members' business. A rebalance stops every partition for some 100 ms.
    #[default]
    Classic,
    /// KIP-848: the broker assigns; partitions that don't move flow on. Sessions are the broker's setting.
    Consumer,
}

impl GroupProtocol {
    /// As librdkafka names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// How batches of records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Records are sent as they are.
    None,
    /// LZ4: the least CPU for its gain.
    #[default]
    Lz4,
    /// Zstandard: the smallest batches, at more CPU.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip: for brokers and readers that know nothing else.
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

impl KafkaSettings {
    /// The faults of these settings by themselves; not of the client's further properties, which the client judges.
    pub fn check(&self, faults: &mut Faults) {
        for server in self.bootstrap.split(',').map(str::trim) {
            faults.unless(is_host_and_port(server), "bootstrap", format!("{server:?} is not host:port"));
        }
        for (key, period) in [
            ("call_timeout", self.call_timeout),
            ("retry_pause", self.retry_pause),
            ("no_progress_bound", self.no_progress_bound),
            ("fetch_wait", self.fetch_wait),
        ] {
            faults.unless_positive(key, period);
        }
        for (key, count) in [
            ("poll_records", self.poll_records),
            ("queued_records", self.queued_records),
            ("send_queue_records", self.send_queue_records),
        ] {
            faults.unless_countable(key, count);
        }
        for (key, size) in
            [("poll_bytes", self.poll_bytes), ("queued_bytes", self.queued_bytes), ("fetch_bytes", self.fetch_bytes)]
        {
            faults.unless_at_least(key, size, Size::of_kib(1));
        }
        let session = faults.path("session_timeout");
        faults.unless(
            self.heartbeat_interval > Period::default()
                && self.heartbeat_interval.millis() * 3 <= self.session_timeout.millis(),
            "heartbeat_interval",
            format!(
                "{} must be more than 0s and at most a third of {session}, {}",
                self.heartbeat_interval, self.session_timeout
            ),
        );
        let (session, transaction) = (self.session_timeout, self.transaction_timeout);
        faults.unless_shorter("session_timeout", session, "max_poll_interval", self.max_poll_interval);
        faults.unless_shorter("session_timeout", session, "retry_bound", self.retry_bound);
        faults.unless_shorter("linger", self.linger, "transaction_timeout", transaction);
        faults.unless_shorter("transaction_timeout", transaction, "max_poll_interval", self.max_poll_interval);
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}
