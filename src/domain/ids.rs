//! Identities: users, events, inputs, partitions.

use std::fmt;

use arrayvec::ArrayString;
use xxhash_rust::xxh3::xxh3_64;

use super::{Source, Token};

/// A pseudonymous user id: 1 to 64 bytes of UTF-8, held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(ArrayString<{ UserId::MAX_BYTES }>);

impl UserId {
    /// The longest id, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 64;

    /// `None` when `text` is empty or longer than [`Self::MAX_BYTES`].
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        ArrayString::from(text).ok().map(Self)
    }

    /// The id as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a record key: UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Stands for one event: a 64-bit hash of its source, of a CloudEvent its `source` attribute too, and its id. That is
/// all that is remembered of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u64);

impl EventId {
    /// An event id is at most this long.
    pub const MAX_BYTES: usize = 128;

    /// The event of that id from `source`.
    pub fn new(source: Source, id: &str) -> Self {
        Self::of(source as u8 + 1, id)
    }

    /// That of a CloudEvent whose `source` attribute is `sender`: an id counts within both.
    pub fn within(self, sender: Token) -> Self {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&self.0.to_le_bytes());
        both[8..].copy_from_slice(&sender.0.to_le_bytes());
        Self(xxh3_64(&both))
    }

    /// What a full refund takes back, whatever the source that tells of it.
    pub fn refunded(original_id: &str) -> Self {
        Self::of(0, original_id)
    }

    /// What the id is told by is hashed with it. As the hash's seed it would only flip a few bits of a short id:
    /// `e1011000` of one source and `e1020000` of another would be one event.
    fn of(told_by: u8, id: &str) -> Self {
        let [a, b, c, d, e, f, g, h] = xxh3_64(id.as_bytes()).to_le_bytes();
        Self(xxh3_64(&[told_by, a, b, c, d, e, f, g, h]))
    }
}

/// An input's place in the configuration; `rekey` comes after the last. Breaks ties in the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input(pub u8);

impl Input {
    /// As an index into a list of inputs.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The number of a partition, the same in every co-partitioned topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub i32);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_sources_are_different_events() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..200_000 {
            let id = format!("e{}", 1_000_000 + 7 * number);
            let told = Source::ALL.map(|source| EventId::new(source, &id));
            let sent = ["/ios", "/web"].map(|sender| told[0].within(Token::of(sender)));
            for event in told.into_iter().chain(sent).chain([EventId::refunded(&id)]) {
                assert!(seen.insert(event), "{id} is taken for another event");
            }
        }
    }

    #[test]
    fn a_user_id_has_between_1_and_64_bytes() {
        assert!(UserId::new("").is_none());
        assert!(UserId::new(&"u".repeat(64)).is_some());
        assert!(UserId::new(&"u".repeat(65)).is_none());
    }
}
