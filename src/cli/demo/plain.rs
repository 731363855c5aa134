//! The demo as lines, for pipes and tests: one a second on how things stand, and some of the outputs between.

use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::view::{TICK, View, Viewer};
use crate::runtime::Stop;
use crate::state::Dimension;

const INTERVAL_MS: u64 = 1_000;
/// Outputs shown of an interval, at most.
const SHOWN: usize = 5;

pub(super) fn show(mut viewer: Viewer, stop: &Stop, until: Option<Duration>) -> Result<()> {
    let started_ms = viewer.now_ms();
    let (mut next_ms, mut news) = (started_ms + INTERVAL_MS, 0);
    let mut out = stdout().lock();
    writeln!(out, "metrics: http://{}/metrics", viewer.address)?;
    out.flush()?;
    loop {
        let view = viewer.look()?;
        news += view.new_outputs;
        let now_ms = viewer.now_ms();
        let is_over =
            stop.is_stopped() || until.is_some_and(|until| u128::from(now_ms - started_ms) >= until.as_millis());
        if now_ms >= next_ms || is_over {
            for seen in view.outputs.iter().rev().take(news.min(SHOWN)).rev() {
                writeln!(out, "  {}", seen.text)?;
            }
            write_line(&mut out, &view, &viewer.tiers, news)?;
            out.flush()?;
            (next_ms, news) = (now_ms + INTERVAL_MS, 0);
        }
        if is_over {
            return Ok(());
        }
        thread::park_timeout(TICK);
    }
}

fn write_line(out: &mut impl Write, view: &View, tiers: &[String], news: usize) -> std::io::Result<()> {
    let totals = &view.totals;
    write!(out, "{}", view.clock)?;
    write!(
        out,
        " events={} ({}/s) outputs={} (+{news})",
        totals.consumed(),
        view.records_per_second,
        totals.written()
    )?;
    for dimension in Dimension::ALL {
        for (cell, users) in totals.population.named(dimension, tiers) {
            write!(out, " {cell}={users}")?;
        }
    }
    writeln!(out)
}
