//! What an event costs as users, partitions and lanes grow. Each case is an application with that many users in its
//! changelog; once it serves, payments of users all over are fed as fast as the broker takes them.

use std::time::Instant;

use tideline::domain::{Source, Timestamp};
use tideline::generate::UserNumber;

use super::fill::fill;
use super::world::{await_progress, cpu_of, now_ms, print_command, serving, setup};
use testkit::application::Application;
use testkit::feeder::{Feeder, payment};
use testkit::kafka_cluster::Cluster;
use testkit::usage::resident_kib;

const USERS: [u32; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const PARTITIONS: [i32; 4] = [1, 4, 16, 64];
const LANES: [usize; 2] = [1, 2];
/// Where users, or partitions and lanes, stay the same.
const SOME_USERS: u32 = 100_000;
const SOME_PARTITIONS: i32 = 8;
/// The step from one user to the next: coprime to all numbers of users, so that no two are neighbours in memory.
const STRIDE: u64 = 7_919;

#[derive(Debug, Clone, Copy)]
struct Case {
    users: u32,
    partitions: i32,
    lanes: usize,
}

/// `most_users`: larger cases are left out.
pub fn run(events: u64, most_users: u64) -> bool {
    let growing = USERS.into_iter().filter(|&users| u64::from(users) <= most_users);
    let growing = growing.map(|users| Case { users, partitions: SOME_PARTITIONS, lanes: 1 });
    let users = SOME_USERS.min(most_users as u32);
    let wider = LANES.into_iter().flat_map(|lanes| {
        // A lane owns a partition at least.
        let partitions = PARTITIONS.into_iter().filter(move |&partitions| partitions as usize >= lanes);
        partitions.map(move |partitions| Case { users, partitions, lanes })
    });
    let rows: Vec<_> = growing.chain(wider).map(|case| measure(case, events)).collect();
    println!(
        "\n| users | partitions | lanes | CPU µs an event | events/s | resident MiB |\n|---|---|---|---|---|---|\n{}",
        rows.join("\n")
    );
    print_command(&format!("scale {events} {most_users}"));
    true
}

fn measure(case: Case, events: u64) -> String {
    let Case { users, partitions, lanes } = case;
    // Each with a broker of its own, which holds nothing else.
    let cluster = Cluster::start(1);
    let setup = setup(&cluster).lanes(lanes).with(&format!("topics.partitions = {partitions}"));
    let application = Application::new(&setup);
    fill(&application.config, users, users / 5);
    let process = serving(&application);
    let (cpu_before, started) = (cpu_of(&process), Instant::now());
    feed(&application, users, events);
    await_progress(&application, events, |_| {});
    let (cpu, wall) = (cpu_of(&process) - cpu_before, started.elapsed().as_secs_f64());
    let resident = resident_kib(process.id()).expect("it runs") >> 10;
    process.stop();
    let each = cpu * 1e6 / events as f64;
    let row = format!("| {users} | {partitions} | {lanes} | {each:.2} | {:.0} | {resident} |", events as f64 / wall);
    println!("{row}");
    row
}

fn feed(application: &Application, users: u32, events: u64) {
    let feeder = Feeder::new(&application.config);
    let began = now_ms() - events as i64;
    for number in 0..events {
        let user = UserNumber((number * STRIDE % u64::from(users)) as u32).to_string();
        let at = Timestamp::of_millis(began + number as i64);
        feeder.send(Source::App, &user, payment(&format!("scale-{number}"), &user, at), None);
    }
    feeder.flush();
}
