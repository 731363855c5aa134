//! Rights that a broker grants or refuses: which operation on what, by the names that Kafka's ACLs have.

use std::fmt;
use std::sync::Arc;

use super::Topics;
use crate::domain::OutputTopic;

/// What may be done, by the names of Kafka's ACL operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Fetch a topic, or commit offsets of a group.
    Read,
    /// Produce to a topic, or use a transactional id.
    Write,
    /// Create a topic.
    Create,
    /// See that a topic is there, its partitions and its offsets.
    Describe,
    /// See the properties of a topic or a broker.
    DescribeConfigs,
    /// Set the properties of a topic.
    AlterConfigs,
    /// Produce with a producer id; implied by `Write` since Kafka 2.8.
    IdempotentWrite,
}

/// What is operated on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A topic, by its name.
    Topic(Arc<str>),
    /// A consumer group, by its id.
    Group(Arc<str>),
    /// A transactional id.
    TransactionalId(Arc<str>),
    /// The cluster as a whole.
    Cluster,
}

/// One operation on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// What is done.
    pub operation: Operation,
    /// On what.
    pub resource: Resource,
}

/// Rights that are lacked, and by whom. A text names all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Each right that is missing.
    pub rights: Vec<Right>,
    /// Who lacks them, as the broker names its clients: `User:name`.
    pub principal: String,
}

impl Right {
    /// An operation on a topic.
    pub fn on_topic(operation: Operation, topic: &str) -> Self {
        Self { operation, resource: Resource::Topic(topic.into()) }
    }

    /// An operation on a consumer group.
    pub fn on_group(operation: Operation, group: &str) -> Self {
        Self { operation, resource: Resource::Group(group.into()) }
    }

    /// The use of a transactional id: `Write` on it.
    pub fn on_transactional_id(id: &str) -> Self {
        Self { operation: Operation::Write, resource: Resource::TransactionalId(id.into()) }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on ", self.operation)?;
        match &self.resource {
            Resource::Topic(name) => write!(f, "topic {name}"),
            Resource::Group(name) => write!(f, "group {name}"),
            Resource::TransactionalId(name) => write!(f, "transactional id {name}"),
            Resource::Cluster => f.write_str("the cluster"),
        }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rights: Vec<_> = self.rights.iter().map(Right::to_string).collect();
        let (are_missing, them) = if rights.len() == 1 { ("a right is", "it") } else { ("rights are", "them") };
        let (whose, all) = (&self.principal, rights.join(", "));
        write!(f, "{are_missing} missing for {whose}: {all}; grant {them} with kafka-acls.sh --add")
    }
}

/// Of every topic: without these its facts aren't told.
pub fn to_survey(topics: &Topics) -> Vec<Right> {
    let all = topics.inputs.iter().chain([&topics.changelog]).chain(topics.outputs.all());
    all.flat_map(|topic| [Operation::Describe, Operation::DescribeConfigs].map(|it| Right::on_topic(it, topic)))
        .collect()
}

/// What a member needs besides, of topics and groups: those of transactional ids are told when one is taken.
pub fn to_serve(topics: &Topics, groups: &[&str]) -> Vec<Right> {
    let read = topics.inputs.iter().chain([&topics.changelog]);
    let of_groups = groups.iter().map(|group| Right::on_group(Operation::Read, group));
    read.map(|topic| Right::on_topic(Operation::Read, topic)).chain(to_write(topics)).chain(of_groups).collect()
}

/// What a batch writes to.
pub fn to_write(topics: &Topics) -> Vec<Right> {
    let all = [topics.rekey(), &topics.changelog].into_iter().chain(topics.outputs.all());
    all.map(|topic| Right::on_topic(Operation::Write, topic)).collect()
}

/// What sending dead letters again needs besides.
pub fn to_redrive(topics: &Topics) -> Vec<Right> {
    let outer = topics.inputs.split_last().map_or(&topics.inputs[..], |(_, outer)| outer);
    let dead_letters = topics.output(OutputTopic::DeadLetters);
    let write = outer.iter().chain([dead_letters]).map(|topic| Right::on_topic(Operation::Write, topic));
    write.chain([Right::on_topic(Operation::Read, dead_letters)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_each_right_what_it_is_on_and_whose_it_is() {
        let rights = vec![
            Right::on_topic(Operation::DescribeConfigs, "t"),
            Right::on_group(Operation::Read, "g"),
            Right::on_transactional_id("i"),
        ];
        let lacking = Lacking { rights, principal: "User:ANONYMOUS".to_owned() };
        assert_eq!(
            lacking.to_string(),
            "rights are missing for User:ANONYMOUS: DescribeConfigs on topic t, Read on group g, Write on \
             transactional id i; grant them with kafka-acls.sh --add"
        );
        let one = Lacking { rights: vec![Right::on_topic(Operation::Write, "t")], principal: "User:a".to_owned() };
        assert!(one.to_string().starts_with("a right is missing for User:a: Write on topic t; grant it"), "{one}");
    }

    #[test]
    fn every_topic_is_surveyed_inputs_are_read_and_outputs_written() {
        let topics = Topics::of(&["app", "rekey"], 1);
        assert_eq!(to_survey(&topics).len(), 2 * 7);
        let served: Vec<_> = to_serve(&topics, &["g"]).iter().map(Right::to_string).collect();
        let reads = ["app", "rekey", "changelog"].map(|topic| format!("Read on topic {topic}"));
        let writes = ["rekey", "changelog", "tier-changes", "dormancy-risk", "user-profiles", "dead-letters"]
            .map(|it| format!("Write on topic {it}"));
        assert_eq!(served, [&reads[..], &writes[..], &["Read on group g".to_owned()]].concat());
        let redriven: Vec<_> = to_redrive(&topics).iter().map(Right::to_string).collect();
        assert_eq!(redriven, ["Write on topic app", "Write on topic dead-letters", "Read on topic dead-letters"]);
    }
}
