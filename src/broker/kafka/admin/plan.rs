//! Topics as they are, as they should be, and the steps from the one to the other.
//!
//! Pure. Missing topics are created; of ours, what bounds how long erased data stays, and what lets the broker tell its
//! time, is set where they exist, too. What else differs is told, with how to change it, because changing a topic under
//! its producers is its owner's decision.

use std::collections::BTreeMap;

use crate::broker::{TopicSettings, Topics};
use crate::domain::CleanupPolicy;
use crate::settings::Period;

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// By which the cluster knows it.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// Replicas of its first partition.
    pub replication: i32,
    /// All of the topic's properties, defaults included.
    pub config: BTreeMap<String, String>,
}

/// A topic as tideline wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicWish {
    /// As the configuration names it.
    pub name: String,
    /// `None`: any number will do.
    pub partitions: Option<i32>,
    /// Properties that it is created with.
    pub config: BTreeMap<&'static str, String>,
    /// Those of them without which tideline doesn't work.
    pub required: &'static [&'static str],
    /// Those of them that are set where the topic exists already: they are ours to say, and harm nobody.
    pub settable: &'static [&'static str],
}

/// What decides how long what was erased stays on disk.
const OF_ERASURE: [&str; 3] = ["segment.ms", "max.compaction.lag.ms", "delete.retention.ms"];
/// The same, and what lets the broker tell its time.
const OF_CHANGELOG: [&str; 4] =
    ["message.timestamp.type", "segment.ms", "max.compaction.lag.ms", "delete.retention.ms"];

/// The topics of an application as they should be, in the order of the flow.
pub fn wishes(topics: &Topics, settings: &TopicSettings) -> Vec<TopicWish> {
    let delete =
        |retention: Period| [("cleanup.policy", "delete".to_owned()), ("retention.ms", retention.millis().to_string())];
    let compact = || {
        [
            ("cleanup.policy", "compact".to_owned()),
            ("segment.bytes", settings.changelog_segment.bytes().to_string()),
            ("segment.ms", settings.changelog_segment_age.millis().to_string()),
            ("max.compaction.lag.ms", settings.changelog_compaction_lag.millis().to_string()),
            ("delete.retention.ms", settings.changelog_tombstone_retention.millis().to_string()),
            ("min.cleanable.dirty.ratio", "0.2".to_owned()),
        ]
    };
    let co_partitioned = Some(topics.partitions);
    let of_input = |name: &str| settings.narrow_inputs.get(name).copied().or(co_partitioned);
    let wish = |name: &str, partitions, config: Vec<(&'static str, String)>, required| {
        let size = ("max.message.bytes", settings.max_message.bytes().to_string());
        let config = config.into_iter().chain([size]).collect();
        TopicWish { name: name.to_owned(), partitions, config, required, settable: &[] }
    };
    let mut all: Vec<_> = topics
        .inputs
        .iter()
        .map(|name| wish(name, of_input(name), delete(settings.input_retention).into(), &[]))
        .collect();
    let of_broker = [("message.timestamp.type", "LogAppendTime".to_owned())];
    let changelog = compact().into_iter().chain(of_broker).collect();
    all.push(TopicWish {
        settable: &OF_CHANGELOG,
        ..wish(&topics.changelog, co_partitioned, changelog, &["cleanup.policy"])
    });
    all.extend(topics.outputs.iter().map(|(output, name)| match output.row().cleanup {
        CleanupPolicy::Delete => wish(name, None, delete(settings.output_retention).into(), &[]),
        CleanupPolicy::DeleteAsDeadLetters => wish(name, None, delete(settings.dead_letter_retention).into(), &[]),
        CleanupPolicy::Compact => {
            TopicWish { settable: &OF_ERASURE, ..wish(name, None, compact().into(), &["cleanup.policy"]) }
        }
    }));
    all
}

/// One difference between what is and what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicStep {
    /// There is no such topic: it is to be created.
    Create(TopicWish),
    /// tideline can't run with it.
    Fault(Difference),
    /// It can, and the property is set to what it should be.
    Set(Difference),
    /// It can, but someone may want to know.
    Note(Difference),
}

/// What [`Difference::what`] calls a topic's count.
pub const PARTITIONS: &str = "the number of partitions";

/// One property of a topic that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{topic}: {what} is {found}, should be {wanted}")]
pub struct Difference {
    /// The topic's name.
    pub topic: String,
    /// The property, or [`PARTITIONS`].
    pub what: String,
    /// What the cluster has.
    pub found: String,
    /// What the configuration asks for.
    pub wanted: String,
}

/// What is missing or different, in the order of the wishes.
pub fn plan(wishes: &[TopicWish], facts: &[TopicFacts]) -> Vec<TopicStep> {
    let steps_of = |wish: &TopicWish| match facts.iter().find(|facts| facts.name == wish.name) {
        None => vec![TopicStep::Create(wish.clone())],
        Some(facts) => differences(wish, facts),
    };
    wishes.iter().flat_map(steps_of).collect()
}

fn differences(wish: &TopicWish, facts: &TopicFacts) -> Vec<TopicStep> {
    let difference = |what: &str, found: String, wanted: String| Difference {
        topic: wish.name.clone(),
        what: what.to_owned(),
        found,
        wanted,
    };
    let mut steps = Vec::new();
    if let Some(wanted) = wish.partitions.filter(|&wanted| wanted != facts.partitions) {
        steps.push(TopicStep::Fault(difference(PARTITIONS, facts.partitions.to_string(), wanted.to_string())));
    }
    for (name, wanted) in &wish.config {
        let found = facts.config.get(*name);
        if found != Some(wanted) && !found.is_some_and(|found| keeps_bound(name, found, wanted)) {
            // What isn't told may be anything.
            let is_fault = found.is_none() || wish.required.contains(name);
            let found = found.map_or("not told", String::as_str);
            let difference = difference(name, found.to_owned(), wanted.clone());
            steps.push(match name {
                _ if is_fault => TopicStep::Fault(difference),
                _ if wish.settable.contains(name) => TopicStep::Set(difference),
                _ => TopicStep::Note(difference),
            });
        }
    }
    steps
}

/// Whether a setting that only bounds how long erased data may stay is stricter than is asked for.
fn keeps_bound(name: &str, found: &str, wanted: &str) -> bool {
    let bounds = ["segment.ms", "max.compaction.lag.ms"];
    let millis = |text: &str| text.parse::<u64>().ok();
    bounds.contains(&name) && millis(found).zip(millis(wanted)).is_some_and(|(found, wanted)| found <= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::of(&["app", "rekey"], 8)
    }

    fn as_wished(wishes: &[TopicWish]) -> Vec<TopicFacts> {
        let facts = |wish: &TopicWish| TopicFacts {
            name: wish.name.clone(),
            partitions: wish.partitions.unwrap_or(3),
            replication: 1,
            config: wish.config.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        };
        wishes.iter().map(facts).collect()
    }

    #[test]
    fn an_empty_cluster_needs_every_topic() {
        let wishes = wishes(&topics(), &TopicSettings::default());
        let steps = plan(&wishes, &[]);
        assert_eq!(steps.len(), 7);
        assert!(steps.iter().all(|step| matches!(step, TopicStep::Create(_))));
    }

    #[test]
    fn a_cluster_as_wished_needs_nothing() {
        let wishes = wishes(&topics(), &TopicSettings::default());
        assert_eq!(plan(&wishes, &as_wished(&wishes)), []);
    }

    #[test]
    fn what_lets_erased_data_go_sooner_is_left_as_it_is() {
        let wishes = wishes(&topics(), &TopicSettings::default());
        let changelog = wishes.iter().position(|wish| wish.name == "changelog").expect("it is wished for");
        for (name, found, is_left) in [
            ("segment.ms", "60000", true),
            ("max.compaction.lag.ms", "60000", true),
            ("segment.ms", "604800000", false),
            ("max.compaction.lag.ms", "9223372036854775807", false),
            ("delete.retention.ms", "60000", false),
        ] {
            let mut facts = as_wished(&wishes);
            facts[changelog].config.insert(name.to_owned(), found.to_owned());
            assert_eq!(plan(&wishes, &facts).is_empty(), is_left, "{name} = {found}");
        }
    }

    #[test]
    fn what_is_not_told_is_a_fault_whatever_it_is() {
        let wishes = wishes(&topics(), &TopicSettings::default());
        let mut facts = as_wished(&wishes);
        facts[0].config.remove("retention.ms");
        let steps = plan(&wishes, &facts);
        let [TopicStep::Fault(difference)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(difference.to_string(), "app: retention.ms is not told, should be 604800000");
    }

    #[test]
    fn another_count_and_a_changelog_that_forgets_are_faults_and_another_retention_is_a_note() {
        let wishes = wishes(&topics(), &TopicSettings::default());
        let mut facts = as_wished(&wishes);
        facts[0].partitions = 4;
        facts[0].config.insert("retention.ms".into(), "1".into());
        facts[2].config.insert("cleanup.policy".into(), "delete".into());
        facts[2].config.insert("message.timestamp.type".into(), "CreateTime".into());
        let told: Vec<String> = plan(&wishes, &facts)
            .into_iter()
            .map(|step| match step {
                TopicStep::Create(wish) => format!("create {}", wish.name),
                TopicStep::Fault(difference) => format!("fault {difference}"),
                TopicStep::Set(difference) => format!("set {difference}"),
                TopicStep::Note(difference) => format!("note {difference}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "fault app: the number of partitions is 4, should be 8",
                "note app: retention.ms is 1, should be 604800000",
                "fault changelog: cleanup.policy is delete, should be compact",
                "set changelog: message.timestamp.type is CreateTime, should be LogAppendTime",
            ]
        );
    }
}
