//! What stands for `kafka` in a build without the feature `kafka`: the same commands, refused.

use anyhow::Result;

use super::UsageError;
use crate::config::Config;
use crate::generate::Generator;
use crate::runtime::Mode;

fn refused<T>(what: &str) -> Result<T> {
    Err(UsageError(format!("{what} needs Kafka, and this program was built without the feature `kafka`")).into())
}

pub(super) fn topics(_config: &Config, _create: bool) -> Result<()> {
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
