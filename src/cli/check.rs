//! `tideline check`: every fault of a configuration at once, and of the cluster with `--online`.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::Args;

use super::ConfigFlag;
use crate::rules::Ruleset;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// Also judges the cluster: whether it answers, and its topics, their partitions and their compaction
    #[arg(long)]
    online: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<()> {
    let config = args.config.load_to_connect()?;
    let name = args.config.config.as_ref().map_or_else(|| "the defaults".into(), |path| path.display().to_string());
    let rules = Ruleset::new(config.rules.clone())?;
    writeln!(
        stdout().lock(),
        "{name}: sound. Instance {} of {}, {} inputs on {} partitions, rules of generation {}, version {}",
        config.application.instance,
        config.application.id,
        config.inputs.len(),
        config.topics.partitions,
        rules.generation(),
        rules.version(),
    )?;
    if args.online { super::kafka::check(&config) } else { Ok(()) }
}
