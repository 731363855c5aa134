//! Times as text: RFC 3339, read and written without an allocation.

use std::fmt::{self, Write as _};

use arrayvec::ArrayString;

use super::civil::{civil_from_days, days_from_civil, days_in_month};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, TimeError, Timestamp};

/// A time as text, held inline.
pub type TimeText = ArrayString<32>;

impl Timestamp {
    /// UTC with milliseconds: `2026-03-01T00:15:30.250Z`.
    pub fn text(self) -> TimeText {
        let (year, month, day) = civil_from_days(self.millis().div_euclid(DAY_MS));
        let ms = self.millis().rem_euclid(DAY_MS);
        let digit = |number: i64| char::from(b'0' + (number % 10) as u8);
        let mut text = TimeText::new();
        // Of a time that no event can have, such as that of what is never due, it may have nine digits and a sign.
        let written = write!(text, "{year:04}");
        debug_assert!(written.is_ok(), "no year is longer");
        let pairs = [('-', month), ('-', day), ('T', ms / HOUR_MS), (':', ms / MINUTE_MS % 60), (':', ms / 1000 % 60)];
        for (separator, number) in pairs {
            for char in [separator, digit(number / 10), digit(number)] {
                text.push(char);
            }
        }
        for char in ['.', digit(ms / 100), digit(ms / 10), digit(ms), 'Z'] {
            text.push(char);
        }
        text
    }

    /// Reads RFC 3339, cutting the fraction to the millisecond. A leap second is read as the second after.
    ///
    /// # Errors
    ///
    /// `Malformed` where the text is no RFC 3339 time, `OutOfRange` where it lies outside of [`Self::MIN`] to
    /// [`Self::MAX`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let bad = || TimeError::Malformed(text.chars().take(64).collect());
        let b = text.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if b.len() < 20 || separators.iter().any(|&(i, c)| b[i] != c) || !matches!(b[10], b'T' | b't' | b' ') {
            return Err(bad());
        }
        let number = |from: usize, to: usize| digits(&b[from..to]).ok_or_else(bad);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(bad());
        }
        if hour > 23 || minute > 59 || second > 60 {
            return Err(bad());
        }
        let mut rest = &b[19..];
        let mut fraction_ms = 0;
        if let Some(after) = rest.strip_prefix(b".") {
            let len = after.iter().take_while(|c| c.is_ascii_digit()).count();
            if len == 0 {
                return Err(bad());
            }
            fraction_ms = (0..3).fold(0, |ms, i| ms * 10 + if i < len { i64::from(after[i] - b'0') } else { 0 });
            rest = &after[len..];
        }
        let offset_minutes = match rest {
            b"Z" | b"z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let hours = digits(&[*h1, *h2]).ok_or_else(bad)?;
                let minutes = digits(&[*m1, *m2]).ok_or_else(bad)?;
                if hours > 23 || minutes > 59 {
                    return Err(bad());
                }
                let total = hours * 60 + minutes;
                if *sign == b'-' { -total } else { total }
            }
            _ => return Err(bad()),
        };
        let seconds = hour * 3600 + (minute - offset_minutes) * 60 + second;
        Self::from_millis(days_from_civil(year, month, day) * DAY_MS + seconds * 1000 + fraction_ms)
    }
}

/// As [`Timestamp::text`] has it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn times_are_read_and_cut_to_the_millisecond() {
        let cases = [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2026-03-01T08:15:30.2509+08:00", "2026-03-01T00:15:30.250Z"),
            ("2024-02-29t23:59:59.9z", "2024-02-29T23:59:59.900Z"),
            ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000Z"),
            ("2026-01-01T00:00:00-03:30", "2026-01-01T03:30:00.000Z"),
        ];
        for (text, shown) in cases {
            assert_eq!(at(text).to_string(), shown);
        }
    }

    #[test]
    fn every_time_has_a_text_an_impossible_one_too() {
        assert_eq!(Timestamp::MAX.to_string(), "9998-12-31T00:00:00.000Z");
        assert_eq!(Timestamp::NEVER.to_string(), "292278994-08-17T07:12:55.807Z");
        assert_eq!(Timestamp::of_millis(i64::MIN).to_string(), "-292275055-05-16T16:47:04.192Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let cases = [
            "",
            "yesterday",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+8:00",
            "2026-01-01T00:00:00+08:00x",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "2026-01-01Té0:00:00Z",
        ];
        for text in cases {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }
}
