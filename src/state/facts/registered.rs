//! When the user registered first.

use super::{Fact, Moment};
use crate::domain::{Body, Event, Timestamp};
use crate::state::keep::Earliest;
use crate::state::varint::Reader;
use crate::state::{Affected, StateError};

/// The first `user.registered`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered(pub(in crate::state) Earliest<Timestamp>);

impl Registered {
    /// When that was; none before.
    pub const fn at(&self) -> Option<Timestamp> {
        self.0.get()
    }
}

impl Fact for Registered {
    #[inline]
    fn fold(&mut self, event: &Event, _moment: &Moment<'_>) -> Affected {
        let is_first = event.body == Body::UserRegistered && self.0.add(event.time);
        (Affected::DAYS | Affected::SILENCE).when(is_first)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&self, out: &mut Vec<u8>, base: i64) {
        self.0.put(out, base);
    }

    fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError> {
        self.0 = Earliest::read(from, base)?;
        Ok(())
    }

    fn clear(&mut self) {
        self.0 = Earliest::default();
    }
}
