//! A signal as the protobuf of `proto/signals/v1`.

use prost::Message as _;

use super::{Emitter, Name, direction};
use crate::domain::Timestamp;
use crate::engine::{self, AnnouncementKind, SilenceEvidence, TierEvidence};

/// The generated types of `proto/signals/v1`, for whoever reads signals.
pub mod schema {
    include!(concat!(env!("OUT_DIR"), "/tideline.signals.v1.rs"));
}

impl Emitter {
    /// Appends the signal's protobuf.
    pub(super) fn write_protobuf(&self, signal: &engine::Announcement, name: &Name, out: &mut Vec<u8>) {
        let signal = schema::Signal {
            id: name.id.as_str().to_owned(),
            time_ms: signal.time.millis(),
            user_id: signal.user.as_str().to_owned(),
            sequence: signal.sequence,
            reason: reason(signal.reason).into(),
            rule_version: self.rule_version.clone(),
            cause: signal.cause.as_ref().map(|cause| schema::Cause {
                topic: cause.topic.as_ref().to_owned(),
                partition: cause.partition.0,
                offset: cause.offset,
            }),
            kind: Some(self.kind(&signal.kind)),
        };
        let written = signal.encode(out);
        debug_assert!(written.is_ok(), "writing to a vector");
    }

    fn kind(&self, kind: &AnnouncementKind) -> schema::signal::Kind {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::millis);
        match kind {
            AnnouncementKind::TierChanged { previous, current, evidence } => {
                schema::signal::Kind::TierChanged(schema::TierChanged {
                    previous: previous.as_ref().map(|previous| self.previous(previous).to_owned()),
                    current: self.tier(*current).to_owned(),
                    direction: match direction(previous.as_ref(), *current) {
                        None => schema::Direction::Unspecified,
                        Some("up") => schema::Direction::Up,
                        Some(_) => schema::Direction::Down,
                    }
                    .into(),
                    evidence: Some(tier_evidence(evidence)),
                })
            }
            AnnouncementKind::DormancyRisk { stage: now, previous_stage, silent_since, forecast, evidence } => {
                schema::signal::Kind::DormancyRisk(schema::DormancyRisk {
                    stage: stage(*now).into(),
                    previous_stage: stage(*previous_stage).into(),
                    silent_since_ms: millis(*silent_since),
                    dormant_on_ms: forecast.map(|forecast| forecast.dormant_on.millis()),
                    confidence: forecast.map(|forecast| forecast.confidence),
                    model_version: forecast.map(|_| self.model_version.clone()),
                    evidence: Some(silence_evidence(evidence)),
                })
            }
            AnnouncementKind::DormancyCleared { stage: reached, silent_since, silent_days } => {
                schema::signal::Kind::DormancyCleared(schema::DormancyCleared {
                    stage: stage(*reached).into(),
                    silent_since_ms: millis(*silent_since),
                    silent_days: *silent_days,
                })
            }
        }
    }
}

fn tier_evidence(evidence: &TierEvidence) -> schema::TierEvidence {
    schema::TierEvidence {
        days_since_last: evidence.days_since_last,
        active_days_30: evidence.active_days_30,
        active_days_90: evidence.active_days_90,
        transactions_30: evidence.transactions_30,
        transactions_90: evidence.transactions_90,
        amount_30: nearest(evidence.amount_30),
        amount_90: nearest(evidence.amount_90),
        scenes_30: evidence.scenes_30,
    }
}

/// The nearest number that an int64 holds.
fn nearest(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

fn silence_evidence(evidence: &SilenceEvidence) -> schema::SilenceEvidence {
    schema::SilenceEvidence {
        repeat_days: evidence.repeat_days,
        age_days: evidence.age_days,
        silent_days: evidence.silent_days,
    }
}

const fn reason(reason: engine::OutputReason) -> schema::Reason {
    match reason {
        engine::OutputReason::Behaviour => schema::Reason::Behaviour,
        engine::OutputReason::Timer => schema::Reason::Timer,
        engine::OutputReason::Calendar => schema::Reason::Calendar,
        engine::OutputReason::Correction => schema::Reason::Correction,
        engine::OutputReason::LateData => schema::Reason::LateData,
        engine::OutputReason::RuleChange => schema::Reason::RuleChange,
    }
}

const fn stage(stage: crate::domain::Stage) -> schema::Stage {
    use crate::domain::Stage;
    match stage {
        Stage::Active => schema::Stage::Active,
        Stage::AtRisk => schema::Stage::AtRisk,
        Stage::Dormant => schema::Stage::Dormant,
        Stage::Lost => schema::Stage::Lost,
    }
}
