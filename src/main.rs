//! Flags to configuration to the command; no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    tideline::cli::main()
}
