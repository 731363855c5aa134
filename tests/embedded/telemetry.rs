//! What operators see: metrics that balance, readiness with its reasons.

use std::collections::{BTreeMap, BTreeSet};

use tideline::domain::{PartitionId, Timestamp};
use tideline::emit::OutputType;
use tideline::engine::OutputReason;
use tideline::ingest;
use tideline::pipeline::Tally;
use tideline::runtime::board::status::{
    InputStatus, Interventions, LaneStatus, PartitionStatus, Phase, RestoreStage, Transactions, UnservedInput,
};
use tideline::runtime::{Cause, ClockAgreement, IdleWait, Stall, Status};
use tideline::state::{Dimension, Population};
use tideline::telemetry::metrics::{MetricKind, all, reference};
use tideline::telemetry::{LabelValues, Totals, reasons_not_ready, render};

const NOW: Timestamp = Timestamp::of_millis(1_800_000_000_000);

fn labels() -> LabelValues {
    LabelValues {
        inputs: vec!["app.events".into(), "tideline.rekey".into()],
        tiers: ["inactive", "new", "low"].map(str::to_owned).into(),
        rules_generation: 3,
        rules_version: "0badcafe".to_owned(),
    }
}

fn population() -> Population {
    let mut population = Population::default();
    population.set(Dimension::Tier, vec![1, 2, 3]);
    population.set(Dimension::Stage, vec![3, 2, 1, 0]);
    population
}

/// One lane that serves partition 0, restores 1, leaves 2 alone and has lost 3.
fn status() -> Status {
    let mut dead = [0; ingest::RejectReason::ALL.len()];
    dead[ingest::RejectReason::Malformed as usize] = 4;
    let tally = Tally {
        consumed: 20,
        applied: 10,
        skipped: 1,
        duplicate: 2,
        suppressed: 1,
        rekeyed: 2,
        read: 20,
        misrouted: 2,
        panicked: 3,
        fits: [0; 3],
        dead,
    };
    let input = InputStatus {
        tally,
        next_offset: 20,
        end_offset: Some(33),
        is_silent: true,
        waiting: 5,
        ..InputStatus::default()
    };
    let served = PartitionStatus {
        phase: Phase::Serving,
        stream_time: Some(NOW.minus_millis(1_500)),
        watermark: Some(NOW.minus_millis(3_601_500)),
        population: population(),
        idle_wait: Some(IdleWait::ClockUnknown),
        timers: 6,
        timers_fired: 9,
        inputs: vec![input.clone(), InputStatus::default()],
        outputs: [((OutputType::TierChanged, OutputReason::Behaviour), 7)].into(),
        ..PartitionStatus::default()
    };
    let with_phase = |phase| PartitionStatus { phase, ..PartitionStatus::default() };
    let left = PartitionStatus { phase: Phase::Away, ..served.clone() };
    let changed = InputStatus {
        next_offset: 20,
        unserved: Some(UnservedInput { doubtful_from: 18, unread: 7 }),
        ..InputStatus::default()
    };
    let unserved = PartitionStatus {
        inputs: vec![changed],
        ..with_phase(Phase::Unserved("rules of a later generation".to_owned()))
    };
    let transactions = Transactions { committed: 5, aborted: 1, fatal: 0, unknown: 0 };
    let lane = LaneStatus {
        is_assigned: true,
        transactions,
        restores: 2,
        commit_ms: 40,
        passed_over: vec![PartitionId(2)],
        ..LaneStatus::default()
    };
    Status {
        lanes: [(0, lane)].into(),
        partitions: [
            (PartitionId(0), served),
            (PartitionId(1), with_phase(Phase::Restoring { stage: RestoreStage::Reading, remaining: 77 })),
            (PartitionId(2), unserved),
            (PartitionId(3), left),
        ]
        .into(),
        clock: ClockAgreement::Agrees { ahead_ms: 250 },
        ..Status::default()
    }
}

/// The value of a series, with its labels in any order.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let wanted: BTreeSet<_> = labels.iter().copied().collect();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (seen, rest) = series.split_once('{').unwrap_or((series, "}"));
        let inside = rest.trim_end_matches('}');
        let labels: BTreeSet<_> = inside.split(',').filter(|label| !label.is_empty()).collect();
        (seen == name && labels == wanted).then(|| value.parse().unwrap())
    })
}

#[test]
fn the_board_is_rendered_as_metrics() {
    let text = render(&status(), &labels(), NOW);
    let app = r#"input="app.events""#;
    let zero = r#"partition="0""#;
    for (name, labels, expected) in [
        // Counters are of all that this process has owned.
        ("tideline_records_consumed_total", &[app][..], 40.0),
        ("tideline_records_total", &[app, r#"outcome="applied""#], 20.0),
        ("tideline_records_total", &[app, r#"outcome="dead_lettered""#], 8.0),
        ("tideline_dead_letters_total", &[app, r#"reason="malformed""#], 8.0),
        ("tideline_dead_letters_total", &[app, r#"reason="too_old""#], 0.0),
        ("tideline_outputs_total", &[r#"type="tier_changed""#, r#"reason="behaviour""#], 14.0),
        ("tideline_timers_fired_total", &[r#"partition="3""#], 9.0),
        // Gauges are of what is served.
        ("tideline_tier_users", &[r#"tier="low""#], 3.0),
        ("tideline_stage_users", &[r#"stage="at_risk""#], 2.0),
        ("tideline_stream_time_lag_seconds", &[zero], 1.5),
        ("tideline_watermark_lag_seconds", &[zero], 3601.5),
        ("tideline_input_lag_records", &[app, zero], 13.0),
        ("tideline_input_silent", &[app, zero], 1.0),
        ("tideline_merge_waiting_records", &[app, zero], 5.0),
        ("tideline_timers", &[zero], 6.0),
        ("tideline_transactions_total", &[r#"lane="0""#, r#"outcome="aborted""#], 1.0),
        ("tideline_transaction_milliseconds_total", &[r#"lane="0""#], 40.0),
        ("tideline_restores_total", &[r#"lane="0""#], 2.0),
        ("tideline_restore_remaining_records", &[r#"partition="1""#], 77.0),
        ("tideline_partition_phase", &[r#"partition="2""#, r#"phase="unserved""#], 1.0),
        ("tideline_input_lag_records", &[app, r#"partition="2""#], 7.0),
        ("tideline_input_unread_records", &[app, r#"partition="2""#], 7.0),
        ("tideline_input_doubtful_offset", &[app, r#"partition="2""#, r#"bound="first""#], 18.0),
        ("tideline_input_doubtful_offset", &[app, r#"partition="2""#, r#"bound="next""#], 20.0),
        ("tideline_idle_wait", &[zero, r#"cause="clock_unknown""#], 1.0),
        ("tideline_idle_wait", &[zero, r#"cause="beyond_reach""#], 0.0),
        ("tideline_clock_ahead_seconds", &[], 0.25),
        ("tideline_clock_on_trust", &[], 0.0),
        ("tideline_lane_failing", &[r#"lane="0""#], 0.0),
        ("tideline_ready", &[], 0.0),
        ("tideline_rules_info", &[r#"generation="3""#, r#"version="0badcafe""#], 1.0),
    ] {
        assert_eq!(value(&text, name, labels), Some(expected), "{name} {labels:?} in\n{text}");
    }
    for gone in ["tideline_stream_time_lag_seconds", "tideline_timers"] {
        assert_eq!(value(&text, gone, &[r#"partition="3""#]), None, "{gone} of a partition that went elsewhere");
    }
}

#[test]
fn the_outcomes_of_an_input_add_up_to_what_it_consumed() {
    let totals = Totals::of(&status());
    assert!(totals.inputs.iter().all(Tally::balances));
    let text = render(&status(), &labels(), NOW);
    for input in [r#"input="app.events""#, r#"input="tideline.rekey""#] {
        let outcomes = ["applied", "skipped", "duplicate", "suppressed", "rekeyed", "dead_lettered"];
        let sum: f64 = outcomes
            .map(|outcome| value(&text, "tideline_records_total", &[input, &format!("outcome=\"{outcome}\"")]).unwrap())
            .iter()
            .sum();
        assert_eq!(value(&text, "tideline_records_consumed_total", &[input]), Some(sum), "{input}");
    }
}

#[test]
fn every_row_has_values_under_its_labels_and_nothing_else_is_rendered() {
    let text = render(&status(), &labels(), NOW);
    let mut seen = BTreeMap::<&str, BTreeSet<Vec<&str>>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let mut labels: Vec<_> = labels.map(|label| label.split_once('=').unwrap().0).collect();
        labels.sort_unstable();
        seen.entry(name).or_default().insert(labels);
    }
    for metric in all() {
        let mut labels = metric.labels.to_vec();
        labels.sort_unstable();
        assert_eq!(seen.remove(metric.name), Some(BTreeSet::from([labels])), "labels of {}", metric.name);
        let kind = if metric.kind == MetricKind::Counter { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help())), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
    }
    assert!(seen.is_empty(), "no rows: {seen:?}");
}

#[test]
fn the_reference_page_is_printed_from_the_rows() {
    let page = reference();
    let printed = concat!(env!("CARGO_TARGET_TMPDIR"), "/metrics.md");
    std::fs::write(printed, &page).unwrap();
    assert!(include_str!("../../docs/metrics.md") == page, "docs/metrics.md differs: copy {printed} there");
}

#[test]
fn the_documents_name_no_metric_that_is_not() {
    let names: BTreeSet<_> = all().map(|metric| metric.name).collect();
    for text in [
        include_str!("../../README.md"),
        include_str!("../../docs/operations.md"),
        include_str!("../../docs/reliability.md"),
        include_str!("../../docs/security.md"),
    ] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("tideline_")) {
            assert!(names.contains(word), "{word} is no metric");
        }
    }
}

#[test]
fn what_stands_still_is_told_with_its_cause_and_what_to_do() {
    let mut status = status();
    status.partitions.retain(|partition, _| partition.0 == 0);
    let (detail, partition) = ("in app.events, from 5 to 9".to_owned(), Some(PartitionId(0)));
    let cause = Cause::OpenTransaction;
    status.stalls = vec![
        Stall { lane: 0, partition, cause, detail, lasted_ms: 31_500 },
        Stall { lane: 1, partition: None, cause: Cause::HungCall, detail: "commit".to_owned(), lasted_ms: 40_000 },
    ];
    status.interventions = Interventions { fenced: 2, renewed: 1 };
    let reasons = reasons_not_ready(&status);
    let begins = [
        "partition 0: stands still for 31 s: open_transaction: in app.events, from 5 to 9; ",
        "lane 1: stands still for 40 s: hung_call: commit; ",
    ];
    assert_eq!(reasons.len(), begins.len(), "{reasons:?}");
    assert!(reasons.iter().zip(begins).all(|(reason, begin)| reason.starts_with(begin)), "{reasons:?}");
    let text = render(&status, &labels(), NOW);
    for (name, label, expected) in [
        ("tideline_stalls", r#"cause="open_transaction""#, 1.0),
        ("tideline_stalls", r#"cause="hung_call""#, 1.0),
        ("tideline_stalls", r#"cause="merge_wait""#, 0.0),
        ("tideline_stall_cures_total", r#"cure="fenced""#, 2.0),
        ("tideline_ready", "", 0.0),
    ] {
        let labels: Vec<_> = [label].into_iter().filter(|label| !label.is_empty()).collect();
        assert_eq!(value(&text, name, &labels), Some(expected), "{name} {label} in\n{text}");
    }
}

#[test]
fn readiness_names_every_reason() {
    assert_eq!(reasons_not_ready(&Status::default()), ["no lane has started yet"]);
    assert_eq!(
        reasons_not_ready(&status()),
        [
            "partition 1: restoring: reading its changelog, at most 77 records left",
            "partition 2: not served: rules of a later generation"
        ]
    );
    let mut ready = status();
    ready.partitions.retain(|partition, _| matches!(partition.0, 0 | 3));
    assert_eq!(reasons_not_ready(&ready), Vec::<String>::new());
    let lane = ready.lanes.get_mut(&0).unwrap();
    (lane.is_assigned, lane.trouble) = (false, Some("the broker does not answer".to_owned()));
    assert_eq!(
        reasons_not_ready(&ready),
        ["lane 0: the group has not answered yet", "lane 0: the broker does not answer"]
    );
}
