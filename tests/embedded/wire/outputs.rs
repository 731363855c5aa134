//! Outputs on the wire: the worked examples of the output contract, byte for byte.

use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value, json};
use tideline::domain::{OutputNames, Stage, Tier, Timestamp, UserId};
use tideline::emit::protobuf::schema;
use tideline::emit::{Emitter, Output, OutputFormat};
use tideline::engine::{
    Announcement, AnnouncementKind, Forecast, OutputReason, Previous, SilenceEvidence, TierEvidence,
};
use tideline::record::{Outgoing, text_header};
use tideline::rules::{Model, Rules};

use super::coordinates;

fn emitter_of(rules: &Rules, rule_version: &str, format: OutputFormat) -> Emitter {
    let output = Output { topics: OutputNames::default(), format, source: "tideline".to_owned() };
    Emitter::new(rules, rule_version, output)
}

fn record_of(signal: &Announcement, format: OutputFormat) -> Outgoing {
    // What an earlier signal has left there must not show.
    let mut room = b"used".to_vec();
    emitter_of(&Rules::default(), "9f2c41d0", format).lend(signal, &mut room, |record| record.into())
}

fn emitter() -> Emitter {
    emitter_of(&Rules::default(), "9f2c41d0", OutputFormat::Json)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn tier_changed() -> Announcement {
    Announcement {
        user: UserId::new("u1").unwrap(),
        incarnation: 0,
        sequence: 3,
        time: at("2026-02-05T02:00:00Z"),
        reason: OutputReason::Behaviour,
        cause: Some(coordinates("app.events", 3, 8812)),
        kind: AnnouncementKind::TierChanged {
            previous: Some(Previous::Tier(Tier::rung(0))),
            current: Tier::rung(1),
            evidence: TierEvidence {
                days_since_last: Some(0),
                active_days_30: 4,
                active_days_90: 4,
                transactions_30: 5,
                transactions_90: 5,
                amount_30: 6000,
                amount_90: 6000,
                scenes_30: 1,
            },
        },
    }
}

fn dormancy_risk() -> Announcement {
    Announcement {
        sequence: 4,
        time: at("2026-03-09T04:08:00Z"),
        reason: OutputReason::Timer,
        cause: None,
        kind: AnnouncementKind::DormancyRisk {
            stage: Stage::AtRisk,
            previous_stage: Stage::Active,
            silent_since: Some(at("2026-03-01T02:00:00Z")),
            forecast: Some(Forecast { dormant_on: at("2026-05-30T02:00:00Z"), confidence: 0.7 }),
            evidence: SilenceEvidence { repeat_days: 10, age_days: 59, silent_days: Some(8.1) },
        },
        ..tier_changed()
    }
}

fn dormancy_cleared() -> Announcement {
    Announcement {
        sequence: 5,
        time: at("2026-04-28T02:00:00Z"),
        reason: OutputReason::Behaviour,
        cause: Some(coordinates("merchant.events", 3, 120)),
        kind: AnnouncementKind::DormancyCleared {
            stage: Stage::AtRisk,
            silent_since: Some(at("2026-03-01T02:00:00Z")),
            silent_days: Some(58.0),
        },
        ..tier_changed()
    }
}

fn json_of(signal: &Announcement) -> String {
    let mut out = Vec::new();
    emitter().write_json(signal, &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(signal: &Announcement) -> Value {
    serde_json::from_str(&json_of(signal)).unwrap()
}

const TIER_CHANGED: &str = concat!(
    r#"{"id":"820064167525be4a90c3dccf47efe95c","type":"tideline.tier_changed","time":"2026-02-05T02:00:00.000Z","user_id":"u1","sequence":3,"reason":"behaviour","rule_version":"9f2c41d0","#,
    r#""previous":"low","current":"regular","direction":"up","#,
    r#""evidence":{"days_since_last":0,"active_days_30":4,"active_days_90":4,"transactions_30":5,"transactions_90":5,"amount_30":6000,"amount_90":6000,"scenes_30":1},"#,
    r#""cause":{"topic":"app.events","partition":3,"offset":8812}}"#
);
const DORMANCY_RISK: &str = concat!(
    r#"{"id":"75251f3402870616baa8de84dd97fe44","type":"tideline.dormancy_risk","time":"2026-03-09T04:08:00.000Z","user_id":"u1","sequence":4,"reason":"timer","rule_version":"9f2c41d0","#,
    r#""stage":"at_risk","previous_stage":"active","silent_since":"2026-03-01T02:00:00.000Z","dormant_on":"2026-05-30T02:00:00.000Z","confidence":0.7,"model_version":"13aa","#,
    r#""evidence":{"repeat_days":10,"age_days":59,"silent_days":8.1}}"#
);
const DORMANCY_CLEARED: &str = concat!(
    r#"{"id":"bfffd400d4482005a895d57968750b91","type":"tideline.dormancy_cleared","time":"2026-04-28T02:00:00.000Z","user_id":"u1","sequence":5,"reason":"behaviour","rule_version":"9f2c41d0","#,
    r#""stage":"at_risk","silent_since":"2026-03-01T02:00:00.000Z","silent_days":58.0,"cause":{"topic":"merchant.events","partition":3,"offset":120}}"#
);

#[test]
fn the_worked_examples_come_out_byte_for_byte() {
    let all = [tier_changed(), dormancy_risk(), dormancy_cleared()].map(|signal| json_of(&signal));
    assert_eq!(all, [TIER_CHANGED, DORMANCY_RISK, DORMANCY_CLEARED]);
}

#[test]
fn what_is_not_known_is_null_and_a_cause_that_is_none_is_absent() {
    let first = Announcement {
        kind: AnnouncementKind::TierChanged { previous: None, current: Tier::NEW, evidence: TierEvidence::default() },
        cause: None,
        ..tier_changed()
    };
    let value = parsed(&first);
    assert_eq!(
        (&value["previous"], &value["current"], &value["direction"], value.get("cause")),
        (&Value::Null, &json!("new"), &Value::Null, None)
    );
    assert_eq!(value["evidence"]["days_since_last"], Value::Null);

    let golden = Announcement {
        kind: AnnouncementKind::DormancyRisk {
            stage: Stage::Lost,
            previous_stage: Stage::AtRisk,
            silent_since: None,
            forecast: None,
            evidence: SilenceEvidence { repeat_days: 0, age_days: 0, silent_days: None },
        },
        ..dormancy_risk()
    };
    let text = json_of(&golden);
    let nulls = r#""silent_since":null,"dormant_on":null,"confidence":null,"model_version":null,"evidence":{"repeat_days":0,"age_days":0,"silent_days":null}}"#;
    assert!(text.ends_with(nulls), "{text}");

    let activated = Announcement {
        kind: AnnouncementKind::DormancyCleared { stage: Stage::AtRisk, silent_since: None, silent_days: None },
        ..dormancy_cleared()
    };
    let text = json_of(&activated);
    assert!(text.contains(r#""stage":"at_risk","silent_since":null,"silent_days":null,"cause":"#), "{text}");
}

#[test]
fn the_direction_is_that_of_the_order_of_tiers() {
    let cases = [
        (Tier::INACTIVE, Tier::NEW, "up"),
        (Tier::NEW, Tier::rung(0), "up"),
        (Tier::rung(0), Tier::rung(3), "up"),
        (Tier::rung(3), Tier::rung(0), "down"),
        (Tier::rung(0), Tier::NEW, "down"),
        (Tier::NEW, Tier::INACTIVE, "down"),
    ];
    for (previous, current, direction) in cases {
        let kind = AnnouncementKind::TierChanged {
            previous: Some(Previous::Tier(previous)),
            current,
            evidence: TierEvidence::default(),
        };
        assert_eq!(
            parsed(&Announcement { kind, ..tier_changed() })["direction"],
            direction,
            "{previous:?} to {current:?}"
        );
    }
}

#[test]
fn a_tier_that_the_ladder_no_longer_has_keeps_its_name_and_gives_no_direction() {
    let kind = AnnouncementKind::TierChanged {
        previous: Some(Previous::Retired("gold".into())),
        current: Tier::rung(0),
        evidence: TierEvidence::default(),
    };
    let signal = Announcement { kind, ..tier_changed() };
    let value = parsed(&signal);
    assert_eq!((&value["previous"], &value["direction"]), (&json!("gold"), &Value::Null));
    let Some(schema::signal::Kind::TierChanged(changed)) = protobuf_of(&signal).kind else { panic!() };
    assert_eq!((changed.previous(), changed.direction()), ("gold", schema::Direction::Unspecified));
}

#[test]
fn an_amount_is_whole_in_json_and_the_nearest_that_fits_in_protobuf() {
    let beyond = i128::from(i64::MAX) + 1;
    for (amount, nearest) in [(beyond, i64::MAX), (-beyond, i64::MIN), (-beyond - 1, i64::MIN), (6000, 6000)] {
        let evidence = TierEvidence { amount_30: amount, amount_90: -amount, ..TierEvidence::default() };
        let kind = AnnouncementKind::TierChanged { previous: None, current: Tier::rung(0), evidence };
        let signal = Announcement { kind, ..tier_changed() };
        let text = json_of(&signal);
        assert!(text.contains(&format!(r#""amount_30":{amount},"amount_90":{},"#, -amount)), "{text}");
        let Some(schema::signal::Kind::TierChanged(changed)) = protobuf_of(&signal).kind else { panic!() };
        assert_eq!(changed.evidence.unwrap().amount_30, nearest);
    }
}

#[test]
fn every_reason_and_stage_has_its_name_in_json_and_in_protobuf() {
    for reason in OutputReason::ALL {
        let signal = Announcement { reason, ..tier_changed() };
        assert_eq!(parsed(&signal)["reason"], reason.as_str());
        let decoded = protobuf_of(&signal);
        assert_eq!(decoded.reason().as_str_name(), format!("REASON_{}", reason.as_str().to_uppercase()));
    }
    for stage in Stage::ALL {
        let kind = AnnouncementKind::DormancyCleared { stage, silent_since: None, silent_days: None };
        let signal = Announcement { kind, ..tier_changed() };
        assert_eq!(parsed(&signal)["stage"], stage.as_str());
        let Some(schema::signal::Kind::DormancyCleared(cleared)) = protobuf_of(&signal).kind else { panic!() };
        assert_eq!(cleared.stage().as_str_name(), format!("STAGE_{}", stage.as_str().to_uppercase()));
    }
}

#[test]
fn user_ids_and_topics_are_escaped() {
    let user = "a\"b\\c\n\r\t\u{1}\u{1f}\u{7f}é😀/";
    let signal = Announcement {
        user: UserId::new(user).unwrap(),
        cause: Some(coordinates("odd \"topic\"", 0, 0)),
        ..tier_changed()
    };
    let value = parsed(&signal);
    assert_eq!(value["user_id"], user);
    assert_eq!(value["cause"]["topic"], "odd \"topic\"");
}

#[test]
fn ids_differ_by_user_incarnation_sequence_time_type_and_rules() {
    let with = |user: &str, incarnation, sequence| Announcement {
        user: UserId::new(user).unwrap(),
        incarnation,
        sequence,
        ..tier_changed()
    };
    let signals =
        [with("u1", 0, 3), with("u1", 0, 4), with("u1", 3, 0), with("u13", 0, 0), with("u", 13, 0), with("u2", 0, 3)];
    let later = Announcement { time: tier_changed().time.plus_millis(1), ..tier_changed() };
    let others = ["dormancy_risk", "dormancy_cleared"].map(|name| {
        let of_type = if name == "dormancy_risk" { dormancy_risk() } else { dormancy_cleared() };
        Announcement { kind: of_type.kind, ..tier_changed() }
    });
    let signals: Vec<_> = signals.into_iter().chain([later]).chain(others).collect();
    let mut ids: Vec<_> = signals.iter().map(|signal| parsed(signal)["id"].clone()).collect();
    let mut out = Vec::new();
    emitter_of(&Rules::default(), "9f2c41d1", OutputFormat::Json).write_json(&signals[0], &mut out);
    ids.push(serde_json::from_slice::<Value>(&out).unwrap()["id"].clone());
    for (at, id) in ids.iter().enumerate() {
        assert!(id.as_str().is_some_and(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())), "{id}");
        assert!(!ids[at + 1..].contains(id), "{id} is there twice");
    }
    // Nothing else is in it: a signal that is found again elsewhere keeps its id.
    let elsewhere = Announcement { cause: None, reason: OutputReason::LateData, ..tier_changed() };
    assert_eq!(parsed(&elsewhere)["id"], parsed(&tier_changed())["id"]);
}

#[test]
fn the_model_version_stands_for_all_that_a_forecast_depends_on() {
    let version = |rules: &Rules| {
        let mut out = Vec::new();
        emitter_of(rules, "9f2c41d0", OutputFormat::Json).write_json(&dormancy_risk(), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()["model_version"].as_str().unwrap().to_owned()
    };
    let default = Rules::default();
    let model = default.model;
    let others = [
        Rules { model: Model { r: 0.5, ..model }, ..default.clone() },
        Rules { model: Model { alpha: 40.0, ..model }, ..default.clone() },
        Rules { model: Model { a: 0.9, ..model }, ..default.clone() },
        Rules { model: Model { b: 1.7, ..model }, ..default.clone() },
        Rules { confidence: 0.9, ..default.clone() },
        Rules { min_silence_days: 8.0, ..default.clone() },
        Rules { dormant_days: 60, ..default.clone() },
    ];
    for other in &others {
        assert_ne!(version(other), version(&default));
    }
    assert_eq!(version(&Rules { hold_days: 3, generation: 9, ..default.clone() }), version(&default));
}

#[test]
fn a_record_is_keyed_by_user_and_says_in_headers_what_it_is() {
    for (signal, topic, name) in [
        (tier_changed(), "tier-changes", "tideline.tier_changed"),
        (dormancy_risk(), "dormancy-risk", "tideline.dormancy_risk"),
        (dormancy_cleared(), "dormancy-risk", "tideline.dormancy_cleared"),
    ] {
        for (format, content_type) in
            [(OutputFormat::Json, "application/json"), (OutputFormat::Protobuf, "application/protobuf")]
        {
            let record = record_of(&signal, format);
            assert_eq!(&*record.topic, topic);
            assert_eq!((record.partition, record.key.as_deref()), (None, Some(&b"u1"[..])));
            assert_eq!(record.timestamp, None, "retention goes by the time of sending");
            let id = parsed(&signal)["id"].as_str().unwrap().to_owned();
            let time = signal.time.to_string();
            let expected = [
                ("ce_specversion", "1.0"),
                ("ce_id", &id),
                ("ce_source", "tideline"),
                ("ce_type", name),
                ("ce_time", &time),
                ("ce_subject", "u1"),
                ("content-type", content_type),
            ]
            .map(|(name, value)| text_header(name, value));
            assert_eq!(record.headers, expected);
            if format == OutputFormat::Json {
                assert_eq!(record.value.unwrap(), json_of(&signal).into_bytes());
            }
        }
    }
}

fn protobuf_of(signal: &Announcement) -> schema::Signal {
    let record = record_of(signal, OutputFormat::Protobuf);
    schema::Signal::decode(record.value.unwrap().as_slice()).unwrap()
}

/// All that the protobuf says, as the JSON says it. Each message is taken apart by name: a field that is added must
/// be added here.
fn json_of_protobuf(signal: schema::Signal) -> Value {
    use schema::signal::Kind;
    let time = |ms: Option<i64>| ms.map(|ms| Timestamp::of_millis(ms).to_string());
    let stage =
        |stage: i32| schema::Stage::try_from(stage).unwrap().as_str_name().trim_start_matches("STAGE_").to_lowercase();
    let schema::Signal { id, time_ms, user_id, sequence, reason, rule_version, cause, kind } = signal;
    let reason = schema::Reason::try_from(reason).unwrap().as_str_name().trim_start_matches("REASON_").to_lowercase();
    let mut all = json!({
        "id": id, "time": time(Some(time_ms)), "user_id": user_id, "sequence": sequence, "reason": reason,
        "rule_version": rule_version,
    });
    if let Some(schema::Cause { topic, partition, offset }) = cause {
        all["cause"] = json!({"topic": topic, "partition": partition, "offset": offset});
    }
    let body = match kind.unwrap() {
        Kind::TierChanged(schema::TierChanged { previous, current, direction, evidence }) => {
            let schema::TierEvidence {
                days_since_last,
                active_days_30,
                active_days_90,
                transactions_30,
                transactions_90,
                amount_30,
                amount_90,
                scenes_30,
            } = evidence.unwrap();
            let direction = match schema::Direction::try_from(direction).unwrap() {
                schema::Direction::Unspecified => None,
                schema::Direction::Up => Some("up"),
                schema::Direction::Down => Some("down"),
            };
            json!({"type": "tideline.tier_changed", "previous": previous, "current": current, "direction": direction,
            "evidence": {
                "days_since_last": days_since_last,
                "active_days_30": active_days_30, "active_days_90": active_days_90,
                "transactions_30": transactions_30, "transactions_90": transactions_90,
                "amount_30": amount_30, "amount_90": amount_90, "scenes_30": scenes_30,
            }})
        }
        Kind::DormancyRisk(risk) => {
            let schema::DormancyRisk {
                stage: now,
                previous_stage,
                silent_since_ms,
                dormant_on_ms,
                confidence,
                model_version,
                evidence,
            } = risk;
            let schema::SilenceEvidence { repeat_days, age_days, silent_days } = evidence.unwrap();
            json!({"type": "tideline.dormancy_risk", "stage": stage(now), "previous_stage": stage(previous_stage),
                "silent_since": time(silent_since_ms), "dormant_on": time(dormant_on_ms), "confidence": confidence,
                "model_version": model_version,
                "evidence": {"repeat_days": repeat_days, "age_days": age_days, "silent_days": silent_days}})
        }
        Kind::DormancyCleared(schema::DormancyCleared { stage: reached, silent_since_ms, silent_days }) => {
            json!({"type": "tideline.dormancy_cleared", "stage": stage(reached), "silent_since": time(silent_since_ms),
                "silent_days": silent_days})
        }
    };
    all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    all
}

fn kinds() -> impl Strategy<Value = AnnouncementKind> {
    let time = || (0..4_000_000_000_000i64).prop_map(Timestamp::of_millis);
    let days = || (0..10_000i32).prop_map(|tenths| f64::from(tenths) / 10.0);
    let stage = || prop::sample::select(Stage::ALL.to_vec());
    let previous = prop_oneof![
        (0..7u8).prop_map(|tier| Previous::Tier(Tier(tier))),
        "[^\"\\\\]{1,9}".prop_map(|name| Previous::Retired(name.into())),
    ];
    let sums = (any::<u32>(), any::<u32>(), any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>(), any::<u32>());
    let evidence = (prop::option::of(any::<i32>()), sums).prop_map(|(days_since_last, sums)| TierEvidence {
        days_since_last,
        active_days_30: sums.0,
        active_days_90: sums.1,
        transactions_30: sums.2,
        transactions_90: sums.3,
        amount_30: sums.4.into(),
        amount_90: sums.5.into(),
        scenes_30: sums.6,
    });
    let none = Just(TierEvidence::default());
    let tier =
        (prop::option::of(previous), 0..7u8, prop_oneof![evidence, none]).prop_map(|(previous, tier, evidence)| {
            AnnouncementKind::TierChanged { previous, current: Tier(tier), evidence }
        });
    let confidence = (1..10_000u32).prop_map(|parts| f64::from(parts) / 10_000.0);
    let forecast = (time(), confidence).prop_map(|(dormant_on, confidence)| Forecast { dormant_on, confidence });
    let silence = (any::<u32>(), any::<u32>(), prop::option::of(days()))
        .prop_map(|(repeat_days, age_days, silent_days)| SilenceEvidence { repeat_days, age_days, silent_days });
    let risk = (stage(), stage(), prop::option::of(time()), prop::option::of(forecast), silence).prop_map(
        |(stage, previous_stage, silent_since, forecast, evidence)| AnnouncementKind::DormancyRisk {
            stage,
            previous_stage,
            silent_since,
            forecast,
            evidence,
        },
    );
    let cleared =
        (stage(), prop::option::of(time()), prop::option::of(days())).prop_map(|(stage, silent_since, silent_days)| {
            AnnouncementKind::DormancyCleared { stage, silent_since, silent_days }
        });
    prop_oneof![tier, risk, cleared]
}

#[test]
fn the_worked_examples_say_the_same_in_both_forms() {
    for announcement in [tier_changed(), dormancy_risk(), dormancy_cleared()] {
        assert_eq!(json_of_protobuf(protobuf_of(&announcement)), parsed(&announcement));
    }
}

proptest! {
    #[test]
    fn protobuf_says_the_same_as_json_whole_and_in_canonical_bytes(
        kind in kinds(),
        sequence in any::<u64>(),
        (time, reason) in (0..4_000_000_000_000i64, prop::sample::select(OutputReason::ALL.to_vec())),
        cause in prop::option::of((0..9i32, 0..i64::MAX)),
    ) {
        let announcement = Announcement {
            kind,
            sequence,
            reason,
            time: Timestamp::of_millis(time),
            cause: cause.map(|(partition, offset)| coordinates("app.events", partition, offset)),
            ..tier_changed()
        };
        let bytes = record_of(&announcement, OutputFormat::Protobuf).value.unwrap();
        let decoded = schema::Signal::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(decoded.encode_to_vec(), bytes, "as any encoder of the schema writes it");
        prop_assert_eq!(json_of_protobuf(decoded), parsed(&announcement));
    }
}

#[test]
fn a_line_is_the_topic_and_then_the_members_of_the_value() {
    let mut out = Vec::new();
    emitter().write_line(&tier_changed(), &mut out);
    emitter().write_line(&dormancy_risk(), &mut out);
    let expected = format!(
        "{{\"topic\":\"tier-changes\",{}\n{{\"topic\":\"dormancy-risk\",{}\n",
        &json_of(&tier_changed())[1..],
        &json_of(&dormancy_risk())[1..]
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
