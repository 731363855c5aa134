//! Every metric: one constant each, with what it says, its labels, and when to worry. And the board as their values.
//!
//! A scrape fills a recorder of its own and renders it, so that what is no longer there (a partition that went to
//! another member) leaves no stale value behind. Counters are those of the board, which only grow while the process lives.

use std::sync::Arc;

use metrics::{Recorder, Unit, counter, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::totals::served;
use super::{Totals, reasons_not_ready};
use crate::domain::{Stage, Timestamp};
use crate::ingest::RejectReason;
use crate::pipeline::tally::Tally;
use crate::runtime::board::status::{InputStatus, LaneStatus, PartitionStatus, Phase};
use crate::runtime::{Cause, ClockAgreement, IdleWait, Job, Status};

/// A metric's name, unit and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// What it says, its labels, when to worry.
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

const fn total(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn now(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

pub const CONSUMED: Metric = total(
    "tideline_records_consumed_total",
    "Records read and committed, by input. Worry when it stands still while the lag grows.",
);
pub const RECORDS: Metric = total(
    "tideline_records_total",
    "What became of the records, by input and outcome (applied, skipped, duplicate, suppressed, rekeyed, dead_lettered). \
     The outcomes of an input add up to its consumed records, always.",
);
pub const DEAD_LETTERS: Metric = total(
    "tideline_dead_letters_total",
    "Records that could not be used, by input and reason. Worry when the share of an input jumps: its producer changed.",
);
pub const PANICS: Metric = total(
    "tideline_record_panics_total",
    "Records over which the program panicked, by input: dead letters, malformed, whose error names the place. Worry about any: \
     it is a fault of the program.",
);
pub const OUTPUTS: Metric = total(
    "tideline_outputs_total",
    "Outputs committed, by type and reason. Worry when tier_changed for rule_change goes on long after a new generation.",
);
pub const TIER_USERS: Metric =
    now("tideline_tier_users", "Users of the served partitions, by tier. Worry when a tier empties overnight.");
pub const STAGE_USERS: Metric = now(
    "tideline_stage_users",
    "Users of the served partitions, by dormancy stage. Worry when at_risk jumps: a feed may have gone silent.",
);
pub const STREAM_TIME_LAG: Metric = now(
    "tideline_stream_time_lag_seconds",
    "How far stream time S is behind the clock, by partition. Worry when it grows: the partition is behind or idle.",
);
pub const WATERMARK_LAG: Metric = now(
    "tideline_watermark_lag_seconds",
    "How far W, which timers obey, is behind the clock, by partition. The lateness is normal; more: behind, or a silent input.",
);
pub const INPUT_LAG: Metric = now(
    "tideline_input_lag_records",
    "Records between what is committed and the end as last told, at most (offsets have gaps), by input and partition. \
     Worry when it grows.",
);
pub const INPUT_UNREAD: Metric = now(
    "tideline_input_unread_records",
    "Of a partition that is left because a topic changed: records that this process doesn't read, at most, by input and \
     partition. Worry at once: /readyz names the cause and the way on.",
);
pub const INPUT_DOUBTFUL: Metric = now(
    "tideline_input_doubtful_offset",
    "Of the same: the offsets that were committed after the topic was last seen to be the same, and may be of either, by input, \
     partition and bound (first, next). Both are equal where there are none.",
);
pub const INPUT_SILENT: Metric = now(
    "tideline_input_silent",
    "1 where an input is silent and so holds W, by input and partition. Worry at once: no warning is raised meanwhile.",
);
pub const MERGE_WAITING: Metric = now(
    "tideline_merge_waiting_records",
    "Records that wait in the merge, by input and partition. Worry when one is full and another empty: it holds all up.",
);
pub const TIMERS: Metric = now("tideline_timers", "Deadlines that stand, by partition: about one a user.");
pub const TIMERS_FIRED: Metric =
    total("tideline_timers_fired_total", "Deadlines fired and users re-evaluated, by partition.");
pub const TRANSACTIONS: Metric = total(
    "tideline_transactions_total",
    "Transactions by lane and outcome (committed, aborted, fatal, unknown). Worry about any but committed that keep coming.",
);
pub const SLICES: Metric = total(
    "tideline_timer_slices_total",
    "Committed transactions that held a slice of timers with more to come, by lane. Worry when every transaction is one.",
);
pub const TRANSACTION_MS: Metric = total(
    "tideline_transaction_milliseconds_total",
    "Time spent in committed transactions, from begin to install, by lane. Divide by committed transactions.",
);
pub const BATCH_RECORDS: Metric =
    total("tideline_batch_records_total", "Records consumed by committed batches, by lane. Divide by transactions.");
pub const BATCH_WRITES: Metric = total(
    "tideline_batch_writes_total",
    "Records written by committed batches, by lane: outputs, changelog, dead letters, forwarded ones.",
);
pub const RESTORES: Metric =
    total("tideline_restores_total", "Partitions restored, by lane. Worry when it grows without deployments.");
pub const RESTORED_RECORDS: Metric =
    total("tideline_restored_records_total", "Changelog records read by restores, by lane.");
pub const RESTORE_MS: Metric = total("tideline_restore_milliseconds_total", "Time spent in restores, by lane.");
pub const RESTORE_REMAINING: Metric = now(
    "tideline_restore_remaining_records",
    "Changelog records that a restore has left, at most, by partition. Worry when it doesn't fall.",
);
pub const RETURNS: Metric = total(
    "tideline_partition_returns_total",
    "Partitions that came back after a rebalance with their state still at hand, by lane: restores that were spared.",
);
pub const FENCED: Metric = total(
    "tideline_predecessors_fenced_total",
    "Predecessors whose open transaction was aborted, by lane. One a crash is normal.",
);
pub const FRONTS_PASSED_OVER: Metric = now(
    "tideline_fronts_passed_over",
    "1 for each partition whose front has not moved for stream.patience while records are forwarded, by lane and partition: \
     nobody waits for it any more, what it forwards comes late. Worry at once: its member is dead, or stuck.",
);
pub const FAILING: Metric = now(
    "tideline_lane_failing",
    "1 where a lane tries the same thing again and again, by lane, until that succeeds. Worry when it stays: /readyz names it.",
);
pub const STALLS: Metric = now(
    "tideline_stalls",
    "Partitions, or whole lanes, that have something to do and stand still, by cause. Worry at once: /readyz names each, and \
     what to do.",
);
pub const STALL_CURES: Metric = total(
    "tideline_stall_cures_total",
    "What was left open in a partition of ours and was ended for that, by cure (fenced: another's id was taken; renewed: one of \
     our own). Worry when it goes on.",
);
pub const PARTITION_PHASE: Metric = now(
    "tideline_partition_phase",
    "1 for the phase of each assigned partition (restoring, serving, unserved). Worry about unserved: /readyz says why.",
);
pub const IDLE_WAIT: Metric = now(
    "tideline_idle_wait",
    "1 where nothing comes and stream time does not follow the clock all the same, by partition and cause (clock_apart, \
     clock_unknown, beyond_reach). No deadline fires meanwhile: /readyz says what to do.",
);
pub const CLOCK_AHEAD: Metric = now(
    "tideline_clock_ahead_seconds",
    "How far this machine's clock is ahead of the broker's, as last compared; below 0: behind. Absent where the broker's can't \
     be had. Worry beyond stream.max_skew.",
);
pub const CLOCK_ON_TRUST: Metric = now(
    "tideline_clock_on_trust",
    "1 where the broker's clock can't be had and stream time follows this machine's all the same. `tideline topics --create` \
     mends it.",
);
pub const READY: Metric = now("tideline_ready", "1 when every assigned partition is restored and being read.");
pub const RULES: Metric =
    now("tideline_rules_info", "1, with the generation and version of the rules. Worry when members differ for long.");

/// All of them, in the order of the flow.
pub const ALL: [Metric; 37] = [
    CONSUMED,
    RECORDS,
    DEAD_LETTERS,
    PANICS,
    OUTPUTS,
    TIER_USERS,
    STAGE_USERS,
    STREAM_TIME_LAG,
    WATERMARK_LAG,
    INPUT_LAG,
    INPUT_UNREAD,
    INPUT_DOUBTFUL,
    INPUT_SILENT,
    MERGE_WAITING,
    TIMERS,
    TIMERS_FIRED,
    TRANSACTIONS,
    SLICES,
    TRANSACTION_MS,
    BATCH_RECORDS,
    BATCH_WRITES,
    RESTORES,
    RESTORED_RECORDS,
    RESTORE_MS,
    RESTORE_REMAINING,
    RETURNS,
    FENCED,
    FRONTS_PASSED_OVER,
    FAILING,
    STALLS,
    STALL_CURES,
    PARTITION_PHASE,
    IDLE_WAIT,
    CLOCK_AHEAD,
    CLOCK_ON_TRUST,
    READY,
    RULES,
];

/// The values of labels that the board has as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelValues {
    /// Topics by input, `rekey` last.
    pub inputs: Vec<Arc<str>>,
    /// By tier.
    pub tiers: Vec<String>,
    pub rules_generation: u32,
    pub rules_version: String,
}

impl LabelValues {
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

type Labels<'a> = &'a [(&'static str, String)];

impl Metric {
    fn set(&self, labels: Labels<'_>, value: f64) {
        match self.kind {
            Kind::Counter => counter!(self.name, labels).absolute(value as u64),
            Kind::Gauge => gauge!(self.name, labels).set(value),
        }
    }

    fn describe(&self, recorder: &impl Recorder) {
        match self.kind {
            Kind::Counter => recorder.describe_counter(self.name.into(), None::<Unit>, self.help.into()),
            Kind::Gauge => recorder.describe_gauge(self.name.into(), None::<Unit>, self.help.into()),
        }
    }
}

/// The board in Prometheus' text format; `clock` is what lags are measured against.
pub fn render(status: &Status, names: &LabelValues, clock: Timestamp) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    ALL.iter().for_each(|metric| metric.describe(&recorder));
    with_local_recorder(&recorder, || {
        record_totals(&Totals::of(status), names);
        for (lane, told) in &status.lanes {
            record_lane(*lane, told);
        }
        for (partition, told) in &status.partitions {
            record_partition(&[("partition", partition.to_string())], told);
        }
        for (partition, told) in served(status) {
            let labels = [("partition", partition.to_string())];
            record_times(&labels, told, clock);
            for (topic, input) in names.inputs.iter().zip(&told.inputs) {
                record_input(&[("input", topic.to_string()), ("partition", partition.to_string())], input);
            }
        }
        for (partition, told) in status.partitions.iter().filter(|(_, told)| matches!(told.phase, Phase::Unserved(_))) {
            for (topic, input) in names.inputs.iter().zip(&told.inputs) {
                record_left(&[("input", topic.to_string()), ("partition", partition.to_string())], input);
            }
        }
        record_stalls(status);
        record_clock(&status.clock);
        READY.set(&[], f64::from(u8::from(reasons_not_ready(status).is_empty())));
        let generation = names.rules_generation.to_string();
        RULES.set(&[("generation", generation), ("version", names.rules_version.clone())], 1.0);
    });
    recorder.handle().render()
}

fn record_totals(totals: &Totals, names: &LabelValues) {
    for (topic, tally) in names.inputs.iter().zip(&totals.inputs) {
        record_tally(topic, tally);
    }
    for ((kind, reason), &count) in &totals.outputs {
        let labels = [("type", kind.as_str().to_owned()), ("reason", reason.as_str().to_owned())];
        OUTPUTS.set(&labels, count as f64);
    }
    for (tier, &users) in names.tiers.iter().zip(&totals.users_by_tier) {
        TIER_USERS.set(&[("tier", tier.clone())], users as f64);
    }
    for (stage, users) in Stage::ALL.into_iter().zip(totals.users_by_stage) {
        STAGE_USERS.set(&[("stage", stage.as_str().to_owned())], users as f64);
    }
}

fn record_tally(topic: &str, tally: &Tally) {
    let input = || ("input", topic.to_owned());
    CONSUMED.set(&[input()], tally.consumed as f64);
    PANICS.set(&[input()], tally.panicked as f64);
    for (outcome, count) in [
        ("applied", tally.applied),
        ("skipped", tally.skipped),
        ("duplicate", tally.duplicate),
        ("suppressed", tally.suppressed),
        ("rekeyed", tally.rekeyed),
        ("dead_lettered", tally.dead_lettered()),
    ] {
        RECORDS.set(&[input(), ("outcome", outcome.to_owned())], count as f64);
    }
    for (reason, count) in RejectReason::ALL.into_iter().zip(tally.dead) {
        DEAD_LETTERS.set(&[input(), ("reason", reason.as_str().to_owned())], count as f64);
    }
}

fn record_lane(lane: usize, told: &LaneStatus) {
    let lane = || ("lane", lane.to_string());
    let transactions = told.transactions;
    for (outcome, count) in [
        ("committed", transactions.committed),
        ("aborted", transactions.aborted),
        ("fatal", transactions.fatal),
        ("unknown", transactions.unknown),
    ] {
        TRANSACTIONS.set(&[lane(), ("outcome", outcome.to_owned())], count as f64);
    }
    for (metric, value) in [
        (SLICES, told.slices as f64),
        (TRANSACTION_MS, told.commit_ms as f64),
        (BATCH_RECORDS, told.batch_records as f64),
        (BATCH_WRITES, told.batch_writes as f64),
        (RESTORES, told.restores as f64),
        (RESTORED_RECORDS, told.restored_records as f64),
        (RESTORE_MS, told.restore_ms as f64),
        (RETURNS, told.returns as f64),
        (FENCED, told.fenced as f64),
        (FAILING, f64::from(u8::from(told.trouble.is_some()))),
    ] {
        metric.set(&[lane()], value);
    }
    for partition in &told.passed_over {
        FRONTS_PASSED_OVER.set(&[lane(), ("partition", partition.to_string())], 1.0);
    }
}

fn record_stalls(status: &Status) {
    for cause in Cause::ALL {
        let count = status.stalls.iter().filter(|stall| stall.cause == cause).count();
        STALLS.set(&[("cause", cause.as_str().to_owned())], count as f64);
    }
    for (cure, count) in [("fenced", status.cures.fenced), ("renewed", status.cures.renewed)] {
        STALL_CURES.set(&[("cure", cure.to_owned())], count as f64);
    }
}

fn record_clock(clock: &ClockAgreement) {
    if let ClockAgreement::Agrees { ahead_ms } | ClockAgreement::Apart { ahead_ms } = clock {
        CLOCK_AHEAD.set(&[], *ahead_ms as f64 / 1e3);
    }
    CLOCK_ON_TRUST.set(&[], f64::from(u8::from(matches!(clock, ClockAgreement::OnTrust(_)))));
}

fn record_partition(partition: Labels<'_>, told: &PartitionStatus) {
    TIMERS_FIRED.set(partition, told.timers_fired as f64);
    let phase = match &told.phase {
        Phase::Away => return,
        Phase::Restoring { remaining, .. } => {
            RESTORE_REMAINING.set(partition, *remaining as f64);
            "restoring"
        }
        Phase::Serving => "serving",
        Phase::Unserved(_) => "unserved",
    };
    PARTITION_PHASE.set(&[partition, &[("phase", phase.to_owned())]].concat(), 1.0);
}

fn record_times(partition: Labels<'_>, told: &PartitionStatus, clock: Timestamp) {
    let behind = |at: Timestamp| clock.since(at) as f64 / 1e3;
    if let Some(stream_time) = told.stream_time {
        STREAM_TIME_LAG.set(partition, behind(stream_time));
    }
    if let Some(watermark) = told.watermark {
        WATERMARK_LAG.set(partition, behind(watermark));
    }
    TIMERS.set(partition, told.timers as f64);
    for cause in IdleWait::NAMES {
        let waits = told.idle_wait.is_some_and(|wait| wait.as_str() == cause);
        IDLE_WAIT.set(&[partition, &[("cause", cause.to_owned())]].concat(), f64::from(u8::from(waits)));
    }
}

/// Of a partition that is not served: what nobody reads is behind, whatever offset it has.
fn record_left(labels: Labels<'_>, input: &InputStatus) {
    let Some(left) = input.left else { return };
    INPUT_LAG.set(labels, left.unread as f64);
    INPUT_UNREAD.set(labels, left.unread as f64);
    for (bound, offset) in [("first", left.between_from), ("next", input.next_offset)] {
        INPUT_DOUBTFUL.set(&[labels, &[("bound", bound.to_owned())]].concat(), offset as f64);
    }
}

fn record_input(labels: Labels<'_>, input: &InputStatus) {
    if let Some(end) = input.end_offset {
        INPUT_LAG.set(labels, (end - input.next_offset).max(0) as f64);
    }
    INPUT_SILENT.set(labels, f64::from(u8::from(input.is_silent)));
    MERGE_WAITING.set(labels, input.waiting as f64);
}
