//! How a partition or a transactional id is taken over: what may be trusted, and in which order it is asked for.
//!
//! `restore` and `recover` are background tasks of a lane; `outcome`, `start` and `identity` are the pure judgements
//! they rest on, `refusal` what comes of them. Must not know: lanes. May break it: a step taken before whoever could
//! still write is fenced.

pub mod entries;
pub(crate) mod identity;
pub(super) mod outcome;
pub(super) mod recover;
pub(super) mod refusal;
pub(super) mod restore;
pub(super) mod start;
pub mod takeover;
