//! `tideline run` on a cluster.

use anyhow::Result;

use super::rights;
use super::survey::connect;
use crate::broker::Broker as _;
use crate::broker::kafka::Claim;
use crate::cli::serve::serve;
use crate::config::Config;
use crate::runtime::{Mode, Stop};

/// Claims the process's name, then serves until told to stop.
///
/// # Errors
/// Where the cluster can't be worked with, the name is another's, or a lane fails.
pub(in crate::cli) fn run(config: &Config, mode: Mode) -> Result<()> {
    let broker = connect(config, config.kafka_settings(), rights::to_run(config))?;
    let stop = Stop::default();
    let stop_lanes = stop.clone();
    let claim = Claim::take(&config.kafka_settings(), broker.topics(), &config.name(), move || stop_lanes.stop())?;
    let served = serve(config, &broker, mode, stop);
    // Whose name is another's failed for that, whatever else came of it.
    claim.end()?;
    served
}
