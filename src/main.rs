//! Flags to configuration to the command; no logic.

use std::process::ExitCode;

/// The C library's takes a fifth of a lane's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tideline::cli::main()
}
