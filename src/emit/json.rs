//! A signal as one JSON object, its members in the order of the output contract. Nothing is allocated but the output.

use std::io::Write as _;

use super::{Emitter, Name, OutputType, direction};
use crate::domain::Timestamp;
use crate::engine::{Announcement, AnnouncementKind, SilenceEvidence, TierEvidence};
use crate::record::Coordinates;

impl Emitter {
    /// Appends the signal's JSON object.
    pub fn write_json(&self, signal: &Announcement, out: &mut Vec<u8>) {
        self.write_object(signal, &self.name(signal), out);
    }

    pub(super) fn write_object(&self, signal: &Announcement, name: &Name, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(signal, name, out);
        out.push(b'}');
    }

    /// Appends the members without the braces.
    pub(super) fn write_members(&self, signal: &Announcement, name: &Name, out: &mut Vec<u8>) {
        raw(out, r#""id":""#);
        raw(out, &name.id);
        raw(out, r#"","type":""#);
        raw(out, OutputType::of(&signal.kind).name());
        raw(out, r#"","time":""#);
        raw(out, &name.time);
        raw(out, r#"","user_id":"#);
        text(out, signal.user.as_str());
        number_member(out, r#","sequence":"#, Some(signal.sequence));
        code_member(out, r#","reason":"#, signal.reason.as_str());
        raw(out, r#","rule_version":"#);
        text(out, &self.rule_version);
        self.write_kind(&signal.kind, out);
        if let Some(cause) = &signal.cause {
            raw(out, r#","cause":"#);
            coordinates(out, cause);
        }
    }

    fn write_kind(&self, kind: &AnnouncementKind, out: &mut Vec<u8>) {
        match kind {
            AnnouncementKind::TierChanged { previous, current, evidence } => {
                raw(out, r#","previous":"#);
                optional_text(out, previous.as_ref().map(|previous| self.previous(previous)));
                raw(out, r#","current":"#);
                text(out, self.tier(*current));
                raw(out, r#","direction":"#);
                optional_text(out, direction(previous.as_ref(), *current));
                tier_evidence(out, evidence);
            }
            AnnouncementKind::DormancyRisk { stage, previous_stage, silent_since, forecast, evidence } => {
                code_member(out, r#","stage":"#, stage.as_str());
                code_member(out, r#","previous_stage":"#, previous_stage.as_str());
                time_member(out, r#","silent_since":"#, *silent_since);
                time_member(out, r#","dormant_on":"#, forecast.map(|forecast| forecast.dormant_on));
                raw(out, r#","confidence":"#);
                match forecast.map(|forecast| forecast.confidence).filter(|number| number.is_finite()) {
                    Some(confidence) => put(out, format_args!("{confidence}")),
                    None => raw(out, "null"),
                }
                raw(out, r#","model_version":"#);
                optional_text(out, forecast.map(|_| self.model_version.as_str()));
                silence_evidence(out, evidence);
            }
            AnnouncementKind::DormancyCleared { stage, silent_since, silent_days } => {
                code_member(out, r#","stage":"#, stage.as_str());
                time_member(out, r#","silent_since":"#, *silent_since);
                days_member(out, r#","silent_days":"#, *silent_days);
            }
        }
    }
}

fn tier_evidence(out: &mut Vec<u8>, evidence: &TierEvidence) {
    raw(out, r#","evidence":{"days_since_last":"#);
    number(out, evidence.days_since_last);
    number_member(out, r#","active_days_30":"#, Some(evidence.active_days_30));
    number_member(out, r#","active_days_90":"#, Some(evidence.active_days_90));
    number_member(out, r#","transactions_30":"#, Some(evidence.transactions_30));
    number_member(out, r#","transactions_90":"#, Some(evidence.transactions_90));
    amount_member(out, r#","amount_30":"#, evidence.amount_30);
    amount_member(out, r#","amount_90":"#, evidence.amount_90);
    number_member(out, r#","scenes_30":"#, Some(evidence.scenes_30));
    out.push(b'}');
}

fn silence_evidence(out: &mut Vec<u8>, evidence: &SilenceEvidence) {
    raw(out, r#","evidence":{"repeat_days":"#);
    number(out, Some(evidence.repeat_days));
    number_member(out, r#","age_days":"#, Some(evidence.age_days));
    days_member(out, r#","silent_days":"#, evidence.silent_days);
    out.push(b'}');
}

/// Appends `{"topic":…,"partition":…,"offset":…}`.
pub(super) fn coordinates(out: &mut Vec<u8>, at: &Coordinates) {
    raw(out, r#"{"topic":"#);
    text(out, &at.topic);
    number_member(out, r#","partition":"#, Some(at.partition.0));
    number_member(out, r#","offset":"#, Some(at.offset));
    out.push(b'}');
}

// Of a member `name` is what stands before its value: comma, quotes and colon, too.

fn time_member(out: &mut Vec<u8>, name: &str, time: Option<Timestamp>) {
    match time {
        Some(time) => code_member(out, name, &time.text()),
        None => {
            raw(out, name);
            raw(out, "null");
        }
    }
}

/// Days with one decimal, also where that is a zero. JSON has no numbers that aren't finite.
fn days_member(out: &mut Vec<u8>, name: &str, days: Option<f64>) {
    raw(out, name);
    match days.filter(|days| days.is_finite()) {
        Some(days) => put(out, format_args!("{days:.1}")),
        None => raw(out, "null"),
    }
}

fn number_member(out: &mut Vec<u8>, name: &str, value: Option<impl itoa::Integer>) {
    raw(out, name);
    number(out, value);
}

/// A whole number, however long. Nearly all have 64 bits, which are written sooner.
fn amount_member(out: &mut Vec<u8>, name: &str, amount: i128) {
    match i64::try_from(amount) {
        Ok(amount) => number_member(out, name, Some(amount)),
        Err(_) => number_member(out, name, Some(amount)),
    }
}

/// A member whose text has nothing to escape.
fn code_member(out: &mut Vec<u8>, name: &str, code: &str) {
    raw(out, name);
    out.push(b'"');
    raw(out, code);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, value: Option<impl itoa::Integer>) {
    match value {
        Some(value) => raw(out, itoa::Buffer::new().format(value)),
        None => raw(out, "null"),
    }
}

fn optional_text(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => raw(out, "null"),
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

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends formatted text. Writing to a vector can't fail: it grows.
pub(super) fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(arguments);
    debug_assert!(written.is_ok(), "writing to a vector");
}
