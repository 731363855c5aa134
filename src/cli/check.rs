//! `tideline check`: every fault of a configuration at once.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::Args;

use super::ConfigFlag;
use crate::rules::Ruleset;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigFlag,
}

pub(super) fn run(args: &CheckArgs) -> Result<()> {
    let config = args.config.load()?;
    let name = args.config.config.as_ref().map_or_else(|| "the defaults".into(), |path| path.display().to_string());
    let rules = Ruleset::new(config.rules.clone()).map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    writeln!(
        stdout().lock(),
        "{name}: sound. {} inputs on {} partitions, rules of generation {}, version {}",
        config.inputs.len(),
        config.topics.partitions,
        rules.generation(),
        rules.version(),
    )?;
    Ok(())
}
