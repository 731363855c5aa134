//! Lanes on a broker, with the HTTP server beside them. The same for every broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use super::signals;
use crate::api::{ApiState, ROUTES, Registry, Server};
use crate::broker::Broker;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::runtime::{self, Board, Clock, Mode, Stop};
use crate::telemetry;

/// Lanes on a broker, with the HTTP server beside them, until they are done or a signal comes.
#[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "its caller needs Kafka"))]
pub(super) fn serve<B: Broker>(config: &Config, broker: &B, mode: Mode, stop: Stop) -> Result<()> {
    let job = config.job(mode)?;
    let (board, registry, clock) = (Board::default(), Arc::new(Registry::default()), Clock::system());
    signals::stop_on_signals(stop.clone())?;
    let server = Server::start(
        config.telemetry.server,
        ApiState::new(&job, board.clone(), registry.clone(), clock.clone()),
        ROUTES,
    )?;
    tracing::info!(
        address = %server.address(),
        lanes = config.application.lanes,
        rules = job.engine.rule_version(),
        "running; /metrics, /livez and /readyz answer"
    );
    runtime::run(broker, &job, usize::from(config.application.lanes), &clock, &board, registry, &stop)?;
    if let Mode::UntilEnd { until: Some(until), ignore_silent: false } = mode {
        warn_of_silence(config, &board, until);
    }
    let totals = board.read(telemetry::Totals::of);
    tracing::info!(
        consumed = totals.consumed(),
        outputs = totals.written(),
        "stopped; everything in hand is committed"
    );
    Ok(())
}

/// A feed that holds watermarks at the end keeps `--until` from doing what was asked.
fn warn_of_silence(config: &Config, board: &Board, until: Timestamp) {
    let mut held: BTreeMap<usize, (usize, Option<Timestamp>)> = BTreeMap::new();
    board.read(|status| {
        for partition in status.partitions.values() {
            for (input, _) in partition.inputs.iter().enumerate().filter(|(_, input)| input.is_silent) {
                let (partitions, earliest) = held.entry(input).or_default();
                *partitions += 1;
                *earliest =
                    earliest.map_or(partition.watermark, |earliest| partition.watermark.map(|at| at.min(earliest)));
            }
        }
    });
    for (input, (partitions, earliest)) in held {
        let topic = config.inputs.get(input).map_or("rekey", |input| input.topic.as_str());
        tracing::warn!(
            topic,
            partitions,
            watermark = earliest.map(tracing::field::display),
            "a silent feed held watermarks short of --until {until}: nothing follows from absence there; \
                --ignore-silent moves them"
        );
    }
}
