//! Poison records: those over which the program panicked. Read again, they become dead letters without being handled.

use crate::domain::Input;
use crate::guard::Panicked;
use crate::record::Offset;

/// Records that are not to be handled again, until they are committed as dead letters.
#[derive(Debug, Default)]
pub(super) struct PoisonRecords(Vec<(Input, Offset, Panicked)>);

impl PoisonRecords {
    pub fn add(&mut self, input: Input, offset: Offset, panicked: Panicked) {
        self.0.push((input, offset, panicked));
    }

    /// The panic over the record at that offset, if there was one.
    pub fn find(&self, input: Input, offset: Offset) -> Option<&Panicked> {
        self.0.iter().find(|(of, at, _)| (*of, *at) == (input, offset)).map(|(_, _, panicked)| panicked)
    }

    /// Forgets those before the committed offsets, which are by input.
    pub fn settle(&mut self, committed: &[Offset]) {
        self.0.retain(|(input, offset, _)| committed.get(input.index()).is_some_and(|next| next <= offset));
    }
}

/// A panic while a task handled something. The batch may be half changed: discard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlingPanic {
    /// The record that it came over, which is poison from now on. None where deadlines fired: that is no record's
    /// fault.
    pub record: Option<(Input, Offset)>,
    /// Where the program panicked.
    pub panicked: Panicked,
}
