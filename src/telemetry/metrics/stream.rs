//! What becomes of records, and how late: for whoever feeds the inputs and reads the outputs.

use super::row::{Metric, MetricKind};
use crate::ingest::RejectReason;
use crate::runtime::IdleWait;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tideline_records_consumed_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["input"],
        says: "Records read and committed.",
        worry: Some("when it stands still while the lag grows"),
        values: |scrape, series| {
            for (topic, tally) in scrape.labels.inputs.iter().zip(&scrape.totals.inputs) {
                series.put([topic], tally.consumed as f64);
            }
        },
    },
    Metric {
        name: "tideline_records_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["input", "outcome"],
        says: "What became of the records (applied, skipped, duplicate, suppressed, rekeyed, dead_lettered). The \
               outcomes of an input add up to its consumed records, always.",
        worry: None,
        values: |scrape, series| {
            for (topic, tally) in scrape.labels.inputs.iter().zip(&scrape.totals.inputs) {
                for (outcome, count) in [
                    ("applied", tally.applied),
                    ("skipped", tally.skipped),
                    ("duplicate", tally.duplicate),
                    ("suppressed", tally.suppressed),
                    ("rekeyed", tally.rekeyed),
                    ("dead_lettered", tally.dead_lettered()),
                ] {
                    series.put([topic, outcome], count as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_dead_letters_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["input", "reason"],
        says: "Records that could not be used and were written to the dead letters.",
        worry: Some("when the share of an input jumps: its producer has changed"),
        values: |scrape, series| {
            for (topic, tally) in scrape.labels.inputs.iter().zip(&scrape.totals.inputs) {
                for (reason, count) in RejectReason::ALL.into_iter().zip(tally.dead) {
                    series.put([topic, reason.as_str()], count as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_record_panics_total",
        kind: MetricKind::Counter,
        unit: "records",
        labels: &["input"],
        says: "Records over which the program panicked: dead letters, malformed, whose error names the place.",
        worry: Some("about any: it is a fault of the program"),
        values: |scrape, series| {
            for (topic, tally) in scrape.labels.inputs.iter().zip(&scrape.totals.inputs) {
                series.put([topic], tally.panicked as f64);
            }
        },
    },
    Metric {
        name: "tideline_stream_time_lag_seconds",
        kind: MetricKind::Gauge,
        unit: "seconds",
        labels: &["partition"],
        says: "How far stream time S is behind the clock.",
        worry: Some("when it grows: the partition is behind or idle"),
        values: |scrape, series| {
            for (partition, status) in scrape.served() {
                if let Some(stream_time) = status.stream_time {
                    series.put([&partition.to_string()], scrape.seconds_since(stream_time));
                }
            }
        },
    },
    Metric {
        name: "tideline_watermark_lag_seconds",
        kind: MetricKind::Gauge,
        unit: "seconds",
        labels: &["partition"],
        says: "How far the watermark W, which timers follow, is behind the clock. The lateness is normal.",
        worry: Some("when it is more: the partition is behind, or an input is silent"),
        values: |scrape, series| {
            for (partition, status) in scrape.served() {
                if let Some(watermark) = status.watermark {
                    series.put([&partition.to_string()], scrape.seconds_since(watermark));
                }
            }
        },
    },
    Metric {
        name: "tideline_input_lag_records",
        kind: MetricKind::Gauge,
        unit: "records",
        labels: &["input", "partition"],
        says: "Records between the committed offset and the end of the log as last reported, at most (offsets have \
               gaps).",
        worry: Some("when it grows"),
        values: |scrape, series| {
            for (topic, partition, input) in scrape.served_inputs() {
                if let Some(end) = input.end_offset {
                    series.put([topic, &partition.to_string()], (end - input.next_offset).max(0) as f64);
                }
            }
            // What nobody reads is behind, whatever offset it has.
            for (topic, partition, input) in scrape.unserved_inputs() {
                if let Some(unserved) = input.unserved {
                    series.put([topic, &partition.to_string()], unserved.unread as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_input_unread_records",
        kind: MetricKind::Gauge,
        unit: "records",
        labels: &["input", "partition"],
        says: "Of a partition that is unserved because a topic changed: records that this process doesn't read, at \
               most.",
        worry: Some("at once: /readyz names the cause and the way on"),
        values: |scrape, series| {
            for (topic, partition, input) in scrape.unserved_inputs() {
                if let Some(unserved) = input.unserved {
                    series.put([topic, &partition.to_string()], unserved.unread as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_input_doubtful_offset",
        kind: MetricKind::Gauge,
        unit: "offset",
        labels: &["input", "partition", "bound"],
        says: "Of the same: the offsets that were committed after the topic was last seen unchanged, and may be of the \
               old topic or the new one, from bound first to before bound next. Both are equal where there are none.",
        worry: Some("when they differ: what lies between was read from one of the two"),
        values: |scrape, series| {
            for (topic, partition, input) in scrape.unserved_inputs() {
                let Some(unserved) = input.unserved else { continue };
                for (bound, offset) in [("first", unserved.doubtful_from), ("next", input.next_offset)] {
                    series.put([topic, &partition.to_string(), bound], offset as f64);
                }
            }
        },
    },
    Metric {
        name: "tideline_input_silent",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["input", "partition"],
        says: "1 where an input is silent and so holds the watermark.",
        worry: Some("at once: no warning is raised meanwhile"),
        values: |scrape, series| {
            for (topic, partition, input) in scrape.served_inputs() {
                series.put_flag([topic, &partition.to_string()], input.is_silent);
            }
        },
    },
    Metric {
        name: "tideline_merge_waiting_records",
        kind: MetricKind::Gauge,
        unit: "records",
        labels: &["input", "partition"],
        says: "Records that wait in the merge.",
        worry: Some("when one input is full and another empty: the empty one holds all of them up"),
        values: |scrape, series| {
            for (topic, partition, input) in scrape.served_inputs() {
                series.put([topic, &partition.to_string()], input.waiting as f64);
            }
        },
    },
    Metric {
        name: "tideline_timers",
        kind: MetricKind::Gauge,
        unit: "deadlines",
        labels: &["partition"],
        says: "Deadlines to come: about one a user.",
        worry: None,
        values: |scrape, series| {
            for (partition, status) in scrape.served() {
                series.put([&partition.to_string()], status.timers as f64);
            }
        },
    },
    Metric {
        name: "tideline_timers_fired_total",
        kind: MetricKind::Counter,
        unit: "deadlines",
        labels: &["partition"],
        says: "Deadlines fired and users re-evaluated.",
        worry: None,
        values: |scrape, series| {
            for (partition, status) in &scrape.status.partitions {
                series.put([&partition.to_string()], status.timers_fired as f64);
            }
        },
    },
    Metric {
        name: "tideline_idle_wait",
        kind: MetricKind::Gauge,
        unit: "1",
        labels: &["partition", "cause"],
        says: "1 where no records come and stream time does not follow the clock all the same, by cause (clock_apart, \
               clock_unknown, beyond_reach). No deadline fires meanwhile.",
        worry: Some("when it stays: /readyz says what to do"),
        values: |scrape, series| {
            for (partition, status) in scrape.served() {
                for cause in IdleWait::NAMES {
                    let waits = status.idle_wait.is_some_and(|wait| wait.as_str() == cause);
                    series.put_flag([&partition.to_string(), cause], waits);
                }
            }
        },
    },
];
