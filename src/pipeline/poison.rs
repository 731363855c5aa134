//! Poison records: those over which the program panicked. They become dead letters without being handled again.

use crate::domain::Input;
use crate::guard::Panicked;
use crate::record::Offset;

/// Records that are not to be handled again, until they are committed as dead letters.
#[derive(Debug, Default)]
pub(crate) struct PoisonRecords(Vec<(Input, Offset, Panicked)>);

impl PoisonRecords {
    pub fn add(&mut self, input: Input, offset: Offset, panicked: Panicked) {
        self.0.push((input, offset, panicked));
    }

    pub fn find(&self, input: Input, offset: Offset) -> Option<&Panicked> {
        self.0.iter().find(|(of, at, _)| (*of, *at) == (input, offset)).map(|(_, _, panicked)| panicked)
    }

    /// Forgets those that lie before what is committed now, by input.
    pub fn settle(&mut self, committed: &[Offset]) {
        self.0.retain(|(input, offset, _)| committed.get(input.index()).is_some_and(|next| next <= offset));
    }
}

/// A panic in handling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandlingPanic {
    /// The record that is poison for it.
    pub record: Option<(Input, Offset)>,
    pub panicked: Panicked,
}
