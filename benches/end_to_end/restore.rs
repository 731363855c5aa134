//! How long a process takes until it serves what its changelog holds, and what it then holds itself. One in five users
//! is active: the states of the others are small.

use std::time::Instant;

use serde_json::Value;
use tideline::domain::Timestamp;

use super::fill::fill;
use super::world::{await_ready, cpu_of, now_ms, print_command, setup};
use testkit::application::Application;
use testkit::kafka_cluster::Cluster;
use testkit::usage::{peak_kib, resident_kib};

pub fn run(sizes: &[u64]) -> bool {
    let mut rows = Vec::new();
    for &users in sizes {
        // Each with a broker of its own, which holds nothing else.
        let cluster = Cluster::start(1);
        let application = Application::new(&setup(&cluster));
        let started = Instant::now();
        let filled = fill(&application.config, users as u32, (users / 5) as u32);
        println!("{} users written to the changelog in {:.0} s", filled.users, started.elapsed().as_secs_f64());
        let started = Instant::now();
        let process = application.start("0");
        await_ready(&process);
        let (whole, ready_ms) = (started.elapsed().as_secs_f64(), now_ms());
        let begun_ms = restore_began(&process.log()).expect("its log says when it began");
        let resident = resident_kib(process.id()).expect("it runs");
        let peak = peak_kib(process.id()).expect("it runs");
        rows.push(format!(
            "| {users} | {:.0} | {:.2} | {whole:.2} | {:.2} | {} | {} | {:.0} |",
            filled.state_bytes as f64 / filled.users as f64,
            (ready_ms - begun_ms) as f64 / 1e3,
            cpu_of(&process),
            resident >> 10,
            peak >> 10,
            resident as f64 * 1024.0 / filled.users as f64
        ));
        process.stop();
    }
    println!(
        "\n| users | bytes of state a user | restore to ready, s | start to ready, s | CPU s | resident MiB | at most \
            | bytes a user |\n\
         |---|---|---|---|---|---|---|---|\n{}",
        rows.join("\n")
    );
    print_command(&format!("restore {}", sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")));
    true
}

/// When the first partition began to be restored, by a process's log.
fn restore_began(log: &str) -> Option<i64> {
    let line = log.lines().find(|line| line.contains("restore begins"))?;
    let line: Value = serde_json::from_str(line).ok()?;
    Some(Timestamp::parse(line["timestamp"].as_str()?).ok()?.millis())
}
