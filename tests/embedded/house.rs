//! The rules of the house that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let all = files(&root().join(folder));
    all.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pure_modules_import_no_world() {
    const PURE: [&str; 9] =
        ["domain", "record.rs", "ingest", "merge.rs", "state", "rules", "engine", "emit", "generate"];
    const BANNED: [&str; 14] = [
        "tokio",
        "rdkafka",
        "Instant",
        "SystemTime",
        "metrics::",
        "metrics_exporter",
        "tracing",
        "std::env",
        "rand::",
        "std::fs",
        "std::net",
        "std::thread",
        "crate::broker",
        "crate::runtime",
    ];
    let mut seen = 0;
    for module in PURE {
        let path = root().join("src").join(module);
        let files = if path.is_dir() { rust_files(&format!("src/{module}")) } else { vec![path] };
        for file in files.iter().filter(|file| file.exists()) {
            seen += 1;
            let code = code(file);
            for word in BANNED {
                // Generated users need a seeded generator; it is the one use of `rand`, and no source of randomness.
                let lawful = module == "generate" && word == "rand::";
                assert!(lawful || !code.contains(word), "{} names {word}", file.display());
            }
        }
    }
    assert!(seen > 20, "only {seen} files were looked at");
}

#[test]
fn rdkafka_lives_in_one_folder() {
    let kafka = root().join("src/broker/kafka");
    for file in rust_files("src").iter().filter(|file| !file.starts_with(&kafka)) {
        assert!(!code(file).contains("rdkafka"), "{} names rdkafka", file.display());
    }
}

#[test]
fn unsafe_lives_in_one_file() {
    let native = root().join("src/broker/kafka/native.rs");
    let is_unsafe = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split(|c: char| c != '_' && !c.is_alphanumeric())).any(|word| word == "unsafe")
    };
    assert!(is_unsafe(&native));
    let sources = ["src", "tests"].into_iter().flat_map(rust_files);
    let parts = native.with_extension("");
    let others = sources
        .filter(|file| *file != native && !file.starts_with(&parts) && !file.ends_with("tests/embedded/house.rs"));
    let found: Vec<_> = others.filter(|file| is_unsafe(file)).collect();
    assert!(found.is_empty(), "unsafe outside of native.rs: {found:?}");
}

/// Such a client logs, and fails to be made, without the values of its properties: one of them may be a password.
#[test]
fn every_client_is_made_with_a_context_that_hides_its_properties() {
    let mut made = 0;
    for file in rust_files("src/broker/kafka") {
        let code = code(&file);
        for banned in [".create()", "Context::default()", "ProducerWatch::default()", "from_config("] {
            assert!(!code.contains(banned), "{} has {banned}: use `of(settings)`", file.display());
        }
        made += code.matches("from_config_and_context(").count();
    }
    assert!(made >= 8, "only {made} clients were seen");
}

#[test]
fn a_file_can_be_held_in_mind() {
    for file in rust_files("src") {
        let lines = fs::read_to_string(&file).unwrap().split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines before its tests", file.display());
    }
}

#[test]
fn every_module_says_what_it_is() {
    for file in rust_files("src") {
        let text = fs::read_to_string(&file).unwrap();
        let header = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!((1..=20).contains(&header), "{} has a header of {header} lines", file.display());
    }
}

#[test]
fn the_copied_cases_and_data_are_unchanged() {
    let shared = root().join("../shared");
    if !shared.is_dir() {
        println!("no ../shared beside this checkout: nothing to compare with");
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
fn the_scripts_are_sound() {
    for script in ["test", "demo", "mutate", ".ci/run"] {
        let checked = Command::new("bash").arg("-n").arg(root().join(script)).status().unwrap();
        assert!(checked.success(), "{script} is no bash");
    }
}

/// `./mutate` takes long and runs seldom; an edit that has lost its place is found at once.
#[test]
fn every_listed_edit_still_has_its_one_place() {
    let list = fs::read_to_string(root().join("tests/mutations.txt")).unwrap();
    let edits: Vec<_> = list.split("\n== ").skip(1).collect();
    assert!(edits.len() >= 10, "only {} edits", edits.len());
    for edit in edits {
        let lines_after = |mark: &str| {
            let lines = edit.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>()
        };
        let (name, file, from) = (edit.lines().next().unwrap(), lines_after("@"), lines_after("-").join("\n"));
        let text = fs::read_to_string(root().join(file.concat())).unwrap();
        assert_eq!(text.matches(&from).count(), 1, "places of the edit {name:?}");
        assert_ne!(from, lines_after("+").join("\n"), "{name:?} changes nothing");
        assert!(!lines_after("!").concat().is_empty(), "{name:?} names no test");
    }
}
