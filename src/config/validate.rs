//! What must hold between the values of a configuration. Every fault is reported, each with the path of its key.

use super::application::is_name_byte;
use super::tree::{Config, InputConfig};
use crate::settings::{Fault, Faults, Period, Size};

impl Config {
    /// What a dead letter's limit must leave over the largest record: room for headers and framing.
    pub const DEAD_LETTER_MARGIN: Size = Size::of_kib(64);
    /// Inputs are numbered by a byte; `rekey` is one of them.
    const MAX_INPUTS: usize = 16;
    /// Kafka's limit is far higher; a mistyped count isn't.
    const MAX_PARTITIONS: i32 = 10_000;

    /// Every fault, each with its path. Empty: sound.
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.validate_application(&mut faults);
        self.validate_inputs(&mut faults);
        self.validate_topics(&mut faults);
        self.validate_stream(&mut faults);
        self.validate_sizes(&mut faults);
        self.validate_kafka(&mut faults);
        self.validate_telemetry(&mut faults);
        let mut found = faults.into_found();
        found.extend(self.rules.validate().iter().map(|fault| Fault::of_rules(fault)));
        found
    }

    fn validate_application(&self, faults: &mut Faults) {
        let application = &self.application;
        faults.within("application", |faults| application.check(faults));
        faults.unless(
            i32::from(application.lanes) <= self.topics.partitions.max(1),
            "application.lanes",
            format!(
                "{} lanes, but only {} partitions (topics.partitions) to share",
                application.lanes, self.topics.partitions
            ),
        );
    }

    fn validate_inputs(&self, faults: &mut Faults) {
        faults.unless(
            (1..=Self::MAX_INPUTS).contains(&self.inputs.len()),
            "inputs",
            format!("there must be 1 to {}, not {}", Self::MAX_INPUTS, self.inputs.len()),
        );
        for (index, InputConfig { silent_after, retention, keyed, partitions, .. }) in self.inputs.iter().enumerate() {
            let path = |key: &str| format!("inputs[{index}].{key}");
            if let Some(partitions) = partitions {
                self.validate_partitions(*partitions, *keyed, &format!("inputs[{index}]"), faults);
            }
            faults.unless(*retention >= Period::of_millis(1), &path("retention"), "must be longer than 0s");
            let Some(silent_after) = silent_after else { continue };
            faults.unless(
                *silent_after > self.stream.lateness,
                &path("silent_after"),
                format!("{silent_after} must exceed stream.lateness, {}", self.stream.lateness),
            );
        }
    }

    /// Of an input of its own count: a partition beyond the application's would belong to nobody.
    fn validate_partitions(&self, partitions: i32, keyed: bool, input: &str, faults: &mut Faults) {
        let (all, path) = (self.topics.partitions, format!("{input}.partitions"));
        faults.unless(
            (1..=all).contains(&partitions),
            &path,
            format!(
                "must be 1 to topics.partitions, {all}, not {partitions}: nobody would read the rest; raise \
                 topics.partitions, or copy the topic into one that has fewer"
            ),
        );
        faults.unless(
            !keyed || partitions == all,
            &path,
            format!(
                "a keyed input has {all} partitions as the others (topics.partitions); with another count set \
                 {input}.keyed = false"
            ),
        );
    }

    fn validate_topics(&self, faults: &mut Faults) {
        let topics = &self.topics;
        faults.unless(
            (1..=Self::MAX_PARTITIONS).contains(&topics.partitions),
            "topics.partitions",
            format!("must be 1 to {}, not {}", Self::MAX_PARTITIONS, topics.partitions),
        );
        for (path, period) in [
            ("topics.output_retention", topics.output_retention),
            ("topics.dead_letter_retention", topics.dead_letter_retention),
            ("topics.changelog_segment_age", topics.changelog_segment_age),
            ("topics.changelog_compaction_lag", topics.changelog_compaction_lag),
            ("topics.changelog_tombstone_retention", topics.changelog_tombstone_retention),
        ] {
            faults.unless(period > Period::default(), path, "must be longer than 0s");
        }
        faults.unless(
            topics.changelog_segment >= Size::of_mib(1) && topics.changelog_segment <= Size::of_mib(2_000),
            "topics.changelog_segment",
            format!("must be 1MiB to 2000MiB, not {}", topics.changelog_segment),
        );
        let mut seen: Vec<(String, &str)> = Vec::new();
        for (path, name) in self.named_topics() {
            faults.unless(
                is_topic(name),
                &path,
                format!("{name:?} is no topic: 1 to 249 of letters, digits, '.', '_' and '-'"),
            );
            match seen.iter().find(|(_, other)| is_one_name(other, name)) {
                Some((other, same)) if *same == name => {
                    faults.unless(false, &path, format!("{name:?} is the topic of {other} too"));
                }
                Some((other, near)) => faults.unless(
                    false,
                    &path,
                    format!(
                        "{name:?} and {near:?} ({other}) are one name to Kafka's metrics, which write '.' as '_'; it \
                         refuses to create the second"
                    ),
                ),
                None => seen.push((path, name)),
            }
        }
    }

    /// Every topic, with the path of the key that names it.
    fn named_topics(&self) -> impl Iterator<Item = (String, &str)> {
        let topics = &self.topics;
        let own = [
            ("topics.tier_changes", &topics.tier_changes),
            ("topics.dormancy_risk", &topics.dormancy_risk),
            ("topics.user_profiles", &topics.user_profiles),
            ("topics.dead_letters", &topics.dead_letters),
            ("topics.rekey", &topics.rekey),
            ("topics.changelog", &topics.changelog),
        ];
        let inputs = self.inputs.iter().enumerate();
        inputs
            .map(|(index, input)| (format!("inputs[{index}].topic"), input.topic.as_str()))
            .chain(own.map(|(path, name)| (path.to_owned(), name.as_str())))
    }

    fn validate_stream(&self, faults: &mut Faults) {
        let stream = &self.stream;
        let horizon = Period::of_days(u64::from(crate::rules::Rules::HORIZON_DAYS));
        faults.unless(
            stream.lateness < horizon,
            "stream.lateness",
            format!("{} must be shorter than the history, {horizon}", stream.lateness),
        );
        for (path, period) in [
            ("stream.merge_wait", stream.merge_wait),
            ("stream.idle_after", stream.idle_after),
            ("stream.commit_interval", stream.commit_interval),
            ("stream.idle_tick", stream.idle_tick),
            ("stream.idle_reach", stream.idle_reach),
            ("stream.clock_check", stream.clock_check),
            ("stream.poll_timeout", stream.poll_timeout),
            ("stream.restore_timeout", stream.restore_timeout),
            ("stream.retry_backoff", stream.retry_backoff),
            ("stream.patience", stream.patience),
            ("stream.stall_after", stream.stall_after),
            ("stream.topic_check", stream.topic_check),
        ] {
            faults.unless(period > Period::default(), path, "must be longer than 0s");
        }
        faults.unless(
            stream.topic_check <= Period::of_secs(5),
            "stream.topic_check",
            format!("{} must be at most 5s: what becomes of a topic must be noticed within 10s", stream.topic_check),
        );
        faults.unless(
            stream.retry_backoff <= stream.retry_backoff_max,
            "stream.retry_backoff_max",
            format!(
                "{} must not be shorter than stream.retry_backoff, {}",
                stream.retry_backoff_max, stream.retry_backoff
            ),
        );
        for (path, count) in [
            ("stream.batch_records", stream.batch_records),
            ("stream.max_effects", stream.max_effects),
            ("stream.buffer_records", stream.buffer_records),
            ("stream.turn_records", stream.turn_records),
            ("stream.restores_at_once", stream.restores_at_once),
        ] {
            faults.unless((1..=10_000_000).contains(&count), path, format!("must be 1 to 10000000, not {count}"));
        }
    }

    /// What must fit into what.
    fn validate_sizes(&self, faults: &mut Faults) {
        let (stream, kafka) = (&self.stream, &self.kafka);
        faults.unless(
            stream.max_record > Size::default(),
            "stream.max_record",
            "must be more than 0B: every event would be too large",
        );
        faults.unless(
            stream.buffer_bytes >= stream.max_record,
            "stream.buffer_bytes",
            format!("{} can't hold one record of stream.max_record, {}", stream.buffer_bytes, stream.max_record),
        );
        faults.unless(
            stream.batch_bytes >= stream.dead_letter_limit,
            "stream.batch_bytes",
            format!(
                "{} can't hold one dead letter of stream.dead_letter_limit, {}",
                stream.batch_bytes, stream.dead_letter_limit
            ),
        );
        let least = stream.max_record.plus(Self::DEAD_LETTER_MARGIN);
        faults.unless(
            stream.dead_letter_limit > least,
            "stream.dead_letter_limit",
            format!("{} must exceed stream.max_record and 64KiB, {least}", stream.dead_letter_limit),
        );
        faults.unless(
            kafka.max_message > stream.dead_letter_limit,
            "kafka.max_message",
            format!("{} must exceed stream.dead_letter_limit, {}", kafka.max_message, stream.dead_letter_limit),
        );
        for (path, size) in [
            ("kafka.poll_bytes", kafka.poll_bytes),
            ("kafka.queued_bytes", kafka.queued_bytes),
            ("kafka.fetch_bytes", kafka.fetch_bytes),
        ] {
            faults.unless(size >= Size::of_kib(1), path, format!("must be at least 1KiB, not {size}"));
        }
    }

    fn validate_kafka(&self, faults: &mut Faults) {
        let (kafka, stream) = (&self.kafka, &self.stream);
        self.validate_client(faults);
        let servers: Vec<_> = kafka.bootstrap.split(',').map(str::trim).collect();
        for server in servers {
            faults.unless(is_host_and_port(server), "kafka.bootstrap", format!("{server:?} is not host:port"));
        }
        for (path, period) in [
            ("kafka.call_timeout", kafka.call_timeout),
            ("kafka.retry_pause", kafka.retry_pause),
            ("kafka.no_progress_bound", kafka.no_progress_bound),
            ("kafka.fetch_wait", kafka.fetch_wait),
        ] {
            faults.unless(period > Period::default(), path, "must be longer than 0s");
        }
        for (path, count) in [
            ("kafka.poll_records", kafka.poll_records),
            ("kafka.queued_records", kafka.queued_records),
            ("kafka.send_queue_records", kafka.send_queue_records),
        ] {
            faults.unless((1..=10_000_000).contains(&count), path, format!("must be 1 to 10000000, not {count}"));
        }
        faults.unless(
            kafka.heartbeat_interval > Period::default()
                && kafka.heartbeat_interval.millis() * 3 <= kafka.session_timeout.millis(),
            "kafka.heartbeat_interval",
            format!(
                "{} must be more than 0s and at most a third of kafka.session_timeout, {}",
                kafka.heartbeat_interval, kafka.session_timeout
            ),
        );
        let mut shorter = |path: &str, period: Period, than: &str, limit: Period| {
            faults.unless(period < limit, path, format!("{period} must be shorter than {than}, {limit}"));
        };
        shorter("kafka.session_timeout", kafka.session_timeout, "kafka.max_poll_interval", kafka.max_poll_interval);
        shorter("kafka.session_timeout", kafka.session_timeout, "kafka.retry_bound", kafka.retry_bound);
        shorter("kafka.linger", kafka.linger, "kafka.transaction_timeout", kafka.transaction_timeout);
        let transaction = kafka.transaction_timeout;
        shorter("stream.commit_interval", stream.commit_interval, "kafka.transaction_timeout", transaction);
        shorter("stream.merge_wait", stream.merge_wait, "kafka.max_poll_interval", kafka.max_poll_interval);
        shorter("kafka.transaction_timeout", transaction, "kafka.max_poll_interval", kafka.max_poll_interval);
        shorter("stream.poll_timeout", stream.poll_timeout, "kafka.max_poll_interval", kafka.max_poll_interval);
    }

    fn validate_telemetry(&self, faults: &mut Faults) {
        let telemetry = &self.telemetry;
        faults.unless(
            (2..=1_000).contains(&telemetry.max_connections),
            "telemetry.max_connections",
            format!("must be 2 to 1000, not {}", telemetry.max_connections),
        );
        for (path, period) in
            [("telemetry.header_timeout", telemetry.header_timeout), ("telemetry.idle_timeout", telemetry.idle_timeout)]
        {
            faults.unless(period > Period::default(), path, "must be longer than 0s");
        }
    }

    /// The client's own properties, each judged as the client will judge it.
    fn validate_client(&self, faults: &mut Faults) {
        #[cfg(feature = "kafka")]
        for (name, fault) in crate::broker::kafka::judge(&self.kafka.client) {
            faults.unless(false, &format!("kafka.client.{name}"), fault);
        }
        #[cfg(not(feature = "kafka"))]
        let _ = faults;
    }
}

/// Kafka's metrics have no dots.
fn is_one_name(a: &str, b: &str) -> bool {
    a.replace('.', "_") == b.replace('.', "_")
}

/// Kafka's own rule for names of topics.
fn is_topic(text: &str) -> bool {
    (1..=249).contains(&text.len()) && text.bytes().all(is_name_byte) && text != "." && text != ".."
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}
