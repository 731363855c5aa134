//! Latency at steady rates: from an event that is sent to its output in the hands of a read_committed reader.

use super::stopwatch::measure;
use super::world::{cpu_of, print_command, serving, setup};
use testkit::application::Application;
use testkit::kafka_cluster::Cluster;

pub fn run(seconds: u64, rates: &[u64]) -> bool {
    let cluster = Cluster::start(1);
    let application = Application::new(&setup(&cluster));
    let process = serving(&application);
    let mut rows = Vec::new();
    for &rate in rates {
        let before = cpu_of(&process);
        let latencies = measure(&application.config, &format!("at{rate}"), rate, seconds);
        let cpu_us = (cpu_of(&process) - before) * 1e6 / (rate * seconds) as f64;
        rows.push(format!("| {rate} | {} | {} | {cpu_us:.1} |", latencies.count(), latencies.cells()));
        println!("{}", rows.last().expect("just pushed"));
    }
    process.stop();
    println!(
        "\n| events/s, each with an output | measured | p50 ms | p99 ms | p99.9 ms | most ms | CPU µs an event |\n\
         |---|---|---|---|---|---|---|\n{}",
        rows.join("\n")
    );
    let rates: Vec<_> = rates.iter().map(u64::to_string).collect();
    print_command(&format!("latency {seconds} {}", rates.join(" ")));
    true
}
