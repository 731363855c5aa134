//! The cluster as it stands beside what the configuration wants of it: topics, rights, brokers' settings.
//!
//! Must not know: what a command does about a difference.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::findings::{Finding, JUDGED, findings};
use crate::broker::BrokerError;
use crate::broker::kafka::admin::{Admin, Difference, PARTITIONS, TopicFacts, TopicStep, TopicWish, plan, wishes};
use crate::broker::kafka::{KafkaBroker, KafkaSettings};
use crate::broker::rights::{self, Right};
use crate::config::Config;

/// The cluster as it stands beside what is wanted of it.
pub(super) struct Survey {
    pub admin: Admin,
    pub brokers: usize,
    pub wishes: Vec<TopicWish>,
    pub facts: Vec<TopicFacts>,
    pub steps: Vec<TopicStep>,
    pub findings: Vec<Finding>,
}

impl Survey {
    /// `needed`: rights besides those that looking takes.
    pub fn new(config: &Config, needed: Vec<Right>) -> Result<Self> {
        let admin = Admin::new(config.kafka_settings())?;
        let brokers = admin.reach().context("is the broker running, and kafka.bootstrap right?")?;
        let needed: Vec<_> = rights::to_survey(&config.topic_names()).into_iter().chain(needed).collect();
        if let Some(lacking) = admin.lacking(&needed)? {
            let what = format!("the cluster at {} can't be worked with", config.kafka.bootstrap);
            return Err(BrokerError::Denied { what, lacking }.into());
        }
        let wishes = wishes(&config.topic_names(), &config.topic_settings());
        let names: Vec<_> = wishes.iter().map(|wish| wish.name.clone()).collect();
        let facts = admin.describe(&names)?;
        let steps = plan(&wishes, &facts);
        let findings = findings(config, &facts, &admin.broker_settings()?);
        Ok(Self { admin, brokers, wishes, facts, steps, findings })
    }

    /// What tideline can't run with.
    pub fn faults(&self) -> Vec<String> {
        let fault = |step: &TopicStep| match step {
            TopicStep::Create(wish) => {
                Some(format!("{}: the topic is missing; `tideline topics --create` makes it", wish.name))
            }
            TopicStep::Fault(difference) if difference.what == PARTITIONS => Some(format!(
                "{difference}; where some were added: keys lie elsewhere now, so give every input, rekey and the \
                 changelog as many, set topics.partitions to that, then `tideline reset`"
            )),
            TopicStep::Fault(difference) => Some(difference.to_string()),
            TopicStep::Set(_) | TopicStep::Note(_) => None,
        };
        let found = self.findings.iter().filter(|finding| finding.is_fault).map(|finding| finding.text.clone());
        self.steps.iter().filter_map(fault).chain(found).collect()
    }

    /// What it can run with, and somebody may want to know.
    pub fn notes(&self) -> Vec<String> {
        let note = |step: &TopicStep| match step {
            TopicStep::Note(difference) if !JUDGED.contains(&difference.what.as_str()) => Some(difference.to_string()),
            _ => None,
        };
        let found = self.findings.iter().filter(|finding| !finding.is_fault).map(|finding| finding.text.clone());
        found.chain(self.steps.iter().filter_map(note)).collect()
    }

    /// By topic, the properties that are set where it exists.
    pub fn to_set(&self) -> BTreeMap<&str, Vec<(&str, &str)>> {
        let mut all: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for step in &self.steps {
            if let TopicStep::Set(Difference { topic, what, wanted, .. }) = step {
                all.entry(topic).or_default().push((what, wanted));
            }
        }
        all
    }

    pub fn missing(&self) -> impl Iterator<Item = &TopicWish> {
        self.steps.iter().filter_map(|step| match step {
            TopicStep::Create(wish) => Some(wish),
            _ => None,
        })
    }
}

/// The cluster, once it is seen to be one that can be worked with.
pub(in crate::cli) fn connect(config: &Config, settings: KafkaSettings, needed: Vec<Right>) -> Result<KafkaBroker> {
    let survey = Survey::new(config, needed)?;
    for finding in survey.findings.iter().filter(|finding| !finding.is_fault) {
        tracing::warn!("{}", finding.text);
    }
    let faults = survey.faults();
    if !faults.is_empty() {
        bail!("the cluster at {} can't be worked with:\n  {}", config.kafka.bootstrap, faults.join("\n  "));
    }
    Ok(KafkaBroker::new(settings, config.topic_names())?)
}
