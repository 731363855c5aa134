//! Where things lie: the repository, the program under test, a folder for what a failure leaves behind.

use std::env::current_exe;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the testkit lies in the repository")
}

/// The program under test. Cargo builds it before any integration test or bench, one folder above theirs.
pub fn program() -> PathBuf {
    profile().join(format!("tideline{}", std::env::consts::EXE_SUFFIX))
}

/// Where a failed test may leave a file for whoever looks into it.
pub fn scratch() -> PathBuf {
    profile().with_file_name("tmp")
}

/// The folder of the profile that this test was built with, such as `target/debug`.
fn profile() -> PathBuf {
    let test = current_exe().expect("a test has a file");
    test.ancestors().nth(2).expect("a test lies in `deps` of its profile").to_owned()
}
