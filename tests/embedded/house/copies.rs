//! What the tests compare with must not change by accident: its hashes are kept in `tests/SHA256SUMS`.
//!
//! A file that is meant to be there is added by `sha256sum FILE >>tests/SHA256SUMS`. Whoever works beside the folder
//! that the vectors and cases were copied from compares with it, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::root;
use super::source::files;

/// Vectors and cases of the contract, the year of events, and a changelog that an earlier version wrote.
const KEPT: [&str; 4] = ["tests/cases", "tests/journey", "tests/stored", "tests/vectors"];

/// What differs from the sums, or is missing on either side.
fn differences(root: &Path, sums: &str, folders: &[&str]) -> Vec<String> {
    let mut kept: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|line| {
            line.split_once(
                "  \
        ",
            )
        })
        .map(|(sum, file)| (file, sum))
        .collect();
    let mut found = Vec::new();
    for path in folders.iter().flat_map(|folder| files(&root.join(folder))) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let sum = hex::encode(Sha256::digest(fs::read(&path).unwrap()));
        match kept.remove(name.as_str()) {
            Some(kept) if kept == sum => {}
            Some(_) => found.push(format!("{name} has changed: take it back; a test is never made green by its data")),
            None => found.push(format!("{name} has no sum: sha256sum {name} >>tests/SHA256SUMS")),
        }
    }
    found.extend(kept.keys().map(|name| format!("{name} is gone")));
    found
}

#[test]
fn what_tests_compare_with_is_unchanged() {
    let sums = fs::read_to_string(root().join("tests/SHA256SUMS")).unwrap();
    let found = differences(root(), &sums, &KEPT);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_copies_equal_their_originals_where_those_are_at_hand() {
    let shared = root().join("../shared");
    if !shared.is_dir() {
        println!("no ../shared beside this checkout: the sums alone were compared");
        return;
    }
    for (theirs, ours) in [("vectors", "tests/vectors"), ("cases", "tests/cases"), ("data/journey", "tests/journey")] {
        let theirs = shared.join(theirs);
        let originals = files(&theirs);
        assert!(!originals.is_empty());
        for file in originals {
            let copy = root().join(ours).join(file.strip_prefix(&theirs).unwrap());
            assert_eq!(fs::read(&file).unwrap(), fs::read(&copy).unwrap(), "{} differs", copy.display());
        }
    }
}

#[test]
fn a_changed_a_new_and_a_missing_file_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kept")).unwrap();
    fs::write(folder.path().join("kept/one"), "1").unwrap();
    let sum = |text: &str| hex::encode(Sha256::digest(text));
    let of = |sums: &str| differences(folder.path(), sums, &["kept"]);
    let right = format!("{}  kept/one\n", sum("1"));
    assert_eq!(of(&right), [""; 0]);
    assert!(of(&right.replace(&sum("1"), &sum("2")))[0].contains("kept/one has changed"));
    assert!(of("")[0].contains("kept/one has no sum"));
    assert_eq!(of(&format!("{right}{}  kept/two\n", sum("2"))), ["kept/two is gone"]);
}
