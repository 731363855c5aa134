//! The topics that others read, one row each: from it follow the configuration, what the broker is asked for, what a
//! takeover, a reset and an erasure do with the topic, and who reads it. A new one is a row here, and a file in
//! `emit` that writes it.
//!
//! Must not know: what a record of theirs looks like. May break a journal of the embedded log, which tells topics by
//! their place, if rows change their order.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is known of an output topic, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputRow {
    /// In the table `[topics]` of the configuration.
    pub key: &'static str,
    /// Its name where the configuration gives no other.
    pub name: &'static str,
    /// What it carries, as the reference of the configuration says it.
    pub about: &'static str,
    /// What the key of its records is: decides how they are compacted and spread.
    pub keyed_by: OutputKey,
    /// What the topic is created with.
    pub cleanup: CleanupPolicy,
}

/// What the key of each record of an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKey {
    /// The user whom it is about.
    User,
    /// That of the record of which it is a copy, which may be as large as one of an input.
    Received,
}

/// What becomes of old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// They are deleted after a time: that of outputs, `topics.output_retention`.
    Delete,
    /// As above, after `topics.dead_letter_retention`.
    DeleteAsDeadLetters,
    /// The latest of each key is kept; a tombstone removes it.
    Compact,
}

macro_rules! output_topics {
    ($($Topic:ident { $($row:tt)+ },)+) => {
        /// An output topic, by what it is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OutputTopic {
            $(#[doc = concat!("See [`OutputTopic::row`] of `", stringify!($Topic), "`.")] $Topic,)+
        }

        impl OutputTopic {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$(stringify!($Topic)),+].len()] = [$(Self::$Topic),+];
            const ROWS: [OutputRow; Self::ALL.len()] = [$(OutputRow { $($row)+ }),+];
            /// By [`Self::ALL`], as the configuration calls them.
            pub const KEYS: &'static [&'static str] = &{
                let mut keys = [""; Self::ALL.len()];
                let mut at = 0;
                while at < keys.len() {
                    keys[at] = Self::ROWS[at].key;
                    at += 1;
                }
                keys
            };
        }
    };
}

output_topics! {
    TierChanges {
        key: "tier_changes",
        name: "tier-changes",
        about: "Who moved on the ladder.",
        keyed_by: OutputKey::User,
        cleanup: CleanupPolicy::Delete,
    },
    DormancyRisk {
        key: "dormancy_risk",
        name: "dormancy-risk",
        about: "Who is going quiet, has gone, or is back.",
        keyed_by: OutputKey::User,
        cleanup: CleanupPolicy::Delete,
    },
    UserProfiles {
        key: "user_profiles",
        name: "user-profiles",
        about: "The present of each user, compacted.",
        keyed_by: OutputKey::User,
        cleanup: CleanupPolicy::Compact,
    },
    DeadLetters {
        key: "dead_letters",
        name: "dead-letters",
        about: "Records that can't be used.",
        keyed_by: OutputKey::Received,
        cleanup: CleanupPolicy::DeleteAsDeadLetters,
    },
}

impl OutputTopic {
    /// What is known of it.
    pub const fn row(self) -> &'static OutputRow {
        &Self::ROWS[self as usize]
    }

    /// Those that carry what became true of users, each of it once.
    pub fn announcements() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|it| it.row().keyed_by == OutputKey::User && !it.is_compacted())
    }

    /// Those that keep the latest of each user: an erasure and a reset must leave a tombstone there.
    pub fn compacted() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|it| it.is_compacted())
    }

    /// Whether the latest of each key is kept.
    pub fn is_compacted(self) -> bool {
        self.row().cleanup == CleanupPolicy::Compact
    }
}

/// What the output topics of one application are called. In a configuration: by their keys, of which any may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputNames([Arc<str>; OutputTopic::ALL.len()]);

impl OutputNames {
    /// Each as `name` says.
    pub fn named(name: impl Fn(&OutputRow) -> String) -> Self {
        Self(OutputTopic::ALL.map(|it| name(it.row()).into()))
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (OutputTopic, &Arc<str>)> {
        OutputTopic::ALL.into_iter().zip(&self.0)
    }

    /// The names alone, in the order of the table.
    pub const fn all(&self) -> &[Arc<str>; OutputTopic::ALL.len()] {
        &self.0
    }
}

impl Default for OutputNames {
    fn default() -> Self {
        Self::named(|row| row.name.to_owned())
    }
}

impl Index<OutputTopic> for OutputNames {
    type Output = Arc<str>;

    fn index(&self, topic: OutputTopic) -> &Arc<str> {
        &self.0[topic as usize]
    }
}

impl Serialize for OutputNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (topic, name) in self.iter() {
            map.serialize_entry(topic.row().key, &**name)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for OutputNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = OutputNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("struct OutputNames")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OutputNames, A::Error> {
                let mut names = OutputNames::default();
                while let Some(key) = map.next_key::<String>()? {
                    match OutputTopic::KEYS.iter().position(|known| **known == key) {
                        Some(at) => names.0[at] = map.next_value::<String>()?.into(),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                            return Err(A::Error::unknown_field(&key, OutputTopic::KEYS));
                        }
                    }
                }
                Ok(names)
            }
        }

        // As a struct, so that it can be a part of a larger table, whose other keys it leaves alone.
        deserializer.deserialize_struct("OutputNames", OutputTopic::KEYS, Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compacted_is_keyed_by_user_and_no_two_topics_share_a_key_or_a_name() {
        for topic in OutputTopic::ALL {
            let row = topic.row();
            assert!(
                !topic.is_compacted() || row.keyed_by == OutputKey::User,
                "{topic:?}: else nobody could be forgotten"
            );
            let same = |other: &OutputTopic| other.row().key == row.key || other.row().name == row.name;
            assert_eq!(OutputTopic::ALL.iter().filter(|other| same(other)).count(), 1, "{topic:?}");
        }
    }

    #[test]
    fn names_are_read_by_their_keys_and_written_whole() {
        let names: OutputNames = serde_json::from_str(r#"{"dead_letters": "dead"}"#).unwrap();
        assert_eq!((&*names[OutputTopic::DeadLetters], &*names[OutputTopic::TierChanges]), ("dead", "tier-changes"));
        let written = serde_json::to_value(&names).unwrap();
        assert_eq!(written.as_object().unwrap().len(), OutputTopic::ALL.len());
        assert_eq!(serde_json::from_value::<OutputNames>(written).unwrap(), names);
        let unknown = serde_json::from_str::<OutputNames>(r#"{"fax": "f"}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `fax`, expected one of"), "{unknown}");
    }
}
