//! Committed users: key to the very bytes that stand in the changelog.
//!
//! Written by the partition's lane alone; read by anyone, who therefore sees only what is committed.

use dashmap::DashMap;
use foldhash::fast::FixedState;

use crate::domain::{Timestamp, UserId};
use crate::state::codec::{Header, Kind, decode_user};
use crate::state::{StateError, User};
use crate::timers::Key;

/// What is held for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Where the user's timer stands: at the next deadline or before it.
    pub armed: Option<Timestamp>,
    pub bytes: Box<[u8]>,
}

#[derive(Debug, Default)]
pub struct Users(pub(super) DashMap<Key, Held, FixedState>);

impl Users {
    /// Users held, and erasures remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A user as committed.
    pub fn user(&self, id: &UserId) -> Result<Option<User>, StateError> {
        let Some(held) = self.0.get(id.as_bytes()) else { return Ok(None) };
        let mut user = User::default();
        decode_user(&held.bytes, &mut user)?;
        Ok(Some(user))
    }

    /// The bytes of each key, in order of key: the same as the changelog's last values.
    pub fn snapshot(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<_> = self.0.iter().map(|entry| (entry.key().to_vec(), entry.value().bytes.to_vec())).collect();
        all.sort_unstable();
        all
    }

    /// Replaces what is held for a key; without bytes nothing is.
    pub(super) fn put(&self, key: &Key, armed: Option<Timestamp>, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else {
            self.0.remove(key);
            return;
        };
        match self.0.get_mut(key) {
            Some(mut held) if held.bytes.len() == bytes.len() => {
                held.armed = armed;
                held.bytes.copy_from_slice(bytes);
            }
            Some(mut held) => *held = Held { armed, bytes: bytes.into() },
            None => {
                self.0.insert(key.clone(), Held { armed, bytes: bytes.into() });
            }
        }
    }

    /// Notes that a key's timer was moved.
    pub(super) fn arm(&self, key: &Key, armed: Option<Timestamp>) {
        if let Some(mut held) = self.0.get_mut(key) {
            held.armed = armed;
        }
    }

    pub(super) fn header(&self, key: &[u8]) -> Result<Option<Header>, StateError> {
        self.0.get(key).map(|held| Header::read(&held.bytes)).transpose()
    }
}

impl Header {
    pub(super) fn is_user(&self) -> bool {
        self.kind == Kind::User
    }
}
