//! `tideline replay`, run as its user runs it: files in, lines out.

mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use testkit::journey::{self, as_expected};

/// A folder of files for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// What a run left behind.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn replay(args: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tideline"))
        .arg("replay")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A run that refuses its flags reads nothing.
    let writer = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Of all inputs together: consumed, applied and so on, and dead letters by reason; from the summary.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let mut lines = self.err.lines();
        let names: Vec<_> = lines.next().unwrap().split_whitespace().skip(1).collect();
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            if words.len() == names.len() + 1 && words[0] != "users" {
                for (name, count) in names.iter().zip(&words[1..]) {
                    *counts.entry((*name).to_owned()).or_default() += count.parse::<u64>().unwrap();
                }
            } else if let ["dead_lettered", _, reason, count] = words[..] {
                *counts.entry(reason.trim_end_matches(':').to_owned()).or_default() += count.parse::<u64>().unwrap();
            }
        }
        let parts = ["applied", "skipped", "duplicate", "suppressed", "dead_lettered"];
        assert_eq!(counts["consumed"], parts.iter().map(|part| counts[*part]).sum::<u64>(), "{}", self.err);
        counts
    }
}

fn payment(user: &str, id: &str, time: &str) -> String {
    format!(r#"{{"id":"{id}","user_id":"{user}","type":"payment.completed","time":"{time}","data":{{"amount":100}}}}"#)
}

#[test]
fn a_realistic_year_gives_the_expected_outputs_all_of_them() {
    let inputs =
        journey::SOURCES.map(|source| format!("{source}={}", journey::file(&format!("{source}.jsonl.gz")).display()));
    let mut args = vec!["--until", journey::UNTIL, "--summary"];
    inputs.iter().for_each(|input| args.extend(["--input", input]));
    let ran = replay(&args, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    journey::check_outputs(ran.lines());
    assert_eq!(ran.counts()["applied"], journey::EVENTS);
}

/// The configuration that a case's rules stand for.
fn configuration(rules: &Value) -> String {
    let (mut text, mut rungs) = ("[rules]\n".to_owned(), String::new());
    for (key, value) in rules.as_object().unwrap() {
        match key.as_str() {
            "hold" => text.push_str(&format!("hold_days = {value}\n")),
            "min_silence" => text.push_str(&format!("min_silence_days = {value}\n")),
            "rungs" => {
                for rung in value.as_array().unwrap() {
                    rungs.push_str("[[rules.rungs]]\n");
                    rung.as_object()
                        .unwrap()
                        .iter()
                        .for_each(|(key, value)| rungs.push_str(&format!("{key} = {value}\n")));
                }
            }
            key => text.push_str(&format!("{key} = {value}\n")),
        }
    }
    text + &rungs
}

#[test]
fn every_worked_case_passes_from_files() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")).unwrap() {
        let path = entry.unwrap().path();
        // Its events are not in the order in which files are merged.
        if path.extension().is_none_or(|extension| extension != "json") || path.ends_with("silent_feed_holds.json") {
            continue;
        }
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let folder = Folder::new();
        let mut files = BTreeMap::<&str, String>::new();
        for event in case["events"].as_array().unwrap() {
            let mut line = event.clone();
            line.as_object_mut().unwrap().remove("source");
            *files.entry(event["source"].as_str().unwrap()).or_default() += &format!("{line}\n");
        }
        let inputs = files.iter().map(|(source, text)| format!("{source}={}", folder.write(source, text)));
        let inputs: Vec<_> = inputs.collect();
        let config = folder.write("tideline.toml", configuration(&case["rules"]));
        let mut args = vec!["--config", &config, "--until", case["until"].as_str().unwrap(), "--summary"];
        inputs.iter().for_each(|input| args.extend(["--input", input]));
        let ran = replay(&args, b"");
        let name = path.file_stem().unwrap().display();
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        let expected = case["outputs"].as_array().unwrap();
        let got = ran.lines();
        let compared: Vec<_> = got.iter().zip(expected).map(|(got, expected)| as_expected(got, expected)).collect();
        assert_eq!((&compared, got.len()), (expected, expected.len()), "{name}");
        for (what, count) in case["counts"].as_object().unwrap() {
            assert_eq!(ran.counts().get(what).copied(), count.as_u64(), "{name}: {what}");
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen} cases");
}

#[test]
fn however_files_are_packed_or_cut_the_bytes_are_the_same() {
    let folder = Folder::new();
    let times = (1..=28).map(|day| format!("2026-02-{day:02}T10:00:00Z"));
    let lines: Vec<_> =
        times.enumerate().map(|(i, time)| payment(&format!("u{}", i % 3), &format!("e{i}"), &time) + "\n").collect();
    let text = lines.concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let until = ["--until", "2026-12-31T00:00:00Z"];
    let plain = format!("app={}", folder.write("plain.jsonl", &text));
    let first = replay(&["--input", &plain, until[0], until[1]], b"");
    assert_eq!(first.lines().len(), 23, "{}", first.out);
    let packed = [
        plain.clone(),
        format!("app={}", folder.write("a.gz", gzip.finish().unwrap())),
        format!("app={}", folder.write("a.zst", zstd::encode_all(text.as_bytes(), 3).unwrap())),
        "app=-".to_owned(),
    ];
    for input in &packed {
        let again = replay(&["--input", input, until[0], until[1]], text.as_bytes());
        assert_eq!((again.code, &again.out), (Some(0), &first.out), "{input}: {}", again.err);
    }
    // Two files of one source, given in either order, are one topic.
    let odd: String = lines.iter().step_by(2).map(String::as_str).collect();
    let even: String = lines.iter().skip(1).step_by(2).map(String::as_str).collect();
    let halves = [format!("app={}", folder.write("odd", odd)), format!("app={}", folder.write("even", even))];
    for [a, b] in [[0, 1], [1, 0]] {
        let again = replay(&["--input", &halves[a], "--input", &halves[b], until[0], until[1]], b"");
        assert_eq!(again.out, first.out, "{}", again.err);
    }
}

#[test]
fn a_line_of_output_begins_with_its_topic_and_names_its_cause() {
    let text = format!("{}\n", payment("u1", "e1", "2026-01-01T10:00:00+08:00"));
    let ran = replay(&["--input", "merchant=-"], text.as_bytes());
    assert!(ran.out.starts_with(r#"{"topic":"tier-changes","id":""#), "{}", ran.out);
    let cause = &ran.lines()[0]["cause"];
    assert_eq!(cause, &serde_json::json!({"topic": "merchant.events", "partition": 0, "offset": 0}));
}

/// One line of `source` is dead for that reason, the good one beside it is applied, and the line is kept as it was.
fn check_dead(source: &str, line: &[u8], reason: &str) {
    let folder = Folder::new();
    let good = payment("u1", "good", "2026-06-01T10:00:00Z");
    let text = [line, b"\n", good.as_bytes(), b"\n"].concat();
    let input = format!("{source}={}", folder.write("in", text));
    let dead = folder.path("dead");
    let dead_letters = dead.to_str().unwrap();
    let now = "2026-06-02T00:00:00Z";
    let ran = replay(&["--input", &input, "--dead-letters", dead_letters, "--now", now, "--summary"], b"");
    assert_eq!(ran.code, Some(0), "{reason}: {}", ran.err);
    let counts = ran.counts();
    let seen = ["consumed", "applied", "dead_lettered", reason].map(|what| counts.get(what).copied().unwrap_or(0));
    assert_eq!(seen, [2, 1, 1, 1], "{reason}: {}", ran.err);
    let dead = fs::read_to_string(dead).unwrap();
    let letter: Value = serde_json::from_str(&dead).unwrap();
    assert!(dead.starts_with(r#"{"topic":"dead-letters","reason":""#), "{dead}");
    assert_eq!(letter["reason"], reason, "{dead}");
    assert_eq!(letter["source"], serde_json::json!({"topic": format!("{source}.events"), "partition": 0, "offset": 0}));
    if let Ok(text) = std::str::from_utf8(line) {
        assert_eq!(letter["value"].as_str().unwrap(), text, "{reason}");
    }
}

#[test]
fn what_cannot_be_used_goes_to_the_dead_letters_by_its_reason() {
    let event = |fields: &str| format!(r#"{{"id":"x","user_id":"u1","type":"payment.completed",{fields}}}"#);
    let large =
        event(&format!(r#""time":"2026-05-01T00:00:00Z","data":{{"amount":1,"scene":"{}"}}"#, "s".repeat(1 << 20)));
    let no_user = r#"{"id":"x","type":"app.login","time":"2026-05-01T00:00:00Z"}"#;
    let empty_user = r#"{"id":"x","user_id":"","type":"app.login","time":"2026-05-01T00:00:00Z"}"#;
    let wrong_version = r#"{"specversion":"0.3","id":"x","source":"s","subject":"u1","type":"app.login","time":"2026-05-01T00:00:00Z"}"#;
    for (line, reason) in [
        ("", "empty"),
        ("null", "malformed"),
        ("{\"id\":", "malformed"),
        ("not JSON", "malformed"),
        (wrong_version, "unsupported"),
        (no_user, "missing_field"),
        (empty_user, "missing_field"),
        (&event(r#""time":"2026-05-01T00:00:00Z""#), "missing_field"),
        (&event(r#""time":"2026-05-01T00:00:00Z","data":{"amount":-1}"#), "bad_value"),
        (&event(r#""time":"2026-05-01T00:00:00Z","data":{"amount":1000000000000001}"#), "bad_value"),
        (&event(r#""time":"yesterday","data":{"amount":1}"#), "bad_value"),
        (&event(r#""time":"2026-06-02T00:05:01Z","data":{"amount":1}"#), "future_time"),
        (r#"{"id":"x","user_id":"u1","type":"message.sent","time":"2026-05-01T00:00:00Z"}"#, "wrong_source"),
        (&large, "too_large"),
    ] {
        check_dead("app", line.as_bytes(), reason);
    }
    check_dead("app", b"{\"id\":\"\xff\"}", "malformed");
}

#[test]
fn what_is_older_than_the_horizon_is_too_old() {
    let text = [payment("u1", "e1", "2026-06-01T10:00:00Z"), payment("u2", "e2", "2025-11-01T10:00:00Z")].join("\n");
    let ran = replay(&["--input", "app=-", "--summary"], text.as_bytes());
    let counts = ran.counts();
    assert_eq!((counts["applied"], counts["too_old"]), (1, 1), "{}", ran.err);
}

#[test]
fn a_value_beyond_the_limit_is_cut_and_its_length_told() {
    let folder = Folder::new();
    let input = format!("app={}", folder.write("in", "x".repeat(3 << 20)));
    let dead = folder.path("dead");
    let ran = replay(&["--input", &input, "--dead-letters", dead.to_str().unwrap()], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let letter: Value = serde_json::from_str(&fs::read_to_string(dead).unwrap()).unwrap();
    assert!((1 << 20..2 << 20).contains(&letter["value"].as_str().unwrap().len()));
    assert_eq!(letter["length"], 3 << 20);
}

#[test]
fn without_a_clock_nothing_is_too_far_ahead() {
    let text = payment("u1", "e1", "9000-01-01T00:00:00Z");
    let ran = replay(&["--input", "app=-", "--summary"], text.as_bytes());
    assert_eq!(ran.counts()["applied"], 1, "{}", ran.err);
}

#[test]
fn the_summary_says_what_became_of_events_and_where_users_stand() {
    let lines = [
        payment("u1", "e1", "2026-01-01T10:00:00Z"),
        payment("u1", "e1", "2026-01-01T10:00:00Z"),
        payment("u2", "e2", "2026-01-02T10:00:00Z"),
        "garbage".to_owned(),
    ];
    let ran =
        replay(&["--input", "app=-", "--summary", "--until", "2026-03-01T00:00:00Z"], lines.join("\n").as_bytes());
    for line in [
        "dead_lettered app malformed: 1",
        "output tideline.dormancy_risk: 2",
        "output tideline.tier_changed: 4",
        "users in tier inactive: 2",
        "users in stage at_risk: 2",
    ] {
        assert!(ran.err.lines().any(|seen| seen == line), "{line} is missing in {}", ran.err);
    }
    let app: Vec<_> = ran.err.lines().find(|line| line.starts_with("app")).unwrap().split_whitespace().collect();
    assert_eq!(app, ["app", "4", "2", "0", "1", "0", "1"]);
}

/// The run fails with that code, and its error contains all of these.
fn check_refused(args: &[&str], code: i32, parts: &[&str]) {
    let ran = replay(args, b"");
    assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.err);
    assert_eq!(ran.out, "", "{args:?}");
    for part in parts {
        assert!(ran.err.contains(part), "{args:?}: {part:?} is missing in {}", ran.err);
    }
}

#[test]
fn flags_that_make_no_sense_exit_with_2_before_anything_is_read() {
    let folder = Folder::new();
    let file = folder.write("in", payment("u1", "e1", "2026-01-01T10:00:00Z"));
    let input = format!("app={file}");
    let bad = folder.write("bad.toml", "[stream]\nlateness = \"1 hour\"");
    let only_sms = folder.write("sms.toml", "[[inputs]]\ntopic = \"s\"\nsource = \"sms\"");
    for (args, part) in [
        (&["--input", "fax=a.jsonl"][..], "\"fax\" is no source"),
        (&["--input", "app"], "expected SOURCE=FILE"),
        (&["--input", "app="], "expected a file"),
        (&["--input", &input, "--until", "tomorrow"], "not an RFC 3339 time"),
        (&["--input", "app=-", "--input", "sms=-"], "standard input can be one input only"),
        (&["--input", &input, "--out", &file], "would be overwritten"),
        (&["--input", &input, "--out", "x", "--dead-letters", "x"], "would be overwritten"),
        (&["--input", &input, "--config", &bad], "stream.lateness: \"1 hour\" is no duration"),
        (&["--input", &input, "--config", &only_sms], "no input of the configuration has the source app"),
        (&[], "--input"),
    ] {
        check_refused(args, 2, &[part]);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), payment("u1", "e1", "2026-01-01T10:00:00Z"));
}

#[test]
fn what_cannot_be_read_or_written_is_named_with_its_line() {
    let folder = Folder::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all((payment("u1", "e1", "2026-01-01T10:00:00Z") + "\n").repeat(3).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let cut = format!("app={}", folder.write("cut.jsonl.gz", &whole[..whole.len() - 60]));
    let fine = format!("app={}", folder.write("fine", ""));
    let folder_itself = format!("app={}", folder.0.path().display());
    check_refused(&["--input", "app=no/such/file"], 1, &["cannot open no/such/file: "]);
    check_refused(&["--input", &folder_itself], 1, &["cannot open "]);
    check_refused(&["--input", &fine, "--out", "no/such/folder/out"], 1, &["cannot write no/such/folder/out: "]);
    let ran = replay(&["--input", &cut], b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("cut.jsonl.gz, line 3"), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tideline"))
        .args(["replay", "--input", &format!("merchant={}", journey::file("merchant.jsonl.gz").display())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"topic\":"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
