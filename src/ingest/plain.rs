//! The shortcut for plain JSON: one object of texts without escapes, integers, `true`, `false` and `null`, with another
//! such object as its `data`. That is what producers send, and reading it so spares two fifths of the instructions.
//!
//! It never judges: at anything else (an escape, a fraction, a list, a fault) it gives up, and [`super::json`] reads
//! the record from its start.
//!
//! May break it: reading what is no JSON, or reading it otherwise than `json` would. A test compares the two.

use super::envelope::Data;
use super::field::{FieldKind, Name, Raw};
use super::members::{DataMember, Member, Members, Values};
use crate::domain::{Source, Token};

/// Not plain, or not JSON. What has been read is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotPlain;

/// Reads an envelope that fills the text.
pub(super) fn members(text: &str, source: Source, members: &mut Members) -> Result<(), NotPlain> {
    let mut reader = PlainReader { text, at: 0 };
    reader.object(|reader, name| members.read(Member::named(name), source, reader))?;
    reader.end()
}

/// Reads a `data` that fills the text.
pub(super) fn data(text: &str, data: &mut Data) -> Result<(), NotPlain> {
    let mut reader = PlainReader { text, at: 0 };
    reader.data(data)?;
    reader.end()
}

/// A place in a text.
struct PlainReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> PlainReader<'a> {
    /// Reads an object; `member` is handed each name, and reads the value.
    #[inline]
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Result<(), NotPlain>) -> Result<(), NotPlain> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            return self.expect(b'}');
        }
        loop {
            let (from, to) = self.quoted()?;
            let name = self.text.as_bytes().get(from..to).ok_or(NotPlain)?;
            self.expect(b':')?;
            member(self, name)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.expect(b'}'),
            }
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Result<u8, NotPlain> {
        loop {
            match self.byte().ok_or(NotPlain)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Ok(byte),
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotPlain> {
        if self.peek()? != byte {
            return Err(NotPlain);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), NotPlain> {
        if self.peek().is_err() { Ok(()) } else { Err(NotPlain) }
    }

    #[inline]
    fn string(&mut self) -> Result<&'a str, NotPlain> {
        let (from, to) = self.quoted()?;
        self.text.get(from..to).ok_or(NotPlain)
    }

    /// Where a text without escapes begins and ends within its quotes. Inlined by force: called for each name and text,
    /// and half of what it does would be saving registers.
    #[inline(always)]
    fn quoted(&mut self) -> Result<(usize, usize), NotPlain> {
        self.expect(b'"')?;
        let from = self.at;
        let to = plain_end(self.text.as_bytes(), from);
        // It ends at a quote, or else at what makes it not plain.
        if self.text.as_bytes().get(to) != Some(&b'"') {
            return Err(NotPlain);
        }
        self.at = to + 1;
        Ok((from, to))
    }

    /// An integer of at most 18 digits, so that it can't overflow. Zero has no sign and no leading zeros: then it is
    /// something else to JSON.
    fn integer(&mut self) -> Result<i64, NotPlain> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let start = self.at;
        let mut number = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            if self.at - start == 18 {
                return Err(NotPlain);
            }
            number = number * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        let digits = self.at - start;
        let leading_zero = self.text.as_bytes().get(start) == Some(&b'0');
        if digits == 0 || (leading_zero && (digits > 1 || negative)) {
            return Err(NotPlain);
        }
        Ok(if negative { -number } else { number })
    }

    fn literal(&mut self, literal: &str) -> Result<(), NotPlain> {
        let end = self.at + literal.len();
        if self.text.as_bytes().get(self.at..end) != Some(literal.as_bytes()) {
            return Err(NotPlain);
        }
        self.at = end;
        Ok(())
    }
}

impl Values for PlainReader<'_> {
    type Error = NotPlain;

    fn field<K: FieldKind>(&mut self, kind: K) -> Result<Raw<K::Value>, NotPlain> {
        match self.peek()? {
            b'"' => Ok(kind.text(self.string()?)),
            b'-' | b'0'..=b'9' => Ok(kind.integer(self.integer()?)),
            b't' => self.literal("true").map(|()| kind.flag(true)),
            b'f' => self.literal("false").map(|()| kind.flag(false)),
            b'n' => self.literal("null").map(|()| Raw::Absent),
            _ => Err(NotPlain),
        }
    }

    fn names(&mut self) -> Result<Raw<Token>, NotPlain> {
        match self.peek()? {
            b'"' => Ok(Name.text(self.string()?)),
            b'n' => self.literal("null").map(|()| Raw::Absent),
            _ => Err(NotPlain),
        }
    }

    fn data(&mut self, data: &mut Data) -> Result<(), NotPlain> {
        *data = Data::default();
        match self.peek()? {
            b'n' => self.literal("null"),
            _ => self.object(|reader, name| data.read(DataMember::named(name), reader)),
        }
    }

    fn is_given(&mut self) -> Result<bool, NotPlain> {
        match self.peek()? {
            b'"' => self.string().map(|_| true),
            b'-' | b'0'..=b'9' => self.integer().map(|_| true),
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| true),
            b'n' => self.literal("null").map(|()| false),
            _ => Err(NotPlain),
        }
    }
}

/// Where the first quote, backslash or control character stands, at or after `at`; or the end. Looks at eight bytes at
/// a time (Mycroft's test for a zero byte: the lowest byte that it marks is one).
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;

    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let chunk = u64::from_le_bytes(*chunk);
        let marks_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = marks_zero(chunk ^ (ONES * u64::from(b'"')));
        let backslash = marks_zero(chunk ^ (ONES * u64::from(b'\\')));
        let control = chunk.wrapping_sub(ONES * 0x20) & !chunk;
        let marks = (quote | backslash | control) & HIGHS;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}
