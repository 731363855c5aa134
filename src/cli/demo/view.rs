//! What the demo shows: the board's totals, rates, and the outputs as a reader of their topics sees them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::broker::memory::Memory;
use crate::broker::{Broker, Isolation};
use crate::domain::{OutputTopic, PartitionId, Timestamp};
use crate::record::{Message, Offset};
use crate::runtime::{Board, Clock, Job};
use crate::telemetry::Totals;

/// How often what is shown is renewed, and the feed looks at the clock.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// Outputs kept to be looked at.
const KEPT: usize = 200;
/// Outputs read at one look, from one partition of a topic.
const READ: usize = 500;
/// Over how long rates are taken.
const RATE_MS: u64 = 2_000;

/// An output on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub kind: SeenKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeenKind {
    Up,
    Down,
    Risk,
    Cleared,
}

/// Everything at one moment.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub clock: Timestamp,
    pub totals: Totals,
    pub records_per_second: u64,
    /// Of outputs, the newest last.
    pub outputs: VecDeque<Seen>,
    /// How many of them are new since the last look.
    pub new_outputs: usize,
}

pub(super) struct Viewer {
    broker: Memory,
    board: Board,
    clock: Clock,
    pub address: SocketAddr,
    pub tiers: Vec<String>,
    pub inputs: Vec<Arc<str>>,
    /// The topics of outputs, and how far each partition has been read.
    tails: Vec<(Arc<str>, PartitionId, Offset)>,
    outputs: VecDeque<Seen>,
    /// When how many records had been consumed.
    marks: VecDeque<(u64, u64)>,
}

impl Viewer {
    pub fn new(broker: Memory, job: &Job, board: Board, clock: Clock, address: SocketAddr) -> Self {
        let topics = broker.topics();
        let partitions = (0..topics.partitions).map(PartitionId);
        let outputs = OutputTopic::announcements().map(|output| topics.output(output));
        let tails = outputs.flat_map(|topic| partitions.clone().map(|p| (Arc::clone(topic), p)));
        // What an earlier demo wrote is not news.
        let tails = tails.map(|(topic, p)| {
            let end = broker.high_watermark(&topic, p).unwrap_or(0);
            (topic, p, end)
        });
        Self {
            tails: tails.collect(),
            tiers: job.engine.rules().tier_names().to_vec(),
            inputs: topics.inputs.clone(),
            broker,
            board,
            clock,
            address,
            outputs: VecDeque::new(),
            marks: VecDeque::new(),
        }
    }

    /// Milliseconds since some moment.
    pub fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    pub fn look(&mut self) -> Result<View> {
        let totals = self.board.read(Totals::of);
        let new_outputs = self.read_outputs()?;
        let records_per_second = self.rate(totals.consumed());
        Ok(View { clock: self.clock.wall(), totals, records_per_second, outputs: self.outputs.clone(), new_outputs })
    }

    fn read_outputs(&mut self) -> Result<usize> {
        let mut news = Vec::new();
        for (topic, partition, next) in &mut self.tails {
            let messages = self.broker.read(topic, *partition, *next, Isolation::ReadCommitted, READ)?;
            if let Some(last) = messages.last() {
                *next = last.offset() + 1;
            }
            let values = messages.iter().filter_map(|message| serde_json::from_slice::<Value>(message.value()?).ok());
            news.extend(values.filter_map(|value| Some((value["time"].as_str()?.to_owned(), seen(&value)?))));
        }
        news.sort_by(|a, b| a.0.cmp(&b.0));
        let count = news.len();
        self.outputs.extend(news.into_iter().map(|(_, seen)| seen));
        let surplus = self.outputs.len().saturating_sub(KEPT);
        self.outputs.drain(..surplus);
        Ok(count)
    }

    fn rate(&mut self, consumed: u64) -> u64 {
        let now_ms = self.now_ms();
        self.marks.push_back((now_ms, consumed));
        while self.marks.len() > 2 && self.marks[1].0 + RATE_MS <= now_ms {
            self.marks.pop_front();
        }
        let (then_ms, before) = self.marks[0];
        (consumed - before) * 1_000 / (now_ms - then_ms).max(1)
    }
}

/// An output's JSON on one line; none if it isn't one.
fn seen(value: &Value) -> Option<Seen> {
    let text = |key: &str| value[key].as_str().unwrap_or("-").to_owned();
    let minute = text("time").chars().take(16).collect::<String>().replace('T', " ");
    let head = format!("{minute}  {}  ", text("user_id"));
    let reason = text("reason");
    let (kind, tail) = match value["type"].as_str()? {
        "tideline.tier_changed" => {
            let kind = if value["direction"] == "down" { SeenKind::Down } else { SeenKind::Up };
            let from = value["previous"].as_str().unwrap_or("(none)");
            (kind, format!("tier {from} -> {} ({reason})", text("current")))
        }
        "tideline.dormancy_risk" => {
            let silent = value["evidence"]["silent_days"].as_f64();
            let silent = silent.map_or_else(|| "never active".to_owned(), |days| format!("silent for {days} days"));
            (SeenKind::Risk, format!("{} -> {}, {silent} ({reason})", text("previous_stage"), text("stage")))
        }
        "tideline.dormancy_cleared" => (SeenKind::Cleared, format!("back from {} ({reason})", text("stage"))),
        _ => return None,
    };
    Some(Seen { kind, text: head + &tail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: Value, kind: SeenKind, text: &str) {
        assert_eq!(seen(&output), Some(Seen { kind, text: text.to_owned() }));
    }

    #[test]
    fn an_output_fits_a_line() {
        let time = "2026-02-05T02:00:00.000Z";
        check(
            serde_json::json!({"type": "tideline.tier_changed", "time": time, "user_id": "u1", "reason": "timer",
                "previous": "low", "current": "inactive", "direction": "down"}),
            SeenKind::Down,
            "2026-02-05 02:00  u1  tier low -> inactive (timer)",
        );
        check(
            serde_json::json!({"type": "tideline.dormancy_risk", "time": time, "user_id": "u1", "reason": "timer",
                "stage": "at_risk", "previous_stage": "active", "evidence": {"silent_days": 8.1}}),
            SeenKind::Risk,
            "2026-02-05 02:00  u1  active -> at_risk, silent for 8.1 days (timer)",
        );
        check(
            serde_json::json!({"type": "tideline.dormancy_cleared", "time": time, "user_id": "u1",
                "reason": "behaviour", "stage": "dormant"}),
            SeenKind::Cleared,
            "2026-02-05 02:00  u1  back from dormant (behaviour)",
        );
        assert_eq!(seen(&serde_json::json!({"type": "other"})), None);
    }
}
