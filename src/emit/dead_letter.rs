//! A record that can't be used, as it goes to the dead letters: kept whole, with headers that say why and whence.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::ingest::Reject;
use crate::record::{Coordinates, Message, Outgoing, is_named, owned, text_header};

/// The headers that a dead letter is given. They differ from those of `rekey`, which a forwarded record keeps.
pub mod header {
    /// One of [`crate::ingest::Reason`].
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

    pub const ALL: [&str; 7] = [REASON, ERROR, TOPIC, PARTITION, OFFSET, LENGTH, SHA256];
}

/// What the broker adds to a record, at most: lengths, deltas, and the batch's own header.
const FRAME_BYTES: usize = 256;
/// What it adds to a header, at most: two lengths.
const HEADER_BYTES: usize = 10;
/// Room for the two headers of a value that is cut.
const CUT_BYTES: usize = 160;

/// The record to be written to the dead letters. Key, value and headers are kept, headers of an earlier death replaced.
/// A record that would be larger than `limit` bytes has its value cut, and headers that tell its length and SHA-256.
///
/// Its timestamp is that of sending: with its own, an old record could be past the retention before anyone looks.
pub fn dead_letter(
    message: &impl Message,
    reject: &Reject,
    at: &Coordinates,
    topic: &Arc<str>,
    limit: usize,
) -> Outgoing {
    let kept = message.headers().filter(|(name, _)| !is_named(name, &header::ALL));
    let mut headers: Vec<_> = kept.map(|header| owned(&header)).collect();
    let mut add = |name: &str, value: String| headers.push(text_header(name, value));
    add(header::REASON, reject.reason.as_str().to_owned());
    add(header::ERROR, reject.detail.clone());
    add(header::TOPIC, at.topic.as_ref().to_owned());
    add(header::PARTITION, at.partition.to_string());
    add(header::OFFSET, at.offset.to_string());

    let key = message.key().map(<[u8]>::to_vec);
    let header_bytes: usize =
        headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + HEADER_BYTES).sum();
    let others = FRAME_BYTES + header_bytes + key.as_ref().map_or(0, Vec::len);
    let value = message.value().map(|value| {
        let cut = Cut::new(value, limit.saturating_sub(others));
        if let Some(whole) = &cut.whole {
            headers.push(text_header(header::LENGTH, whole.length.to_string()));
            headers.push(text_header(header::SHA256, whole.sha256.clone()));
        }
        cut.kept.to_vec()
    });
    Outgoing { topic: Arc::clone(topic), partition: None, key, value, headers, timestamp: None }
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

impl<'a> Cut<'a> {
    pub(super) fn new(value: &'a [u8], room: usize) -> Self {
        if value.len() <= room {
            return Self { kept: value, whole: None };
        }
        let kept = &value[..value.len().min(room.saturating_sub(CUT_BYTES))];
        Self { kept, whole: Some(Whole { length: value.len(), sha256: hex::encode(Sha256::digest(value)) }) }
    }
}
