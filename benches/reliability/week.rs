//! A week of event time, compressed: many users, steady events in the world's disorder, and processes that are killed,
//! stopped and frozen at random. Then all of it is judged: nothing lost, nothing twice, memory bounded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tideline::broker::kafka::{GroupProtocol, KafkaBroker};
use tideline::domain::{DAY_MS, Timestamp};
use tideline::generate::{Disorder, Generator, Settings};

use super::judge::judge;
use testkit::application::{Application, Process, Setup};
use testkit::feeder::{Feeder, login};
use testkit::kafka_cluster::Cluster;
use testkit::schedule::dice::Dice;
use testkit::usage::{Quarters, resident_kib};

const SEED: u64 = 1;
const DAYS: u32 = 7;
/// How long before the clock the week begins: no event may ever lie ahead of it.
const BEGAN_DAYS: i64 = 14;
const SESSION_SECONDS: u64 = 6;
/// What a process may hold at most: for itself, its buffers and queues, and for each user there is.
const BASE_MIB: u64 = 1_024;
const USER_BYTES: u64 = 1_024;
/// How long a process may take to stop cleanly.
const END_PATIENCE: Duration = Duration::from_secs(120);
/// How long a backlog may stand still.
const STUCK_PATIENCE: Duration = Duration::from_secs(300);
const TICK: Duration = Duration::from_secs(1);
/// Between two lines of progress, in ticks.
const REPORT_TICKS: u64 = 30;
const INSTANCES: [&str; 2] = ["0", "1"];

/// What befalls a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9`.
    Kill,
    /// SIGTERM.
    Stop,
    /// SIGSTOP for longer than the session, then SIGCONT: a zombie that goes on writing.
    Freeze,
}

/// One of the processes, or the time when it comes back.
struct Seat {
    instance: &'static str,
    process: Option<Process>,
    /// When it is started again, or goes on.
    back: Option<Instant>,
}

struct World<'a> {
    application: &'a Application,
    broker: KafkaBroker,
    seats: [Seat; 2],
    dice: Dice,
    next_blow: Instant,
    between_seconds: (u64, u64),
    blows: [u64; 3],
    /// Ends that were not asked for, or not clean.
    bad_ends: Vec<String>,
    memory: Quarters,
}

/// Runs it for so long; whether everything held.
pub fn run(seconds: u64, users: u32, rate: u64) -> bool {
    let cluster = Cluster::start(1);
    let setup = Setup::on(&cluster, GroupProtocol::Classic).with(&format!(
        "stream = {{ batch_records = 20000, idle_after = \"300d\" }}\nkafka.session_timeout = \"{SESSION_SECONDS}s\""
    ));
    let application = Application::new(&setup);
    let feeder = Feeder::new(&application.config);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let start = Timestamp::of_millis(wall - BEGAN_DAYS * DAY_MS);
    let mut world = World::new(&application, seconds);

    println!("week: {seconds} s, {users} users, {rate} records/s, seed {SEED}");
    feeder.each_user(users, |user| login(user, start));
    world.await_progress(u64::from(users));
    println!("every user is known; the week begins");

    let generator = Generator::new(Settings {
        seed: SEED,
        users,
        start,
        days: DAYS,
        records: seconds * rate,
        skew: 0.2,
        disorder: Disorder::default(),
    });
    let fed = AtomicU64::new(0);
    thread::scope(|scope| {
        let feeding = scope.spawn(|| feeder.steadily(generator, rate, &fed));
        world.live(seconds, &fed, || feeding.is_finished());
    });
    let total = u64::from(users) + fed.load(Ordering::Relaxed);
    world.await_progress(total);
    let is_bounded = world.report(users);
    world.stop();
    // Whatever is left is dealt with, and nothing is found to be open.
    application.start_to_end(INSTANCES[0]).succeed();

    let judged = Instant::now();
    let judgement = judge(&application.config, Timestamp::of_millis(wall));
    println!("judged in {:.0} s:", judged.elapsed().as_secs_f64());
    judgement.print() && is_bounded
}

impl<'a> World<'a> {
    fn new(application: &'a Application, seconds: u64) -> Self {
        let seat = |instance| Seat { instance, process: Some(application.start(instance)), back: None };
        Self {
            application,
            broker: application.broker(),
            seats: INSTANCES.map(seat),
            dice: Dice::new(SEED),
            next_blow: Instant::now(),
            between_seconds: if seconds < 600 { (8, 20) } else { (20, 60) },
            blows: [0; 3],
            bad_ends: Vec::new(),
            memory: Quarters::default(),
        }
    }

    /// Until the feeder is done: blows, restarts, samples.
    fn live(&mut self, seconds: u64, fed: &AtomicU64, is_over: impl Fn() -> bool) {
        let started = Instant::now();
        self.plan_blow();
        for tick in 0.. {
            if is_over() {
                return;
            }
            if tick % REPORT_TICKS == 0 {
                self.print_progress(started, fed.load(Ordering::Relaxed));
            }
            if Instant::now() >= self.next_blow {
                self.strike();
                self.plan_blow();
            }
            self.tend();
            self.sample(started.elapsed().as_secs_f64() / seconds as f64);
            thread::park_timeout(TICK);
        }
    }

    fn plan_blow(&mut self) {
        let (least, most) = self.between_seconds;
        self.next_blow = Instant::now() + Duration::from_secs(least + self.dice.below(most - least + 1));
    }

    /// One of those that run is hit.
    fn strike(&mut self) {
        let blow = self.dice.pick(&[Blow::Kill, Blow::Kill, Blow::Kill, Blow::Stop, Blow::Freeze, Blow::Freeze]);
        let away = self.dice.below(10);
        let whose = self.dice.below(2) as usize;
        let seat = &mut self.seats[whose];
        // Away or frozen: spared.
        let Some(process) = seat.process.take_if(|_| seat.back.is_none()) else { return };
        self.blows[blow as usize] += 1;
        let mut away = Duration::from_secs(away);
        match blow {
            Blow::Kill => process.kill(),
            Blow::Stop => self.bad_ends.extend(end(process)),
            Blow::Freeze => {
                process.signal("STOP");
                away = Duration::from_secs(SESSION_SECONDS + 4);
                seat.process = Some(process);
            }
        }
        seat.back = Some(Instant::now() + away);
    }

    /// Brings back whose time has come, and who ended unasked.
    fn tend(&mut self) {
        for seat in &mut self.seats {
            if seat.back.is_some_and(|back| back <= Instant::now()) {
                seat.back = None;
                match &seat.process {
                    Some(frozen) => frozen.signal("CONT"),
                    None => seat.process = Some(self.application.start(seat.instance)),
                }
            }
            let Some(process) = &mut seat.process else { continue };
            if let Some(status) = process.ended() {
                let fault = format!("instance {} ended by itself, {status}: {}", seat.instance, last_line(process));
                println!("{fault}");
                self.bad_ends.push(fault);
                seat.process = Some(self.application.start(seat.instance));
            }
        }
    }

    fn sample(&mut self, share: f64) {
        for process in self.seats.iter().filter_map(|seat| seat.process.as_ref()) {
            if let Some(kib) = resident_kib(process.id()) {
                self.memory.saw(share, kib);
            }
        }
    }

    fn print_progress(&self, started: Instant, fed: u64) {
        let resident = |seat: &Seat| seat.process.as_ref().and_then(|process| resident_kib(process.id()));
        let mib = self.seats.each_ref().map(|seat| resident(seat).map_or(0, |kib| kib >> 10));
        let committed = self.committed().map_or_else(|| "?".to_owned(), |committed| committed.to_string());
        println!(
            "{:>5} s: {fed} fed, {committed} committed with the first, {mib:?} MiB, {:?} kills, stops, freezes",
            started.elapsed().as_secs(),
            self.blows
        );
    }

    /// How many records of the inputs are committed, `rekey` not counted; none while the broker doesn't say.
    fn committed(&self) -> Option<u64> {
        let rekey = self.application.config.topic_names().rekey_input();
        let mut sum = 0;
        for partition in self.application.partitions() {
            let committed = self.broker.last_committed(partition).ok()?;
            sum += committed.iter().filter(|it| it.input != rekey).map(|it| it.offset.unsigned_abs()).sum::<u64>();
        }
        Some(sum)
    }

    /// Waits until so many records are committed, however long the backlog is, as long as it shrinks.
    fn await_progress(&mut self, records: u64) {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            self.tend();
            let committed = self.committed().unwrap_or(most);
            if committed >= records {
                return;
            }
            if committed > most {
                (most, since) = (committed, Instant::now());
            }
            assert!(since.elapsed() < STUCK_PATIENCE, "stuck at {committed} of {records}");
            thread::park_timeout(TICK);
        }
    }

    /// Prints what was done and held; whether memory stayed within its bound.
    fn report(&self, users: u32) -> bool {
        let [kills, stops, freezes] = self.blows;
        println!("{kills} kills -9, {stops} clean stops, {freezes} freezes longer than the session");
        let bound = BASE_MIB + ((u64::from(users) * USER_BYTES) >> 20);
        let most = self.memory.most_mib();
        println!("resident memory of one process, the most in each quarter of the run: {most:?} MiB; bound {bound}");
        most.iter().all(|&mib| mib <= bound)
    }

    fn stop(&mut self) {
        for process in self.seats.iter_mut().filter_map(|seat| seat.process.take()) {
            self.bad_ends.extend(end(process));
        }
        println!("{} ends that were not asked for, or not clean", self.bad_ends.len());
    }
}

/// SIGTERM, and what is wrong with the end that follows.
fn end(mut process: Process) -> Option<String> {
    process.signal("TERM");
    let deadline = Instant::now() + END_PATIENCE;
    let fault = loop {
        match process.ended() {
            Some(status) if status.success() => return None,
            Some(status) => break status.to_string(),
            None if Instant::now() > deadline => break format!("did not end in {END_PATIENCE:?}"),
            None => thread::park_timeout(Duration::from_millis(20)),
        }
    };
    let fault = format!("instance {}, told to stop: {fault}: {}", process.instance, last_line(&process));
    println!("{fault}");
    Some(fault)
}

fn last_line(process: &Process) -> String {
    process.log().lines().last().unwrap_or_default().to_owned()
}
