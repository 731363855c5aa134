//! What every use of the client needs: its callbacks, look-ups, reading one partition, writing one record.
//!
//! Must not know: the consumer group, transactions, or topics as tideline wants them.

pub(super) mod context;
pub(super) mod detached_call;
pub(super) mod dry_run;
pub(super) mod observers;
pub(super) mod outgoing;
pub(super) mod reader;
pub(super) mod retry;
pub(super) mod scan;
pub(super) mod throttle;
pub(super) mod undelivered;
