//! Whether every assigned partition is restored and being read; else why not.
//!
//! `/readyz` and `tideline_ready` both follow from it.

use crate::runtime::board::status::Phase;
use crate::runtime::{ClockAgreement, Stall, Status};

/// Why the process isn't ready, a line each; empty: it is.
pub fn reasons_not_ready(status: &Status) -> Vec<String> {
    let mut reasons = Vec::new();
    if status.lanes.is_empty() {
        reasons.push("no lane has started yet".to_owned());
    }
    for (lane, of_lane) in &status.lanes {
        if !of_lane.is_assigned {
            reasons.push(format!("lane {lane}: the group has not answered yet"));
        }
        if let Some(trouble) = &of_lane.trouble {
            reasons.push(format!("lane {lane}: {trouble}"));
        }
    }
    for (partition, of_partition) in &status.partitions {
        match &of_partition.phase {
            Phase::Serving | Phase::Away => {}
            Phase::Restoring { stage, remaining } => {
                let stage = stage.as_str();
                reasons.push(format!("partition {partition}: restoring: {stage}, at most {remaining} records left"));
            }
            Phase::Unserved(reason) => reasons.push(format!("partition {partition}: not served: {reason}")),
        }
    }
    if let ClockAgreement::Apart { ahead_ms } = status.clock {
        let (seconds, side) = (ahead_ms.abs() / 1_000, if ahead_ms > 0 { "ahead of" } else { "behind" });
        reasons.push(format!(
            "this machine's clock is {seconds} s {side} the broker's, more than stream.max_skew: stream time follows \
             no clock, and events are judged by the broker's; set the wrong one right"
        ));
    }
    for stall in &status.stalls {
        let Stall { lane, partition, cause, detail, lasted_ms } = stall;
        let whose = partition.map_or_else(|| format!("lane {lane}"), |partition| format!("partition {partition}"));
        let (seconds, cause, advice) = (lasted_ms / 1_000, cause.as_str(), cause.advice());
        reasons.push(format!("{whose}: stands still for {seconds} s: {cause}: {detail}; {advice}"));
    }
    reasons
}

/// What an operator should know, though the process is ready all the same: a line each.
pub fn remarks(status: &Status) -> Vec<String> {
    let mut remarks = Vec::new();
    if let ClockAgreement::OnTrust(why) = &status.clock {
        remarks.push(format!("stream time follows this machine's clock on trust: the broker's can't be had: {why}"));
    }
    for (partition, of_partition) in super::totals::served(status) {
        if let Some(wait) = of_partition.idle_wait {
            remarks.push(format!("partition {partition}: stream time does not follow the clock: {wait}"));
        }
    }
    remarks
}
