//! An output as one JSON object, its members in the order of the output contract. Nothing is allocated but the output.

use std::io::Write as _;

use super::members::{Code, Member, MemberWriter, WholeNumber};
use super::{Emitter, Name, OutputType, announcement};
use crate::domain::{TimeText, Timestamp};
use crate::engine::Announcement;
use crate::record::Coordinates;

impl Emitter {
    /// Appends the announcement's JSON object.
    pub fn write_json(&self, announcement: &Announcement, out: &mut Vec<u8>) {
        self.write_object(announcement, &self.name(announcement), out);
    }

    pub(super) fn write_object(&self, announcement: &Announcement, name: &Name, out: &mut Vec<u8>) {
        JsonWriter(out).braced(|out| self.describe(announcement, name, out));
    }

    /// Appends the members without the braces, each with the comma before it.
    pub(super) fn write_members(&self, announcement: &Announcement, name: &Name, out: &mut Vec<u8>) {
        self.describe(announcement, name, &mut JsonWriter(out));
    }
}

/// Appends `{"topic":…,"partition":…,"offset":…}`.
pub(super) fn coordinates(out: &mut Vec<u8>, at: &Coordinates) {
    JsonWriter(out).braced(|out| announcement::coordinates(at, out));
}

/// Appends members. Inlined where a member is described, so that its name is a constant there.
struct JsonWriter<'a>(&'a mut Vec<u8>);

impl JsonWriter<'_> {
    #[inline(always)]
    fn name(&mut self, member: Member) {
        raw(self.0, member.json);
    }

    /// Appends an object of members, of which it has some. The first one's comma becomes the brace: so each name is
    /// written with a length that is known when this is compiled. (Asked whether it is the first, an output took a
    /// quarter more instructions.)
    #[inline(always)]
    fn braced(&mut self, members: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        members(self);
        debug_assert_eq!(self.0.get(begin), Some(&b','), "an object has members");
        if let Some(comma) = self.0.get_mut(begin) {
            *comma = b'{';
        }
        self.0.push(b'}');
    }

    fn null(&mut self) {
        raw(self.0, "null");
    }

    fn quoted(&mut self, plain: &str) {
        self.0.push(b'"');
        raw(self.0, plain);
        self.0.push(b'"');
    }

    fn whole(&mut self, value: impl itoa::Integer) {
        raw(self.0, itoa::Buffer::new().format(value));
    }
}

impl MemberWriter for JsonWriter<'_> {
    const BY_TAG: bool = false;

    #[inline(always)]
    fn plain(&mut self, member: Member, value: &str) {
        self.name(member);
        self.quoted(value);
    }

    #[inline(always)]
    fn text(&mut self, member: Member, value: &str) {
        self.name(member);
        text(self.0, value);
    }

    #[inline(always)]
    fn optional_text(&mut self, member: Member, value: Option<&str>) {
        self.name(member);
        match value {
            Some(value) => text(self.0, value),
            None => self.null(),
        }
    }

    #[inline(always)]
    fn code(&mut self, member: Member, value: Code) {
        self.name(member);
        match value.name {
            Some(name) => self.quoted(name),
            None => self.null(),
        }
    }

    #[inline(always)]
    fn number(&mut self, member: Member, value: impl WholeNumber) {
        self.name(member);
        self.whole(value);
    }

    #[inline(always)]
    fn optional_number(&mut self, member: Member, value: Option<impl WholeNumber>) {
        self.name(member);
        match value {
            Some(value) => self.whole(value),
            None => self.null(),
        }
    }

    /// However long. Nearly all have 64 bits, which are written sooner.
    #[inline(always)]
    fn amount(&mut self, member: Member, value: i128) {
        self.name(member);
        match i64::try_from(value) {
            Ok(value) => self.whole(value),
            Err(_) => self.whole(value),
        }
    }

    #[inline(always)]
    fn time(&mut self, member: Member, _: Timestamp, text: &TimeText) {
        self.plain(member, text);
    }

    #[inline(always)]
    fn optional_time(&mut self, member: Member, value: Option<Timestamp>) {
        self.name(member);
        match value {
            Some(value) => self.quoted(&value.text()),
            None => self.null(),
        }
    }

    /// JSON has no numbers that aren't finite.
    #[inline(always)]
    fn real(&mut self, member: Member, value: Option<f64>) {
        self.name(member);
        match value.filter(|value| value.is_finite()) {
            Some(value) => put(self.0, format_args!("{value}")),
            None => self.null(),
        }
    }

    /// With one decimal, also where that is a zero.
    #[inline(always)]
    fn days(&mut self, member: Member, value: Option<f64>) {
        self.name(member);
        match value.filter(|value| value.is_finite()) {
            Some(value) => put(self.0, format_args!("{value:.1}")),
            None => self.null(),
        }
    }

    #[inline(always)]
    fn object(&mut self, member: Member, content: impl FnOnce(&mut Self)) {
        self.name(member);
        self.braced(content);
    }

    #[inline(always)]
    fn type_name(&mut self, value: OutputType) {
        self.plain(Member { tag: 0, json: ",\"type\":" }, value.name());
    }

    #[inline(always)]
    fn body(&mut self, _: OutputType, content: impl FnOnce(&mut Self)) {
        content(self);
    }
}

/// Appends a JSON text with its quotes, escaping what JSON wants escaped.
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        match from[0] {
            special @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => put(out, format_args!("\\u{control:04x}")),
        }
        rest = &from[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[inline(always)]
fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends formatted text. Writing to a vector can't fail: it grows.
pub(super) fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(arguments);
    debug_assert!(written.is_ok(), "writing to a vector");
}
