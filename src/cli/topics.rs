//! `tideline topics`: shows the topics that are needed, and creates those that are missing.

use anyhow::Result;
use clap::Args;

use super::{ConfigFlag, kafka};

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// Creates the topics that are missing, and sets on ours what bounds how long erased data stays on disk, and what
    /// lets the broker tell its time. Without it nothing is changed
    #[arg(long)]
    create: bool,
}

pub(super) fn run(args: &TopicsArgs) -> Result<()> {
    kafka::topics(&args.config.load_to_connect()?, args.create)
}
