//! Why a record can't be used. One enum: the error, the metric's label and the dead letter's header.

/// The reasons of the input contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RejectReason {
    /// Null or empty value.
    Empty,
    /// Not JSON, protobuf or UTF-8 of the shape it claims.
    Malformed,
    /// Unknown content type, CloudEvents version or framing.
    Unsupported,
    /// A required field is absent or empty.
    MissingField,
    /// A field is out of range, too long, of the wrong kind, or a time that is no time.
    BadValue,
    /// Further ahead of the clock at poll than `max_skew`.
    FutureTime,
    /// Older than W less the horizon, or on a day that has left the user's history.
    TooOld,
    /// A known type on a source that may not send it.
    WrongSource,
    /// From `rekey`, and still not this partition's.
    Misrouted,
    /// Key, headers and value together over `max_record`.
    TooLarge,
}

impl RejectReason {
    pub const ALL: [Self; 10] = [
        Self::Empty,
        Self::Malformed,
        Self::Unsupported,
        Self::MissingField,
        Self::BadValue,
        Self::FutureTime,
        Self::TooOld,
        Self::WrongSource,
        Self::Misrouted,
        Self::TooLarge,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::MissingField => "missing_field",
            Self::BadValue => "bad_value",
            Self::FutureTime => "future_time",
            Self::TooOld => "too_old",
            Self::WrongSource => "wrong_source",
            Self::Misrouted => "misrouted",
            Self::TooLarge => "too_large",
        }
    }
}

/// A record that goes to dead letters, and why. The detail names the field and what was wrong with it, not whose it
/// was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
pub struct Reject {
    pub reason: RejectReason,
    pub detail: String,
}

impl Reject {
    pub fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
