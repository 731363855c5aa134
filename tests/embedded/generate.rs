//! Generated users: the same for the same seed, and a life that the core finds worth telling.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use tideline::domain::{DAY_MS, Source, Timestamp};
use tideline::generate::{Disorder, Generator, Record, Settings};

const TIDY: Disorder = Disorder { late: 0.0, duplicates: 0.0, bad: 0.0 };

fn generate(settings: Settings) -> Vec<Record> {
    Generator::new(settings).collect()
}

fn json(record: &Record) -> serde_json::Value {
    serde_json::from_slice(&record.value).unwrap()
}

fn time(record: &Record) -> Timestamp {
    Timestamp::parse(json(record)["time"].as_str().unwrap()).unwrap()
}

#[test]
fn a_seed_decides_everything() {
    let settings = Settings { records: 5_000, ..Settings::default() };
    let first = generate(settings.clone());
    assert_eq!(first.len(), 5_000);
    assert_eq!(first, generate(settings.clone()));
    assert_ne!(first, generate(Settings { seed: 2, ..settings }));
}

#[test]
fn what_a_seed_gives_never_changes() {
    // Benchmarks and documents name their seeds: whoever changes the generator changes what they mean.
    let records = generate(Settings { users: 50, records: 2_000, days: 60, ..Settings::default() });
    let all = records.iter().flat_map(|record| [record.value.as_slice(), b"\n"]).collect::<Vec<_>>().concat();
    assert_eq!(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&all)), "a501385a22e80d2f");
}

#[test]
fn without_disorder_events_come_in_order_once_and_whole() {
    let records = generate(Settings { records: 20_000, disorder: TIDY, ..Settings::default() });
    let ids: BTreeSet<_> = records.iter().map(|record| json(record)["id"].to_string()).collect();
    assert_eq!(ids.len(), records.len());
    let times: Vec<_> = records.iter().map(time).collect();
    // Whatever falls due between two steps of time comes with the later one: minutes at this density.
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) > -(DAY_MS / 12)));
    assert!(records.iter().all(|record| json(record)["user_id"] == record.user.to_string()));
}

#[test]
fn records_come_in_order_of_arrival_and_span_the_days_that_were_asked_for() {
    for (users, days, count) in [(100, 30, 3_000), (1_000, 365, 100_000), (5_000, 90, 50_000)] {
        let records = generate(Settings { users, days, records: count, disorder: TIDY, ..Settings::default() });
        assert!(records.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
        let span = records[records.len() - 1].arrival.since(Settings::default().start) / DAY_MS;
        let asked = i64::from(days);
        assert!((asked * 8 / 10..=asked * 12 / 10).contains(&span), "{users} users: {span} days for {days}");
    }
}

#[test]
fn disorder_has_about_the_shares_that_were_asked_for() {
    let disorder = Disorder { late: 0.1, duplicates: 0.05, bad: 0.02 };
    let records = generate(Settings { records: 50_000, disorder, ..Settings::default() });
    let whole: Vec<_> =
        records.iter().filter(|r| serde_json::from_slice::<serde_json::Value>(&r.value).is_ok()).collect();
    let unreadable = records.len() - whole.len();
    assert!((200..=700).contains(&unreadable), "{unreadable} of 50,000 are no JSON"); // of 8 damages 3 leave no JSON
    let mut seen = BTreeMap::<_, u32>::new();
    whole.iter().for_each(|record| *seen.entry(&record.value).or_default() += 1);
    let twice = seen.values().filter(|count| **count == 2).count();
    assert!((2_000..=3_000).contains(&twice), "{twice} twice");
    // What follows from a deed comes with the next step of time, so some lag is in every stream.
    let lagging = |late| {
        let disorder = Disorder { late, duplicates: 0.0, bad: 0.0 };
        let records = generate(Settings { records: 50_000, disorder, ..Settings::default() });
        records.iter().filter(|record| record.arrival.since(time(record)) > 1_000).count()
    };
    let late = lagging(0.1) - lagging(0.0);
    assert!((3_500..=6_000).contains(&late), "{late} late");
}

#[test]
fn all_sources_and_the_lifecycle_are_told() {
    let records = generate(Settings { records: 100_000, disorder: TIDY, ..Settings::default() });
    let sources: BTreeSet<_> = records.iter().map(|record| record.source).collect();
    assert_eq!(sources, Source::ALL.into());
    let types: BTreeSet<_> = records.iter().map(|record| json(record)["type"].as_str().unwrap().to_owned()).collect();
    for expected in [
        "user.registered",
        "payment.completed",
        "payment.refunded",
        "loan.drawn",
        "loan.due_scheduled",
        "loan.repaid",
        "bill.paid",
        "message.sent",
        "message.clicked",
        "app.login",
        "user.erased",
    ] {
        assert!(types.contains(expected), "{expected} never happened");
    }
}

#[test]
fn skew_makes_a_few_users_busy() {
    let busiest = |skew| {
        let mut counts = BTreeMap::<_, u32>::new();
        for record in generate(Settings { records: 50_000, skew, ..Settings::default() }) {
            *counts.entry(record.user).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.iter().take(100).sum::<u32>()
    };
    let (even, skewed) = (busiest(0.0), busiest(0.8));
    assert!(even < 15_000 && skewed > 25_000, "the busiest tenth: {even} without skew, {skewed} with");
}

#[test]
fn settings_that_make_no_sense_are_all_named() {
    let disorder = Disorder { late: 2.0, duplicates: -0.1, bad: f64::NAN };
    let settings = Settings { users: 0, days: 0, records: 0, skew: 1.0, disorder, ..Settings::default() };
    assert_eq!(settings.validate().len(), 7, "{:?}", settings.validate());
    assert_eq!(Settings::default().validate(), Vec::<String>::new());
}

fn tideline(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tideline")).args(args).output().unwrap()
}

#[test]
fn files_are_the_same_bytes_again_and_replay_finds_tiers_moving_and_warnings_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut read = Vec::new();
    for (name, packing) in [("a", "none"), ("b", "none"), ("c", "gz"), ("d", "gz"), ("e", "zst"), ("f", "zst")] {
        let ran = tideline(&["generate", "--out", &path(name), "--compress", packing, "--events", "20000"]);
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        let suffix = if packing == "none" { String::new() } else { format!(".{packing}") };
        read.push(std::fs::read(folder.path().join(name).join(format!("app.jsonl{suffix}"))).unwrap());
    }
    assert!(read.chunks(2).all(|pair| pair[0] == pair[1]));

    let inputs = Source::ALL.map(|source| format!("{0}={1}/{0}.jsonl.zst", source.as_str(), path("e")));
    let mut args = vec!["replay", "--summary", "--until", "2027-06-01T00:00:00Z", "--now", "2027-06-01T00:00:00Z"];
    inputs.iter().for_each(|input| args.extend(["--input", input]));
    let ran = tideline(&args);
    let summary = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{summary}");
    for told in ["tier_changed: ", "dormancy_risk: ", "dormancy_cleared: ", "malformed: ", "users in stage lost: "] {
        assert!(summary.contains(told), "{told:?} is missing in {summary}");
    }
}

#[test]
fn of_the_files_that_generate_makes_by_default_only_about_the_bad_die_in_replay() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(tideline(&["generate", "--out", &path("a"), "--events", "20000"]).status.success());
    let inputs = Source::ALL.map(|source| format!("{0}={1}/{0}.jsonl", source.as_str(), path("a")));
    let dead = path("dead.jsonl");
    let mut args = vec!["replay", "--dead-letters", &dead];
    inputs.iter().for_each(|input| args.extend(["--input", input]));
    let ran = tideline(&args);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    // A share of 0.002 is bad; what comes late is within what lateness allows, but for some of what comes by days.
    let dead = std::fs::read_to_string(dead).unwrap().lines().count();
    assert!((10..=80).contains(&dead), "{dead} of 20,000 died: {said}");
    assert!(!said.contains("ahead of this machine's clock"), "{said}");
}

/// The last event lies in the last 24 hours, and none ahead of the clock, the bad ones counted.
#[test]
fn events_end_now_unless_a_start_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let newest = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let args = ["generate", "--out", out.to_str().unwrap(), "--events", "5000", "--days", "30"];
        assert!(tideline(&[&args[..], more].concat()).status.success());
        let files = Source::ALL.map(|source| out.join(format!("{}.jsonl", source.as_str())));
        let lines = files
            .iter()
            .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned())
            .collect::<String>();
        let events = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events.filter_map(|event| Timestamp::parse(event["time"].as_str()?).ok()).max().unwrap()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::of_millis(now.as_millis() as i64 + 60_000);
    let age = now.since(newest("now", &["--bad", "0.02"]));
    assert!((0..=2 * 86_400_000).contains(&age), "the last event is {age} ms old");
    let start = "2026-01-01T00:00:00+08:00";
    assert!(
        newest("then", &["--bad", "0", "--start", start]).since(Timestamp::parse(start).unwrap()) < 40 * 86_400_000
    );
}

#[test]
fn flags_that_make_no_sense_exit_with_2() {
    for args in [
        &["generate"][..],
        &["generate", "--out", "x", "--kafka"],
        &["generate", "--out", "x", "--users", "0"],
        &["generate", "--out", "x", "--events", "0", "--late", "3"],
    ] {
        assert_eq!(tideline(args).status.code(), Some(2), "{args:?}");
    }
}
