//! A signal as one JSON object, its members in the order of the output contract. Nothing is allocated but the output.

use std::fmt::Display;
use std::io::Write as _;

use super::{Emitter, direction, type_name};
use crate::domain::Timestamp;
use crate::engine::{Signal, SignalKind, SilenceEvidence, TierEvidence};
use crate::record::Coordinates;

/// Room for a signal without growing.
pub(super) const TYPICAL_BYTES: usize = 640;

impl Emitter {
    /// Appends the signal's JSON object.
    pub fn write_json(&self, signal: &Signal, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(signal, out);
        out.push(b'}');
    }

    /// Appends the members without the braces.
    pub(super) fn write_members(&self, signal: &Signal, out: &mut Vec<u8>) {
        put(out, format_args!(r#""id":"{}","#, self.id(signal)));
        put(out, format_args!(r#""type":"{}","time":"{}","user_id":"#, type_name(&signal.kind), signal.time));
        text(out, signal.user.as_str());
        put(
            out,
            format_args!(r#","sequence":{},"reason":"{}","rule_version":"#, signal.sequence, signal.reason.as_str()),
        );
        text(out, &self.rule_version);
        self.write_kind(&signal.kind, out);
        if let Some(cause) = &signal.cause {
            out.extend_from_slice(br#","cause":"#);
            coordinates(out, cause);
        }
    }

    fn write_kind(&self, kind: &SignalKind, out: &mut Vec<u8>) {
        match kind {
            SignalKind::TierChanged { previous, current, evidence } => {
                out.extend_from_slice(br#","previous":"#);
                optional_text(out, previous.map(|previous| self.tier(previous)));
                out.extend_from_slice(br#","current":"#);
                text(out, self.tier(*current));
                out.extend_from_slice(br#","direction":"#);
                optional_text(out, direction(*previous, *current));
                tier_evidence(out, evidence);
            }
            SignalKind::DormancyRisk { stage, previous_stage, silent_since, forecast, evidence } => {
                put(
                    out,
                    format_args!(r#","stage":"{}","previous_stage":"{}""#, stage.as_str(), previous_stage.as_str()),
                );
                time_member(out, "silent_since", *silent_since);
                time_member(out, "dormant_on", forecast.map(|forecast| forecast.dormant_on));
                number_member(out, "confidence", forecast.and_then(|forecast| finite(forecast.confidence)));
                out.extend_from_slice(br#","model_version":"#);
                optional_text(out, forecast.map(|_| self.model_version.as_str()));
                silence_evidence(out, evidence);
            }
            SignalKind::DormancyCleared { stage, silent_since, silent_days } => {
                put(out, format_args!(r#","stage":"{}""#, stage.as_str()));
                time_member(out, "silent_since", *silent_since);
                number_member(out, "silent_days", silent_days.and_then(one_decimal));
            }
        }
    }
}

fn tier_evidence(out: &mut Vec<u8>, evidence: &TierEvidence) {
    out.extend_from_slice(br#","evidence":{"days_since_last":"#);
    match evidence.days_since_last {
        Some(days) => put(out, format_args!("{days}")),
        None => out.extend_from_slice(b"null"),
    }
    number_member(out, "active_days_30", Some(evidence.active_days_30));
    number_member(out, "active_days_90", Some(evidence.active_days_90));
    number_member(out, "transactions_30", Some(evidence.transactions_30));
    number_member(out, "transactions_90", Some(evidence.transactions_90));
    number_member(out, "amount_30", Some(evidence.amount_30));
    number_member(out, "amount_90", Some(evidence.amount_90));
    number_member(out, "scenes_30", Some(evidence.scenes_30));
    out.push(b'}');
}

fn silence_evidence(out: &mut Vec<u8>, evidence: &SilenceEvidence) {
    let SilenceEvidence { repeat_days, age_days, silent_days } = evidence;
    put(out, format_args!(r#","evidence":{{"repeat_days":{repeat_days},"age_days":{age_days}"#));
    number_member(out, "silent_days", silent_days.and_then(one_decimal));
    out.push(b'}');
}

/// Appends `{"topic":…,"partition":…,"offset":…}`.
pub(super) fn coordinates(out: &mut Vec<u8>, at: &Coordinates) {
    out.extend_from_slice(br#"{"topic":"#);
    text(out, &at.topic);
    put(out, format_args!(r#","partition":{},"offset":{}}}"#, at.partition, at.offset));
}

fn time_member(out: &mut Vec<u8>, name: &str, time: Option<Timestamp>) {
    match time {
        Some(time) => put(out, format_args!(r#","{name}":"{time}""#)),
        None => put(out, format_args!(r#","{name}":null"#)),
    }
}

fn number_member(out: &mut Vec<u8>, name: &str, number: Option<impl Display>) {
    match number {
        Some(number) => put(out, format_args!(r#","{name}":{number}"#)),
        None => put(out, format_args!(r#","{name}":null"#)),
    }
}

/// JSON has no other numbers.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// A number shown with one decimal, also where that is a zero.
fn one_decimal(number: f64) -> Option<impl Display> {
    struct OneDecimal(f64);
    impl Display for OneDecimal {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:.1}", self.0)
        }
    }
    finite(number).map(OneDecimal)
}

fn optional_text(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a JSON text with its quotes, escaping what JSON wants escaped.
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        match from[0] {
            special @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => put(out, format_args!("\\u{control:04x}")),
        }
        rest = &from[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends formatted text. Writing to a vector can't fail: it grows.
pub(super) fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(arguments);
    debug_assert!(written.is_ok(), "writing to a vector");
}
