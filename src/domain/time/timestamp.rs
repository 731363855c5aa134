//! An instant, and how far two lie apart. How it is written as text is in `text`.

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// Why a text or a number is no time of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Its first 64 characters.
    #[error("not an RFC 3339 time: {0:?}")]
    Malformed(String),
    /// Milliseconds since the epoch.
    #[error("time {0} is outside of the years 1970 to 9998")]
    OutOfRange(i64),
}

impl Timestamp {
    /// The earliest time an event can have.
    pub const MIN: Self = Self(0);
    /// 9998-12-31T00:00:00Z: leaves room to add any horizon.
    pub const MAX: Self = Self(253_370_678_400_000);

    /// After every other time: what is due then never is.
    pub const NEVER: Self = Self(i64::MAX);

    /// Milliseconds since 1970 as a time that an event can have.
    ///
    /// # Errors
    /// Outside of [`Self::MIN`] to [`Self::MAX`].
    pub fn from_millis(millis: i64) -> Result<Self, TimeError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(TimeError::OutOfRange(millis))
        }
    }

    /// Without a check, for values that were checked before they were stored or computed.
    pub const fn of_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// So many milliseconds later; saturates.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// So many milliseconds earlier; saturates.
    pub const fn minus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative if it is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}
