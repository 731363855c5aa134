//! `tideline reset --skip`: shows the record that a run can't get past, and what skipping it comes to; with
//! `--execute`, does it.

use std::io::{Write, stdout};
use std::str::FromStr;

use anyhow::Result;

use super::UsageError;
use crate::broker::Topics;
use crate::broker::kafka::KafkaBroker;
use crate::domain::{Input, OutputTopic, PartitionId};
use crate::record::Offset;
use crate::runtime::Job;
use crate::runtime::operator::{Plan, Skip};
use crate::runtime::operator::{Resetter, Survey};

/// `TOPIC/PARTITION/OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    topic: String,
    partition: PartitionId,
    offset: Offset,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.rsplitn(3, '/').collect::<Vec<_>>();
        let [offset, partition, topic] = parts[..] else { return Err("expected TOPIC/PARTITION/OFFSET") };
        let (Ok(partition), Ok(offset)) = (partition.parse::<u16>(), offset.parse::<Offset>()) else {
            return Err("expected TOPIC/PARTITION/OFFSET, the last two as numbers");
        };
        if topic.is_empty() || offset < 0 {
            return Err("expected TOPIC/PARTITION/OFFSET");
        }
        Ok(Self { topic: topic.to_owned(), partition: PartitionId(partition.into()), offset })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl Place {
    /// The record, if it is one of an input's.
    pub fn skip(&self, topics: &Topics, without_reading: bool) -> Result<Skip> {
        let mut inputs = (0u8..).map(Input).zip(&topics.inputs);
        let Some((input, _)) = inputs.find(|(_, topic)| ***topic == self.topic) else {
            let known: Vec<_> = topics.inputs.iter().map(|topic| &**topic).collect();
            let fault = format!("{} is no input: those are {}", self.topic, known.join(", "));
            return Err(UsageError(fault).into());
        };
        if self.partition.0 >= topics.partitions {
            let fault = format!("there is no partition {}: there are {} of them", self.partition, topics.partitions);
            return Err(UsageError(fault).into());
        }
        Ok(Skip { input, partition: self.partition, offset: self.offset, without_reading })
    }
}

pub(super) fn show(out: &mut impl Write, broker: &KafkaBroker, job: &Job, place: &Place, skip: &Skip) -> Result<()> {
    let survey = Survey::of(broker, skip.partition, job.settings.restore_timeout.duration())?;
    let plan = skip.plan(broker, &survey, job)?;
    writeln!(out, "{place}: {}", plan.about)?;
    writeln!(
        out,
        "would go to {} unhandled, and {}",
        job.topics.output(OutputTopic::DeadLetters),
        goes_on(&plan, job)
    )?;
    writeln!(out, "nothing was changed; --execute does it")?;
    Ok(())
}

pub(super) fn execute(mut resetter: Resetter<KafkaBroker>, job: &Job, place: &Place, skip: &Skip) -> Result<()> {
    let outcome = resetter.skip(skip);
    resetter.close();
    let plan = outcome?;
    let mut out = stdout().lock();
    writeln!(out, "{place}: {}", plan.about)?;
    writeln!(out, "written to {} unhandled; {}", job.topics.output(OutputTopic::DeadLetters), goes_on(&plan, job))?;
    writeln!(out, "done; `tideline run` goes on from there")?;
    Ok(())
}

fn goes_on(plan: &Plan, job: &Job) -> String {
    let topics = job.topics.inputs.iter().zip(&plan.positions);
    let positions: Vec<_> = topics.map(|(topic, position)| format!("{topic} at {position}")).collect();
    format!("the partition goes on with {}", positions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_topic_a_partition_and_an_offset() {
        let place = "app.events/3/8812".parse::<Place>().expect("a place");
        assert_eq!((place.topic.as_str(), place.partition, place.offset), ("app.events", PartitionId(3), 8812));
        assert_eq!(place.to_string(), "app.events/3/8812");
        for text in ["", "app.events", "app.events/3", "app.events/3/", "/3/1", "app.events/-1/1", "app.events/1/-1"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
