//! The worked cases: events in order of arrival, and exactly the outputs and counts that must follow.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tideline::domain::{Origin, PartitionId, Source, Timestamp};
use tideline::engine::{Announcement, AnnouncementKind, Disposition, Engine, EngineSettings, Partition};
use tideline::ingest::{Decoded, Decoder, Format, InputSpec};

use super::{advance, handle};
use testkit::message::TestMessage;

const LATENESS_MS: i64 = 3_600_000;

#[test]
fn every_worked_case_gives_its_outputs_and_counts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut cases = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        cases += 1;
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for max_effects in [1, 1000] {
            if let Err(diff) = check(&case, max_effects) {
                failed.push(format!(
                    "{} (slices of {max_effects}):\n{diff}",
                    path.file_name().unwrap().to_string_lossy()
                ));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(cases, 41);
}

fn check(case: &Value, max_effects: usize) -> Result<(), String> {
    let engine = Engine::new(settings(&case["rules"], max_effects)).unwrap();
    let mut partition = Partition::new(engine.clone());
    let mut signals = Vec::new();
    let mut counts = BTreeMap::<String, u64>::new();
    for event in case["events"].as_array().unwrap() {
        let source = Source::parse(event["source"].as_str().unwrap()).unwrap();
        let message = TestMessage::of_value(event.to_string().into_bytes());
        let what = match decoder(source).decode(&message, PartitionId(0), None) {
            Decoded::Reject(reject) => reject.reason.as_str(),
            Decoded::Rekey { .. } => panic!("with one partition nothing is another's"),
            Decoded::Event { event, .. } => match handle(&mut partition, &event, &mut signals) {
                Disposition::Applied => "applied",
                Disposition::Skipped => "skipped",
                Disposition::Duplicate => "duplicate",
                Disposition::Suppressed => "suppressed",
                Disposition::Rejected(reject) => reject.reason.as_str(),
            },
        };
        *counts.entry(what.to_owned()).or_default() += 1;
    }
    let until = Timestamp::parse(case["until"].as_str().unwrap()).unwrap().plus_millis(LATENESS_MS);
    advance(&mut partition, until, &mut signals);
    let got: Vec<Value> = signals.iter().map(|signal| compared(signal, &engine)).collect();
    let want = case["outputs"].as_array().unwrap();
    let mut diff = String::new();
    for i in 0..want.len().max(got.len()) {
        if want.get(i) != got.get(i) {
            diff += &format!(
                "  {i}: want {}\n     got  {}\n",
                want.get(i).unwrap_or(&Value::Null),
                got.get(i).unwrap_or(&Value::Null)
            );
        }
    }
    let wanted: BTreeMap<String, u64> = serde_json::from_value(case["counts"].clone()).unwrap();
    if wanted != counts {
        diff += &format!("  counts: want {wanted:?}, got {counts:?}\n");
    }
    if diff.is_empty() { Ok(()) } else { Err(diff) }
}

fn decoder(source: Source) -> Decoder {
    let input = InputSpec {
        topic: source.as_str().into(),
        source: Some(source),
        origin: Origin::Own,
        format: Format::Json,
        keyed: true,
        max_record: 1 << 20,
        earliest: Timestamp::MIN,
    };
    Decoder::new(input, 1, 0)
}

/// The case's `rules` as settings.
fn settings(rules: &Value, max_effects: usize) -> EngineSettings {
    let mut ours = serde_json::Map::new();
    for (name, value) in rules.as_object().unwrap() {
        let name = match name.as_str() {
            "hold" => "hold_days",
            "min_silence" => "min_silence_days",
            "silent_after" => continue,
            name => name,
        };
        ours.insert(name.to_owned(), value.clone());
    }
    let silent_after = |source: Source| rules["silent_after"][source.as_str()].as_i64();
    EngineSettings {
        silent_after_ms: Source::ALL.into_iter().map(silent_after).collect(),
        max_effects,
        ..super::settings(serde_json::from_value(Value::Object(ours)).unwrap())
    }
}

/// The fields that the cases compare.
fn compared(signal: &Announcement, engine: &Engine) -> Value {
    let tier = |tier| engine.tier_name(tier).to_owned();
    let mut line = serde_json::json!({
        "user_id": signal.user.as_str(),
        "sequence": signal.sequence,
        "time": signal.time,
        "reason": signal.reason.as_str(),
    });
    let rest = match &signal.kind {
        AnnouncementKind::TierChanged { previous, current, .. } => {
            let previous = previous.as_ref().map(|previous| super::name_of(previous, engine));
            serde_json::json!({"type": "tier_changed", "previous": previous, "current": tier(*current)})
        }
        AnnouncementKind::DormancyRisk { stage, previous_stage, silent_since, .. } => serde_json::json!({
            "type": "dormancy_risk",
            "stage": stage.as_str(),
            "previous_stage": previous_stage.as_str(),
            "silent_since": silent_since,
        }),
        AnnouncementKind::DormancyCleared { stage, silent_since, .. } => {
            serde_json::json!({"type": "dormancy_cleared", "stage": stage.as_str(), "silent_since": silent_since})
        }
    };
    line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    line
}
