//! When a silence becomes a warning, and when a fact.

use super::{Model, Ruleset, golden};
use crate::domain::{DAY_MS, MINUTE_MS, Stage, Timestamp};
use crate::state::{Loan, User};

/// The next stage of a user's silence after the one announced, and when it is due if nothing else happens.
pub fn next_stage(user: &User, rules: &Ruleset) -> Option<(Timestamp, Stage)> {
    let Some(last) = user.facts.history.last_activity() else {
        return golden::next_stage(user.facts.registered.at().or(user.facts.first_seen.at())?, user.stage, rules);
    };
    let waits_until = borrower_waits_until(user, last, rules);
    let after = |days: u32| last.plus_millis(i64::from(days) * DAY_MS).max(waits_until.unwrap_or(last));
    let (dormant, lost) = (after(rules.dormant_days()), after(rules.lost_days()));
    if user.stage < Stage::AtRisk {
        let at_risk = risk_due(last, &Silence::of(user, last, rules), rules).max(waits_until.unwrap_or(last));
        if at_risk < dormant {
            return Some((at_risk, Stage::AtRisk));
        }
    }
    // Stages that fall on one instant give the last of them.
    if user.stage < Stage::Dormant && dormant < lost {
        Some((dormant, Stage::Dormant))
    } else if user.stage < Stage::Lost {
        Some((lost, Stage::Lost))
    } else {
        None
    }
}

/// What the model knows of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// x: active days ever, less the first.
    pub repeat_days: u32,
    /// t_x: days from the first active day to the last.
    pub age_days: u32,
}

impl Silence {
    /// Of a silence that began with `last`, the user's last key activity.
    pub fn of(user: &User, last: Timestamp, rules: &Ruleset) -> Self {
        let age = user.facts.history.first_day().map_or(0, |first| rules.zone().day(last).since(first));
        Self { repeat_days: user.facts.history.active_days().saturating_sub(1), age_days: age.max(0) as u32 }
    }
}

/// The earliest open due date later than L, and the grace after it.
fn borrower_waits_until(user: &User, last: Timestamp, rules: &Ruleset) -> Option<Timestamp> {
    let due = user.facts.loans.iter().filter_map(Loan::open_due).filter(|due| *due > last).min()?;
    Some(due.plus_millis(i64::from(rules.due_grace_days()) * DAY_MS))
}

/// `L + max(t*, min_silence)`, rounded up to the whole minute.
fn risk_due(last: Timestamp, silence: &Silence, rules: &Ruleset) -> Timestamp {
    let t_star = rules.model().sure_after(silence, rules.confidence(), f64::from(rules.dormant_days()));
    let days = t_star.max(rules.min_silence_days());
    // A float beyond all times becomes the last one: such a warning is never due.
    let millis = libm::ceil(last.millis() as f64 + days * DAY_MS as f64) as i64;
    Timestamp::of_millis(millis.saturating_add(MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS)
}

impl Model {
    /// t*, in days: how long a silence must have lasted for the model to be `confidence` sure that it will last
    /// `dormant_days`. Below 0 where it is sure from the start.
    ///
    /// Of P(silent to D | silent for t) = 1 − (1 − u/K) / (1 + c·u), with u = ((α+t_x+t)/(α+t_x))^n, K =
    /// ((α+t_x+D)/(α+t_x))^n, c = a/(b+x), n = r+x, solved for t. MBG/NBD: Batislam, Denizel, Filiztekin 2007; Fader,
    /// Hardie, Lee 2005.
    pub fn sure_after(&self, silence: &Silence, confidence: f64, dormant_days: f64) -> f64 {
        let x = f64::from(silence.repeat_days);
        let n = self.r + x;
        let c = self.a / (self.b + x);
        let base = self.alpha + f64::from(silence.age_days);
        let k = libm::pow((base + dormant_days) / base, n);
        let u = confidence / (1.0 / k + (1.0 - confidence) * c);
        base * (libm::pow(u, 1.0 / n) - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_gives_the_contracts_check_values() {
        let cases = [
            (1, 5, 0.7, 35.287),
            (2, 30, 0.7, 45.621),
            (5, 60, 0.7, 52.694),
            (20, 90, 0.7, 28.947),
            (100, 170, 0.7, 12.182),
            (0, 0, 0.7, -2.225),
            (0, 0, 0.9, 47.719),
        ];
        for (repeat_days, age_days, confidence, expected) in cases {
            let t = Model::default().sure_after(&Silence { repeat_days, age_days }, confidence, 90.0);
            assert!((t - expected).abs() < 0.0005, "({repeat_days}, {age_days}): {t} is not {expected}");
        }
    }
}
