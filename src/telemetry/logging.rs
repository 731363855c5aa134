//! The log: lines on standard error. A contract for its levels: `error` pages someone, `warn` asks to be looked at by
//! day, `info` is a change of state, `debug` may name a user.

use std::io;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use crate::settings::settings;

settings! {
    /// The log, on standard error.
    #[derive(Copy, Eq)]
    pub struct LogSettings {
        /// `plain` or `json`.
        pub log_format: LogFormat = LogFormat::Plain,
        /// `error`, `warn`, `info`, `debug` or `trace`. From `debug` on a line may name a user.
        pub log_level: LogLevel = LogLevel::Info,
    }
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a terminal: time, level, text, fields.
    #[default]
    Plain,
    /// One object a line.
    Json,
}

/// From which level on a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What pages someone.
    Error,
    /// Also what asks to be looked at by day.
    Warn,
    /// Also changes of state.
    #[default]
    Info,
    /// Also what is of use to whoever looks for a fault; may name a user.
    Debug,
    /// All there is.
    Trace,
}

/// Sets the process's log up. Call once, before a Kafka client is made: it reads its level then. A second call does
/// nothing.
pub fn init(settings: LogSettings) {
    let level = match settings.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
    // Only a second call fails.
    let _ = match settings.log_format {
        LogFormat::Plain => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
