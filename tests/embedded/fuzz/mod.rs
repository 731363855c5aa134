//! What plain `cargo test` runs: 200,000 inputs of one seed, over all targets; and that the corpora are worth their
//! place.

use testkit::fuzzer::corpus::{Corpus, parse, written};
use testkit::fuzzer::{TARGETS, run};

use testkit::message::TestMessage;
use tideline::record::text_header;

const INPUTS: u64 = 200_000;
const SEED: u64 = 1;

/// What must have come of some input, or the fuzzer looks at too little.
const WIRE: [&str; 14] = [
    "applied",
    "skipped",
    "duplicate",
    "suppressed",
    "rekeyed",
    "empty",
    "malformed",
    "unsupported",
    "missing_field",
    "bad_value",
    "future_time",
    "too_old",
    "wrong_source",
    "misrouted",
];

fn check(name: &str, outcomes: &[&str]) {
    let (_, share) = TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
    let report = run(name, INPUTS * share / shares(), SEED).unwrap_or_else(|failure| panic!("{}", failure.0));
    println!("{name}: {report:?}");
    for outcome in outcomes {
        assert!(report.outcomes.contains_key(outcome), "{name}: no input was {outcome}");
    }
}

fn shares() -> u64 {
    TARGETS.iter().map(|(_, share)| share).sum()
}

#[test]
fn json_survives() {
    check("json", &[&WIRE[..], &["too_large"]].concat());
}

#[test]
fn structured_cloudevents_survive() {
    check("cloudevents", &WIRE);
}

#[test]
fn binary_cloudevents_survive() {
    check("cloudevents_binary", &WIRE);
}

#[test]
fn protobuf_survives() {
    check("protobuf", &WIRE);
}

#[test]
fn framed_protobuf_survives() {
    check("confluent", &WIRE);
}

#[test]
fn states_survive() {
    check("state", &["user", "erasure", "unknown version", "cut short"]);
}

#[test]
fn partition_records_survive() {
    check("partition_record", &["record", "unreadable"]);
}

#[test]
fn journals_survive() {
    check("journal", &["opened", "damaged", "foreign"]);
}

#[test]
fn configurations_survive() {
    check("config", &["sound", "faulty", "not TOML"]);
}

#[test]
fn a_seed_makes_the_same_inputs_again() {
    let run = |seed| run("json", 500, seed).expect("no failure").outcomes;
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_input_that_is_kept_reads_back() {
    let input = TestMessage {
        offset: 77,
        key: Some(b"u\n: \xff".to_vec()),
        value: Some(b"a\n\nb\xff".to_vec()),
        headers: vec![text_header("na: me\u{e9}", b"\0\\x"), text_header("", b""), (b"\xff".to_vec(), None)],
    };
    for input in [TestMessage { value: None, ..input.clone() }, input] {
        let bytes = written(&input);
        let again = parse(&bytes).expect("a record");
        assert_eq!((again.offset, again.key, again.value), (input.offset, input.key, input.value));
        assert_eq!(again.headers, input.headers);
    }
}

#[test]
fn every_corpus_has_its_samples() {
    for (name, _) in TARGETS {
        assert!(Corpus::load(name).samples.len() >= 3, "{name}");
    }
}
