//! What needs the cluster: topics as they are and should be, and generated events into them.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::ConfigFlag;
use super::findings::{Finding, JUDGED, findings};
use crate::broker::kafka::admin::{Admin, Difference, PARTITIONS, TopicFacts, TopicStep, TopicWish, plan, wishes};
use crate::broker::kafka::{Claim, KafkaBroker, KafkaSettings, PlainProducer};
use crate::broker::rights::{self, Right};
use crate::broker::{Broker as _, BrokerError};
use crate::config::Config;
use crate::domain::{PartitionId, Source};
use crate::generate::Generator;
use crate::record::Outgoing;
use crate::runtime::{self, Clock, Mode, Refusal, Stop};

/// Between two looks at topics that were just created.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// Creates the topics that are missing, and sets on ours what bounds how long erased data stays on disk, and what lets the
    /// broker tell its time. Without it nothing is changed
    #[arg(long)]
    create: bool,
}

/// The cluster as it stands beside what is wanted of it.
struct Survey {
    admin: Admin,
    brokers: usize,
    wishes: Vec<TopicWish>,
    facts: Vec<TopicFacts>,
    steps: Vec<TopicStep>,
    findings: Vec<Finding>,
}

impl Survey {
    /// `needed`: rights besides those that looking takes.
    fn new(config: &Config, needed: Vec<Right>) -> Result<Self> {
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
    fn faults(&self) -> Vec<String> {
        let fault = |step: &TopicStep| match step {
            TopicStep::Create(wish) => {
                Some(format!("{}: the topic is missing; `tideline topics --create` makes it", wish.name))
            }
            TopicStep::Fault(difference) if difference.what == PARTITIONS => Some(format!(
                "{difference}; where some were added: keys lie elsewhere now, so give every input, rekey and the changelog as \
                 many, set topics.partitions to that, then `tideline reset`"
            )),
            TopicStep::Fault(difference) => Some(difference.to_string()),
            TopicStep::Set(_) | TopicStep::Note(_) => None,
        };
        let found = self.findings.iter().filter(|finding| finding.is_fault).map(|finding| finding.text.clone());
        self.steps.iter().filter_map(fault).chain(found).collect()
    }

    /// What it can run with, and somebody may want to know.
    fn notes(&self) -> Vec<String> {
        let note = |step: &TopicStep| match step {
            TopicStep::Note(difference) if !JUDGED.contains(&difference.what.as_str()) => Some(difference.to_string()),
            _ => None,
        };
        let found = self.findings.iter().filter(|finding| !finding.is_fault).map(|finding| finding.text.clone());
        found.chain(self.steps.iter().filter_map(note)).collect()
    }

    /// By topic, the properties that are set where it exists.
    fn to_set(&self) -> BTreeMap<&str, Vec<(&str, &str)>> {
        let mut all: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for step in &self.steps {
            if let TopicStep::Set(Difference { topic, what, wanted, .. }) = step {
                all.entry(topic).or_default().push((what, wanted));
            }
        }
        all
    }

    fn missing(&self) -> impl Iterator<Item = &TopicWish> {
        self.steps.iter().filter_map(|step| match step {
            TopicStep::Create(wish) => Some(wish),
            _ => None,
        })
    }
}

/// `tideline topics`: shows what is needed, creates what is missing.
pub(super) fn topics(args: &TopicsArgs) -> Result<()> {
    let config = args.config.load_to_connect()?;
    let survey = Survey::new(&config, Vec::new())?;
    let mut out = stdout().lock();
    writeln!(out, "{:<28}{:>11}{:>13}  state", "topic", "partitions", "replication")?;
    for wish in &survey.wishes {
        let facts = survey.facts.iter().find(|facts| facts.name == wish.name);
        let (partitions, replication) = facts.map_or(("-".to_owned(), "-".to_owned()), |facts| {
            (facts.partitions.to_string(), facts.replication.to_string())
        });
        writeln!(out, "{:<28}{partitions:>11}{replication:>13}  {}", wish.name, state(&survey.steps, &wish.name))?;
    }
    for wish in survey.missing() {
        if args.create {
            survey.admin.create(wish, &config.topic_settings(), config.topics.partitions)?;
            writeln!(out, "created {}", wish.name)?;
        } else {
            let properties: Vec<_> = wish.config.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let partitions = wish.partitions.unwrap_or(config.topics.partitions);
            writeln!(out, "would create {} with {partitions} partitions, {}", wish.name, properties.join(", "))?;
        }
    }
    let to_set = survey.to_set();
    for (topic, properties) in &to_set {
        let told: Vec<_> = properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if args.create {
            survey.admin.alter(topic, properties)?;
        }
        let verb = if args.create { "set" } else { "would set" };
        writeln!(out, "{verb} {} of {topic}", told.join(", "))?;
    }
    if args.create {
        await_created(&config, &survey)?;
    } else if survey.missing().next().is_some() || !to_set.is_empty() {
        writeln!(out, "nothing was changed; --create makes the missing topics, and sets what is to be set")?;
    }
    let wrong = survey.steps.iter().filter(|step| matches!(step, TopicStep::Fault(_))).count();
    if wrong > 0 {
        bail!("{wrong} of the topics' properties can't be worked with; change them, or the configuration");
    }
    Ok(())
}

/// A topic is known to all brokers a little after its creation; whoever runs next must find it.
fn await_created(config: &Config, survey: &Survey) -> Result<()> {
    let created: Vec<_> = survey.missing().cloned().collect();
    let names: Vec<_> = created.iter().map(|wish| wish.name.clone()).collect();
    let clock = Clock::system();
    loop {
        let unsettled = plan(&created, &survey.admin.describe(&names)?);
        let Some(step) = unsettled.iter().find(|step| !matches!(step, TopicStep::Set(_) | TopicStep::Note(_))) else {
            return Ok(());
        };
        if Duration::from_millis(clock.monotonic_ms()) > config.kafka.retry_bound.duration() {
            bail!("a topic was created, but the cluster does not show it as it was asked for: {step:?}");
        }
        thread::park_timeout(PAUSE);
    }
}

fn state(steps: &[TopicStep], topic: &str) -> String {
    let told: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            TopicStep::Create(wish) if wish.name == topic => Some("missing".to_owned()),
            TopicStep::Fault(difference) if difference.topic == topic => {
                Some(format!("FAULT: {} is {}, should be {}", difference.what, difference.found, difference.wanted))
            }
            TopicStep::Set(difference) | TopicStep::Note(difference) if difference.topic == topic => {
                Some(format!("{} is {}, not {}", difference.what, difference.found, difference.wanted))
            }
            _ => None,
        })
        .collect();
    if told.is_empty() { "as it should be".to_owned() } else { told.join("; ") }
}

/// `tideline check --online`: whether the cluster can be worked with.
pub(super) fn check(config: &Config) -> Result<()> {
    let survey = Survey::new(config, to_run(config))?;
    let faults = survey.faults();
    for note in survey.notes() {
        writeln!(stdout().lock(), "note: {note}")?;
    }
    for fault in &faults {
        eprintln!("  {fault}");
    }
    // What partitions say is told beside the faults, unless there is nothing to compare with.
    let refused = if survey.missing().next().is_none() { examine_partitions(config) } else { Ok(Vec::new()) };
    for (partition, refusal) in refused.as_ref().into_iter().flatten() {
        eprintln!("  partition {partition}: {refusal}");
    }
    if !faults.is_empty() {
        let count = faults.len();
        bail!("the cluster at {} has {count} fault{}", config.kafka.bootstrap, if count == 1 { "" } else { "s" });
    }
    let refused = refused?;
    if !refused.is_empty() {
        bail!("{} partitions can't be gone on with", refused.len());
    }
    let (brokers, topics) = (survey.brokers, survey.wishes.len());
    let mut out = stdout().lock();
    writeln!(out, "{}: {brokers} brokers, {topics} topics as they should be", config.kafka.bootstrap)?;
    for line in super::erasure::told(config, &survey.facts) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", clock(&survey, &config.topics.changelog))?;
    Ok(())
}

/// Whether topics are those that each partition's state was made from, and hold what is next to be read.
fn examine_partitions(config: &Config) -> Result<Vec<(PartitionId, Refusal)>> {
    let broker = KafkaBroker::new(config.kafka_settings(), config.topic_names())?;
    let mut refused = Vec::new();
    for partition in (0..config.topics.partitions).map(PartitionId) {
        let examined = runtime::examine(&broker, partition, config.stream.restore_timeout.duration());
        let refusal = examined.with_context(|| format!("examine partition {partition}"))?;
        refused.extend(refusal.map(|refusal| (partition, refusal)));
    }
    Ok(refused)
}

/// Where the broker's time comes from.
fn clock(survey: &Survey, changelog: &str) -> String {
    let facts = survey.facts.iter().find(|facts| facts.name == changelog);
    let kind = facts.and_then(|facts| facts.config.get("message.timestamp.type")).map_or("not told", String::as_str);
    if kind == "LogAppendTime" {
        return format!("the broker's time is told by {changelog}, as it appends records");
    }
    let mend = "`tideline topics --create` sets LogAppendTime, which tells it";
    match survey.admin.tells_latest_time(changelog) {
        Ok(()) => {
            format!("message.timestamp.type of {changelog} is {kind}: the broker's time is read off commits; {mend}")
        }
        Err(reason) => format!(
            "message.timestamp.type of {changelog} is {kind}, and {reason}: the broker's time can't be had, stream time follows \
             the machine's clock on trust; {mend}"
        ),
    }
}

/// The cluster, once it is seen to be one that can be worked with.
pub(super) fn broker(config: &Config, settings: KafkaSettings, needed: Vec<Right>) -> Result<KafkaBroker> {
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

/// The rights that a run needs, but for those of its transactional ids: only taking one tells.
fn to_run(config: &Config) -> Vec<Right> {
    rights::to_serve(&config.topic_names(), &[&config.application.id, &Claim::group(&config.name())])
}

/// `tideline run`.
pub(super) fn run(config: &Config, mode: Mode) -> Result<()> {
    let broker = broker(config, config.kafka_settings(), to_run(config))?;
    let stop = Stop::default();
    let stop_lanes = stop.clone();
    let claim = Claim::take(&config.kafka_settings(), broker.topics(), &config.name(), move || stop_lanes.stop())?;
    let served = super::run::serve(config, &broker, mode, stop);
    // Whose name is another's failed for that, whatever else came of it.
    claim.end()?;
    served
}

/// Generated events into the input topics: each source's first, keyed by user.
pub(super) fn feed(config: &Config, generator: Generator) -> Result<()> {
    let producer = PlainProducer::new(config.kafka_settings())?;
    let topic_of = |source: Source| config.inputs.iter().find(|input| input.source == source);
    let mut written = 0u64;
    for record in generator {
        let Some(input) = topic_of(record.source) else { continue };
        let key = record.user.to_string().into_bytes();
        let partitions = input.partitions.unwrap_or(config.topics.partitions);
        producer.send(&Outgoing {
            topic: input.topic.as_str().into(),
            partition: Some(config.topics.partitioner.partition_of(&key, partitions)),
            key: Some(key),
            value: Some(record.value),
            headers: Vec::new(),
            // That of sending: by the event's own, a topic's retention would take old ones at once.
            timestamp: None,
        })?;
        written += 1;
    }
    producer.flush()?;
    writeln!(stdout().lock(), "{written} records written to {}", config.kafka.bootstrap)?;
    Ok(())
}
