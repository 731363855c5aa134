//! tideline: a streaming lifecycle processor.
//!
//! The modules stand in the order in which a record flows through them. Those marked ◦ are pure: they take time as a
//! value, return effects as data, and import no tokio, rdkafka, clock, metrics, tracing, environment or randomness
//! (`tests/embedded/house.rs` holds them to it).

#![warn(clippy::unwrap_used)]

pub mod chain;
#[cfg(feature = "shell")]
mod nearest;
#[cfg(feature = "shell")]
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod config;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod domain;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod settings;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod record;
pub mod guard;
pub mod ingest;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod merge;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod state;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod rules;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod engine;
pub mod emit;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod pipeline;
pub mod generate;
#[cfg(feature = "shell")]
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod broker;
#[cfg(feature = "shell")]
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod runtime;
#[cfg(feature = "shell")]
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod telemetry;
#[cfg(feature = "shell")]
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod api;
#[cfg(feature = "shell")]
pub mod cli;
