//! What needs the cluster. `no_kafka.rs` stands for it in a build without the feature `kafka`.

mod check;
mod erasure;
mod feed;
mod findings;
mod rights;
mod run;
mod survey;
mod topics;

pub(super) use check::check;
pub(super) use feed::feed;
pub(super) use run::run;
pub(super) use survey::connect;
pub(super) use topics::topics;
