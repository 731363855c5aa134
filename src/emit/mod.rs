//! An effect to a record: key, value, headers; and the same effects as lines of files.
//!
//! Must not know: why something was announced, the broker, the clock. The same announcement gives the same bytes on
//! any replay.

mod announcement;
mod dead_letter;
mod json;
pub mod line;
mod members;
mod output_type;
pub mod protobuf;
pub mod redrive;
mod rekey;

use std::sync::Arc;

use arrayvec::ArrayString;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

pub use dead_letter::{bare_letter, dead_letter, header};
pub use output_type::OutputType;
pub use rekey::rekey;

use crate::domain::{OutputNames, Tier, TimeText, UserId};
use crate::engine::{Announcement, AnnouncementKind, Previous};
use crate::record::Lent;
use crate::rules::{Rules, Ruleset};
use crate::settings::settings;

/// The form of an output's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    #[default]
    Json,
    /// The protobuf of `proto/signals/v1`.
    Protobuf,
}

settings! {
    /// The shape of outputs; and, from other tables, where they go and who says so.
    #[derive(Eq)]
    pub struct Output {
        /// `json` or `protobuf`.
        pub format: OutputFormat = OutputFormat::Json,
        /// What their topics are called. Of `[topics]`.
        #[serde(skip)]
        pub topics: OutputNames = OutputNames::default(),
        /// The `source` attribute of CloudEvents: who says so. Of `[application]`.
        #[serde(skip)]
        pub source: String = "tideline".to_owned(),
    }
}

/// Turns announcements into records.
#[derive(Debug, Clone)]
pub struct Emitter {
    output: Output,
    /// By [`Tier`].
    tiers: Vec<String>,
    rule_version: String,
    /// That version in ids.
    rule_hash: u64,
    model_version: String,
}

impl Emitter {
    /// What an output's record takes, about.
    pub const TYPICAL_BYTES: usize = 1024;

    /// `rule_version`: as the engine has it ([`crate::engine::Engine::rule_version`]).
    pub fn new(rules: &Rules, rule_version: &str, output: Output) -> Self {
        let rungs = rules.rungs.iter().map(|rung| rung.name.clone());
        Self {
            output,
            tiers: ["inactive".to_owned(), "new".to_owned()].into_iter().chain(rungs).collect(),
            rule_version: rule_version.to_owned(),
            rule_hash: xxh3_64(rule_version.as_bytes()),
            model_version: model_version(rules),
        }
    }

    /// The topic that carries announcements of that kind.
    pub fn topic(&self, kind: &AnnouncementKind) -> &Arc<str> {
        &self.output.topics[OutputType::of(kind).topic()]
    }

    /// Lends the record of an announcement to `to`: keyed by user, CloudEvents binary. `ce_time` tells when it became
    /// true; the record's own timestamp is the time of sending, for a topic's retention goes by that, and would drop
    /// what a backlog gives at once. `room` is where the value is written; its memory can be used again.
    pub fn lend<T>(&self, announcement: &Announcement, room: &mut Vec<u8>, to: impl FnOnce(Lent<'_>) -> T) -> T {
        let name = self.name(announcement);
        room.clear();
        let content_type = match self.output.format {
            OutputFormat::Json => {
                self.write_object(announcement, &name, room);
                "application/json"
            }
            OutputFormat::Protobuf => {
                self.write_protobuf(announcement, &name, room);
                "application/protobuf"
            }
        };
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &name.id),
            ("ce_source", &self.output.source),
            ("ce_type", OutputType::of(&announcement.kind).name()),
            ("ce_time", &name.time),
            ("ce_subject", announcement.user.as_str()),
            ("content-type", content_type),
        ];
        to(Lent {
            topic: self.topic(&announcement.kind),
            partition: None,
            key: Some(announcement.user.as_bytes()),
            value: Some(room),
            headers: &headers.map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))),
            timestamp: None,
        })
    }

    fn tier(&self, tier: Tier) -> &str {
        self.tiers.get(usize::from(tier.0)).map_or(Ruleset::RETIRED, String::as_str)
    }

    /// The name that it was announced under.
    fn previous<'a>(&'a self, previous: &'a Previous) -> &'a str {
        match previous {
            Previous::Tier(tier) => self.tier(*tier),
            Previous::Retired(name) => name,
        }
    }

    fn name(&self, announcement: &Announcement) -> Name {
        let id = id_of(announcement, self.rule_hash);
        Name { id, time: announcement.time.text() }
    }
}

/// What an output's headers and its value both say, as text.
struct Name {
    id: Id,
    time: TimeText,
}

/// The id of an output, 32 hex digits: the same on any replay, another for any other output.
type Id = ArrayString<32>;

/// Within an incarnation of a user the sequence tells outputs apart. A user whose erasure was forgotten begins the
/// first incarnation and its sequence again: then the time does. An erasure is forgotten once W has passed all that
/// had been said, and no output is older than the W at which its user came.
fn id_of(announcement: &Announcement, rules: u64) -> Id {
    // Numbers first: what follows them is the user alone, so that no two fields can be taken for one another.
    const NUMBERS: usize = 5 * 8;
    let (user, mut bytes) = (announcement.user.as_bytes(), [0; NUMBERS + UserId::MAX_BYTES]);
    let numbers = [
        rules,
        announcement.incarnation.cast_unsigned(),
        announcement.sequence,
        announcement.time.millis().cast_unsigned(),
        u64::from(OutputType::of(&announcement.kind).number()),
    ];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let length = NUMBERS + user.len();
    bytes[NUMBERS..length].copy_from_slice(user);
    let mut digits = [0; 32];
    let encoded = hex::encode_to_slice(xxh3_128(&bytes[..length]).to_be_bytes(), &mut digits);
    debug_assert!(encoded.is_ok(), "16 bytes are 32 digits");
    Id::from_byte_string(&digits).unwrap_or_default()
}

/// Stands for all that a forecast depends on but the user: four hex digits.
fn model_version(rules: &Rules) -> String {
    let model = &rules.model;
    let mut hasher = Xxh3::new();
    for parameter in [model.r, model.alpha, model.a, model.b, rules.confidence, rules.min_silence_days] {
        hasher.update(&parameter.to_bits().to_le_bytes());
    }
    hasher.update(&rules.dormant_days.to_le_bytes());
    let mut text = format!("{:016x}", hasher.digest());
    text.truncate(4);
    text
}
