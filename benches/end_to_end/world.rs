//! A broker, an application as it is shipped, and a process of it that has come to serve.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, PATIENCE, Process, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::usage::cpu_seconds;

/// What the tests set shorter or smaller, as the program has it by default. The idle clock stays off: it would move the
/// watermark when a mode pauses.
const AS_SHIPPED: &str = r#"
stream.batch_records = 20000
kafka.session_timeout = "10s"
kafka.heartbeat_interval = "500ms"
kafka.transaction_timeout = "15s"
kafka.call_timeout = "5s"
"#;
/// How long a backlog may stand still.
const STUCK_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

pub fn setup(cluster: &Cluster) -> Setup {
    Setup::on(cluster, GroupProtocol::Classic).with(AS_SHIPPED)
}

/// A process that has restored all partitions and reads them.
pub fn serving(application: &Application) -> Process {
    let process = application.start("0");
    await_ready(&process);
    let partitions = application.config.topics.partitions as usize;
    await_that("it serves every partition", || process.serving() == partitions);
    process
}

pub fn await_ready(process: &Process) {
    let is_ready = || process.get("/readyz").is_some_and(|page| page.starts_with("HTTP/1.1 200"));
    let deadline = Instant::now() + 4 * PATIENCE;
    while !is_ready() {
        assert!(Instant::now() < deadline, "not ready:\n{}", process.log());
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until so many records of the inputs are committed, as long as they become more; `meanwhile` is told how many
/// are.
pub fn await_progress(application: &Application, records: u64, mut meanwhile: impl FnMut(u64)) {
    let broker = application.broker();
    let (mut most, mut since) = (0, Instant::now());
    while most < records {
        let committed = application.progress(&broker);
        meanwhile(committed);
        if committed > most {
            (most, since) = (committed, Instant::now());
        }
        assert!(since.elapsed() < STUCK_PATIENCE, "stuck at {committed} of {records}");
        thread::park_timeout(PAUSE);
    }
}

pub fn cpu_of(process: &Process) -> f64 {
    cpu_seconds(process.id()).expect("it runs")
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// Says which command makes a table again, below it.
pub fn print_command(arguments: &str) {
    println!("\n`cargo bench --bench end_to_end -- {arguments}`\n");
}
