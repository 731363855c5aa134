//! What operators see: metrics, readiness, logs.
//!
//! All of it is a view of the board that lanes write once a batch; nothing is counted here. So a scrape costs what is
//! on the board, and an event costs nothing. No user id, amount or payload is in a label.
//!
//! Must not know: how a lane works, the broker.

mod logging;
pub mod metrics;
mod readiness;
mod totals;

pub use logging::{LogFormat, LogLevel, LogSettings, init as init_logging};
pub use metrics::{LabelValues, render};
pub use readiness::{reasons_not_ready, remarks};
pub use totals::Totals;
