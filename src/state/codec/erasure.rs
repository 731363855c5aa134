//! The value that remembers an erasure: the same in both versions.

use super::header::{HEADER_BYTES, Header, Kind};
use crate::domain::{Stage, Timestamp};
use crate::state::varint::{Reader, put_signed};
use crate::state::{StateError, event_time};

/// Appends the value that remembers an erasure until `forget_at`.
pub fn encode_erasure(erased_at: Timestamp, forget_at: Timestamp, rules_generation: u32, out: &mut Vec<u8>) {
    let header =
        Header { kind: Kind::Erasure, tier: None, stage: Stage::Active, rules_generation, deadline: Some(forget_at) };
    header.put(out);
    put_signed(out, erased_at.millis());
}

/// When the user was erased.
///
/// # Errors
/// As [`Header::read`]; or the value is not an erasure.
pub fn decode_erasure(bytes: &[u8]) -> Result<Timestamp, StateError> {
    if Header::read(bytes)?.kind != Kind::Erasure {
        return Err(StateError::Damaged("not an erasure"));
    }
    event_time(Reader::new(&bytes[HEADER_BYTES..]).signed()?)
}
