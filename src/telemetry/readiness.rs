//! Whether every assigned partition is restored and being read; else why not.

use crate::runtime::status::Phase;
use crate::runtime::{Stall, Status};

/// Empty: ready.
pub fn reasons_not_ready(status: &Status) -> Vec<String> {
    let mut reasons = Vec::new();
    if status.lanes.is_empty() {
        reasons.push("no lane has started yet".to_owned());
    }
    for (lane, told) in &status.lanes {
        if !told.is_assigned {
            reasons.push(format!("lane {lane}: the group has not answered yet"));
        }
        if let Some(trouble) = &told.trouble {
            reasons.push(format!("lane {lane}: {trouble}"));
        }
    }
    for (partition, told) in &status.partitions {
        match &told.phase {
            Phase::Serving | Phase::Away => {}
            Phase::Restoring { stage, remaining } => {
                let stage = stage.as_str();
                reasons.push(format!("partition {partition}: restoring: {stage}, at most {remaining} records left"));
            }
            Phase::Unserved(reason) => reasons.push(format!("partition {partition}: not served: {reason}")),
        }
    }
    for stall in &status.stalls {
        let Stall { lane, partition, cause, detail, lasted_ms } = stall;
        let whose = partition.map_or_else(|| format!("lane {lane}"), |partition| format!("partition {partition}"));
        let (seconds, cause, advice) = (lasted_ms / 1_000, cause.as_str(), cause.advice());
        reasons.push(format!("{whose}: stands still for {seconds} s: {cause}: {detail}; {advice}"));
    }
    reasons
}
