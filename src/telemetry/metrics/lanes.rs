//! Lanes, partitions, transactions, clocks: for whoever runs the process.

use super::row::{Metric, MetricKind, Scrape, Series};
use crate::runtime::board::status::{LaneStatus, Phase};
use crate::runtime::{Cause, ClockAgreement};
use crate::telemetry::readiness::reasons_not_ready;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tideline_transactions_total",
        kind: MetricKind::Counter,
        unit: "transactions",
        labels: &["lane", "outcome"],
        says: "Transactions by outcome (committed, aborted, fatal, unknown).",
        worry: Some("about any but committed that keep coming"),
        values: |scrape, series| {
            for (lane, status) in &scrape.status.lanes {
                let transactions = status.transactions;
                for (outcome, count) in [
                    ("committed", transactions.committed),
                    ("aborted", transactions.aborted),
                    ("fatal", transactions.fatal),
                    ("unknown", transactions.unknown),
                ] {
                    series.put([&lane.to_string(), outcome], count as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_timer_slices_total",
        kind: MetricKind::Counter,
        unit: "transactions",
        labels: &["lane"],
        says: "Committed transactions that held a slice of timers with more to come.",
        worry: Some("when every transaction is one"),
        values: |scrape, series| each_lane(scrape, series, |lane| lane.slices),
    },
    Metric {
        name: "tideline_transaction_milliseconds_total",
        kind: MetricKind::Counter,
        unit: "milliseconds",
        labels: &["lane"],
        says: "Time spent in committed transactions, from begin to install. Divide by committed transactions.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.commit_ms),
    },
    Metric {
        name: "tideline_batch_records_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["lane"],
        says: "Records consumed by committed batches. Divide by transactions.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.batch_records),
    },
    Metric {
        name: "tideline_batch_writes_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["lane"],
        says: "Records written by committed batches: outputs, changelog, dead letters, forwarded ones.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.batch_writes),
    },
    Metric {
        name: "tideline_restores_total",
        kind: MetricKind::Counter,
        unit: "partitions",
        labels: &["lane"],
        says: "Partitions restored.",
        worry: Some("when it grows without deployments"),
        values: |scrape, series| each_lane(scrape, series, |lane| lane.restores),
    },
    Metric {
        name: "tideline_restored_records_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["lane"],
        says: "Changelog records read by restores.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.restored_records),
    },
    Metric {
        name: "tideline_restore_milliseconds_total",
        kind: MetricKind::Counter,
        unit: "milliseconds",
        labels: &["lane"],
        says: "Time spent in restores.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.restore_ms),
    },
    Metric {
        name: "tideline_restore_remaining_records",
        kind: MetricKind::Gauge,
        unit: "records",
        labels: &["partition"],
        says: "Changelog records that a restore has left, at most.",
        worry: Some("when it doesn't fall"),
        values: |scrape, series| {
            for (partition, status) in &scrape.status.partitions {
                if let Phase::Restoring { remaining, .. } = status.phase {
                    series.put([&partition.to_string()], remaining as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_partition_returns_total",
        kind: MetricKind::Counter,
        unit: "partitions",
        labels: &["lane"],
        says: "Partitions that came back after a rebalance with their state still in memory: restores that were \
               spared.",
        worry: None,
        values: |scrape, series| each_lane(scrape, series, |lane| lane.returns),
    },
    Metric {
        name: "tideline_predecessors_fenced_total",
        kind: MetricKind::Counter,
        unit: "producers",
        labels: &["lane"],
        says: "Predecessors whose open transaction was aborted. One a crash is normal.",
        worry: Some("when it grows without crashes"),
        values: |scrape, series| each_lane(scrape, series, |lane| lane.fenced),
    },
    Metric {
        name: "tideline_fronts_passed_over",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["lane", "partition"],
        says: "1 for each partition whose front has not moved for stream.patience while records are forwarded: nobody \
               waits for it any more, what it forwards comes late.",
        worry: Some("at once: its member is dead, or stuck"),
        values: |scrape, series| {
            for (lane, status) in &scrape.status.lanes {
                for partition in &status.passed_over {
                    series.put([&lane.to_string(), &partition.to_string()], 1.0);
                }
            }
        },
    },
    Metric {
        name: "tideline_lane_failing",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["lane"],
        says: "1 where a lane tries the same thing again and again, until that succeeds.",
        worry: Some("when it stays: /readyz names it"),
        values: |scrape, series| {
            for (lane, status) in &scrape.status.lanes {
                series.put_flag([&lane.to_string()], status.trouble.is_some());
            }
        },
    },
    Metric {
        name: "tideline_stalls",
        kind: MetricKind::Gauge,
        unit: "partitions or lanes",
        labels: &["cause"],
        says: "Partitions, or whole lanes, that have work and make no progress.",
        worry: Some("at once: /readyz names each, and what to do"),
        values: |scrape, series| {
            for cause in Cause::ALL {
                let count = scrape.status.stalls.iter().filter(|stall| stall.cause == cause).count();
                series.put([cause.as_str()], count as f64);
            }
        },
    },
    Metric {
        name: "tideline_stall_cures_total",
        kind: MetricKind::Counter,
        unit: "transactions",
        labels: &["cure"],
        says: "Transactions left open in a partition of ours that were ended for that (fenced: another's transactional \
               id was taken; renewed: one of our own was initialised again).",
        worry: Some("when it goes on"),
        values: |scrape, series| {
            let done = scrape.status.interventions;
            for (cure, count) in [("fenced", done.fenced), ("renewed", done.renewed)] {
                series.put([cure], count as f64);
            }
        },
    },
    Metric {
        name: "tideline_partition_phase",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["partition", "phase"],
        says: "1 for the phase of each assigned partition (restoring, serving, unserved).",
        worry: Some("about unserved: /readyz says why"),
        values: |scrape, series| {
            for (partition, status) in &scrape.status.partitions {
                let phase = match &status.phase {
                    Phase::Away => continue,
                    Phase::Restoring { .. } => "restoring",
                    Phase::Serving => "serving",
                    Phase::Unserved(_) => "unserved",
                };
                series.put([&partition.to_string(), phase], 1.0);
            }
        },
    },
    Metric {
        name: "tideline_clock_ahead_seconds",
        kind: MetricKind::Gauge,
        unit: "seconds",
        labels: &[],
        says: "How far this machine's clock is ahead of the broker's, as last compared; below 0: behind. Absent where \
               the broker's time is not available.",
        worry: Some("beyond stream.max_skew"),
        values: |scrape, series| {
            if let ClockAgreement::Agrees { ahead_ms } | ClockAgreement::Apart { ahead_ms } = scrape.status.clock {
                series.put([], ahead_ms as f64 / 1e3);
            }
        },
    },
    Metric {
        name: "tideline_clock_on_trust",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &[],
        says: "1 where the broker's time is not available and stream time follows this machine's clock all the same.",
        worry: Some("when it stays: `tideline topics --create` gives the changelog the setting that it needs"),
        values: |scrape, series| {
            series.put_flag([], matches!(scrape.status.clock, ClockAgreement::OnTrust(_)));
        },
    },
    Metric {
        name: "tideline_ready",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &[],
        says: "1 when every assigned partition is restored and being read: what /readyz answers.",
        worry: Some("when it stays 0: /readyz names every reason"),
        values: |scrape, series| series.put_flag([], reasons_not_ready(scrape.status).is_empty()),
    },
    Metric {
        name: "tideline_rules_info",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["generation", "version"],
        says: "1, with the generation and version of the rules.",
        worry: Some("when members differ for long"),
        values: |scrape, series| {
            let generation = scrape.labels.rules_generation.to_string();
            series.put([&generation, &scrape.labels.rules_version], 1.0);
        },
    },
];

fn each_lane(scrape: &Scrape<'_>, series: &mut Series<'_>, count: impl Fn(&LaneStatus) -> u64) {
    for (lane, status) in &scrape.status.lanes {
        series.put([&lane.to_string()], count(status) as f64);
    }
}
