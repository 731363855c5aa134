//! Changes that know nothing of what the bytes mean, and pieces that are known to hurt.

use rand::RngExt;

use super::{Random, pick};

/// Numbers at and beyond the ends of ranges, and what is no number.
pub const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e999",
    "1e-999",
    "NaN",
    "Infinity",
    "0.5",
    "1.0",
    "00",
    "1000000000000000",
    "1000000000000001",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "253370678400000",
    "253370678400001",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
];

/// Texts that are no time, or hardly one.
pub const TIMES: [&str; 12] = [
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+23:59",
    "9998-12-31T00:00:00Z",
    "9998-12-31T00:00:00.001Z",
    "9999-12-31T23:59:60-23:59",
    "0000-00-00T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2024-02-29T23:59:60.9999999999999999999Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01t10:00:00.Z",
    "2026-03-01 10:00:00z",
];

const PIECES: [&[u8]; 22] = [
    b"\0",
    b"\0\0\0\0\0",
    b"\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0\0\0\0\0\0\0\x80",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    br"\ud800",
    br"\udc00\ud800",
    br"\u0000",
    b"\"",
    b"\\",
    b"{\"",
    b"}",
    b"[[",
    b",",
    b"null",
];

/// Longer than a dead letter of the fuzzer's may be, so that values are cut.
const LONG: usize = 80 << 10;
const HUGE: usize = 2 << 20;

/// One change, at any place. `other` is another sample.
pub fn change(value: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.random_range(0..=value.len());
    let length = random.random_range(0..=16usize.min(value.len() - at));
    match random.random_range(0..100u8) {
        0..20 if at < value.len() => value[at] ^= 1 << random.random_range(0..8),
        20..30 if at < value.len() => value[at] = random.random(),
        30..38 => value.truncate(at),
        38..46 => drop(value.drain(at..at + length)),
        46..52 => {
            let again = value[at..at + length].to_vec();
            value.splice(at..at, again);
        }
        52..66 => drop(value.splice(at..at, pick(random, &PIECES).iter().copied())),
        66..74 => drop(value.splice(at..at + length, pick(random, &PIECES).iter().copied())),
        74..82 => {
            let from = random.random_range(0..=other.len());
            value.truncate(at);
            value.extend(&other[from..]);
        }
        82..97 => change_number(value, at, random),
        97 => value.clear(),
        98 => nest(value, at, random),
        _ => grow(value, random),
    }
}

/// Puts another number in the place of the first digits from `at` on.
fn change_number(value: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(from) = value[at..].iter().position(u8::is_ascii_digit).map(|after| at + after) else { return };
    let length = value[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    value.splice(from..from + length, pick(random, &NUMBERS).bytes());
}

/// Deeper than any recursion should go.
fn nest(value: &mut Vec<u8>, at: usize, random: &mut Random) {
    let deep = *pick(random, &[100, 127, 128, 129, 5000]);
    let (open, close) = *pick(random, &[("[", "]"), ("{\"a\":", "}"), ("\x3a\x02", "")]);
    let middle = *pick(random, &["", "0", "null"]);
    let text = [open.repeat(deep), middle.to_owned(), close.repeat(deep)].concat();
    value.splice(at..at, text.bytes());
}

fn grow(value: &mut Vec<u8>, random: &mut Random) {
    let to = if random.random_ratio(1, 20) { HUGE } else { random.random_range(0..LONG) };
    let with = *pick(random, b" x0[\xff\0");
    if to > value.len() {
        value.resize(to, with);
    }
}
