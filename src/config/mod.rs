//! What can be set: a typed tree with its defaults, read from TOML, checked whole.
//!
//! Unknown keys are refused, and every fault is named at once, with its path and line. Nothing else in the program
//! reads a configuration; each part declares its own settings, and is given them by `map`.
//!
//! Must not know: how a part works, the environment.

mod application;
mod fault;
mod kafka;
mod keys;
mod load;
mod map;
mod places;
pub mod reference;
mod suggest;
mod tree;
mod validate;

pub use application::Application;
pub use load::ConfigError;
pub use tree::{Config, Stream, Telemetry};
