//! Users and what is announced of them: for the business.

use super::row::{Metric, MetricKind};
use crate::domain::Stage;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tideline_tier_users",
        kind: MetricKind::Gauge,
        unit: "users",
        labels: &["tier"],
        says: "Users of the served partitions.",
        worry: Some("when a tier empties overnight"),
        values: |scrape, series| {
            for (tier, &users) in scrape.labels.tiers.iter().zip(&scrape.totals.users_by_tier) {
                series.put([tier], users as f64);
            }
        },
    },
    Metric {
        name: "tideline_stage_users",
        kind: MetricKind::Gauge,
        unit: "users",
        labels: &["stage"],
        says: "Users of the served partitions, by dormancy stage.",
        worry: Some("when at_risk jumps: a feed may have gone silent"),
        values: |scrape, series| {
            for (stage, users) in Stage::ALL.into_iter().zip(scrape.totals.users_by_stage) {
                series.put([stage.as_str()], users as f64);
            }
        },
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
