//! A user's value in version 2.
//!
//! ```text
//! core:  flags varint (bit 0: newest, bit 1: incarnation, bit 2 + n: the deadline n) | outputs made | newest |
//!        incarnation | each deadline, in ms after the header's |
//!        ids remembered: how many, then (id 8 LE, when it came) each
//! ```

use super::header::{HEADER_BYTES, Header, Kind, VERSION_1};
use super::v1;
use crate::domain::Timestamp;
use crate::state::varint::{Reader, put_signed, put_unsigned};
use crate::state::{Deadlines, StateError, User, UserDeadline, event_time, instant};

const NEWEST: u64 = 1;
const INCARNATION: u64 = 1 << 1;
const DEADLINES: u32 = 2;

/// Appends the value of a user. The same user gives the same bytes.
pub fn encode_user(user: &User, rules_generation: u32, out: &mut Vec<u8>) {
    let next = user.deadlines.next();
    let (tier, stage) = (user.announced, user.stage);
    Header { kind: Kind::User, tier, stage, rules_generation, deadline: next }.put(out);
    let sections = user.facts.sections();
    put_unsigned(out, sections);
    let flag = |present: bool, bit: u64| if present { bit } else { 0 };
    let mut flags = flag(user.newest.is_some(), NEWEST) | flag(user.incarnation != 0, INCARNATION);
    for &deadline in &UserDeadline::ALL {
        flags |= flag(user.deadlines.get(deadline).is_some(), 1 << (DEADLINES + deadline as u32));
    }
    put_unsigned(out, flags);
    put_unsigned(out, user.sequence);
    let base = user.newest.map_or(0, Timestamp::millis);
    if user.newest.is_some() {
        put_signed(out, base);
    }
    if user.incarnation != 0 {
        put_signed(out, user.incarnation);
    }
    for &deadline in &UserDeadline::ALL {
        if let (Some(at), Some(next)) = (user.deadlines.get(deadline), next) {
            put_unsigned(out, at.since(next).unsigned_abs());
        }
    }
    user.remembered.put(out, base);
    user.facts.put(sections, out, base);
}

/// Reads a user, of either version, into one that is there already, whose memory it takes over.
///
/// # Errors
/// As [`Header::read`]; or the value is not a user. Then `user` is neither the one nor the other.
pub fn decode_user(bytes: &[u8], user: &mut User) -> Result<Header, StateError> {
    let header = Header::read(bytes)?;
    if header.kind != Kind::User {
        return Err(StateError::Damaged("not a user"));
    }
    user.announced = header.tier;
    user.stage = header.stage;
    let mut from = Reader::new(&bytes[HEADER_BYTES..]);
    if bytes[0] == VERSION_1 {
        v1::decode_body(&mut from, &header, user)?;
    } else {
        decode_body(&mut from, &header, user)?;
    }
    if !from.is_empty() {
        return Err(StateError::Damaged("bytes behind the last section"));
    }
    Ok(header)
}

fn decode_body(from: &mut Reader<'_>, header: &Header, user: &mut User) -> Result<(), StateError> {
    let sections = from.unsigned()?;
    let flags = from.unsigned()?;
    if flags >> DEADLINES >> UserDeadline::ALL.len() != 0 {
        return Err(StateError::Damaged("an unknown deadline"));
    }
    user.sequence = from.unsigned()?;
    user.newest = if flags & NEWEST != 0 { Some(event_time(from.signed()?)?) } else { None };
    let base = user.newest.map_or(0, Timestamp::millis);
    user.incarnation = if flags & INCARNATION != 0 { event_time(from.signed()?)?.millis() } else { 0 };
    user.deadlines = Deadlines::default();
    for deadline in UserDeadline::ALL {
        if flags >> (DEADLINES + deadline as u32) & 1 != 0 {
            let after = from.unsigned()?;
            let at = header.deadline.and_then(|next| next.millis().checked_add_unsigned(after));
            user.deadlines.set(deadline, Some(instant(at.unwrap_or(i64::MAX))?));
        }
    }
    if user.deadlines.next() != header.deadline {
        return Err(StateError::Damaged("another deadline than in the header"));
    }
    user.remembered.read(from, base)?;
    user.facts.read(sections, from, base)
}
