//! Cases in which tideline was seen wrong (`tests/cases`): what `replay` makes of them now.

use std::collections::BTreeSet;

use super::{Folder, Path, Ran, Value, as_expected, fs, replay};

/// A file of a case.
fn file(case: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case).join(name);
    assert!(path.exists(), "{}", path.display());
    path.to_str().unwrap().to_owned()
}

/// A case's events of the app, replayed with these flags.
fn play(case: &str, args: &[&str]) -> Ran {
    let input = format!("app={}", file(case, "app.jsonl"));
    let ran = replay(&[&["--input", &input, "--summary"], args].concat(), b"");
    assert_eq!(ran.code, Some(0), "{case}: {}", ran.err);
    ran
}

#[test]
fn who_comes_back_after_an_erasure_was_forgotten_gets_ids_that_nobody_had() {
    const CASE: &str = "04a-returned-after-erasure";
    let folder = Folder::new();
    // The program remembers an erasure for longer now than it did: so that it is forgotten here, a day each.
    let forgetful = folder.write(
        "forgetful.toml",
        "[topics]\ndead_letter_retention = \"1d\"\n[[inputs]]\ntopic = \"app.events\"\nsource = \"app\"\nretention = \
            \"1d\"",
    );
    for args in [&["--config", &forgetful][..], &[]] {
        let outputs = play(CASE, args).lines();
        let first_tiers: Vec<_> = outputs.iter().filter(|output| output["current"] == "low").collect();
        assert_eq!(first_tiers.len(), 3);
        let ids: BTreeSet<_> = outputs.iter().map(|output| output["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), outputs.len());
        assert_eq!((&first_tiers[0]["sequence"], &first_tiers[2]["sequence"]), (&1.into(), &1.into()));
    }
}

#[test]
fn two_cloudevents_with_one_id_are_two_events() {
    const CASE: &str = "04b-two-cloudevents-one-id";
    let counts = play(CASE, &[]).counts();
    let expected: Value = serde_json::from_str(&fs::read_to_string(file(CASE, "expected.json")).unwrap()).unwrap();
    for (what, count) in expected["app"].as_object().unwrap() {
        assert_eq!(counts[what], count.as_u64().unwrap(), "{what}");
    }
}

#[test]
fn a_full_refund_counts_once_whoever_tells_of_it() {
    let event = |id: &str, sender: &str, kind: &str, data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{sender}","type":"{kind}","subject":"u1","time":"2026-03-01T10:00:00Z","data":{{"amount":100{data}}}}}"#
        )
    };
    let refund = r#","original_id":"1","original_time":"2026-03-01T10:00:00Z","full":true"#;
    let text = [
        event("1", "/pos", "payment.completed", ""),
        // It bears its payment's id, and so does the second, which tells of the same.
        event("1", "/refunds", "payment.refunded", refund),
        event("1", "/ledger", "payment.refunded", refund),
        event("2", "/pos", "payment.completed", ""),
    ]
    .join("\n");
    let counts = replay(&["--input", "app=-", "--summary"], text.as_bytes()).counts();
    assert_eq!((counts["applied"], counts["duplicate"]), (3, 1));
}

#[test]
fn a_clock_that_is_set_back_over_midnight_ends_no_day_and_no_run_hangs_on_it() {
    const CASE: &str = "05a-clock-set-back-over-midnight";
    let ran = play(CASE, &["--config", &file(CASE, "config.toml"), "--until", "2010-11-07T04:00:00Z"]);
    let expected: Vec<Value> = fs::read_to_string(file(CASE, "expected.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let outputs = ran.lines();
    let compared: Vec<_> = outputs.iter().zip(&expected).map(|(got, expected)| as_expected(got, expected)).collect();
    assert_eq!((&compared, outputs.len()), (&expected, expected.len()));
}

#[test]
fn a_time_in_seconds_is_no_time_of_the_seventies() {
    let folder = Folder::new();
    let (input, dead) =
        (format!("app={}", file("16a-read-nothing-said-nothing", "seconds.jsonl")), folder.path("dead"));
    let args = ["--input", &input, "--dead-letters", dead.to_str().unwrap(), "--summary"];
    let ran = replay(&args, b"");
    assert_eq!((ran.code, ran.out.as_str(), ran.counts()["bad_value"]), (Some(0), "", 1), "{}", ran.err);
    let letter: Value = serde_json::from_str(&fs::read_to_string(&dead).unwrap()).unwrap();
    let error = letter["error"].as_str().unwrap();
    assert!(error.starts_with("time: ") && error.ends_with("seconds? expected milliseconds"), "{error}");

    let earlier = folder.write("earlier.toml", "[stream]\nearliest = \"1970-01-01T00:00:00Z\"");
    let ran = replay(&["--input", &input, "--config", &earlier, "--summary"], b"");
    assert_eq!(ran.counts()["applied"], 1, "{}", ran.err);
}

#[test]
fn the_sums_of_a_day_do_not_end_where_sixty_four_bits_do() {
    const TIMES: usize = 9_300;
    let line = |id: usize, kind: &str, more: &str| {
        let time = "2026-03-01T10:00:00Z";
        let data = format!(r#"{{"amount":1000000000000000{more}}}"#);
        format!(r#"{{"id":"{id}","user_id":"u1","type":"{kind}","time":"{time}","data":{data}}}"#) + "\n"
    };
    let payments: String = (0..TIMES).map(|id| line(id, "payment.completed", "")).collect();
    let more = r#","original_time":"2026-03-01T10:00:00Z""#;
    let refunds: String = (0..TIMES).map(|id| line(TIMES + id, "payment.refunded", more)).collect();
    for (text, amount) in [(payments.clone(), "9300000000000000000"), (payments + &refunds, "0")] {
        let ran = replay(&["--input", "app=-", "--until", "2026-04-15T00:00:00Z"], text.as_bytes());
        let last = ran.out.lines().rfind(|line| line.contains("\"current\":\"inactive\"")).unwrap();
        assert!(last.contains(&format!("\"amount_90\":{amount},")), "{last}");
    }
}
