//! A huge backlog behind a slow broker, in which one input is far ahead of the other: what a process holds while it
//! catches up, and whether it is as quick as ever afterwards.

use std::time::{Duration, Instant};

use tideline::domain::{DAY_MS, Source, Timestamp};
use tideline::generate::UserNumber;

use super::stopwatch::{Latencies, measure};
use super::world::{await_progress, await_ready, now_ms, print_command, setup};
use testkit::application::Application;
use testkit::feeder::{Feeder, payment};
use testkit::kafka_cluster::Cluster;
use testkit::proxy::{Proxy, Weather};
use testkit::usage::{Quarters, peak_kib, resident_kib};

const USERS: u64 = 100_000;
/// How long the proxy holds each request and each answer up while there is a backlog.
const SLOWNESS: Duration = Duration::from_millis(20);
/// Of the backlog's event time.
const SPAN_MS: i64 = 10 * DAY_MS;
/// One in so many events is the merchants', all of the last tenth of the time: their topic must wait for the other.
const EVENTS_A_MERCHANT: u64 = 10;
const RATE: u64 = 1_000;
const SECONDS: u64 = 10;
/// What a process may hold: for itself, its buffers and queues, and for each user.
const BASE_MIB: u64 = 1_024;
const USER_BYTES: u64 = 1_024;
/// A latency is back to normal within that of what it was, in milliseconds.
const TOLERANCE_MS: f64 = 50.0;

/// Whether memory stayed bounded and latency recovered.
pub fn run(events: u64) -> bool {
    let proxy = Proxy::bind();
    let (cluster, port) = Cluster::start_behind(proxy.address.port());
    proxy.forward_to(port);
    let setup = setup(&cluster).through(&proxy.address);

    let fresh = Application::new(&setup);
    let process = fresh.start("0");
    await_ready(&process);
    let before = measure(&fresh.config, "before", RATE, SECONDS);
    process.stop();

    let application = Application::new(&setup);
    feed(&application, events);
    proxy.set_weather(Weather { latency: SLOWNESS, cut_every: 0 });
    let started = Instant::now();
    let process = application.start("0");
    let mut held = Quarters::default();
    await_progress(&application, events, |committed| {
        if let Some(kib) = resident_kib(process.id()) {
            held.saw(committed as f64 / events as f64, kib);
        }
    });
    let took = started.elapsed().as_secs_f64();
    let peak = peak_kib(process.id()).expect("it runs") >> 10;
    proxy.set_weather(Weather::default());
    let after = measure(&application.config, "after", RATE, SECONDS);
    process.stop();

    let bound = BASE_MIB + ((USERS * USER_BYTES) >> 20);
    let [first, second, third, fourth] = held.most_mib();
    println!(
        "\n{events} events of {USERS} users behind a broker {} ms away, merchants' {} days ahead: {:.0} events/s\n\n\
         | resident MiB, 1st quarter | 2nd | 3rd | 4th | at most | bound |\n|---|---|---|---|---|---|\n\
         | {first} | {second} | {third} | {fourth} | {peak} | {bound} |\n\n\
         | latency at {RATE} events/s | p50 ms | p99 ms | p99.9 ms | most ms |\n|---|---|---|---|---|\n\
         | a fresh process | {} |\n| one that has caught up | {} |",
        2 * SLOWNESS.as_millis(),
        9 * SPAN_MS / 10 / DAY_MS,
        events as f64 / took,
        before.cells(),
        after.cells()
    );
    print_command(&format!("flow {events}"));
    peak <= bound && has_recovered(&before, &after)
}

fn has_recovered(before: &Latencies, after: &Latencies) -> bool {
    [0.5, 0.99].iter().all(|&share| after.percentile(share) <= before.percentile(share) + TOLERANCE_MS)
}

fn feed(application: &Application, events: u64) {
    let feeder = Feeder::new(&application.config);
    let began = now_ms() - SPAN_MS;
    for number in 0..events {
        let user = UserNumber((number % USERS) as u32).to_string();
        let share = number as f64 / events as f64;
        let (source, share) =
            if number % EVENTS_A_MERCHANT == 0 { (Source::Merchant, 0.9 + 0.1 * share) } else { (Source::App, share) };
        let at = Timestamp::of_millis(began + (SPAN_MS as f64 * share) as i64);
        feeder.send(source, &user, payment(&format!("flow-{number}"), &user, at), None);
    }
    feeder.flush();
}
