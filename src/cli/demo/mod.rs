//! `tideline demo`: the lanes of `run` on the embedded log, with generated users and a clock that runs fast.
//!
//! A backlog of some months comes first, so that there are tiers and silences to look at; then events come as the clock
//! goes. A thread feeds, the lanes have theirs, this one shows: a table on a terminal, lines elsewhere.

mod feed;
mod plain;
mod screen;
mod view;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use self::feed::Feed;
use self::view::Viewer;
use super::{ConfigFlag, UsageError, signals};
use crate::api::{ApiState, ROUTES, Registry, Server, ServerSettings};
use crate::broker::memory::{Memory, MemorySettings};
use crate::config::Config;
use crate::generate::{Generator, Settings};
use crate::runtime::{self, Board, Clock, Job, LaneError, Mode, Stop};
use crate::telemetry::{self, LogLevel, LogSettings};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    config: ConfigFlag,
    #[arg(long, default_value_t = 2_000)]
    users: u32,
    /// How many times faster than life the clock runs; 86400: a day a second
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    speed: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the log in this folder; a later demo on it goes on from there
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Ends by itself after that long
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Lines instead of a table; so it is without a terminal
    #[arg(long)]
    plain: bool,
}

impl DemoArgs {
    const DAYS: u32 = 3_650;
    /// What a user does in a day, on average, quiet ones counted.
    const RECORDS_PER_USER_AND_DAY: f64 = 0.3;

    fn settings(&self) -> Result<Settings, UsageError> {
        let records = f64::from(self.users) * f64::from(Self::DAYS) * Self::RECORDS_PER_USER_AND_DAY;
        let (seed, users, days) = (self.seed, self.users, Self::DAYS);
        let settings = Settings { seed, users, days, records: records as u64, ..Settings::default() };
        match settings.validate() {
            faults if faults.is_empty() => Ok(settings),
            faults => Err(UsageError(faults.join("; "))),
        }
    }
}

pub(super) fn run(args: &DemoArgs) -> Result<()> {
    let config = args.config.load()?;
    let settings = args.settings()?;
    // A table and lines of a log don't share a screen; what matters is on the table.
    let log = config.telemetry.log;
    telemetry::init_logging(LogSettings { log_level: log.log_level.min(LogLevel::Warn), ..log });
    let job = config.job(Mode::Endless)?;
    let broker = open(args, &config)?;
    let stop = Stop::default();
    signals::stop_on_signals(stop.clone())?;
    let feed = Feed::new(broker.clone(), &config, Generator::new(settings))?;
    let clock = Clock::accelerated(feed.starts_at(), args.speed);
    let (board, registry) = (Board::default(), Arc::new(Registry::default()));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let state = ApiState::new(&job, board.clone(), registry.clone(), clock.clone());
    let server = Server::start(ServerSettings { listen: address, ..config.telemetry.server }, state, ROUTES)?;
    let lanes =
        Lanes { broker: broker.clone(), job: Arc::clone(&job), clock: clock.clone(), board: board.clone(), registry };
    let viewer = Viewer::new(broker, &job, board, clock.clone(), server.address());

    let running = lanes.start(usize::from(config.application.lanes), stop.clone())?;
    let feeding = feed.start(clock, stop.clone())?;
    let shown = show(args, viewer, &stop);
    // Whatever ended the show, the others end too, and their own errors say more than its.
    stop.stop();
    let fed = feeding.join().map_err(|_| anyhow!("the feed panicked"))?;
    let ran = running.join().map_err(|_| anyhow!("a lane panicked"))?;
    ran.context("a lane failed")?;
    fed?;
    shown
}

fn open(args: &DemoArgs, config: &Config) -> Result<Memory> {
    let settings = MemorySettings { partition_bytes: 8 << 20, ..MemorySettings::default() };
    match &args.data_dir {
        None => Ok(Memory::new(config.topic_names(), settings)),
        Some(folder) => Memory::open(config.topic_names(), settings, folder)
            .with_context(|| format!("cannot use the folder {}", folder.display())),
    }
}

fn show(args: &DemoArgs, viewer: Viewer, stop: &Stop) -> Result<()> {
    let until = args.seconds.map(Duration::from_secs);
    if args.plain || !screen::is_possible() {
        plain::show(viewer, stop, until)
    } else {
        screen::show(viewer, stop, until)
    }
}

/// What the lanes' thread needs.
struct Lanes {
    broker: Memory,
    job: Arc<Job>,
    clock: Clock,
    board: Board,
    registry: Arc<Registry>,
}

impl Lanes {
    /// However they end, everything ends.
    fn start(self, lanes: usize, stop: Stop) -> Result<thread::JoinHandle<Result<(), LaneError>>> {
        let run = move || {
            let ran = runtime::run(&self.broker, &self.job, lanes, &self.clock, &self.board, self.registry, &stop);
            stop.stop();
            ran
        };
        thread::Builder::new().name("lanes".to_owned()).spawn(run).context("cannot start the lanes")
    }
}
