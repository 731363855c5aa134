//! What `tideline replay` says on standard error without being asked: what it read and could not use, what lies ahead,
//! and what holds W.

use std::fs;
use std::path::{Path, PathBuf};

use super::replay::{Ran, replay};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn input(source: &str, path: &Path) -> String {
    format!("{source}={}", path.display())
}

/// What was said has one line, with all of these in it.
fn check(ran: &Ran, parts: &[&str]) {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "{part:?} is missing in {}", ran.err);
    }
}

#[test]
fn a_table_that_is_no_json_is_said_to_be_dead_with_its_first_line() {
    let file = case("16a-read-nothing-said-nothing/app.csv");
    let ran = replay(&["--input", &input("app", &file)], b"");
    let first = format!("the first of those is {}:1: malformed: ", file.display());
    check(&ran, &["2 events of 2 died, 2 of them as malformed; ", &first, "--dead-letters FILE"]);
    assert_eq!(ran.out, "");
}

#[test]
fn of_several_reasons_the_commonest_is_told_with_its_own_first_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.jsonl");
    let (ahead, told) = (&*login(2, "9000-01-01T00:00:00Z"), "the first of those is ");
    // lines, what is told of them; of two that are as common the one that is named
    let cases = [
        (["yesterday\n", ahead, ahead], "3 died, 2 of them as future_time; ", "app.jsonl:2: future_time"),
        ([ahead, "yesterday\n", "today\n"], "3 died, 2 of them as malformed; ", "app.jsonl:2: malformed"),
        ([ahead, "yesterday\n", ""], "2 died, 1 of them as malformed; ", "app.jsonl:2: malformed"),
    ];
    for (lines, count, place) in cases {
        fs::write(&file, lines.concat()).unwrap();
        let ran = replay(&["--input", &input("app", &file), "--now", "2020-01-02T00:00:00Z"], b"");
        check(&ran, &[count, told, place]);
    }
}

#[test]
fn an_unknown_type_is_named_beside_a_number_that_no_float_holds() {
    let line = br#"{"id":"1","user_id":"u","type":"no.such","time":"2026-03-01T10:00:00Z","zz":1e999}"#;
    let ran = replay(&["--input", "app=-"], line);
    check(&ran, &["1 event of 1 skipped for an unknown type: \"no.such\" (1); "]);
}

#[test]
fn an_unknown_type_is_named_with_its_count() {
    let file = case("16a-read-nothing-said-nothing/typo.jsonl");
    let ran = replay(&["--input", &input("app", &file)], b"");
    let parts = ["1 event of 1 skipped for an unknown type: \"payment_completed\" (1); ", "typo.jsonl:1"];
    check(&ran, &parts);
}

#[test]
fn a_silent_feed_that_holds_the_watermark_is_named_and_passed_over_only_when_asked() {
    let folder = case("16b-a-silent-feed-holds-replay");
    let (file, config) = (input("app", &folder.join("app.jsonl")), folder.join("config.toml"));
    let args = ["--config", config.to_str().unwrap(), "--input", &file, "--until", "2026-12-01T00:00:00Z"];
    let held = replay(&args, b"");
    check(&held, &["merchant (merchant.events) is silent: W stands at 2026-01-01T03:00:00.000Z", "--ignore-silent"]);
    assert_eq!(held.lines().len(), 1, "{}", held.out);
    let passed = replay(&[&args[..], &["--ignore-silent"]].concat(), b"");
    assert_eq!((passed.code, passed.err.as_str()), (Some(0), ""));
    // At risk, dormant and lost of the one who paid, the tier that falls, and what becomes of the other.
    assert!(passed.lines().len() > 3, "{}", passed.out);
    let ran = replay(&["--input", &file, "--ignore-silent"], b"");
    assert_eq!(ran.code, Some(2), "it says nothing without --until: {}", ran.err);
}

fn login(id: u32, time: &str) -> String {
    format!("{{\"id\":\"{id}\",\"user_id\":\"u1\",\"type\":\"app.login\",\"time\":\"{time}\"}}\n")
}

#[test]
fn what_lies_ahead_of_the_clock_is_said_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.jsonl");
    fs::write(
        &file,
        [login(1, "2020-01-01T00:00:00Z"), login(2, "9000-01-01T00:00:00Z"), login(3, "9000-01-02T00:00:00Z")].concat(),
    )
    .unwrap();
    let ran = replay(&["--input", &input("app", &file)], b"");
    check(&ran, &["2 events lie ahead of this machine's clock, ", "the first is ", "app.jsonl:2; ", "--now TIME"]);
    let judged = replay(&["--input", &input("app", &file), "--now", "2020-01-02T00:00:00Z"], b"");
    check(
        &judged,
        &["2 events of 3 died, 2 of them as future_time; the first of those is ", "app.jsonl:2: future_time"],
    );
}

#[test]
fn a_file_that_is_not_in_the_order_of_time_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.jsonl");
    let times = ["2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T12:00:00Z", "2026-01-02T00:00:00Z"];
    fs::write(&file, times.iter().zip(0..).map(|(time, id)| login(id, time)).collect::<String>()).unwrap();
    let ran = replay(&["--input", &input("app", &file)], b"");
    check(
        &ran,
        &[
            "app.jsonl is not in the order of time: 2 events come after newer ones, by 1d at most; the first is ",
            ":3; ",
        ],
    );
}

#[test]
fn a_run_with_nothing_to_say_says_nothing() {
    let ran = replay(&["--input", "app=-"], login(1, "2026-01-01T00:00:00Z").as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}
