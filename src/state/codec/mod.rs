//! A user, or the memory of an erasure, as the bytes that the changelog and the store hold: state version 2.
//!
//! ```text
//! header, 16 bytes:  version 2 | kind 1 | tier 1 (255: none) | stage 1 | rules generation 4 LE |
//!                    next deadline 8 LE (ms; MAX: none)
//! of a user follow:  sections (varint, a bit each tag) | the core | the sections, in order of tag
//! of an erasure:     its time
//! ```
//!
//! Numbers are varints (LEB128; zigzag where they may be negative), times relative to the user's newest. What facts say
//! is in sections; a new fact is a new tag within this version, and a program that doesn't know a tag refuses the value
//! by it, at restore. Whatever else changes needs a new version; an unknown version is an error, never a guess. Version
//! 1 is read.

mod erasure;
mod header;
mod user;
mod v1;

pub use erasure::{decode_erasure, encode_erasure};
pub use header::{Header, Kind, VERSION};
pub use user::{decode_user, encode_user};

#[cfg(test)]
mod tests;
