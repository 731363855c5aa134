//! The worked cases: events in order of arrival, and exactly the outputs and counts that must follow.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tideline::domain::{Body, Event, EventId, EventType, Input, Origin, PartitionId, Source, Timestamp, Token, UserId};
use tideline::engine::{Disposition, Engine, Handled, Partition, Settings, Signal, SignalKind, Slice};
use tideline::record::Coordinates;
use tideline::rules::Rules;

const LATENESS_MS: i64 = 3_600_000;

fn decode(v: &Value) -> Result<Event, String> {
    let source = Source::parse(v["source"].as_str().unwrap()).unwrap();
    let time = |v: &Value| Timestamp::parse(v.as_str().unwrap()).unwrap();
    let d = &v["data"];
    let auto = d["auto"].as_bool().unwrap_or(false);
    let amount = d["amount"].as_i64().unwrap_or(0);
    let loan = d["loan_id"].as_str().map(Token::of);
    let ty = EventType::parse(v["type"].as_str().unwrap());
    if ty.is_some_and(|ty| !ty.allowed_from(source)) {
        return Err("wrong_source".into());
    }
    let body = match v["type"].as_str().unwrap() {
        "payment.completed" => Body::PaymentCompleted {
            amount,
            scene: d["scene"].as_str().map(Token::of),
            merchant: None,
            coupon: None,
            auto,
        },
        "bill.paid" => Body::BillPaid { amount, product: None, auto },
        "loan.drawn" => Body::LoanDrawn { amount, product: None, loan, auto },
        "loan.repaid" => Body::LoanRepaid { amount, product: None, loan, auto },
        "loan.due_scheduled" => Body::LoanDueScheduled { loan, due: time(&d["due"]) },
        "user.registered" => Body::UserRegistered,
        "message.sent" => Body::Message { event: tideline::domain::MessageEvent::Sent, campaign: None, channel: None },
        "payment.refunded" => Body::PaymentRefunded {
            original: d["original_id"].as_str().map(EventId::refunded),
            original_time: time(&d["original_time"]),
            amount,
            full: d["full"].as_bool().unwrap_or(false),
            auto,
        },
        _ if ty.is_none() => Body::Unknown,
        _ => Body::AppLogin,
    };
    Ok(Event {
        id: EventId::new(source, v["id"].as_str().unwrap()),
        user: UserId::new(v["user_id"].as_str().unwrap()).unwrap(),
        source,
        time: time(&v["time"]),
        channel: source.channel(),
        origin: Origin::Own,
        body,
    })
}

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
    for (offset, event) in case["events"].as_array().unwrap().iter().enumerate() {
        let what = match decode(event) {
            Err(reject) => reject,
            Ok(event) => {
                let at = Coordinates {
                    topic: Arc::from(event.source.as_str()),
                    partition: PartitionId(0),
                    offset: offset as i64,
                };
                loop {
                    let handled = partition.handle_event(Input(event.source as u8), &event, &at, &mut signals).unwrap();
                    let _ = partition.changes().count();
                    partition.install();
                    match handled {
                        Handled::TimersFirst => {}
                        Handled::Done(Disposition::Applied) => break "applied".to_owned(),
                        Handled::Done(Disposition::Skipped) => break "skipped".to_owned(),
                        Handled::Done(Disposition::Duplicate) => break "duplicate".to_owned(),
                        Handled::Done(Disposition::Suppressed) => break "suppressed".to_owned(),
                        Handled::Done(Disposition::Rejected(reject)) => break reject.reason.as_str().to_owned(),
                    }
                }
            }
        };
        *counts.entry(what).or_default() += 1;
    }
    let until = Timestamp::parse(case["until"].as_str().unwrap()).unwrap().plus_millis(LATENESS_MS);
    while partition.handle_time(Some(until), &mut signals).unwrap() == Slice::Full {
        let _ = partition.changes().count();
        partition.install();
    }
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

/// The case's `rules` as settings.
fn settings(rules: &Value, max_effects: usize) -> Settings {
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
    let rules_value: Rules = serde_json::from_value(Value::Object(ours)).unwrap();
    let silent_after = |source: Source| rules["silent_after"][source.as_str()].as_i64();
    Settings {
        rules: rules_value,
        lateness_ms: LATENESS_MS,
        silent_after_ms: Source::ALL.into_iter().map(silent_after).collect(),
        max_effects,
        emit_from: None,
        retention_ms: 7 * 86_400_000,
        partitions: 1,
    }
}

/// The fields that the cases compare.
fn compared(signal: &Signal, engine: &Engine) -> Value {
    let tier = |tier| engine.tier_name(tier).to_owned();
    let mut line = serde_json::json!({
        "user_id": signal.user.as_str(),
        "sequence": signal.sequence,
        "time": signal.time,
        "reason": signal.reason.as_str(),
    });
    let rest = match &signal.kind {
        SignalKind::TierChanged { previous, current, .. } => {
            serde_json::json!({"type": "tier_changed", "previous": previous.map(tier), "current": tier(*current)})
        }
        SignalKind::DormancyRisk { stage, previous_stage, silent_since, .. } => serde_json::json!({
            "type": "dormancy_risk",
            "stage": stage.as_str(),
            "previous_stage": previous_stage.as_str(),
            "silent_since": silent_since,
        }),
        SignalKind::DormancyCleared { stage, silent_since, .. } => {
            serde_json::json!({"type": "dormancy_cleared", "stage": stage.as_str(), "silent_since": silent_since})
        }
    };
    line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    line
}
