//! Outputs and dead letters as lines of JSON: what `replay` writes.

use super::Emitter;
use super::dead_letter::Cut;
use super::json::{coordinates, put, text};
use crate::engine::Announcement;
use crate::ingest::Reject;
use crate::record::{Coordinates, Message};

impl Emitter {
    /// Appends an announcement as a line: its topic first, then the members of its JSON value.
    pub fn write_line(&self, announcement: &Announcement, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"topic":"#);
        text(out, self.topic(&announcement.kind));
        self.write_members(announcement, &self.name(announcement), out);
        out.extend_from_slice(b"}\n");
    }
}

/// Appends a dead letter as a line: topic, reason, error, where it was read, and the record. Key and value are `key`
/// and `value` where they are text, else `key_base64` and `value_base64`; a value of more than `limit` bytes is cut,
/// and its length and SHA-256 told.
pub fn write_dead_letter(
    message: &impl Message,
    reject: &Reject,
    at: &Coordinates,
    topic: &str,
    limit: usize,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"topic":"#);
    text(out, topic);
    put(out, format_args!(r#","reason":"{}","error":"#, reject.reason.as_str()));
    text(out, &reject.detail);
    out.extend_from_slice(br#","source":"#);
    coordinates(out, at);
    bytes_member(out, "key", message.key());
    let cut = message.value().map(|value| Cut::new(value, limit));
    bytes_member(out, "value", cut.as_ref().map(|cut| cut.kept));
    if let Some(whole) = cut.and_then(|cut| cut.whole) {
        put(out, format_args!(r#","length":{},"sha256":"{}""#, whole.length, whole.sha256));
    }
    out.extend_from_slice(b"}\n");
}

fn bytes_member(out: &mut Vec<u8>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => put(out, format_args!(r#","{name}":null"#)),
        Some((_, Ok(value))) => {
            put(out, format_args!(r#","{name}":"#));
            text(out, value);
        }
        Some((bytes, Err(_))) => {
            put(out, format_args!(r#","{name}_base64":""#));
            base64(out, bytes);
            out.push(b'"');
        }
    }
}

/// RFC 4648 with padding.
fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 0x3f) as usize];
            out.push(if place <= chunk.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in cases {
            let mut out = Vec::new();
            base64(&mut out, bytes.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
