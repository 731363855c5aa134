//! `tideline run`: lanes on Kafka until told to stop, or until every input is at its end.

use anyhow::Result;
use clap::Args;

use super::{ConfigFlag, time};
use crate::domain::Timestamp;
use crate::runtime::Mode;
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub config: ConfigFlag,
    /// Stops when every input and rekey are at their ends. The clock moves nothing then
    #[arg(long)]
    until_end: bool,
    /// At the end every watermark moves there: what is due by then follows (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time, requires = "until_end")]
    until: Option<Timestamp>,
    /// --until moves watermarks over silent feeds, too (inputs[].silent_after): absences follow that may be the feed's
    /// own
    #[arg(long, requires = "until")]
    ignore_silent: bool,
}

impl RunArgs {
    pub fn mode(&self) -> Mode {
        match self.until_end {
            true => Mode::UntilEnd { until: self.until, ignore_silent: self.ignore_silent },
            false => Mode::Endless,
        }
    }
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    let config = args.config.load_to_connect()?;
    // Before any client is made: it reads the log's level once.
    telemetry::init_logging(config.telemetry.log);
    super::kafka::run(&config, args.mode())
}
