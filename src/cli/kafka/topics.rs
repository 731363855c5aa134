//! `tideline topics` on a cluster: shows what is needed, creates and sets what is missing.

use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::survey::Survey;
use crate::broker::kafka::admin::{TopicStep, plan};
use crate::config::Config;
use crate::runtime::Clock;

/// Between two looks at topics that were just created.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows what is needed; with `create`, makes the topics that are missing, and sets what is to be set.
///
/// # Errors
/// Where the cluster isn't reached, a right is missing, or a topic can't be worked with.
pub(in crate::cli) fn topics(config: &Config, create: bool) -> Result<()> {
    let survey = Survey::new(config, Vec::new())?;
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
        if create {
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
        if create {
            survey.admin.alter(topic, properties)?;
        }
        let verb = if create { "set" } else { "would set" };
        writeln!(out, "{verb} {} of {topic}", told.join(", "))?;
    }
    if create {
        await_created(config, &survey)?;
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
