//! How a partition or a transactional id is taken over: what may be trusted, and in which order it is asked for.
//!
//! `restore` and `recover` are background tasks of a lane; `ownership` and `identity` are the pure judgements they rest on.
//! Must not know: lanes. May break it: a step taken before whoever could still write is fenced.

pub(crate) mod identity;
pub(super) mod ownership;
pub(super) mod recover;
pub(super) mod restore;
