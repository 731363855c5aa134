//! tideline: a streaming lifecycle processor. Events of users come in from Kafka; what changed about a user, a tier or
//! a silence, goes out, exactly once.
//!
//! The modules stand in the order in which a record flows through them, and each uses only those above it (which ones:
//! `tests/embedded/house/floors.txt`). Those marked ◦ are pure: they take time as a value, return effects as data, and
//! import no tokio, rdkafka, clock, metrics, tracing, environment or randomness; `--no-default-features --lib` builds
//! them alone. `tests/embedded/house/` holds all this.
//!
//! | module | what it is | must not know |
//! |---|---|---|
//! | [`domain`] ◦ | users, events and their types, tiers, stages, time and days | anything else of this crate |
//! | [`settings`] ◦ | units of settings, faults by path, one declaration a struct | files, environment |
//! | [`record`] ◦ | a record of a topic as bytes: read, owned, lent | what it means |
//! | [`ingest`] ◦ | bytes to an event or a reason: JSON, CloudEvents, protobuf; where a record belongs | state, rules |
//! | [`merge`] ◦ | the inputs of a partition as one stream in event-time order | what an event does |
//! | [`state`] ◦ | a user's facts, in any order of arrival; their bytes; the partition record | rules |
//! | [`rules`] ◦ | tiers, silences, the golden window, the model; versions of rules | users' bytes, outputs |
//! | [`engine`] ◦ | history, rules, timers: event or time in, effects out; committed store, overlay | topics, offsets |
//! | [`emit`] ◦ | effects to records: JSON, protobuf, dead letters, forwarded records | when anything is sent |
//! | [`guard`] ◦ | runs a piece of work so that its panic is a value | what the work is |
//! | [`pipeline`] ◦ | a partition's task: merge, handle, stage, install or discard | brokers, threads |
//! | [`generate`] ◦ | events of generated users by seed | the rest of the pipeline |
//! | [`chain`] ◦ | an error and its sources as one text | whose error it is |
//! | [`broker`] | the seam to a log, as traits; [`broker::kafka`] and [`broker::memory`] behind it | lanes, policy |
//! | [`runtime`] | `lane/` the loop, `recovery/` takeovers, `board/` what is told, `watch/` what judges | rdkafka |
//! | [`telemetry`] | logs; metrics from the board | how a lane works |
//! | [`api`] | HTTP: pages and read-only queries over the registry of committed users | how a lane works |
//! | [`config`] | the file: composes the parts' settings, checks what couples them | what the parts do |
//! | [`cli`] | flags to calls, a file a command | |
//!
//! # Invariants
//!
//! Each is held by the tests named with it (`tests/embedded/docs.rs` checks that they exist).
//!
//! - **I1** A batch is one transaction; memory changes after its commit only:
//!   `a_failed_transaction_leaves_memory_as_it_was_and_the_outputs_of_a_run_without_faults`.
//! - **I2** A transaction writes a partition record and offsets for every partition it writes about, so a stale
//!   owner is refused: `a_batch_commits_outputs_state_and_offsets_together`,
//!   `a_stale_owner_in_the_middle_of_slices_writes_nothing`.
//! - **I3** The group metadata of a batch is captured with its first record, never later:
//!   `the_generation_of_a_batch_is_taken_when_its_first_record_is_handled`.
//! - **I4** Whatever fails, a `read_committed` reader sees no gap and no repeat:
//!   `promises_hold_through_twenty_thousand_steps_of_every_fault_seeds_1_to_5`.
//! - **I5** A user's history doesn't depend on the order of arrival:
//!   `any_interleaving_within_the_horizon_leaves_the_same_history`.
//! - **I6** Restored state is live state, byte for byte:
//!   `restored_state_is_live_state_byte_for_byte_and_goes_on_alike`.
//! - **I7** A record is applied, skipped, duplicate, suppressed, rekeyed or a dead letter, and the counts balance:
//!   `every_record_comes_out_as_what_it_is_and_the_books_balance`.
//! - **I8** Per user, outputs are numbered without a gap, their ids are the same on any replay and no other
//!   output's: `sequences_have_no_gap_and_what_was_announced_is_true`,
//!   `no_two_outputs_have_one_id_whoever_comes_back`.
//! - **I9** A deadline that has fired is later than before or gone; time that goes backwards ends no loop:
//!   `a_clock_that_is_set_back_over_midnight_ends_no_day_and_no_run_hangs_on_it`.
//! - **I10** The same files give the same bytes: `however_files_are_packed_or_cut_the_bytes_are_the_same`.
//! - **I11** State that can't be gone on from is refused by name, never passed over:
//!   `what_contradicts_the_log_is_refused_and_reset_is_named`.
//! - **I12** The pure half imports no world: `the_pure_half_knows_no_world`.

#![warn(clippy::unwrap_used)]

#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod domain;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod settings;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod record;
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
pub mod guard;
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod pipeline;
pub mod generate;
pub mod chain;
#[cfg(feature = "shell")]
mod nearest;
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
#[warn(missing_docs, clippy::missing_errors_doc)]
pub mod config;
#[cfg(feature = "shell")]
pub mod cli;
