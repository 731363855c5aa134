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

use super::{Model, Rules, Rung};

/// By which rules are turned into the digest of a partition record. Digests of different schemes can't be compared.
/// The first hashed a debug print, in which any new field showed; its records name none.
pub(super) const DIGEST_SCHEME: u32 = 2;

const LADDER: u8 = 1;
const SILENCE: u8 = 2;
const GOLDEN: u8 = 3;
const MODEL: u8 = 4;

/// Tagged fields, in order of tags.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        self.0.extend((value.len() as u32).to_le_bytes());
        self.0.extend(value);
    }

    fn number(&mut self, tag: u8, value: impl Into<i64>, absent: i64) {
        let value = value.into();
        if value != absent {
            self.put(tag, &value.to_le_bytes());
        }
    }

    fn real(&mut self, tag: u8, value: f64, absent: f64) {
        if value != absent {
            // There are two zeros, which mean the same.
            self.put(tag, &(value + 0.0).to_bits().to_le_bytes());
        }
    }

    fn text(&mut self, tag: u8, value: &str, absent: &str) {
        if value != absent {
            self.put(tag, value.as_bytes());
        }
    }

    fn section(&mut self, tag: u8, section: &Self) {
        if !section.0.is_empty() {
            self.put(tag, &section.0);
        }
    }
}

/// All that decides an output; neither the generation nor how it is announced does.
fn sections(rules: &Rules) -> Fields {
    // By name, so that a new field can't be forgotten here.
    let Rules {
        generation: _,
        quiet: _,
        zone,
        rungs,
        hold_days,
        dormant_days,
        lost_days,
        confidence,
        min_silence_days,
        golden_risk_days,
        golden_lost_months,
        due_grace_days,
        model,
    } = rules;
    let mut ladder = Fields::default();
    ladder.text(1, zone, "Asia/Shanghai");
    ladder.number(2, *hold_days, 7);
    rungs.iter().for_each(|rung| ladder.put(3, &fields_of(rung).0));
    let mut silence = Fields::default();
    silence.number(1, *dormant_days, 90);
    silence.number(2, *lost_days, 180);
    silence.real(3, *confidence, 0.7);
    silence.real(4, *min_silence_days, 7.0);
    silence.number(5, *due_grace_days, 3);
    let mut golden = Fields::default();
    golden.number(1, *golden_risk_days, 150);
    golden.number(2, *golden_lost_months, 6);
    let mut of_model = Fields::default();
    let Model { r, alpha, a, b } = *model;
    of_model.real(1, r, 0.525);
    of_model.real(2, alpha, 43.28);
    of_model.real(3, a, 0.891);
    of_model.real(4, b, 1.614);
    let mut all = Fields::default();
    for (tag, section) in [(LADDER, ladder), (SILENCE, silence), (GOLDEN, golden), (MODEL, of_model)] {
        all.section(tag, &section);
    }
    all
}

fn fields_of(rung: &Rung) -> Fields {
    let Rung { name, active_days, transactions, amount, scenes, windows } = rung;
    let mut fields = Fields::default();
    fields.text(1, name, "");
    fields.number(2, *active_days, 0);
    fields.number(3, *transactions, 0);
    fields.number(4, *amount, 0);
    fields.number(5, *scenes, 0);
    fields.number(6, *windows, 1);
    fields
}

/// Eight hex digits that stand for the rules.
pub(super) fn version(rules: &Rules) -> String {
    let digest = Sha256::digest(&sections(rules).0);
    hex::encode(&digest[..4])
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
        let bytes = [&[LADDER, rungs.len() as u8, 0, 0, 0], &rungs[..]].concat();
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
}
