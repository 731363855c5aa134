//! `tideline replay`: files through the core, no broker. The same files give the same bytes every time.
//!
//! Files are merged by event time like the topics of one partition: sources in the order of the configuration, files of
//! one source in the order given.

mod feed;
mod lines;
mod player;
mod remarks;
mod sink;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::lines::{Lines, Origin};
use self::player::{Player, ReplayTime};
use super::{ConfigFlag, UsageError, time};
use crate::config::Config;
use crate::domain::{Source, Timestamp};
use crate::runtime::Clock;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Events of a source (app, sms, branch, merchant): JSON lines of tideline JSON or CloudEvents, plain, gzip or
    /// zstd; `-` is standard input. May be given many times
    #[arg(long = "input", value_name = "SOURCE=FILE", required = true, value_parser = InputFlag::parse)]
    inputs: Vec<InputFlag>,
    #[command(flatten)]
    config: ConfigFlag,
    /// Where the watermark moves at the end: what is due by then follows (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// --until moves the watermark over silent feeds, too (inputs[].silent_after): absences follow that may be the
    /// feed's own
    #[arg(long, requires = "until")]
    ignore_silent: bool,
    /// The clock: events further ahead than max_skew go to dead letters (RFC 3339). Without it nothing is too far ahead
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Timestamp>,
    /// Outputs, one JSON object a line; standard output if absent or `-`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Events that can't be used, one JSON object a line; if absent they are only counted
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// Says at the end, on standard error, what became of every event and where the users stand
    #[arg(long)]
    summary: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct InputFlag {
    source: Source,
    origin: Origin,
}

impl InputFlag {
    fn parse(text: &str) -> Result<Self, String> {
        let (source, file) = text.split_once('=').ok_or("expected SOURCE=FILE")?;
        let source = Source::parse(source)
            .ok_or_else(|| format!("{source:?} is no source: expected app, sms, branch or merchant"))?;
        if file.is_empty() {
            return Err("expected a file after '='".to_owned());
        }
        Ok(Self { source, origin: Origin::parse(file) })
    }
}

pub(super) fn run(args: &ReplayArgs) -> Result<()> {
    let config = args.config.load()?;
    args.check(&config)?;
    let bar = progress_bar(&args.inputs);
    let mut files = Vec::new();
    for flag in in_order(&args.inputs, &config) {
        files.push((flag.source, Lines::open(&flag.origin, &bar)?));
    }
    let out = sink(args.out.as_deref())?;
    let dead_letters = args.dead_letters.as_deref().map(|path| sink(Some(path))).transpose()?;
    let time = ReplayTime { now: args.now, machine: Clock::system().wall(), ignore_silent: args.ignore_silent };
    let mut player = Player::new(&config, files, time, out, dead_letters)?;
    player.play()?;
    if let Some(until) = args.until {
        player.move_to(until)?;
    }
    let (summary, remarks) = player.finish()?;
    bar.finish_and_clear();
    let mut told = io::stderr().lock();
    if args.summary {
        write!(told, "{summary}")?;
    }
    write!(told, "{remarks}")?;
    Ok(())
}

impl ReplayArgs {
    /// What makes no sense is found before anything is read or written.
    fn check(&self, config: &Config) -> Result<(), UsageError> {
        for input in &self.inputs {
            if !config.inputs.iter().any(|configured| configured.source == input.source) {
                return Err(UsageError(format!(
                    "no input of the configuration has the source {}",
                    input.source.as_str()
                )));
            }
        }
        if self.inputs.iter().filter(|input| input.origin == Origin::Stdin).count() > 1 {
            return Err(UsageError("standard input can be one input only".to_owned()));
        }
        let same =
            |a: &Path, b: &Path| a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
        let written: Vec<_> = [&self.out, &self.dead_letters].into_iter().flatten().collect();
        for (index, path) in written.iter().enumerate().filter(|(_, path)| path.as_os_str() != "-") {
            let read = self.inputs.iter().any(|input| matches!(&input.origin, Origin::File(file) if same(file, path)));
            if read || written[..index].iter().any(|other| same(other, path)) {
                return Err(UsageError(format!("{} would be overwritten while it is in use", path.display())));
            }
        }
        Ok(())
    }
}

/// By the source's place in the configuration, which breaks ties; then as given.
fn in_order<'a>(inputs: &'a [InputFlag], config: &Config) -> Vec<&'a InputFlag> {
    let mut inputs: Vec<_> = inputs.iter().collect();
    inputs.sort_by_key(|flag| config.inputs.iter().position(|configured| configured.source == flag.source));
    inputs
}

fn sink(path: Option<&Path>) -> Result<Box<dyn Write>> {
    match path {
        None => Ok(Box::new(BufWriter::new(io::stdout()))),
        Some(path) if path.as_os_str() == "-" => Ok(Box::new(BufWriter::new(io::stdout()))),
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(Box::new(BufWriter::with_capacity(1 << 18, file)))
        }
    }
}

/// Bytes read of all files; hidden unless someone looks on.
fn progress_bar(inputs: &[InputFlag]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let total: Option<u64> = inputs.iter().map(|input| input.origin.bytes()).sum();
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {percent:>3} %  {bytes_per_sec}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} read  {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is a constant that indicatif reads"))
}
