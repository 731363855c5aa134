//! What an announcement says, member by member: the envelope that all have in common, and the body of each type.

use super::members::{Code, MemberWriter, member};
use super::protobuf::codes;
use super::{Emitter, Name, OutputType};
use crate::domain::Tier;
use crate::engine::{Announcement, AnnouncementKind, Forecast, Previous, SilenceEvidence, TierEvidence};
use crate::record::Coordinates;

impl Emitter {
    /// All members of an announcement.
    pub(super) fn describe<M: MemberWriter>(&self, announcement: &Announcement, name: &Name, out: &mut M) {
        let Announcement { user, incarnation: _, sequence, time, reason, cause, kind } = announcement;
        let output_type = OutputType::of(kind);
        out.plain(member!(1, "id"), &name.id);
        out.type_name(output_type);
        out.time(member!(2, "time"), *time, &name.time);
        out.text(member!(3, "user_id"), user.as_str());
        out.number(member!(4, "sequence"), *sequence);
        out.code(member!(5, "reason"), codes::reason(*reason));
        out.text(member!(6, "rule_version"), &self.rule_version);
        let at = |out: &mut M| {
            if let Some(cause) = cause {
                out.object(member!(7, "cause"), |out| coordinates(cause, out));
            }
        };
        // Where it stands in the JSON is older than its number.
        if M::BY_TAG {
            at(out);
        }
        out.body(output_type, |out| self.describe_kind(kind, out));
        if !M::BY_TAG {
            at(out);
        }
    }

    fn describe_kind(&self, kind: &AnnouncementKind, out: &mut impl MemberWriter) {
        match kind {
            AnnouncementKind::TierChanged { previous, current, evidence } => {
                out.optional_text(member!(1, "previous"), previous.as_ref().map(|previous| self.previous(previous)));
                out.text(member!(2, "current"), self.tier(*current));
                out.code(member!(3, "direction"), direction(previous.as_ref(), *current));
                out.object(member!(4, "evidence"), |out| tier_evidence(evidence, out));
            }
            AnnouncementKind::DormancyRisk { stage, previous_stage, silent_since, forecast, evidence } => {
                out.code(member!(1, "stage"), codes::stage(*stage));
                out.code(member!(2, "previous_stage"), codes::stage(*previous_stage));
                out.optional_time(member!(3, "silent_since"), *silent_since);
                let promised = forecast.map(|Forecast { dormant_on, confidence }| (dormant_on, confidence));
                out.optional_time(member!(4, "dormant_on"), promised.map(|(dormant_on, _)| dormant_on));
                out.real(member!(5, "confidence"), promised.map(|(_, confidence)| confidence));
                out.optional_text(member!(6, "model_version"), forecast.map(|_| self.model_version.as_str()));
                out.object(member!(7, "evidence"), |out| silence_evidence(evidence, out));
            }
            AnnouncementKind::DormancyCleared { stage, silent_since, silent_days } => {
                out.code(member!(1, "stage"), codes::stage(*stage));
                out.optional_time(member!(2, "silent_since"), *silent_since);
                out.days(member!(3, "silent_days"), *silent_days);
            }
        }
    }
}

fn tier_evidence(evidence: &TierEvidence, out: &mut impl MemberWriter) {
    // By name, so that none can be forgotten.
    let TierEvidence {
        days_since_last,
        active_days_30,
        active_days_90,
        transactions_30,
        transactions_90,
        amount_30,
        amount_90,
        scenes_30,
    } = *evidence;
    out.optional_number(member!(1, "days_since_last"), days_since_last);
    out.number(member!(2, "active_days_30"), active_days_30);
    out.number(member!(3, "active_days_90"), active_days_90);
    out.number(member!(4, "transactions_30"), transactions_30);
    out.number(member!(5, "transactions_90"), transactions_90);
    out.amount(member!(6, "amount_30"), amount_30);
    out.amount(member!(7, "amount_90"), amount_90);
    out.number(member!(8, "scenes_30"), scenes_30);
}

fn silence_evidence(evidence: &SilenceEvidence, out: &mut impl MemberWriter) {
    let SilenceEvidence { repeat_days, age_days, silent_days } = *evidence;
    out.number(member!(1, "repeat_days"), repeat_days);
    out.number(member!(2, "age_days"), age_days);
    out.days(member!(3, "silent_days"), silent_days);
}

/// Where a record stood.
pub(super) fn coordinates(at: &Coordinates, out: &mut impl MemberWriter) {
    out.text(member!(1, "topic"), &at.topic);
    out.number(member!(2, "partition"), at.partition.0);
    out.number(member!(3, "offset"), at.offset);
}

/// Which way a tier went on the present ladder; none where nothing was announced before, or what the ladder no longer
/// has.
const fn direction(previous: Option<&Previous>, current: Tier) -> Code {
    match previous {
        None | Some(Previous::Retired(_)) => codes::NO_DIRECTION,
        Some(Previous::Tier(previous)) if previous.0 < current.0 => codes::UP,
        Some(Previous::Tier(_)) => codes::DOWN,
    }
}
