//! What a cluster's settings mean for an application, beyond the plain differences of its topics: pure, each finding
//! one sentence that says what is so, what follows, and what to do.

use std::collections::BTreeMap;

use crate::broker::GroupProtocol;
use crate::broker::kafka::admin::TopicFacts;
use crate::config::Config;
use crate::domain::{CleanupPolicy, OutputKey, OutputTopic};
use crate::settings::Period;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// tideline can't run with it.
    pub is_fault: bool,
    pub text: String,
}

/// A topic's or a broker's settings, defaults included; empty where they are not told.
type Settings = BTreeMap<String, String>;

/// Those of a topic that are judged here: what `admin::plan` has to say of them says less.
pub(super) const JUDGED: [&str; 2] = ["max.message.bytes", "retention.ms"];

/// All of a cluster. `broker`: the settings of one of its brokers.
pub(super) fn findings(config: &Config, facts: &[TopicFacts], broker: &Settings) -> Vec<Finding> {
    let mut found = sizes(config, facts);
    found.extend(retentions(config, facts));
    found.extend(facts.iter().filter_map(in_sync));
    found.extend(group_protocol(config, broker));
    found
}

fn note(text: String) -> Finding {
    Finding { is_fault: false, text }
}

fn fault(text: String) -> Finding {
    Finding { is_fault: true, text }
}

fn number(settings: &Settings, name: &str) -> Option<i64> {
    settings.get(name)?.parse().ok()
}

/// Topics that we write: a record that one refuses is refused at every try.
fn sizes(config: &Config, facts: &[TopicFacts]) -> Vec<Finding> {
    let topics = &config.topics;
    let wanted = config.kafka.max_message.bytes() as i64;
    // What may be large: what came in. The others hold what we make, which is small.
    let holds_copies = |topic: &OutputTopic| topic.row().keyed_by == OutputKey::Received;
    let (copies, ours): (Vec<_>, Vec<_>) = OutputTopic::ALL.into_iter().partition(holds_copies);
    let names = |of: Vec<OutputTopic>| of.into_iter().map(|output| &*topics.outputs[output]);
    let of_what_came: Vec<_> = names(copies).chain([&*topics.rekey]).collect();
    let of_ours: Vec<_> = names(ours).chain([&*topics.changelog]).collect();
    let mut found = Vec::new();
    for facts in facts {
        let (Some(limit), name) = (number(&facts.config, "max.message.bytes"), &facts.name) else { continue };
        let text = || {
            format!(
                "{name}: max.message.bytes is {limit}, below kafka.max_message, {wanted}: a record beyond it is \
                    refused at \
                 every try; raise it (kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config \
                 max.message.bytes={wanted}), or lower kafka.max_message"
            )
        };
        if limit < wanted && of_what_came.contains(&&**name) {
            found.push(fault(text()));
        } else if limit < wanted && of_ours.contains(&&**name) {
            found.push(note(text()));
        }
    }
    found
}

/// An erasure is remembered for as long as the configuration says that records are kept; a topic that keeps them longer
/// can bring an erased user back.
fn retentions(config: &Config, facts: &[TopicFacts]) -> Vec<Finding> {
    let inputs = config.inputs.iter().enumerate();
    let inputs = inputs.map(|(at, input)| (&*input.topic, format!("inputs[{at}].retention"), input.retention));
    let topics = &config.topics;
    let read_again = |topic: &OutputTopic| topic.row().cleanup == CleanupPolicy::DeleteAsDeadLetters;
    let dead = OutputTopic::ALL.into_iter().filter(read_again).map(|output| {
        let key = "topics.dead_letter_retention".to_owned();
        (&*topics.outputs[output], key, topics.dead_letter_retention)
    });
    let mut found = Vec::new();
    for (topic, key, configured) in inputs.chain(dead) {
        let Some(facts) = facts.iter().find(|facts| facts.name == topic) else { continue };
        let kept = match kept_ms(&facts.config) {
            Some(Some(ms)) if ms <= configured.millis() => continue,
            Some(Some(ms)) => format!("keeps records for {}", Period::of_millis(ms.max(0) as u64)),
            Some(None) => "keeps records for ever".to_owned(),
            None => continue,
        };
        found.push(note(format!(
            "{topic}: {kept}, longer than {key}, {configured}: what is read again after that can bring an erased user \
             back; raise {key}, or lower the topic's retention.ms to {}",
            configured.millis()
        )));
    }
    found
}

/// How long a topic keeps records: none for ever; none at all where it doesn't say.
fn kept_ms(settings: &Settings) -> Option<Option<i64>> {
    let deletes = settings.get("cleanup.policy").is_none_or(|policy| policy.split(',').any(|it| it.trim() == "delete"));
    match number(settings, "retention.ms") {
        _ if !deletes => Some(None),
        Some(ms) if ms < 0 => Some(None),
        other => other.map(Some),
    }
}

fn in_sync(facts: &TopicFacts) -> Option<Finding> {
    let wanted = number(&facts.config, "min.insync.replicas")?;
    (facts.replication > 0 && wanted > i64::from(facts.replication)).then(|| {
        note(format!(
            "{}: min.insync.replicas is {wanted}, above the replication factor, {}: Kafka accepts that and ignores it, \
             so a record counts as written with fewer copies than was meant; add replicas, or lower it",
            facts.name, facts.replication
        ))
    })
}

/// Whether the brokers have KIP-848, where the configuration asks for it.
fn group_protocol(config: &Config, broker: &Settings) -> Option<Finding> {
    if config.kafka.group_protocol == GroupProtocol::Classic {
        return None;
    }
    let mend = "set kafka.group_protocol = \"classic\"";
    if broker.is_empty() {
        return Some(note(format!(
            "whether the brokers have KIP-848, which kafka.group_protocol = \"consumer\" asks for, is not told: the \
             right DescribeConfigs on the cluster is missing; if they haven't, {mend}"
        )));
    }
    // It came with KIP-848.
    if !broker.contains_key("group.consumer.session.timeout.ms") {
        return Some(fault(format!(
            "the brokers don't have KIP-848, which kafka.group_protocol = \"consumer\" asks for (Kafka 4.0 has it): \
                {mend}"
        )));
    }
    let protocols = broker.get("group.coordinator.rebalance.protocols")?;
    (!protocols.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("consumer"))).then(|| {
        fault(format!(
            "the brokers have switched KIP-848 off, which kafka.group_protocol = \"consumer\" asks for: add consumer \
             to their group.coordinator.rebalance.protocols, {protocols}, or {mend}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, settings: &[(&str, &str)]) -> TopicFacts {
        TopicFacts {
            name: name.to_owned(),
            partitions: 8,
            replication: 1,
            config: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// The findings start so: `!` for a fault.
    fn check(config: &Config, facts: &[TopicFacts], broker: &[(&str, &str)], starts: &[&str]) {
        let found = findings(config, facts, &topic("broker", broker).config);
        let told: Vec<_> =
            found.iter().map(|it| format!("{}{}", if it.is_fault { "!" } else { "" }, it.text)).collect();
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told:?} does not start with {start:?}");
        }
    }

    #[test]
    fn a_topic_that_takes_less_than_may_be_written_is_named() {
        let (small, large) = (&[("max.message.bytes", "1048588")][..], &[("max.message.bytes", "8000000")][..]);
        let facts = ["app.events", "tideline.changelog", "tier-changes", "dead-letters"].map(|name| topic(name, small));
        let starts =
            ["tideline.changelog: max", "tier-changes: max", "!dead-letters: max.message.bytes is 1048588, below"];
        check(&Config::default(), &facts, &[], &starts);
        check(&Config::default(), &[topic("dead-letters", large)], &[], &[]);
    }

    #[test]
    fn a_topic_that_keeps_records_longer_than_an_erasure_is_remembered_is_named() {
        let day = 86_400_000;
        let kept = |name: &str, days: i64| topic(name, &[("retention.ms", &(days * day).to_string())]);
        let for_ever = topic("sms.events", &[("retention.ms", "-1")]);
        let compacted = topic("branch.events", &[("retention.ms", "1"), ("cleanup.policy", "compact")]);
        let facts = [kept("app.events", 8), for_ever, compacted, kept("merchant.events", 7), kept("dead-letters", 30)];
        let starts = [
            "app.events: keeps records for 8d, longer than inputs[0].retention, 7d",
            "sms.events: keeps records for ever, longer than inputs[1].retention, 7d",
            "branch.events: keeps records for ever",
            "dead-letters: keeps records for 30d, longer than topics.dead_letter_retention, 14d",
        ];
        check(&Config::default(), &facts, &[], &starts);
    }

    #[test]
    fn more_replicas_in_sync_than_there_are_is_named() {
        let facts = [topic("app.events", &[("min.insync.replicas", "2")]), topic("x", &[("min.insync.replicas", "1")])];
        let start = "app.events: min.insync.replicas is 2, above the replication factor, 1";
        check(&Config::default(), &facts, &[], &[start]);
    }

    #[test]
    fn brokers_that_have_no_kip_848_are_named_where_it_is_asked_for() {
        let mut config = Config::default();
        check(&config, &[], &[("node.id", "1")], &[]);
        config.kafka.group_protocol = GroupProtocol::Consumer;
        let of_848 = ("group.consumer.session.timeout.ms", "45000");
        let protocols = |value| ("group.coordinator.rebalance.protocols", value);
        check(&config, &[], &[], &["whether the brokers have KIP-848"]);
        check(&config, &[], &[("node.id", "1")], &["!the brokers don't have KIP-848"]);
        check(&config, &[], &[of_848, protocols("classic")], &["!the brokers have switched KIP-848 off"]);
        check(&config, &[], &[of_848, protocols("classic,consumer")], &[]);
        check(&config, &[], &[of_848], &[]);
    }
}
