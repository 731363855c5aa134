//! One of two processes is killed with -9: how long until what it served goes on. A read_committed reader watches the
//! outputs of all partitions, each of which is fed all the time.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tideline::broker::kafka::GroupProtocol;
use tideline::domain::{DAY_MS, PartitionId, Timestamp};

use super::judge::judge;
use super::tail::Pulse;
use testkit::application::{Application, Process, Setup, await_that};
use testkit::feeder::{Feeder, payment};
use testkit::kafka_cluster::Cluster;
use testkit::schedule::dice::Dice;

const INSTANCES: [&str; 2] = ["0", "1"];

/// Counted from the kill.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// The survivor was given what the dead one had.
    detected: Duration,
    /// The first output of one of those partitions was read.
    first: Duration,
    /// Of each of them.
    all: Duration,
}

/// Kills so many times under each group protocol; whether promise 1 held.
pub fn run(runs: u64, users: u32) -> bool {
    let mut holds = true;
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        holds &= run_under(protocol, runs, users);
    }
    holds
}

fn run_under(protocol: GroupProtocol, runs: u64, users: u32) -> bool {
    // The broker's own settings, those of KIP-848 sessions too, are in tests/broker/run.sh.
    let cluster = Cluster::start(1);
    let setup = Setup::on(&cluster, protocol)
        .with("stream.batch_records = 20000\nkafka.session_timeout = \"3s\"\nkafka.heartbeat_interval = \"500ms\"");
    let application = Application::new(&setup);
    let mut processes = INSTANCES.map(|instance| Some(application.start(instance)));
    println!("failover, {} protocol, {users} users:", protocol.as_str());
    let feeder = Feeder::new(&application.config);
    let at = Timestamp::of_millis(now_ms() - DAY_MS);
    feeder.each_user(users, |user| payment(&format!("first-{user}"), &user.to_string(), at));
    let broker = application.broker();
    await_that("every user is known", || application.progress(&broker) >= u64::from(users));

    let pulse = Pulse::start(&application.config);
    let mut dice = Dice::new(1);
    let mut all = Vec::new();
    for run in 0..runs {
        settle(&processes, &pulse, &application);
        // Not in step with heartbeats.
        thread::park_timeout(Duration::from_millis(1_000 + dice.below(1_000)));
        let (dead, survivor) = ((run % 2) as usize, (1 - run % 2) as usize);
        let victim = processes[dead].take().expect("it was started");
        let took = fail_over(victim, processes[survivor].as_ref().expect("it was started"), &pulse);
        println!("{:>4}: {}", run + 1, told(&took));
        all.push(took);
        processes[dead] = Some(application.start(INSTANCES[dead]));
    }
    // The last one started must serve before it is stopped.
    settle(&processes, &pulse, &application);
    summary("kill to detection", &all, |took| took.detected);
    summary("detection to first output", &all, |took| took.first.saturating_sub(took.detected));
    summary("kill to first output", &all, |took| took.first);
    summary("kill to an output of each partition", &all, |took| took.all);

    pulse.stop();
    processes.into_iter().flatten().for_each(Process::stop);
    application.start_to_end(INSTANCES[0]).succeed();
    judge(&application.config, Timestamp::of_millis(now_ms())).print()
}

/// Waits until the partitions are shared out and all of them are beating.
fn settle(processes: &[Option<Process>; 2], pulse: &Pulse, application: &Application) {
    let each = application.config.topics.partitions as usize / 2;
    let serves = |process: &Option<Process>| process.as_ref().is_some_and(|process| process.serving() == each);
    await_that("each serves its half", || processes.iter().all(serves));
    pulse.forget();
    let since = pulse.now();
    await_that("every partition beats", || application.partitions().all(|it| pulse.first(it, since).is_some()));
    pulse.forget();
}

fn fail_over(mut victim: Process, survivor: &Process, pulse: &Pulse) -> Took {
    let orphans = served(&victim);
    let (killed, killed_ms) = (pulse.now(), now_ms());
    victim.kill_now();
    let firsts = || -> Option<Vec<Duration>> { orphans.iter().map(|&orphan| pulse.first(orphan, killed)).collect() };
    await_that("every orphan goes on", || firsts().is_some());
    let firsts = firsts().expect("just seen");
    let detected_ms = assigned_ms(&survivor.log(), &orphans, killed_ms).expect("it was given the orphans");
    Took {
        detected: Duration::from_millis((detected_ms - killed_ms).unsigned_abs()),
        first: firsts.iter().min().expect("the dead one had some").saturating_sub(killed),
        all: firsts.iter().max().expect("the dead one had some").saturating_sub(killed),
    }
}

/// The partitions that a process serves.
fn served(process: &Process) -> Vec<PartitionId> {
    let text = process.get("/metrics").expect("it answers");
    let of_line = |line: &str| {
        let rest = line.strip_prefix("tideline_partition_phase{partition=\"")?;
        let (number, rest) = rest.split_once('"')?;
        rest.contains("serving").then(|| number.parse().ok().map(PartitionId))?
    };
    text.lines().filter_map(of_line).collect()
}

/// When a process was given one of these, by its log.
fn assigned_ms(log: &str, orphans: &[PartitionId], since_ms: i64) -> Option<i64> {
    log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let at = Timestamp::parse(line["timestamp"].as_str()?).ok()?.millis();
        let text = line.to_string();
        let is_given = text.contains("assigned") && orphans.iter().any(|orphan| text.contains(&format!("{orphan:?}")));
        (at >= since_ms && is_given).then_some(at)
    })
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn told(took: &Took) -> String {
    let Took { detected, first, all } = took;
    format!(
        "detected after {:.2} s, first output {:.2} s later, {:.2} s after the kill; of each partition {:.2} s",
        detected.as_secs_f64(),
        first.saturating_sub(*detected).as_secs_f64(),
        first.as_secs_f64(),
        all.as_secs_f64()
    )
}

fn summary(what: &str, all: &[Took], of: impl Fn(&Took) -> Duration) {
    let mut times: Vec<f64> = all.iter().map(|took| of(took).as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (times.first(), times.last()) {
        println!("  {what}: min {least:.2} s, median {:.2} s, max {most:.2} s", times[times.len() / 2]);
    }
}
