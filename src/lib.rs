//! tideline: a streaming lifecycle processor.
//!
//! The modules stand in the order in which a record flows through them. Those marked ◦ are pure: they take time as a
//! value, return effects as data, and import no tokio, rdkafka, clock, metrics, tracing, environment or randomness
//! (`tests/house` holds them to it).

pub mod broker;
pub mod cli;
pub mod config;
pub mod domain;
pub mod emit;
pub mod engine;
pub mod ingest;
pub mod merge;
pub mod record;
pub mod rules;
pub mod runtime;
pub mod state;
pub mod telemetry;
pub mod timers;
