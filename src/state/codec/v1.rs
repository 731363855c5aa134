//! A user's value in version 1, which the program wrote up to 2026-12-01: read, never written.
//!
//! ```text
//! body:      flags 1 | outputs made | newest | incarnation | registered | first seen | tier's deadline |
//!            stage 1, its deadline | first day | days left | latest of them | days | scenes | ids remembered | loans
//! sections:  (tag varint | length varint | bytes) to the end; no program has written one
//! ```

use super::header::Header;
use crate::domain::{Stage, Timestamp};
use crate::state::keep::{Earliest, Latest};
use crate::state::varint::Reader;
use crate::state::{Deadlines, StateError, User, UserDeadline, event_time, instant};

const REGISTERED: u8 = 1;
const FIRST_SEEN: u8 = 1 << 1;
const NEWEST: u8 = 1 << 2;
const FIRST_DAY: u8 = 1 << 3;
const LEFT_LATEST: u8 = 1 << 4;
const INCARNATION: u8 = 1 << 5;
const TIER_DEADLINE: u8 = 1 << 6;
const STAGE_DEADLINE: u8 = 1 << 7;

/// Reads what follows the header, whose tier and stage `user` has already.
pub(super) fn decode_body(from: &mut Reader<'_>, header: &Header, user: &mut User) -> Result<(), StateError> {
    let flags = from.byte()?;
    let has = |bit: u8| flags & bit != 0;
    user.sequence = from.unsigned()?;
    user.newest = if has(NEWEST) { Some(event_time(from.signed()?)?) } else { None };
    let base = user.newest.map_or(0, Timestamp::millis);
    user.incarnation = if has(INCARNATION) { event_time(from.signed()?)?.millis() } else { 0 };
    let facts = &mut user.facts;
    facts.registered.0 = if has(REGISTERED) { Earliest::read(from, base)? } else { Earliest::default() };
    facts.first_seen.0 = if has(FIRST_SEEN) { Earliest::read(from, base)? } else { Earliest::default() };
    user.deadlines = Deadlines::default();
    if has(TIER_DEADLINE) {
        user.deadlines.set(UserDeadline::Tier, Some(deadline(from, base)?));
    }
    if has(STAGE_DEADLINE) {
        let stage = Stage::from_code(from.byte()?).ok_or(StateError::Damaged("unknown stage"))?;
        if stage <= user.stage {
            return Err(StateError::Damaged("a stage that does not go on"));
        }
        user.deadlines.set(UserDeadline::Stage, Some(deadline(from, base)?));
    }
    if user.deadlines.next() != header.deadline {
        return Err(StateError::Damaged("another deadline than in the header"));
    }
    let history = &mut facts.history;
    history.first_day = if has(FIRST_DAY) { Earliest::read(from, base)? } else { Earliest::default() };
    history.left_days = u32::try_from(from.unsigned()?).map_err(|_| StateError::Damaged("too many days"))?;
    history.left_latest = if has(LEFT_LATEST) { Latest::read(from, base)? } else { Latest::default() };
    history.read_days(from.unsigned()?, from)?;
    history.read_scenes(from)?;
    user.remembered.read(from, base)?;
    facts.loans.0.read(from, base)?;
    if from.is_empty() { Ok(()) } else { Err(StateError::UnknownSection(from.unsigned()? as u32)) }
}

fn deadline(from: &mut Reader<'_>, base: i64) -> Result<Timestamp, StateError> {
    instant(base.saturating_sub(from.signed()?))
}
