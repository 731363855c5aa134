//! `tideline check --online`: whether the cluster can be worked with.

use std::io::{Write, stdout};

use anyhow::{Context, Result, bail};

use super::survey::Survey;
use super::{erasure, rights};
use crate::broker::kafka::KafkaBroker;
use crate::config::Config;
use crate::domain::PartitionId;
use crate::runtime::{self, Refusal};

/// Prints what is amiss, and what erasure and the clock come to.
///
/// # Errors
/// Where the cluster can't be worked with: names every fault.
pub(in crate::cli) fn check(config: &Config) -> Result<()> {
    let survey = Survey::new(config, rights::to_run(config))?;
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
    for line in erasure::told(config, &survey.facts) {
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
        let examined = runtime::examine(&broker, partition, config.stream.lanes.restore_timeout.duration());
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
            "message.timestamp.type of {changelog} is {kind}, and {reason}: the broker's time can't be had, stream \
             time follows the machine's clock on trust; {mend}"
        ),
    }
}
