//! Users and what is announced of them: for the business.

use super::row::{Metric, MetricKind, Scrape, Series};
use crate::state::Dimension;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tideline_tier_users",
        kind: MetricKind::Gauge,
        unit: "users",
        labels: &["tier"],
        says: "Users of the served partitions.",
        worry: Some("when a tier empties overnight"),
        values: |scrape, series| users_by(Dimension::Tier, scrape, series),
    },
    Metric {
        name: "tideline_stage_users",
        kind: MetricKind::Gauge,
        unit: "users",
        labels: &["stage"],
        says: "Users of the served partitions, by dormancy stage.",
        worry: Some("when at_risk jumps: a feed may have gone silent"),
        values: |scrape, series| users_by(Dimension::Stage, scrape, series),
    },
    Metric {
        name: "tideline_outputs_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["type", "reason"],
        says: "Outputs committed.",
        worry: Some("when tier_changed for rule_change goes on long after a new generation"),
        values: |scrape, series| {
            for ((kind, reason), &count) in &scrape.totals.outputs {
                series.put([kind.as_str(), reason.as_str()], count as f64);
            }
        },
    },
];

/// The users in each cell of a dimension.
fn users_by(dimension: Dimension, scrape: &Scrape<'_>, series: &mut Series<'_>) {
    for (cell, users) in scrape.totals.population.named(dimension, &scrape.labels.tiers) {
        series.put([cell], users as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_of_users_has_its_gauge() {
        for dimension in Dimension::ALL {
            assert!(METRICS.iter().any(|metric| metric.labels == [dimension.as_str()]), "{dimension:?}");
        }
    }
}
