//! The command line: flags to a configuration to a run, and errors to text and an exit code.
//!
//! 0: done, or the reader of the output has gone. 1: failed. 2: the flags or the configuration are wrong, and nothing
//! was read. An error says what was tried, on what, why it failed and, where there is something to do, what.

mod check;
mod demo;
mod generate;
mod generated;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "no_kafka.rs"]
mod kafka;
#[cfg(feature = "kafka")]
mod redrive;
mod replay;
#[cfg(feature = "kafka")]
mod reset;
mod run;
mod serve;
mod signals;
#[cfg(feature = "kafka")]
mod skip;
mod topics;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::domain::Timestamp;
use crate::settings::Unsound;

#[derive(Debug, Parser)]
#[command(name = "tideline", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves partitions on Kafka until told to stop
    Run(run::RunArgs),
    /// Shows lanes at work on generated users, with nothing else to install
    #[command(
        after_help = "Of --config, telemetry.listen has no effect: the pages are on a free port, which is shown."
    )]
    Demo(demo::DemoArgs),
    /// Judges a configuration: names every fault at once
    Check(check::CheckArgs),
    /// Runs files of events through the core, without a broker
    Replay(replay::ReplayArgs),
    /// Makes events of generated users, to files or to Kafka
    Generate(generate::GenerateArgs),
    /// Shows the topics that are needed, and creates those that are missing
    Topics(topics::TopicsArgs),
    /// Lets partitions start anew, or brings the group's offsets back to what is recorded
    #[cfg(feature = "kafka")]
    Reset(reset::ResetArgs),
    /// Sends dead letters to their topics again
    #[cfg(feature = "kafka")]
    Redrive(redrive::RedriveArgs),
}

/// The flag that every command has.
#[derive(Debug, Clone, Args)]
struct ConfigFlag {
    /// Configuration in TOML; without it the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFlag {
    fn load(&self) -> Result<Config, ConfigError> {
        Self::on_this_host(Config::load(self.config.as_deref())?)
    }

    /// For a command that connects.
    fn load_to_connect(&self) -> Result<Config, ConfigError> {
        Self::on_this_host(Config::load_to_connect(self.config.as_deref())?)
    }

    fn on_this_host(config: Config) -> Result<Config, ConfigError> {
        config.on_host(&rustix::system::uname().nodename().to_string_lossy())
    }
}

/// A flag's RFC 3339 time.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// Flags that are well formed but make no sense, found before anything was read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// The process's own `main`.
pub fn main() -> ExitCode {
    // Clap itself exits with 2 on flags it doesn't know, and with 0 on --help.
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            exit_code(&error)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Topics(args) => topics::run(&args),
        #[cfg(feature = "kafka")]
        Command::Reset(args) => reset::run(&args),
        #[cfg(feature = "kafka")]
        Command::Redrive(args) => redrive::run(&args),
    }
}

/// Whoever read our output needs no more of it: `tideline … | head` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let about_input =
        error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<Unsound>() || cause.is::<UsageError>());
    ExitCode::from(if about_input { 2 } else { 1 })
}

/// The whole chain on one line; the faults of a configuration each on their own.
fn report(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
    for cause in error.chain() {
        if let Some(ConfigError::Faulty { faults, .. }) = cause.downcast_ref() {
            faults.iter().for_each(|fault| eprintln!("  {fault}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
