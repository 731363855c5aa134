//! What a record of the changelog is, by its key and its value: the one place that tells the kinds apart.
//!
//! Must not know: who reads a changelog, or what the bytes of a user say.

use super::PartitionRecord;
use super::codec::{Header, Kind};

/// An entry of the changelog, undecoded. Of a key the last entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangelogEntry<'a> {
    /// The partition record, as [`PartitionRecord::decode`] reads it; none: it was taken back.
    Partition(Option<&'a [u8]>),
    /// What is remembered of a user. A value that can't be read is one, too: whoever decodes it names what is wrong.
    User {
        /// The user's id.
        key: &'a [u8],
        /// As it stands in the changelog.
        value: &'a [u8],
    },
    /// Only that a user was erased, and when.
    Erasure {
        /// The user's id.
        key: &'a [u8],
        /// As it stands in the changelog.
        value: &'a [u8],
    },
    /// Nothing is remembered under the key.
    Tombstone {
        /// A user's id, or what an upkeep record is keyed by.
        key: &'a [u8],
    },
}

impl<'a> ChangelogEntry<'a> {
    /// By the key and value of a record.
    pub fn of(key: &'a [u8], value: Option<&'a [u8]>) -> Self {
        match value {
            value if key == PartitionRecord::KEY => Self::Partition(value),
            None => Self::Tombstone { key },
            Some(value) => match Header::read(value) {
                Ok(Header { kind: Kind::Erasure, .. }) => Self::Erasure { key, value },
                _ => Self::User { key, value },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::state::User;
    use crate::state::codec::{encode_erasure, encode_user};

    #[test]
    fn an_entry_is_told_by_its_key_and_the_kind_of_its_value() {
        let (mut user, mut erasure) = (Vec::new(), Vec::new());
        encode_user(&User::default(), 1, &mut user);
        encode_erasure(Timestamp::of_millis(1), Timestamp::of_millis(2), 1, &mut erasure);
        let key = b"u1";
        for (value, expected) in [
            (Some(&user[..]), ChangelogEntry::User { key, value: &user }),
            (Some(&erasure[..]), ChangelogEntry::Erasure { key, value: &erasure }),
            (Some(b"damaged"), ChangelogEntry::User { key, value: b"damaged" }),
            (None, ChangelogEntry::Tombstone { key }),
        ] {
            assert_eq!(ChangelogEntry::of(key, value), expected);
        }
        assert_eq!(ChangelogEntry::of(PartitionRecord::KEY, Some(&erasure)), ChangelogEntry::Partition(Some(&erasure)));
        assert_eq!(ChangelogEntry::of(PartitionRecord::KEY, None), ChangelogEntry::Partition(None));
    }
}
