//! What must hold between the parts of a configuration; what holds within a part is checked by the part. Every fault is
//! reported, each with the path of its key.

use super::application::is_name_byte;
use super::tree::Config;
use crate::ingest::InputSettings;
use crate::settings::{Fault, Faults, Size};

impl Config {
    /// What a dead letter's limit must leave over the largest record: room for headers and framing.
    pub const DEAD_LETTER_MARGIN: Size = Size::of_kib(64);
    /// Inputs are numbered by a byte; `rekey` is one of them.
    const MAX_INPUTS: usize = 16;

    /// Every fault, each with its path: those that the parts find, then those between them. Empty: sound.
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_parts(&mut faults);
        self.couple_topics(&mut faults);
        self.couple_inputs(&mut faults);
        self.couple_sizes(&mut faults);
        self.couple_periods(&mut faults);
        faults.into_found()
    }

    /// Each part by itself.
    fn check_parts(&self, faults: &mut Faults) {
        faults.within("application", |faults| self.application.check(faults));
        faults.within("kafka", |faults| self.kafka.check(faults));
        self.check_client(faults);
        for (index, input) in self.inputs.iter().enumerate() {
            faults.within(&format!("inputs[{index}]"), |faults| input.check(faults));
        }
        faults.within("topics", |faults| self.topics.check(faults));
        faults.within("stream", |faults| {
            self.stream.engine.check(faults);
            self.stream.ingest.check(faults);
            self.stream.lanes.check(faults);
        });
        faults.within("rules", |faults| self.rules.check(faults));
        faults.within("telemetry", |faults| self.telemetry.server.check(faults));
    }

    fn couple_inputs(&self, faults: &mut Faults) {
        faults.unless(
            (1..=Self::MAX_INPUTS).contains(&self.inputs.len()),
            "inputs",
            format!("there must be 1 to {}, not {}", Self::MAX_INPUTS, self.inputs.len()),
        );
        let lateness = self.stream.engine.lateness;
        for (index, InputSettings { silent_after, keyed, partitions, .. }) in self.inputs.iter().enumerate() {
            let input = format!("inputs[{index}]");
            if let Some(partitions) = partitions {
                self.couple_partitions(*partitions, *keyed, &input, faults);
            }
            let Some(silent_after) = silent_after else { continue };
            faults.unless(
                *silent_after > lateness,
                &format!("{input}.silent_after"),
                format!("{silent_after} must exceed stream.lateness, {lateness}"),
            );
        }
    }

    /// Of an input of its own count: a partition beyond the application's would belong to nobody.
    fn couple_partitions(&self, partitions: i32, keyed: bool, input: &str, faults: &mut Faults) {
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

    /// What the application's topics must be to each other, and to those who share their partitions.
    fn couple_topics(&self, faults: &mut Faults) {
        let (lanes, partitions) = (self.application.lanes, self.topics.partitions);
        faults.unless(
            i32::from(lanes) <= partitions.max(1),
            "application.lanes",
            format!("{lanes} lanes, but only {partitions} partitions (topics.partitions) to share"),
        );
        self.couple_names(faults);
    }

    /// Each is the name of a topic, and of one only.
    fn couple_names(&self, faults: &mut Faults) {
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
        let outputs = topics.outputs.iter().map(|(output, name)| (format!("topics.{}", output.row().key), &**name));
        let own = [("topics.rekey", &topics.rekey), ("topics.changelog", &topics.changelog)];
        let inputs = self.inputs.iter().enumerate();
        inputs
            .map(|(index, input)| (format!("inputs[{index}].topic"), input.topic.as_str()))
            .chain(outputs)
            .chain(own.map(|(path, name)| (path.to_owned(), name.as_str())))
    }

    /// What must fit into what.
    fn couple_sizes(&self, faults: &mut Faults) {
        let (ingest, lanes, kafka) = (&self.stream.ingest, &self.stream.lanes, &self.kafka);
        faults.unless(
            lanes.buffer_bytes >= ingest.max_record,
            "stream.buffer_bytes",
            format!("{} can't hold one record of stream.max_record, {}", lanes.buffer_bytes, ingest.max_record),
        );
        let least = ingest.max_record.plus(Self::DEAD_LETTER_MARGIN);
        faults.unless(
            lanes.dead_letter_limit > least,
            "stream.dead_letter_limit",
            format!("{} must exceed stream.max_record and 64KiB, {least}", lanes.dead_letter_limit),
        );
        faults.unless(
            kafka.max_message > lanes.dead_letter_limit,
            "kafka.max_message",
            format!("{} must exceed stream.dead_letter_limit, {}", kafka.max_message, lanes.dead_letter_limit),
        );
    }

    /// What must be over before what.
    fn couple_periods(&self, faults: &mut Faults) {
        let (lanes, kafka) = (&self.stream.lanes, &self.kafka);
        let (transaction, poll) = (kafka.transaction_timeout, kafka.max_poll_interval);
        faults.unless_shorter(
            "stream.commit_interval",
            lanes.commit_interval,
            "kafka.transaction_timeout",
            transaction,
        );
        faults.unless_shorter("stream.merge_wait", lanes.merge_wait, "kafka.max_poll_interval", poll);
        faults.unless_shorter("stream.poll_timeout", lanes.poll_timeout, "kafka.max_poll_interval", poll);
    }

    /// The client's own properties, each judged as the client will judge it.
    fn check_client(&self, faults: &mut Faults) {
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
