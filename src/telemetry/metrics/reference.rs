//! The reference page of metrics, printed from their rows.

use std::fmt::Write as _;

use super::row::{Audience, MetricKind};

const HEAD: &str = "# Metrics

What `/metrics` answers: the rows of `src/telemetry/metrics/`, printed; a test of `tests/embedded/telemetry.rs` holds
this page to them. Counters only grow while a process lives, and show only what is committed. No user id, amount or
payload is in a label.
";
const COLUMNS: &str = "| metric | type | labels | unit | what it says | when to worry |\n|---|---|---|---|---|---|";

pub(super) fn page(audiences: &[Audience]) -> String {
    let mut page = HEAD.to_owned();
    for audience in audiences {
        // Writing to a String can't fail.
        let _ = write!(page, "\n## {}\n\n{COLUMNS}\n", audience.title);
        for metric in audience.metrics {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, unit, says, labels) = (metric.name, metric.unit, metric.says, labels.join(", "));
            let _ = writeln!(
                page,
                "| `{name}` | {kind} | {labels} | {unit} | {says} | {} |",
                metric.worry.unwrap_or_default()
            );
        }
    }
    page
}
