//! Every metric is one row: name, labels, unit, what it says, when to worry, and where its values come from.
//!
//! Rows are grouped by who looks at them: `stream` (what becomes of records, and how late), `users` (what the business
//! sees), `lanes` (who runs the process). docs/metrics.md is printed from them.
//!
//! A scrape fills a recorder of its own and renders it, so that what is no longer there (a partition that went to
//! another member) leaves no stale value behind. Counters are those of the board, which only grow while the process
//! lives.

mod lanes;
mod reference;
mod row;
mod stream;
mod users;

use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

pub use row::{Audience, LabelValues, Metric, MetricKind, Scrape, Series};

use super::totals::Totals;
use crate::domain::Timestamp;
use crate::runtime::Status;

/// The tables of rows, in the order in which the reference page shows them.
pub const AUDIENCES: [Audience; 3] = [
    Audience { title: "The stream: what becomes of records, and how late", metrics: stream::METRICS },
    Audience { title: "Users: what the business sees", metrics: users::METRICS },
    Audience { title: "Lanes: for those who run it", metrics: lanes::METRICS },
];

/// All of them, in the order of their groups.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    AUDIENCES.iter().flat_map(|audience| audience.metrics)
}

/// The board in Prometheus' text format; `clock` is what lags are measured against.
pub fn render(status: &Status, labels: &LabelValues, clock: Timestamp) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = Scrape { status, totals: Totals::of(status), labels, clock };
    with_local_recorder(&recorder, || all().for_each(|metric| metric.record(&recorder, &scrape)));
    recorder.handle().render()
}

/// docs/metrics.md, whole.
pub fn reference() -> String {
    reference::page(&AUDIENCES)
}
