//! The header of a value: what can be read without decoding what follows. Its 16 bytes are the same in both versions.

use crate::domain::{Stage, Tier, Timestamp};
use crate::state::facts::Facts;
use crate::state::varint::Reader;
use crate::state::{StateError, instant};

/// The version that is written.
pub const VERSION: u8 = 2;
/// The version that the program wrote up to 2026-12-01.
pub(super) const VERSION_1: u8 = 1;
pub(super) const HEADER_BYTES: usize = 16;
const NO_TIER: u8 = u8::MAX;
const NO_DEADLINE: i64 = Timestamp::NEVER.millis();

/// What a value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A user.
    User = 0,
    /// Only that a user was erased, and when.
    Erasure = 1,
}

/// What can be read without decoding the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the value is about.
    pub kind: Kind,
    /// The announced tier; none before anything was.
    pub tier: Option<Tier>,
    /// The announced stage.
    pub stage: Stage,
    /// Of the rules that the value was last judged by.
    pub rules_generation: u32,
    /// The earliest deadline; none where nothing is ever due.
    pub deadline: Option<Timestamp>,
}

impl Header {
    /// Reads the header of a value of either version, and looks whether all its sections are known.
    ///
    /// # Errors
    /// The version or a section is unknown, or the bytes are none that this program or an earlier one writes.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let header = Self::read_stored(bytes)?;
        if bytes.first() == Some(&VERSION) && header.kind == Kind::User {
            known_sections(bytes)?;
        }
        Ok(header)
    }

    /// Reads the header of a value that [`Self::read`] has read before: one that the store holds.
    ///
    /// # Errors
    /// As [`Self::read`], but for sections, which are not looked at again.
    #[inline]
    pub fn read_stored(bytes: &[u8]) -> Result<Self, StateError> {
        let version = *bytes.first().ok_or(StateError::Damaged("empty value"))?;
        if !matches!(version, VERSION_1 | VERSION) {
            return Err(StateError::UnknownVersion(version));
        }
        let [_, kind, tier, stage, rest @ ..] =
            bytes.first_chunk::<HEADER_BYTES>().ok_or(StateError::Damaged("header cut short"))?;
        let [g0, g1, g2, g3, deadline @ ..] = rest;
        let kind = match kind {
            0 => Kind::User,
            1 => Kind::Erasure,
            _ => return Err(StateError::Damaged("unknown kind")),
        };
        let deadline = i64::from_le_bytes(*deadline);
        Ok(Self {
            kind,
            tier: (*tier != NO_TIER).then_some(Tier(*tier)),
            stage: Stage::from_code(*stage).ok_or(StateError::Damaged("unknown stage"))?,
            rules_generation: u32::from_le_bytes([*g0, *g1, *g2, *g3]),
            deadline: if deadline == NO_DEADLINE { None } else { Some(instant(deadline)?) },
        })
    }

    /// Appends it, in the version that is written.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let tier = self.tier.map_or(NO_TIER, |tier| tier.0);
        out.extend_from_slice(&[VERSION, self.kind as u8, tier, self.stage as u8]);
        out.extend_from_slice(&self.rules_generation.to_le_bytes());
        out.extend_from_slice(&self.deadline.map_or(NO_DEADLINE, Timestamp::millis).to_le_bytes());
    }
}

/// Looks whether all sections of a user's value are known, without reading them.
///
/// # Errors
/// One is not: it is named.
#[inline]
fn known_sections(bytes: &[u8]) -> Result<(), StateError> {
    match bytes.get(HEADER_BYTES) {
        // Nearly all have their sections in one byte.
        Some(&byte) if u64::from(byte) & !(Facts::KNOWN & 0x7f) == 0 => Ok(()),
        _ => many_known_sections(bytes),
    }
}

#[cold]
fn many_known_sections(bytes: &[u8]) -> Result<(), StateError> {
    let unknown = Reader::new(bytes.get(HEADER_BYTES..).unwrap_or_default()).unsigned()? & !Facts::KNOWN;
    if unknown == 0 { Ok(()) } else { Err(StateError::UnknownSection(unknown.trailing_zeros())) }
}
