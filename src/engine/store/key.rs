//! What the store goes by: a key of the changelog, held inline, and the place of its entry.

use std::cmp::Ordering;
use std::ops::Deref;

use crate::domain::{Timestamp, UserId};

/// A key of the changelog, inline: a user's id, or what remembers an erasure. At most 64 bytes.
#[derive(Clone, Copy)]
pub struct Key {
    length: u8,
    bytes: [u8; Self::MAX_BYTES],
}

impl Key {
    const MAX_BYTES: usize = UserId::MAX_BYTES;

    /// `None` when it is too long.
    pub fn new(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { length: key.len() as u8, bytes })
    }
}

impl Default for Key {
    fn default() -> Self {
        Self { length: 0, bytes: [0; Self::MAX_BYTES] }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

/// The index of a key's entry in the store's table. A key keeps it for as long as it is stored.
pub type Place = u32;

/// A timer: when it is due, and the key that it is for. Ordered by both.
pub type Timer = (Timestamp, Key);
