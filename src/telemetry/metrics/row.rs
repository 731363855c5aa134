//! What a row of a metric is: [`Metric`], what it takes its values from and where it puts them.

use std::sync::Arc;

use metrics::{Recorder, counter, gauge};

use crate::domain::{PartitionId, Timestamp};
use crate::runtime::board::status::{InputStatus, PartitionStatus, Phase};
use crate::runtime::{Job, Status};
use crate::telemetry::totals::{Totals, served};

/// One metric, whole: a row of its group's table.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// `tideline_<noun>_<unit>`, a counter with `_total` behind it. Never changed: dashboards and alerts name it.
    pub name: &'static str,
    /// How its values move.
    pub kind: MetricKind,
    /// Of its values: `records`, `seconds`; `1` where they are yes or no.
    pub unit: &'static str,
    /// The names of its labels. Values are few, and never of a user.
    pub labels: &'static [&'static str],
    /// What it says: a sentence or more, without its labels.
    pub says: &'static str,
    /// Goes on after "Worry"; None where there is nothing to worry about.
    pub worry: Option<&'static str>,
    /// Puts a value for each of its series.
    pub values: fn(&Scrape<'_>, &mut Series<'_>),
}

/// How the values of a metric move. A histogram would be a third: none is kept on the board so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the process lives.
    Counter,
    /// As it is now.
    Gauge,
}

/// Who looks at a metric.
#[derive(Debug, Clone, Copy)]
pub struct Audience {
    /// The heading of the reference page.
    pub title: &'static str,
    /// Its rows.
    pub metrics: &'static [Metric],
}

/// The values of labels that the board has as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelValues {
    /// Topics by input, `rekey` last.
    pub inputs: Vec<Arc<str>>,
    /// By tier.
    pub tiers: Vec<String>,
    /// Of the rules that lanes run with.
    pub rules_generation: u32,
    /// Likewise, eight hex digits.
    pub rules_version: String,
}

impl LabelValues {
    /// Those of the lanes that run `job`.
    pub fn of(job: &Job) -> Self {
        let rules = job.engine.rules();
        Self {
            inputs: job.topics.inputs.clone(),
            tiers: rules.tier_names().to_vec(),
            rules_generation: rules.generation(),
            rules_version: rules.version().to_owned(),
        }
    }
}

/// What rows take their values from.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// The board, of one moment.
    pub status: &'a Status,
    /// The same, summed over partitions.
    pub totals: Totals,
    /// What its numbers are called.
    pub labels: &'a LabelValues,
    /// What lags are measured against.
    pub clock: Timestamp,
}

/// Of an input of a partition: topic, partition, and what is known of it.
type InputOf<'a> = (&'a str, PartitionId, &'a InputStatus);

impl<'a> Scrape<'a> {
    /// Those that are read. What is said of a partition's present is said of these.
    pub fn served(&self) -> impl Iterator<Item = (PartitionId, &'a PartitionStatus)> {
        served(self.status)
    }

    /// The inputs of served partitions.
    pub fn served_inputs(&self) -> impl Iterator<Item = InputOf<'a>> {
        self.inputs_of(self.served())
    }

    /// The inputs of partitions that this process may not serve.
    pub fn unserved_inputs(&self) -> impl Iterator<Item = InputOf<'a>> {
        let all = self.status.partitions.iter().map(|(&id, partition)| (id, partition));
        self.inputs_of(all.filter(|(_, partition)| matches!(partition.phase, Phase::Unserved(_))))
    }

    fn inputs_of(
        &self,
        partitions: impl Iterator<Item = (PartitionId, &'a PartitionStatus)>,
    ) -> impl Iterator<Item = InputOf<'a>> {
        let topics = &self.labels.inputs;
        partitions.flat_map(move |(id, partition)| {
            topics.iter().zip(&partition.inputs).map(move |(topic, input)| (&**topic, id, input))
        })
    }

    /// Seconds that the clock is past `at`.
    pub fn seconds_since(&self, at: Timestamp) -> f64 {
        self.clock.since(at) as f64 / 1e3
    }
}

/// Where a row puts its values.
#[derive(Debug)]
pub struct Series<'a> {
    pub(super) metric: &'a Metric,
}

impl Series<'_> {
    /// The value of one series, whose labels have these values in the row's order.
    pub fn put<const N: usize>(&mut self, values: [&str; N], value: f64) {
        debug_assert_eq!(N, self.metric.labels.len(), "labels of {}", self.metric.name);
        let labels = self.metric.labels.iter().zip(values).map(|(&label, value)| (label, value.to_owned()));
        let labels: Vec<_> = labels.collect();
        match self.metric.kind {
            MetricKind::Counter => counter!(self.metric.name, &labels).absolute(value as u64),
            MetricKind::Gauge => gauge!(self.metric.name, &labels).set(value),
        }
    }

    /// Likewise, of yes or no.
    pub fn put_flag<const N: usize>(&mut self, values: [&str; N], value: bool) {
        self.put(values, f64::from(u8::from(value)));
    }
}

impl Metric {
    /// Its text in the exposition.
    pub fn help(&self) -> String {
        let by = match self.labels {
            [] => String::new(),
            labels => format!(" By {}.", labels.join(", ")),
        };
        let worry = self.worry.map_or_else(String::new, |worry| format!(" Worry {worry}."));
        format!("{}{by}{worry}", self.says)
    }

    pub(super) fn record(&self, recorder: &impl Recorder, scrape: &Scrape<'_>) {
        match self.kind {
            MetricKind::Counter => recorder.describe_counter(self.name.into(), None, self.help().into()),
            MetricKind::Gauge => recorder.describe_gauge(self.name.into(), None, self.help().into()),
        }
        (self.values)(scrape, &mut Series { metric: self });
    }
}
