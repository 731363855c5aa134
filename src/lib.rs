//! tideline: a streaming lifecycle processor.
//!
//! The modules stand in the order in which a record flows through them. Those marked ◦ are pure: they take time as a
//! value, return effects as data, and import no tokio, rdkafka, clock, metrics, tracing, environment or randomness
//! (`tests/embedded/house.rs` holds them to it).

#![warn(clippy::unwrap_used)]

mod nearest;
pub mod config;
pub mod domain;
pub mod settings;
pub mod record;
pub mod guard;
pub mod ingest;
pub mod merge;
pub mod state;
pub mod rules;
pub mod engine;
pub mod emit;
pub mod pipeline;
pub mod generate;
pub mod broker;
pub mod runtime;
pub mod telemetry;
pub mod api;
pub mod cli;
