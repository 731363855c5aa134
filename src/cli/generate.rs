//! `tideline generate`: events of generated users, to files or to Kafka.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use flate2::write::GzEncoder;

use super::{ConfigFlag, UsageError, time};
use crate::domain::{DAY_MS, Source, Timestamp};
use crate::generate::{Disorder, Generator, Record, Settings};
use crate::runtime::Clock;

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// A folder for one file a source: app.jsonl and so on
    #[arg(long, value_name = "FOLDER", required_unless_present = "kafka", conflicts_with = "kafka")]
    out: Option<PathBuf>,
    /// How files are packed
    #[arg(long, value_enum, default_value_t)]
    compress: Packing,
    /// Writes to the input topics of the configuration, keyed by user, instead of to files
    #[arg(long)]
    kafka: bool,
    #[command(flatten)]
    config: ConfigFlag,
    #[command(flatten)]
    users: UserFlags,
}

/// What is generated. The same flags give the same events; without --start, moved by whole days.
#[derive(Debug, Clone, Args)]
struct UserFlags {
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
    #[arg(long, default_value_t = Settings::default().users)]
    users: u32,
    /// How many records there are, duplicates and damaged ones included
    #[arg(long, default_value_t = Settings::default().records)]
    events: u64,
    /// How many days of event time they take, about
    #[arg(long, default_value_t = Settings::default().days)]
    days: u32,
    /// The first event's time (RFC 3339). Without it events end now: the last one lies in the last 24 hours, none ahead
    /// of this machine's clock
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<Timestamp>,
    /// 0: all users are alike; towards 0.95: a few make most of the events
    #[arg(long, default_value_t = Settings::default().skew)]
    skew: f64,
    /// Share of events that arrive after newer ones: most by minutes, some by days
    #[arg(long, value_name = "SHARE", default_value_t = Disorder::default().late)]
    late: f64,
    /// Share of events that arrive twice
    #[arg(long, value_name = "SHARE", default_value_t = Disorder::default().duplicates)]
    duplicates: f64,
    /// Share of records that can't be used, whatever the clock shows
    #[arg(long, value_name = "SHARE", default_value_t = Disorder::default().bad)]
    bad: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Packing {
    #[default]
    None,
    Gz,
    Zst,
}

impl UserFlags {
    fn settings(&self, now: Timestamp) -> Result<Settings, UsageError> {
        let disorder = Disorder { late: self.late, duplicates: self.duplicates, bad: self.bad };
        let Self { seed, users, events: records, days, skew, .. } = *self;
        let start = self.start.unwrap_or(Settings::default().start);
        let settings = Settings { seed, users, start, days, records, skew, disorder };
        match settings.validate() {
            faults if faults.is_empty() && self.start.is_none() => Ok(ending(settings, now)),
            faults if faults.is_empty() => Ok(settings),
            // The library counts records, the flag is called events.
            faults => Err(UsageError(faults.join("; ").replace("records: ", "events: "))),
        }
    }
}

/// Moved by whole days, so that hours of the day stay what they are, to where the last record arrives on the last day
/// before `now`. Where that is, only the records themselves tell: they are made once for it.
fn ending(settings: Settings, now: Timestamp) -> Settings {
    let last = Generator::new(settings.clone()).last().map_or(settings.start, |record| record.arrival);
    let days = now.since(last).div_euclid(DAY_MS);
    Settings { start: settings.start.plus_millis(days * DAY_MS), ..settings }
}

pub(super) fn run(args: &GenerateArgs) -> Result<()> {
    let config = if args.out.is_some() { args.config.load()? } else { args.config.load_to_connect()? };
    let settings = args.users.settings(Clock::system().wall())?;
    let generator = Generator::new(settings);
    match &args.out {
        Some(folder) => to_files(generator, folder, args.compress),
        None => super::kafka::feed(&config, generator),
    }
}

fn to_files(generator: Generator, folder: &Path, packing: Packing) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut files = BTreeMap::new();
    for source in Source::ALL {
        files.insert(source, Output::create(folder, source, packing)?);
    }
    for Record { source, value, .. } in generator {
        let file = files.get_mut(&source).expect("there is one for each source");
        file.write(&value)?;
    }
    files.into_values().try_for_each(Output::finish)
}

/// One file.
struct Output {
    path: PathBuf,
    packed: Packed,
}

enum Packed {
    None(BufWriter<File>),
    Gz(GzEncoder<BufWriter<File>>),
    Zst(zstd::Encoder<'static, BufWriter<File>>),
}

impl Output {
    fn create(folder: &Path, source: Source, packing: Packing) -> Result<Self> {
        let suffix = match packing {
            Packing::None => "",
            Packing::Gz => ".gz",
            Packing::Zst => ".zst",
        };
        let path = folder.join(format!("{}.jsonl{suffix}", source.as_str()));
        let open = || -> std::io::Result<Packed> {
            let file = BufWriter::with_capacity(1 << 18, File::create(&path)?);
            Ok(match packing {
                Packing::None => Packed::None(file),
                // Without a name and a time in its header, so that the same events are the same bytes.
                Packing::Gz => Packed::Gz(GzEncoder::new(file, flate2::Compression::default())),
                Packing::Zst => Packed::Zst(zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?),
            })
        };
        let packed = open().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, packed })
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        let file: &mut dyn Write = match &mut self.packed {
            Packed::None(file) => file,
            Packed::Gz(file) => file,
            Packed::Zst(file) => file,
        };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn finish(self) -> Result<()> {
        let file = match self.packed {
            Packed::None(file) => Ok(file),
            Packed::Gz(file) => file.finish(),
            Packed::Zst(file) => file.finish(),
        };
        let flushed = file.and_then(|mut file| file.flush());
        flushed.with_context(|| format!("cannot write {}", self.path.display()))
    }
}
