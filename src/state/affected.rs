//! What an event affected, as a set: the judgements that depend on it are made again, the others stand.

use std::ops::{BitOr, BitOrAssign};

/// A set of what judgements depend on, returned by each fact's fold. In tests everything is judged again after every
/// event, and must agree (`engine::partition::apply`): a bit that a fact forgets is found by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Affected(u8);

impl Affected {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The set of active days, or the registration.
    pub const DAYS: Self = Self(1);
    /// A day's transactions, amount or scenes.
    pub const SUMS: Self = Self(1 << 1);
    /// What stages are counted from: L, active days ever, loans, the start of the golden window.
    pub const SILENCE: Self = Self(1 << 2);
    /// A refund took something back: names the reason of what follows, and decides nothing.
    pub const REVERSAL: Self = Self(1 << 3);

    /// This where `condition` holds, else nothing.
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// Whether the two have anything in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Affected {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Affected {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
