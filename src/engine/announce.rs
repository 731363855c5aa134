//! From a user's history to what must be said about it: the difference between what was announced and what is true.

use std::sync::Arc;

use super::effect::{Announcement, AnnouncementKind, Effect, OutputReason, Previous};
use super::evidence::{Forecast, SilenceEvidence, TierEvidence, days_between};
use crate::domain::{Day, Stage, Tier, Timestamp, UserId};
use crate::record::Coordinates;
use crate::rules::Ruleset;
use crate::rules::dormancy::next_stage;
use crate::rules::tier::tier_on;
use crate::state::{User, UserDeadline};

/// Announces about one user, at one instant.
pub(super) struct Announcer<'a> {
    pub rules: &'a Ruleset,
    pub user: &'a mut User,
    pub id: UserId,
    /// When what is announced became true.
    pub time: Timestamp,
    /// The event at which it was found.
    pub cause: Option<&'a Coordinates>,
    /// The name of the announced tier, if the ladder no longer has it.
    pub retired: Option<Arc<str>>,
    /// What is announced is folded in silence, and uses no sequence.
    pub silent: bool,
    pub effects: &'a mut Vec<Effect>,
}

impl Announcer<'_> {
    /// Evaluates the tier as of `day`; announces it if it isn't the announced one. `reason` is asked with (from, to).
    pub fn tier(&mut self, day: Day, reason: impl FnOnce(Tier, Tier) -> OutputReason) {
        let now = tier_on(&self.user.facts.history, self.user.facts.registered.at(), day, self.rules);
        self.user.deadlines.set(UserDeadline::Tier, now.until);
        let before = self.user.announced_tier();
        if now.tier == before {
            return;
        }
        let kind = AnnouncementKind::TierChanged {
            previous: self
                .user
                .announced
                .map(|tier| self.retired.take().map_or(Previous::Tier(tier), Previous::Retired)),
            current: now.tier,
            evidence: TierEvidence::of(self.user, day, self.rules),
        };
        self.user.announced = Some(now.tier);
        self.announce(reason(before, now.tier), kind);
    }

    /// Plans the next stage's deadline; returns when it is due and which stage it is.
    pub fn plan_stage(&mut self) -> Option<(Timestamp, Stage)> {
        let next = next_stage(self.user, self.rules);
        self.user.deadlines.set(UserDeadline::Stage, next.map(|(due, _)| due));
        next
    }

    /// Plans the next stage, and announces those that are due up to `until`.
    pub fn stages_due(&mut self, until: Timestamp, reason: OutputReason) {
        let mut next = self.plan_stage();
        // Stages only go on, and there are three of them: this ends.
        while let Some((_, stage)) = next.filter(|(due, stage)| *due <= until && *stage > self.user.stage) {
            next = self.stage(stage, reason);
        }
    }

    /// Announces a stage, and plans the next as [`Self::plan_stage`] does.
    pub fn stage(&mut self, stage: Stage, reason: OutputReason) -> Option<(Timestamp, Stage)> {
        let last = self.user.facts.history.last_activity();
        let previous_stage = std::mem::replace(&mut self.user.stage, stage);
        let next = self.plan_stage();
        let forecast = match (stage, last, next) {
            (Stage::AtRisk, Some(_), Some((dormant_on, _))) => {
                Some(Forecast { dormant_on, confidence: self.rules.confidence() })
            }
            _ => None,
        };
        let kind = AnnouncementKind::DormancyRisk {
            stage,
            previous_stage,
            silent_since: last,
            forecast,
            evidence: SilenceEvidence::of(self.user, self.time, self.rules),
        };
        self.announce(reason, kind);
        next
    }

    /// Ends the episode of a silence since `silent_since`.
    pub fn cleared(&mut self, silent_since: Option<Timestamp>, reason: OutputReason) {
        let stage = std::mem::take(&mut self.user.stage);
        let silent_days = silent_since.map(|since| days_between(since, self.time));
        self.announce(reason, AnnouncementKind::DormancyCleared { stage, silent_since, silent_days });
    }

    fn announce(&mut self, reason: OutputReason, kind: AnnouncementKind) {
        if self.silent {
            return;
        }
        self.user.sequence = self.user.sequence.saturating_add(1);
        self.effects.push(Effect::Announce(Announcement {
            user: self.id,
            incarnation: self.user.incarnation,
            sequence: self.user.sequence,
            time: self.time,
            reason,
            cause: self.cause.cloned(),
            kind,
        }));
    }
}
