//! Instants, days and the zone that divides them.
//!
//! Nothing here reads a clock. A zone's rules are bundled with the program, so that a day begins at the same instant on
//! every machine.

mod civil;
mod day;
mod text;
mod timestamp;
mod zone;

pub use day::Day;
pub use text::TimeText;
pub use timestamp::{TimeError, Timestamp};
pub use zone::{UnknownZone, Zone};

/// A minute, in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// An hour, in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A day of 24 hours. Calendar days of a [`Zone`] may be shorter or longer.
pub const DAY_MS: i64 = 24 * HOUR_MS;
