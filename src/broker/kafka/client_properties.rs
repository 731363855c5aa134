//! Properties of the client that a configuration may not set, and a judgement of each that it may: as librdkafka itself
//! will judge it, without a broker. (`client/dry_run.rs` judges them together.)
//!
//! No text here carries a value: it may be a secret, and librdkafka's own texts do carry it.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::broker::ClientProperties;
use crate::nearest::nearest;

/// Why a property can't be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It has a setting of its own.
    Setting(&'static str),
    /// Exactly once depends on its value.
    ExactlyOnce,
    /// The program sets it, and has to.
    Program,
}

use Owner::{ExactlyOnce, Program, Setting};

/// Under every name that librdkafka knows it by: an alias sets the same.
const GUARDED: [(&str, Owner); 53] = [
    ("acks", ExactlyOnce),
    ("allow.auto.create.topics", Program),
    ("auto.commit.enable", ExactlyOnce),
    ("auto.offset.reset", ExactlyOnce),
    ("bootstrap.servers", Setting("kafka.bootstrap")),
    ("client.id", Setting("application.id")),
    ("compression.codec", Setting("kafka.compression")),
    ("compression.type", Setting("kafka.compression")),
    ("delivery.report.only.error", Program),
    ("delivery.timeout.ms", ExactlyOnce),
    ("enable.auto.commit", ExactlyOnce),
    ("enable.auto.offset.store", ExactlyOnce),
    ("enable.gapless.guarantee", ExactlyOnce),
    ("enable.idempotence", ExactlyOnce),
    ("enable.partition.eof", ExactlyOnce),
    ("fetch.message.max.bytes", Setting("kafka.fetch_bytes")),
    ("fetch.queue.backoff.ms", Program),
    ("fetch.wait.max.ms", Setting("kafka.fetch_wait")),
    ("group.id", Setting("application.id")),
    ("group.instance.id", Setting("kafka.static_membership")),
    ("group.protocol", Setting("kafka.group_protocol")),
    ("group.remote.assignor", Setting("kafka.assignor")),
    ("heartbeat.interval.ms", Setting("kafka.heartbeat_interval")),
    ("isolation.level", ExactlyOnce),
    ("linger.ms", Setting("kafka.linger")),
    ("log.queue", Program),
    ("max.in.flight", ExactlyOnce),
    ("max.in.flight.requests.per.connection", ExactlyOnce),
    ("max.partition.fetch.bytes", Setting("kafka.fetch_bytes")),
    ("max.poll.interval.ms", Setting("kafka.max_poll_interval")),
    ("message.max.bytes", Setting("kafka.max_message")),
    ("message.send.max.retries", ExactlyOnce),
    ("message.timeout.ms", ExactlyOnce),
    ("metadata.broker.list", Setting("kafka.bootstrap")),
    ("offset.store.method", ExactlyOnce),
    ("partition.assignment.strategy", Setting("kafka.assignor")),
    ("partitioner", ExactlyOnce),
    ("plugin.library.paths", Program),
    ("queue.buffering.max.messages", Setting("kafka.send_queue_records")),
    ("queue.buffering.max.ms", Setting("kafka.linger")),
    ("queued.max.messages.kbytes", Setting("kafka.queued_bytes")),
    ("queued.min.messages", Setting("kafka.queued_records")),
    ("queuing.strategy", ExactlyOnce),
    ("request.required.acks", ExactlyOnce),
    ("retries", ExactlyOnce),
    ("retry.backoff.ms", Program),
    ("session.timeout.ms", Setting("kafka.session_timeout")),
    ("statistics.interval.ms", Program),
    ("test.mock.broker.rtt", Program),
    ("test.mock.num.brokers", Program),
    ("transaction.timeout.ms", Setting("kafka.transaction_timeout")),
    ("transactional.id", Setting("application.id")),
    ("enabled_events", Program),
];

/// What the program sets and a configuration may set otherwise.
#[cfg(test)]
const FREE: [&str; 2] = ["debug", "ssl.ca.location"];

/// Names that are set often, to suggest one for a name that isn't any.
const USUAL: [&str; 34] = [
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "connections.max.idle.ms",
    "debug",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.config",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "topic.metadata.refresh.interval.ms",
];

/// Whether a configuration may not set it.
pub(super) fn is_guarded(name: &str) -> bool {
    owner(name).is_some()
}

fn owner(name: &str) -> Option<Owner> {
    // librdkafka takes that prefix off a topic's property.
    let name =
        name.strip_prefix("topic.").filter(|rest| GUARDED.iter().any(|(known, _)| known == rest)).unwrap_or(name);
    GUARDED.iter().find(|(known, _)| *known == name).map(|(_, owner)| *owner)
}

/// The keys of the configuration that stand for what a text of the client's names.
pub fn settings_in(text: &str) -> impl Iterator<Item = &'static str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
    let words = text.split(move |letter| !is_of_name(letter)).map(|word| word.trim_matches('.'));
    words.filter_map(|word| match owner(word) {
        Some(Setting(path)) => Some(path),
        _ => None,
    })
}

/// What is wrong with properties, by name: those that may not be set, and those that the client refuses.
pub fn judge(properties: &ClientProperties) -> Vec<(String, String)> {
    let fault = |(name, value): (&str, &str)| Some((name.to_owned(), fault_of(name, value)?));
    properties.iter().filter_map(fault).collect()
}

fn fault_of(name: &str, value: &str) -> Option<String> {
    match owner(name) {
        Some(Setting(setting)) => return Some(format!("can't be set here: use {setting}")),
        Some(ExactlyOnce) => return Some("can't be set: exactly once depends on it".to_owned()),
        Some(Program) => return Some("can't be set: the program sets it".to_owned()),
        None => {}
    }
    if name.contains('\0') || value.contains('\0') {
        return Some("a property can't hold a zero byte".to_owned());
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(native) => {
            // A number is read as far as it goes: `5 s` would pass for 5.
            let read = native.get(name).unwrap_or_default();
            let is_cut = read.parse::<f64>().is_ok() && value.trim().parse::<f64>().is_err() && starts_as_number(value);
            is_cut.then(|| "is no number: something stands behind its digits".to_owned())
        }
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            let meant = nearest(name, USUAL.into_iter().chain(GUARDED.map(|(name, _)| name)));
            let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            Some(format!("the client (librdkafka) has no property of this name{meant}"))
        }
        Err(KafkaError::ClientConfig(_, text, ..)) => Some(refused(&text)),
        Err(_) => Some("the client (librdkafka) doesn't take it".to_owned()),
    }
}

fn starts_as_number(value: &str) -> bool {
    value.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '-') && !value.contains("0x")
}

/// librdkafka's text without the value that it quotes.
fn refused(text: &str) -> String {
    let is_missing = text.starts_with("Unsupported value") || text.contains("not supported in this build");
    if is_missing {
        return match text.rsplit(": ").next() {
            Some(lack) if lack.contains("OpenSSL") => LACKS_TLS.to_owned(),
            Some(lack) => format!("not in this build, and in no build of tideline: {lack}"),
            None => "not in this build".to_owned(),
        };
    }
    if let Some((_, range)) = text.split_once("allowed range ") {
        return format!("must be a number of {}", range.trim_end());
    }
    if text.starts_with("Expected bool value") {
        return "must be true or false".to_owned();
    }
    if text.contains("must be set through dedicated") {
        return "can't be set by a text".to_owned();
    }
    "the client (librdkafka) doesn't take this value; its CONFIGURATION.md says which ones it does".to_owned()
}

/// What to do about a property that only a TLS build has.
pub(super) const LACKS_TLS: &str = "needs a build with the feature `tls`: cargo build --release --features tls";

/// An error of the client's without the value that its text may quote.
pub(super) fn plain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, name, _) => format!("property {name}: {}", refused(text)),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Isolation;
    use crate::broker::kafka::settings::{GroupProtocol, KafkaSettings};

    fn judged(name: &str, value: &str) -> Option<String> {
        judge(&[(name, value)].into_iter().collect()).pop().map(|(_, fault)| fault)
    }

    /// Whatever the program sets would be overwritten, or would overwrite what it sets.
    #[test]
    fn what_the_program_sets_no_configuration_sets() {
        let settings =
            |group_protocol| KafkaSettings { group_protocol, static_membership: true, ..KafkaSettings::default() };
        let (classic, consumer) = (settings(GroupProtocol::Classic), settings(GroupProtocol::Consumer));
        for config in [
            classic.member("m"),
            consumer.member("m"),
            classic.reader(Isolation::ReadCommitted),
            classic.observer(Isolation::ReadCommitted),
            classic.transactional("t"),
            classic.claimant("g", "m"),
        ] {
            for name in config.config_map().keys().filter(|name| !FREE.contains(name)) {
                assert!(is_guarded(name), "{name}");
            }
        }
    }

    /// An alias is told by what it does: setting it moves the property that it stands for.
    #[test]
    fn every_alias_of_a_guarded_property_is_guarded() {
        let aliases = [
            ("metadata.broker.list", "bootstrap.servers", "x:1"),
            ("max.in.flight", "max.in.flight.requests.per.connection", "7"),
            ("max.partition.fetch.bytes", "fetch.message.max.bytes", "7777"),
            ("queue.buffering.max.ms", "linger.ms", "77"),
            ("retries", "message.send.max.retries", "7"),
            ("compression.codec", "compression.type", "gzip"),
            ("acks", "request.required.acks", "1"),
            ("delivery.timeout.ms", "message.timeout.ms", "7777"),
        ];
        for (alias, name, value) in aliases {
            let native = ClientConfig::new().set(alias, value).create_native_config().unwrap();
            assert_eq!(native.get(name).unwrap(), value, "{alias} is an alias of {name}");
            for name in [alias, name] {
                assert!(judged(name, value).is_some_and(|fault| fault.starts_with("can't be set")), "{name}");
            }
        }
        assert!(judged("topic.acks", "1").is_some_and(|fault| fault.starts_with("can't be set")));
        assert_eq!(judged("metadata.broker.list", "x:1").unwrap(), "can't be set here: use kafka.bootstrap");
    }

    #[test]
    fn a_name_or_a_value_that_the_client_does_not_take_is_a_fault() {
        for (name, value, start) in [
            (
                "sasl.pasword",
                "x",
                "the client (librdkafka) has no property of this name; did you mean `sasl.password`?",
            ),
            ("no.such", "x", "the client (librdkafka) has no property of this name"),
            ("socket.timeout.ms", "5", "must be a number of 10..300000"),
            ("socket.timeout.ms", "5000 ms", "is no number"),
            ("socket.timeout.ms", "soon", "the client (librdkafka) doesn't take this value"),
            ("socket.keepalive.enable", "yes", "must be true or false"),
            ("security.protocol", "tls", "the client (librdkafka) doesn't take this value"),
            ("error_cb", "x", "can't be set by a text"),
            ("debug", "everything", "the client (librdkafka) doesn't take this value"),
            ("ssl.engine.id", "a\0b", "a property can't hold a zero byte"),
        ] {
            let fault = judged(name, value).unwrap_or_default();
            assert!(fault.starts_with(start), "{name}: {fault:?}");
        }
        for (name, value) in [("socket.timeout.ms", "6000"), ("sasl.mechanism", "PLAIN"), ("debug", "broker,eos")] {
            assert_eq!(judged(name, value), None, "{name}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn what_the_build_lacks_is_told_with_the_name_of_its_feature() {
        for (name, value) in
            [("security.protocol", "ssl"), ("security.protocol", "SASL_SSL"), ("ssl.ca.location", "probe")]
        {
            assert_eq!(judged(name, value).as_deref(), Some(LACKS_TLS), "{name}");
        }
    }
}
