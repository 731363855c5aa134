//! The list of edits that a test must notice (`tests/mutations.txt`): `./mutate` takes long and runs seldom, so an edit
//! that has lost its place is found here.

use std::fs;

use super::root;

/// What is wrong with a list of edits, given the text of each file.
fn faults(list: &str, text_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for edit in list.split("\n== ").skip(1) {
        let lines_after = |mark: &str| {
            let lines = edit.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>()
        };
        let (name, file, from) =
            (edit.lines().next().unwrap_or_default(), lines_after("@").concat(), lines_after("-").join("\n"));
        match text_of(&file).map(|text| text.matches(&from).count()) {
            None => faults.push(format!("{name:?}: there is no file {file}: name the one that its line has moved to")),
            Some(1) => {}
            Some(count) => faults.push(format!("{name:?}: its line is in {file} {count} times: give it as it is now")),
        }
        if from == lines_after("+").join("\n") {
            faults.push(format!("{name:?} changes nothing"));
        }
        if lines_after("!").concat().is_empty() {
            faults.push(format!("{name:?} names no test"));
        }
    }
    faults
}

#[test]
fn every_listed_edit_still_has_its_one_place() {
    let list = fs::read_to_string(root().join("tests/mutations.txt")).unwrap();
    assert!(list.matches("\n== ").count() >= 100, "too few edits");
    let found = faults(&list, |file| fs::read_to_string(root().join(file)).ok());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn an_edit_without_its_place_is_found() {
    let text_of = |file: &str| (file == "a.rs").then(|| "one\ntwo\ntwo\n".to_owned());
    let edit = |file: &str, from: &str, to: &str, test: &str| {
        faults(&format!("head\n\n== name\n@ {file}\n- {from}\n+ {to}\n! {test}\n"), text_of).len()
    };
    assert_eq!(edit("a.rs", "one", "1", "--lib"), 0);
    assert_eq!(edit("b.rs", "one", "1", "--lib"), 1);
    assert_eq!(edit("a.rs", "two", "2", "--lib"), 1);
    assert_eq!(edit("a.rs", "three", "3", "--lib"), 1);
    assert_eq!(edit("a.rs", "one", "one", "--lib"), 1);
    assert_eq!(edit("a.rs", "one", "1", ""), 1);
}
