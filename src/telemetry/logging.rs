//! The log: lines on standard error. A contract for its levels: `error` pages someone, `warn` asks to be looked at by
//! day, `info` is a change of state, `debug` may name a user.

use std::io;

use tracing::level_filters::LevelFilter;

use crate::config::{LogFormat, LogLevel};

/// Sets the process's log up. Call once, before a Kafka client is made: it reads its level then. A second call does
/// nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
    // Only a second call fails.
    let _ = match format {
        LogFormat::Plain => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
