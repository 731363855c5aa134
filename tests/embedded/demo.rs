//! `tideline demo`, run as its user runs it, without a terminal.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::api::get;

/// A demo at work; ended with the test.
struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        Self::started_by(Command::new(env!("CARGO_BIN_EXE_tideline")).arg("demo").args(args))
    }

    fn started_by(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("metrics: http://").unwrap().strip_suffix("/metrics").unwrap();
        let address = address.parse().unwrap();
        Self { child, lines, address }
    }

    /// The lines until one of them is as wanted; a demo that ends before is a failure.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        for line in self.lines.by_ref().map(Result::unwrap) {
            let found = wanted(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("the demo ended before; it said {seen:#?}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// What is left of its lines, and its exit code.
    fn end(mut self) -> (Vec<String>, Option<i32>) {
        let rest = self.lines.by_ref().map(Result::unwrap).collect();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Real sockets: 1,100 clients that begin a request and never end it, at a program that may open 160 files in all.
#[test]
fn half_open_clients_keep_neither_the_pages_nor_the_lanes_from_their_work() {
    let limited = format!("ulimit -n 160; exec {} demo --users 300 --plain", env!("CARGO_BIN_EXE_tideline"));
    let mut demo = Demo::started_by(Command::new("bash").args(["-c", &limited]));
    demo.until(is_status);
    let clients = "trap '' PIPE; ulimit -n 1300; for i in $(seq 1100); do \
                   exec {fd}<>/dev/tcp/127.0.0.1/$0 || exit 1; printf 'GET /livez HTT' >&$fd 2>/dev/null; done; echo \
                   open; read -r";
    let mut crowd = Command::new("bash")
        .args(["-c", clients, &demo.address.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(crowd.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "open\n", "all of them are connected");
    assert_eq!(get(demo.address, "/livez"), (200, "alive\n".to_owned()));
    assert_eq!(get(demo.address, "/metrics").0, 200);
    let files = std::fs::read_dir(format!("/proc/{}/fd", demo.child.id())).unwrap().count();
    assert!(files < 64 + 40, "{files} descriptors are open");
    // Lanes go on: two more lines of what they have done.
    let before = demo.until(is_status).pop().unwrap();
    let after = demo.until(is_status).pop().unwrap();
    assert_ne!(clock(&before), clock(&after));
    crowd.kill().unwrap();
    crowd.wait().unwrap();
}

fn clock(line: &str) -> &str {
    line.split(' ').next().unwrap()
}

fn is_status(line: &str) -> bool {
    line.contains(" events=")
}

#[test]
fn within_seconds_tiers_move_warnings_are_raised_and_the_pages_answer() {
    let mut demo = Demo::start(&["--users", "300"]);
    demo.until(|line| line.contains("  tier "));
    demo.until(|line| line.contains("-> at_risk, silent for "));
    demo.until(|line| is_status(line) && !line.contains("at_risk=0"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while get(demo.address, "/readyz").0 != 200 {
        assert!(Instant::now() < deadline, "not ready: {}", get(demo.address, "/readyz").1);
    }
    let (code, text) = get(demo.address, "/metrics");
    assert_eq!(code, 200);
    check_balance(&text);
    demo.signal("-TERM");
    let (_, code) = demo.end();
    assert_eq!(code, Some(0));
}

/// Consumed records are the sum of what became of them, for each input, also while lanes are at work.
fn check_balance(text: &str) {
    let sum = |name: &str, input: &str| -> u64 {
        let prefix = format!("{name}{{");
        let input = format!("input=\"{input}\"");
        let series = text.lines().filter(|line| line.starts_with(&prefix) && line.contains(&input));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let mut consumed = 0;
    for input in ["app.events", "sms.events", "branch.events", "merchant.events", "tideline.rekey"] {
        consumed += sum("tideline_records_consumed_total", input);
        assert_eq!(sum("tideline_records_total", input), sum("tideline_records_consumed_total", input), "{input}");
    }
    assert!(consumed > 0);
}

#[test]
fn it_ends_by_itself_and_an_interrupt_ends_it_cleanly_too() {
    let (lines, code) = Demo::start(&["--users", "100", "--seconds", "1"]).end();
    assert_eq!((code, lines.iter().any(|line| is_status(line))), (Some(0), true), "{lines:?}");
    let mut demo = Demo::start(&["--users", "100"]);
    demo.until(is_status);
    demo.signal("-INT");
    assert_eq!(demo.end().1, Some(0));
}

#[test]
fn a_demo_on_the_same_folder_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--users", "100", "--seconds", "3", "--data-dir", folder.path().to_str().unwrap()];
    let (first, code) = Demo::start(&args).end();
    assert_eq!(code, Some(0));
    let first: Vec<_> = first.iter().filter(|line| is_status(line)).collect();
    let (second, code) = Demo::start(&args).end();
    assert_eq!(code, Some(0));
    let second: Vec<_> = second.iter().filter(|line| is_status(line)).collect();
    let (ended, begun) = (first[first.len() - 1], second[0]);
    // The clock begins where the log ends, with all that is known of the users.
    assert!(clock(begun)[..10] >= clock(ended)[..10], "{ended} then {begun}");
    let users = |line: &str| -> u64 {
        let stages = ["active=", "at_risk=", "dormant=", "lost="];
        let words = line.split(' ').filter(|word| stages.iter().any(|stage| word.starts_with(stage)));
        words.map(|word| word.split('=').nth(1).unwrap().parse::<u64>().unwrap()).sum()
    };
    let last = second[second.len() - 1];
    assert!(users(last) + 5 >= users(ended), "{ended} then {last}");
    assert!(!last.contains("duplicate"), "{last}");
}

#[test]
fn flags_that_make_no_sense_exit_with_2() {
    for args in [&["--users", "0"][..], &["--speed", "0"], &["--seconds", "soon"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_tideline")).arg("demo").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
