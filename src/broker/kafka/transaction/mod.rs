//! Writing exactly once: the transactional producer, and who else may have a transaction open.
//!
//! Must not know: what is read, or what memory makes of an error.

pub(super) mod failure;
pub(super) mod producer;
pub(super) mod open_transaction;
pub(super) mod writers;
