//! The ids a user's last events had, so that the same event again is a duplicate.

use super::StateError;
use super::keep::Kept as _;
use super::varint::{Reader, put_unsigned};
use crate::domain::{DAY_MS, EventId, Timestamp};

/// The last 32 ids, each for 7 days of the user's own event time after it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered(pub(super) Vec<(EventId, Timestamp)>);

impl Remembered {
    /// How many ids are kept.
    pub const MAX: usize = 32;
    /// How long an id is kept, in milliseconds of event time.
    pub const FOR_MS: i64 = 7 * DAY_MS;

    /// Whether the id came within 7 days before `newest`, the user's newest event time with the event at hand.
    pub fn contains(&self, id: EventId, newest: Timestamp) -> bool {
        let oldest = newest.minus_millis(Self::FOR_MS);
        self.0.iter().any(|&(known, came)| known == id && came >= oldest)
    }

    /// Drops what came more than 7 days before `newest`.
    pub(super) fn forget(&mut self, newest: Timestamp) {
        let oldest = newest.minus_millis(Self::FOR_MS);
        self.0.retain(|(_, came)| *came >= oldest);
    }

    /// `newest`: the user's newest event time when the id came.
    pub(super) fn insert(&mut self, id: EventId, newest: Timestamp) {
        if self.0.len() == Self::MAX {
            self.0.remove(0);
        }
        self.0.push((id, newest));
    }

    /// Appends them: how many, then each id and when it came. The same in both versions of the state.
    pub(super) fn put(&self, out: &mut Vec<u8>, base: i64) {
        put_unsigned(out, self.0.len() as u64);
        for (id, came) in &self.0 {
            out.extend_from_slice(&id.0.to_le_bytes());
            came.put(out, base);
        }
    }

    /// Reads what [`Self::put`] wrote, in place of what is there.
    pub(super) fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError> {
        self.0.clear();
        for _ in 0..from.count(Self::MAX as u64)? {
            let id = EventId(u64::from_le_bytes(from.fixed()?));
            self.0.push((id, Timestamp::read(from, base)?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_32_are_known_for_seven_days() {
        let mut ids = Remembered::default();
        let t0 = Timestamp::of_millis(1_000_000);
        (0..33).for_each(|i| ids.insert(EventId(i), t0));
        assert!(!ids.contains(EventId(0), t0) && ids.contains(EventId(1), t0) && ids.contains(EventId(32), t0));
        let last = t0.plus_millis(Remembered::FOR_MS);
        ids.forget(last);
        assert!(ids.contains(EventId(32), last) && !ids.contains(EventId(32), last.plus_millis(1)));
        ids.forget(last.plus_millis(1));
        assert_eq!(ids, Remembered::default());
    }
}
