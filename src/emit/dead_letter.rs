//! A record that can't be used, as it goes to the dead letters: kept whole, with headers that say why and whence.
//!
//! A dead letter always fits its limit: else its topic would refuse it for ever, and its partition would stand still.
//! First the value is cut, then headers are dropped, then the key is cut; each says so in headers of ours.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::ingest::Reject;
use crate::record::{Coordinates, Damage, Header, Message, Offset, Outgoing, OwnedHeader, Unread};
use crate::record::{is_named, owned, text_header};

/// The headers that a dead letter is given. They differ from those of `rekey`, which a forwarded record keeps.
pub mod header {
    /// One of [`crate::ingest::RejectReason`].
    pub const REASON: &str = "tideline-dead-reason";
    /// The field and what was wrong with it.
    pub const ERROR: &str = "tideline-dead-error";
    /// Where the record was read; of a forwarded one that is `rekey`.
    pub const TOPIC: &str = "tideline-dead-topic";
    pub const PARTITION: &str = "tideline-dead-partition";
    pub const OFFSET: &str = "tideline-dead-offset";
    /// Of a value that was cut: its length before, in bytes.
    pub const LENGTH: &str = "tideline-dead-length";
    /// Of a value that was cut: the SHA-256 of all of it, in hex.
    pub const SHA256: &str = "tideline-dead-sha256";
    /// Of headers that were dropped: the bytes of their names and values.
    pub const HEADERS_LENGTH: &str = "tideline-dead-headers-length";
    /// Of headers that were dropped: the SHA-256 of, for each, the length of its name as u32 (big endian), the name,
    /// the length of its value (of a null one 0xffffffff), and the value.
    pub const HEADERS_SHA256: &str = "tideline-dead-headers-sha256";
    /// Of a key that was cut: its length before, in bytes.
    pub const KEY_LENGTH: &str = "tideline-dead-key-length";
    /// Of a key that was cut: the SHA-256 of all of it, in hex.
    pub const KEY_SHA256: &str = "tideline-dead-key-sha256";
    /// Of a record that couldn't be read whole: what is missing, `headers` or `all`.
    pub const UNREAD: &str = "tideline-dead-unread";

    pub const ALL: [&str; 12] = [
        REASON,
        ERROR,
        TOPIC,
        PARTITION,
        OFFSET,
        LENGTH,
        SHA256,
        HEADERS_LENGTH,
        HEADERS_SHA256,
        KEY_LENGTH,
        KEY_SHA256,
        UNREAD,
    ];

    /// Of a letter that is not all of its record: any of these.
    pub const NOT_WHOLE: [&str; 4] = [LENGTH, HEADERS_LENGTH, KEY_LENGTH, UNREAD];
}

/// What the broker adds to a record, at most: lengths, deltas, and the batch's own header.
const FRAME_BYTES: usize = 256;
/// What it adds to a header, at most: two lengths.
const HEADER_BYTES: usize = 10;
/// Room for the two headers of a part that is cut.
const CUT_BYTES: usize = 160;
/// An error longer than that is cut.
const ERROR_BYTES: usize = 1_024;

/// The record to be written to the dead letters. Key, value and headers are kept, headers of an earlier death replaced.
/// What would be larger than `limit` bytes is cut, see above.
///
/// Its timestamp is that of sending: with its own, an old record could be past the retention before anyone looks.
pub fn dead_letter(
    message: &impl Message,
    reject: &Reject,
    at: &Coordinates,
    topic: &Arc<str>,
    limit: usize,
) -> Outgoing {
    let mut ours = why_and_whence(message, reject, at);
    let kept: Vec<_> = message.headers().filter(|(name, _)| !is_named(name, &header::ALL)).collect();
    let (key, value) = (message.key(), message.value());
    let ours_bytes: usize = ours.iter().map(|header| bytes_of(&crate::record::borrowed(header))).sum();
    let room = limit.saturating_sub(FRAME_BYTES + ours_bytes);
    let headers_bytes = kept.iter().map(bytes_of).sum();
    let share = Share::of(room, key.map_or(0, <[u8]>::len), headers_bytes, value.map_or(0, <[u8]>::len));

    let mut add = |length: &str, sha256: &str, whole: Option<Whole>| {
        if let Some(whole) = whole {
            ours.push(text_header(length, whole.length.to_string()));
            ours.push(text_header(sha256, whole.sha256));
        }
    };
    let value = value.map(|value| {
        add(header::LENGTH, header::SHA256, Whole::unless(share.value, value));
        value[..share.value.min(value.len())].to_vec()
    });
    if !share.headers {
        add(header::HEADERS_LENGTH, header::HEADERS_SHA256, Some(Whole::of_headers(&kept)));
    }
    let key = key.map(|key| {
        add(header::KEY_LENGTH, header::KEY_SHA256, Whole::unless(share.key, key));
        key[..share.key.min(key.len())].to_vec()
    });
    let mut headers: Vec<_> = kept.iter().filter(|_| share.headers).map(owned).collect();
    headers.append(&mut ours);
    Outgoing { topic: Arc::clone(topic), partition: None, key, value, headers, timestamp: None }
}

/// The dead letter of a record of which nothing can be read: where it stands.
pub fn bare_letter(reject: &Reject, at: &Coordinates, topic: &Arc<str>) -> Outgoing {
    let damage = Damage { unread: Unread::All, detail: String::new() };
    dead_letter(&Nothing(at.offset, damage), reject, at, topic, usize::MAX)
}

struct Nothing(Offset, Damage);

impl Message for Nothing {
    fn offset(&self) -> Offset {
        self.0
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        None
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }

    fn damage(&self) -> Option<&Damage> {
        Some(&self.1)
    }
}

fn why_and_whence(message: &impl Message, reject: &Reject, at: &Coordinates) -> Vec<OwnedHeader> {
    let error = &reject.detail[..reject.detail.floor_char_boundary(ERROR_BYTES)];
    let mut headers = vec![
        text_header(header::REASON, reject.reason.as_str()),
        text_header(header::ERROR, error),
        text_header(header::TOPIC, at.topic.as_ref()),
        text_header(header::PARTITION, at.partition.to_string()),
        text_header(header::OFFSET, at.offset.to_string()),
    ];
    headers.extend(message.damage().map(|damage| text_header(header::UNREAD, damage.unread.as_str())));
    headers
}

/// What a header takes in a record, at most.
fn bytes_of((name, value): &Header<'_>) -> usize {
    name.len() + value.map_or(0, <[u8]>::len) + HEADER_BYTES
}

/// What of a record is kept within a room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    key: usize,
    /// All of them, or none.
    headers: bool,
    value: usize,
}

impl Share {
    fn of(room: usize, key: usize, headers: usize, value: usize) -> Self {
        // What is cut needs two headers more.
        let after = |cuts: usize| room.saturating_sub(cuts * CUT_BYTES);
        if key + headers + value <= room {
            return Self { key, headers: true, value };
        }
        if key + headers <= after(1) {
            return Self { key, headers: true, value: after(1) - key - headers };
        }
        // Nobody misses headers that aren't there.
        let headers = headers == 0;
        if key <= after(2) {
            return Self { key, headers, value: after(2) - key };
        }
        Self { key: after(3), headers, value: 0 }
    }
}

/// As much of a value as there is room for.
pub(super) struct Cut<'a> {
    pub kept: &'a [u8],
    /// What it was, if that is not all of it.
    pub whole: Option<Whole>,
}

pub(super) struct Whole {
    pub length: usize,
    pub sha256: String,
}

impl Whole {
    /// What is cut to `kept` bytes, if it is.
    fn unless(kept: usize, bytes: &[u8]) -> Option<Self> {
        (bytes.len() > kept).then(|| Self { length: bytes.len(), sha256: hex::encode(Sha256::digest(bytes)) })
    }

    fn of_headers(headers: &[Header<'_>]) -> Self {
        let (mut digest, mut length) = (Sha256::new(), 0);
        let mut add = |bytes: Option<&[u8]>| {
            let bytes_len = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
            digest.update(bytes_len.to_be_bytes());
            digest.update(bytes.unwrap_or_default());
            length += bytes.map_or(0, <[u8]>::len);
        };
        for (name, value) in headers {
            add(Some(name));
            add(*value);
        }
        Self { length, sha256: hex::encode(digest.finalize()) }
    }
}

impl<'a> Cut<'a> {
    pub(super) fn new(value: &'a [u8], room: usize) -> Self {
        if value.len() <= room {
            return Self { kept: value, whole: None };
        }
        let kept = &value[..value.len().min(room.saturating_sub(CUT_BYTES))];
        Self { kept, whole: Whole::unless(kept.len(), value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_gives_way_first_then_the_headers_then_the_key() {
        let share = |key, headers, value| Share { key, headers, value };
        // Room, key, headers, value.
        let cases = [
            ((1_000, 10, 90, 900), share(10, true, 900)),
            ((1_000, 10, 90, 901), share(10, true, 740)),
            ((1_000, 10, 840, 900), share(10, false, 670)),
            ((1_000, 10, 2_000, 100), share(10, false, 670)),
            ((1_000, 680, 2_000, 100), share(680, false, 0)),
            ((1_000, 681, 2_000, 100), share(520, false, 0)),
            ((1_000, 2_000, 0, 0), share(520, true, 0)),
            ((0, 1, 1, 1), share(0, false, 0)),
        ];
        for ((room, key, headers, value), expected) in cases {
            assert_eq!(Share::of(room, key, headers, value), expected, "{room} {key} {headers} {value}");
        }
    }
}
