//! Values with a unit: `"1h30m"`, `"64KiB"`. A bare number has none and is refused.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// A length of time in whole milliseconds, written with its unit: `250ms`, `60s`, `1h30m`, `7d` (of 24 h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Period(u64);

/// A size in bytes, written with its unit: `512B`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(u64);

/// Why a text is no value with a unit; it carries the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No sum of numbers with units of time, the largest first.
    #[error("{0:?} is no duration: write it as 250ms, 60s, 1h30m or 7d")]
    Duration(String),
    /// No sum of numbers with units of size, the largest first.
    #[error("{0:?} is no size: write it as 512B, 64KiB, 1MiB or 2GiB")]
    Size(String),
    /// A slip of the pen, more likely than not.
    #[error("{0:?} is longer than 100 years")]
    TooLong(String),
    /// The same of a size.
    #[error("{0:?} is more than 1 TiB")]
    TooLarge(String),
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Period {
    const MAX_MS: u64 = 36_525 * 86_400_000;

    /// So many milliseconds.
    pub const fn of_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    pub const fn of_secs(secs: u64) -> Self {
        Self(secs * 1_000)
    }

    /// So many days of 24 h.
    pub const fn of_days(days: u64) -> Self {
        Self(days * 86_400_000)
    }

    /// The sum, at most the largest there is.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// As the core counts: signed milliseconds.
    pub const fn millis(self) -> i64 {
        self.0 as i64
    }

    /// As std has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Size {
    const MAX_BYTES: u64 = 1 << 40;

    /// So many bytes.
    pub const fn of_bytes(bytes: usize) -> Self {
        Self(bytes as u64)
    }

    /// So many KiB, of 1,024 bytes.
    pub const fn of_kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many MiB, of 1,024 KiB.
    pub const fn of_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// As memory is counted.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }

    /// The sum, at most the largest there is.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Numbers with units, largest unit first, each unit once. `None` when the text is not that; the sum saturates.
fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut units = units.iter();
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        let number = if number.len() > 19 { u64::MAX } else { number.parse().ok()? };
        sum = sum.saturating_add(number.saturating_mul(*scale));
        rest = &rest[digits + letters..];
    }
    (!text.is_empty()).then_some(sum)
}

/// The shortest text that [`sum`] reads back.
fn write_sum(f: &mut fmt::Formatter<'_>, value: u64) -> fmt::Result {
    if value == 0 {
        return f.write_str("0s");
    }
    let mut rest = value;
    for (name, scale) in DURATION_UNITS {
        let count = rest / scale;
        if count > 0 {
            write!(f, "{count}{name}")?;
        }
        rest %= scale;
    }
    Ok(())
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match sum(text, &DURATION_UNITS) {
            None => Err(UnitError::Duration(text.to_owned())),
            Some(millis) if millis > Self::MAX_MS => Err(UnitError::TooLong(text.to_owned())),
            Some(millis) => Ok(Self(millis)),
        }
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match sum(text, &SIZE_UNITS) {
            None => Err(UnitError::Size(text.to_owned())),
            Some(bytes) if bytes > Self::MAX_BYTES => Err(UnitError::TooLarge(text.to_owned())),
            Some(bytes) => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sum(f, self.0)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No sum, which reads as two sizes: 2112KiB, not 2MiB64KiB.
        let whole = SIZE_UNITS.iter().find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale));
        let (name, scale) = whole.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / scale)
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.duration()
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Quoted("a duration in quotes, such as \"60s\"", PhantomData))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Quoted("a size in quotes, such as \"64KiB\"", PhantomData))
    }
}

/// Reads a text; of anything else it says what was expected.
struct Quoted<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = UnitError>> de::Visitor<'_> for Quoted<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_units() {
        let cases = [
            ("0s", 0),
            ("250ms", 250),
            ("60s", 60_000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1d1h1m1s1ms", 90_061_001),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse(), Ok(Period::of_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "5 s", "-1s", "1.5h", "1m1h", "1h1h", "s", "1y", "1hour", "1S", "٣s"] {
            assert_eq!(text.parse::<Period>(), Err(UnitError::Duration(text.to_owned())), "{text}");
        }
        for text in ["36526d", "18446744073709551615d", "99999999999999999999999s"] {
            assert_eq!(text.parse::<Period>(), Err(UnitError::TooLong(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("1MiB64KiB", 1_114_112)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "5", "1MB", "1mib", "1 MiB", "64K"] {
            assert_eq!(text.parse::<Size>(), Err(UnitError::Size(text.to_owned())), "{text}");
        }
        assert_eq!("2000GiB".parse::<Size>(), Err(UnitError::TooLarge("2000GiB".to_owned())));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1_000, 60_000, 90_061_001, 604_800_000] {
            let period = Period::of_millis(millis);
            assert_eq!(period.to_string().parse(), Ok(period));
        }
        for bytes in [0, 1, 1_023, 1_024, 1_114_112, 3 << 30] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        let written = [0, 1, 1_025, 65_536, 2_162_688, 3 << 30].map(|bytes| Size(bytes).to_string());
        assert_eq!(written, ["0B", "1B", "1025B", "64KiB", "2112KiB", "3GiB"], "a size is no sum");
    }
}
