//! The one test binary for what needs no broker: plain `cargo test` runs it. Each submodule is a suite of its own.

#![allow(clippy::disallowed_methods, reason = "tests read clocks to bound their waits")]

/// Lives in `tests/embedded/`.
mod embedded {
    mod api;
    mod bad_input;
    mod cases;
    mod cli;
    mod config;
    mod generate;
    mod conformance;
    mod core;
    mod faults;
    mod fuzz;
    mod house;
    mod journey;
    mod journal;
    mod lane;
    mod lane_beside;
    mod lane_fronts;
    mod lane_rules;
    mod lane_clock;
    mod lane_ends;
    mod lane_failing;
    mod lane_spy;
    mod lane_takeover;
    mod lane_outputs;
    mod output_table;
    mod lane_watch;
    mod log;
    mod log_model;
    mod panics;
    mod pipeline;
    mod simulation;
    mod redrive;
    mod sizes;
    mod skip;
    mod refusals;
    mod spy;
    mod replay;
    mod replay_remarks;
    mod reset;
    mod secrets;
    mod telemetry;
    mod demo;
    mod docs;
    mod topics;
    mod wire;
}
