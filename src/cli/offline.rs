//! What stands for `online` in a build without the feature `kafka`: the same commands, refused.

use anyhow::Result;
use clap::Args;

use super::{ConfigFlag, UsageError};
use crate::config::Config;
use crate::generate::Generator;
use crate::runtime::Mode;

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// Creates the topics that are missing, and sets on ours what bounds how long erased data stays on disk, and what lets the
    /// broker tell its time. Without it nothing is changed
    #[arg(long)]
    create: bool,
}

fn refused<T>(what: &str) -> Result<T> {
    Err(UsageError(format!("{what} needs Kafka, and this program was built without the feature `kafka`")).into())
}

pub(super) fn topics(args: &TopicsArgs) -> Result<()> {
    args.config.load_to_connect()?;
    refused("topics")
}

pub(super) fn check(_config: &Config) -> Result<()> {
    refused("check --online")
}

pub(super) fn run(_config: &Config, _mode: Mode) -> Result<()> {
    refused("run")
}

pub(super) fn feed(_config: &Config, _generator: Generator) -> Result<()> {
    refused("generate --kafka")
}
