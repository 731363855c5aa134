//! What the rules are, as bytes that stand for them, whatever a program's structures look like: sections of tagged
//! fields.
//!
//! ```text
//! section:  tag 1 | length 4 LE | fields      field:  tag 1 | length 4 LE | value (numbers 8 LE, a rung: its fields)
//! ```
//!
//! A field that has the value by which nothing changes is absent, and a section without fields too. So rules that a
//! newer program has more fields of keep their version; a default that changes does not. A tag is never given to
//! something else.
//!
//! May break if a value by which a field is absent changes: the versions of old rules would.

use sha2::{Digest, Sha256};

use super::fields::Fields;
use super::{Rules, golden, ladder, silence};

/// By which rules are turned into the digest of a partition record. Digests of different schemes can't be compared.
/// The first hashed a debug print, in which any new field showed; its records name none.
pub(super) const DIGEST_SCHEME: u32 = 2;

/// A part of the rules, by what it decides. Its number is its tag in the canonical bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Section {
    /// Tiers, and the zone that divides their days.
    Ladder = 1,
    /// When a silence is a warning, and when a fact.
    Silence = 2,
    /// The first months of a user without activity.
    Golden = 3,
    /// What forecasts dormancy.
    Model = 4,
    /// What profiles show. It decides no output, so it changes no version; it has no keys yet.
    Profile = 5,
}

impl Section {
    /// All of them, by their tags.
    pub const ALL: [Self; 5] = [Self::Ladder, Self::Silence, Self::Golden, Self::Model, Self::Profile];

    /// As partition records and refusals name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ladder => "ladder",
            Self::Silence => "silence",
            Self::Golden => "golden",
            Self::Model => "model",
            Self::Profile => "profile",
        }
    }

    /// Whether it stands in the version of the rules, and so in every output and its id.
    pub const fn decides_outputs(self) -> bool {
        match self {
            Self::Ladder | Self::Silence | Self::Golden | Self::Model => true,
            Self::Profile => false,
        }
    }

    fn fields(self, rules: &Rules) -> Fields {
        match self {
            Self::Ladder => ladder::fields(rules),
            Self::Silence => silence::fields(rules),
            Self::Golden => golden::fields(rules),
            Self::Model => rules.model.fields(),
            Self::Profile => Fields::default(),
        }
    }
}

/// A digest of each section of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections([String; Section::ALL.len()]);

impl Sections {
    /// Of these rules.
    pub fn of(rules: &Rules) -> Self {
        Self(Section::ALL.map(|section| digest(&section.fields(rules).0)))
    }

    /// By [`Section::ALL`]: its name and eight hex digits.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        Section::ALL.iter().map(|section| section.as_str()).zip(self.0.iter().map(String::as_str))
    }
}

/// All that decides an output; neither the generation nor how it is announced does.
fn sections(rules: &Rules) -> Fields {
    // By name, so that a new field can't be forgotten: each is of a section, or decides nothing.
    let Rules {
        generation: _,
        quiet: _,
        // ladder
        zone: _,
        rungs: _,
        hold_days: _,
        // silence
        dormant_days: _,
        lost_days: _,
        confidence: _,
        min_silence_days: _,
        due_grace_days: _,
        // golden
        golden_risk_days: _,
        golden_lost_months: _,
        model: _,
    } = rules;
    let mut all = Fields::default();
    for section in Section::ALL.into_iter().filter(|section| section.decides_outputs()) {
        all.section(section as u8, &section.fields(rules));
    }
    all
}

/// Eight hex digits that stand for the rules.
pub(super) fn version(rules: &Rules) -> String {
    digest(&sections(rules).0)
}

/// Eight hex digits that stand for bytes.
fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..4])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rules::Ruleset;

    /// Whoever has to change this changes all ids of outputs, and has to raise [`DIGEST_SCHEME`].
    #[test]
    fn the_version_of_the_defaults_is_the_one_that_readers_know() {
        let rung = |name: &str, active_days: u8, windows: &[u8]| {
            let name = [&[1, name.len() as u8, 0, 0, 0], name.as_bytes()].concat();
            let fields = [&name[..], &[2, 8, 0, 0, 0, active_days, 0, 0, 0, 0, 0, 0, 0], windows].concat();
            [&[3, fields.len() as u8, 0, 0, 0], &fields[..]].concat()
        };
        let rungs = [
            rung("low", 1, &[]),
            rung("regular", 4, &[]),
            rung("high", 10, &[]),
            rung("loyal", 10, &[6, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]),
        ]
        .concat();
        let bytes = [&[Section::Ladder as u8, rungs.len() as u8, 0, 0, 0], &rungs[..]].concat();
        assert_eq!(sections(&Rules::default()).0, bytes);
        assert_eq!((version(&Rules::default()).as_str(), DIGEST_SCHEME), ("f2b9a05d", 2));
    }

    #[test]
    fn a_field_that_changes_nothing_leaves_the_version_as_it_was() {
        let before = sections(&Rules::default()).0;
        let mut with_more = sections(&Rules::default());
        let mut profile = Fields::default();
        profile.number(1, 0, 0);
        profile.real(2, -0.0, 0.0);
        profile.text(3, "", "");
        with_more.section(5, &profile);
        with_more.number(6, 3, 3);
        assert_eq!(with_more.0, before);
        let announced_otherwise = Rules { generation: 7, quiet: true, ..Rules::default() };
        assert_eq!(version(&announced_otherwise), version(&Rules::default()));
    }

    #[test]
    fn all_that_decides_an_output_changes_the_version() {
        type Change = fn(&mut Rules);
        let changes: [Change; 22] = [
            |_| {},
            |rules| rules.zone = "UTC".to_owned(),
            |rules| rules.hold_days = 3,
            |rules| rules.dormant_days = 60,
            |rules| rules.lost_days = 90,
            |rules| rules.confidence = 0.9,
            |rules| rules.min_silence_days = 0.0,
            |rules| rules.golden_risk_days = 90,
            |rules| rules.golden_lost_months = 3,
            |rules| rules.due_grace_days = 90,
            |rules| rules.model.r = 0.5,
            |rules| rules.model.alpha = 0.5,
            |rules| rules.model.a = 0.5,
            |rules| rules.model.b = 0.5,
            |rules| rules.rungs[0].name = "base".to_owned(),
            |rules| rules.rungs[0].active_days = 3,
            |rules| rules.rungs[0].transactions = 3,
            |rules| rules.rungs[0].amount = 3,
            |rules| rules.rungs[0].scenes = 3,
            |rules| rules.rungs[0].windows = 3,
            |rules| rules.rungs.swap(0, 1),
            |rules| drop(rules.rungs.pop()),
        ];
        let version_with = |change: &Change| {
            let mut rules = Rules::default();
            change(&mut rules);
            version(&rules)
        };
        let versions: BTreeSet<_> = changes.iter().map(version_with).collect();
        assert_eq!(versions.len(), changes.len());
        let zone = |zone: &str| Ruleset::new(Rules { zone: zone.to_owned(), ..Rules::default() }).unwrap();
        assert_eq!(zone("asia/SHANGHAI").version(), zone("Asia/Shanghai").version(), "however a zone is spelt");
        assert_eq!(zone("europe/berlin").rules().zone, "Europe/Berlin");
        let minus_zero = Rules { min_silence_days: -0.0, ..Rules::default() };
        assert_eq!(version(&minus_zero), version_with(&changes[6]));
    }

    #[test]
    fn each_section_has_a_digest_that_its_own_keys_change_and_no_others() {
        type Change = fn(&mut Rules);
        let changes: [(Section, Change); 5] = [
            (Section::Ladder, |rules| rules.hold_days = 3),
            (Section::Ladder, |rules| rules.rungs[1].active_days = 5),
            (Section::Silence, |rules| rules.confidence = 0.9),
            (Section::Golden, |rules| rules.golden_lost_months = 3),
            (Section::Model, |rules| rules.model.a = 0.5),
        ];
        let before = Sections::of(&Rules::default());
        assert_eq!(before.iter().map(|(name, _)| name).collect::<Vec<_>>(), Section::ALL.map(Section::as_str));
        for (section, change) in changes {
            let mut rules = Rules::default();
            change(&mut rules);
            let after = Sections::of(&rules);
            let changed: Vec<_> =
                before.iter().zip(after.iter()).filter(|(old, new)| old != new).map(|((name, _), _)| name).collect();
            assert_eq!(changed, [section.as_str()]);
        }
    }

    #[test]
    fn what_profiles_show_changes_no_version_and_so_no_id() {
        assert!(!Section::Profile.decides_outputs());
        let outputs: Vec<_> = Section::ALL.into_iter().filter(|section| section.decides_outputs()).collect();
        assert_eq!(outputs, [Section::Ladder, Section::Silence, Section::Golden, Section::Model]);
        assert_eq!(Section::Profile.fields(&Rules::default()).0, [0u8; 0], "it has no keys yet");
    }
}
