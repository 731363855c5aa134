//! The one test binary for what needs no broker: plain `cargo test` runs it. Each submodule is a suite of its own.

mod common;

/// Lives in `tests/embedded/`.
mod embedded {
    mod conformance;
    mod core;
}
