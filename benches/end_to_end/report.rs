//! What `compare` has found, as a table, as ratios beside their targets, and as a plot.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::compare::{Engine, Measured, Row};
use super::plot;

const MARKS: [&str; 2] = ["<!-- compare: written by the bench -->\n", "<!-- end of compare -->"];

/// Prints; files what is whole under `docs/`. Whether tideline's outputs are the peer's.
pub fn print_and_file(rows: &[Row], arguments: &str) -> bool {
    let command = format!("cargo bench --bench end_to_end -- {arguments}");
    let (verdict, agree) = outputs(rows);
    let text = format!(
        "{}\n{verdict}{}\n`{command}`, {}\n",
        table(rows),
        if agree { ratios(rows) } else { String::new() },
        machine()
    );
    println!("\n{text}");
    if rows.iter().all(|row| row.half.is_some() && row.millions.is_some()) {
        file(&text);
        fs::write(docs().join("performance.svg"), plot::of(rows)).expect("write the plot");
    } else {
        println!("docs/performance.md stays as it is: it takes both inputs");
    }
    agree
}

impl Row {
    /// What an event costs once all has started: what the second input has more than the first.
    fn marginal(&self, of: impl Fn(&Measured) -> f64) -> Option<f64> {
        let (half, millions) = (self.half.as_ref()?, self.millions.as_ref()?);
        Some((of(millions) - of(half)) / (millions.records - half.records))
    }

    /// CPU microseconds an event, which are seconds per million; cold where only one input was measured.
    pub fn cpu_us(&self) -> Option<f64> {
        let either = || self.millions.as_ref().or(self.half.as_ref()).map(|it| it.cpu_s / it.records);
        self.marginal(|it| it.cpu_s).or_else(either).map(|seconds| seconds * 1e6)
    }

    pub fn events_a_second(&self) -> Option<f64> {
        let either = || self.millions.as_ref().or(self.half.as_ref()).map(|it| it.wall_s / it.records);
        self.marginal(|it| it.wall_s).or_else(either).map(|seconds| 1.0 / seconds)
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "| | CPU s per million, 0.5 M cold | 2 M cold | **marginal** | events/s, 2 M | **marginal** | \
        resident MiB, 2 M | \
                    broker CPU s per million, marginal | changelog records an event | bytes an event | on disk |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let (half, millions) = (row.half.as_ref(), row.millions.as_ref());
        let largest = millions.or(half);
        let cold = |of: Option<&Measured>| of.map(|it| it.cpu_s * 1e6 / it.records);
        let marginal = |of: &dyn Fn(&Measured) -> f64| row.marginal(of).map(|each| each * 1e6);
        let an_event = |of: &dyn Fn(&Measured) -> u64| largest.map(|it| of(it) as f64 / it.records);
        let cells = [
            shown(cold(half), 2),
            shown(cold(millions), 2),
            shown(marginal(&|it| it.cpu_s), 2),
            shown(millions.map(|it| it.records / it.wall_s), 0),
            shown(marginal(&|it| it.wall_s).map(|micros| 1e6 / micros), 0),
            shown(largest.map(|it| it.resident_mib), 0),
            shown(marginal(&|it| it.broker_cpu_s), 2),
            shown(an_event(&|it| it.changelog.records), 2),
            shown(an_event(&|it| it.changelog.bytes), 0),
            shown(an_event(&|it| it.changelog.disk), 0),
        ];
        _ = writeln!(text, "| {} | {} |", row.engine.title(), cells.join(" | "));
    }
    text
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// Whether tideline and the peer have told the same, and the sentence that says so.
fn outputs(rows: &[Row]) -> (String, bool) {
    let mut text = String::new();
    let mut agree = true;
    for (name, of) in
        [("0.5 M", (|row| row.half.as_ref()) as fn(&Row) -> Option<&Measured>), ("2 M", |row| row.millions.as_ref())]
    {
        let judged = rows.iter().filter(|row| row.engine != Engine::Bare);
        let found: Vec<_> = judged.filter_map(|row| Some((row.engine, of(row)?))).collect();
        let Some((_, first)) = found.first() else { continue };
        let same = first.hash.is_some() && found.iter().all(|(_, it)| it.hash == first.hash);
        agree &= same;
        let hash = first.hash.as_deref().unwrap_or("sequences broken");
        if same {
            _ = writeln!(
                text,
                "{name} events: {} outputs of each engine, SHA-256 of all `{hash}`: equal.  ",
                first.outputs
            );
        } else {
            for (engine, it) in found {
                let hash = it.hash.as_deref().unwrap_or("sequences broken");
                _ = writeln!(
                    text,
                    "{name} events, {}: {} outputs, `{hash}`: DIFFERENT, so no ratio.  ",
                    engine.title(),
                    it.outputs
                );
            }
        }
    }
    (text, agree)
}

fn ratios(rows: &[Row]) -> String {
    let of = |engine: Engine| rows.iter().find(|row| row.engine == engine).expect("every engine has a row");
    let marginal = of(Engine::Tideline).marginal(|it| it.cpu_s).is_some();
    let what = if marginal { "marginal" } else { "cold" };
    let peers = [Engine::PeerOnDisk, Engine::PeerInMemory].map(|peer| of(peer).cpu_us());
    let peer = peers.into_iter().flatten().fold(f64::INFINITY, f64::min);
    let (ours, bare) = (of(Engine::Tideline), of(Engine::Bare));
    let (Some(cpu), Some(rate), Some(bare)) = (ours.cpu_us(), ours.events_a_second(), bare.events_a_second()) else {
        return String::new();
    };
    format!(
        "CPU per event, {what}: 1/{:.1} of the best variant of Kafka Streams (target 1/12).  \n\
         Throughput, {what}: {:.0} % of the bare loop (target 60 %).  \n",
        peer / cpu,
        100.0 * rate / bare
    )
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, it)| it);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let said = |program: &str, arguments: &[&str]| {
        let said = Command::new(program).args(arguments).output().map(|it| it.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let (commit, day) = (said("git", &["rev-parse", "--short", "HEAD"]), said("date", &["-u", "+%F"]));
    format!("commit {commit}, {day}, {cores} × {model}, load {load} at the end")
}

fn file(text: &str) {
    let page = docs().join("performance.md");
    let held = fs::read_to_string(&page).expect("the page of numbers");
    let (before, rest) = held.split_once(MARKS[0]).expect("the page has its marks");
    let (_, after) = rest.split_once(MARKS[1]).expect("the page has its marks");
    fs::write(page, format!("{before}{}\n{text}\n{}{after}", MARKS[0], MARKS[1])).expect("write the page of numbers");
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}
