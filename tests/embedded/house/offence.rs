//! What a gate finds, and the exceptions to it: one line each in `exceptions/`, which may only become fewer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    pub file: String,
    pub line: usize,
    /// The lines of the rule's exceptions that cover it, the widest first.
    pub keys: Vec<String>,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Offence {
    /// One that is excepted by the name of its file.
    pub fn of_file(file: &str, line: usize, text: String) -> Self {
        Self { file: file.to_owned(), line, keys: vec![file.to_owned()], text }
    }
}

/// Panics with every place that breaks a rule and is no exception to it, and with every exception that is not needed.
pub fn judge(rule: &str, offences: &[Offence]) {
    let path = format!("tests/embedded/house/exceptions/{rule}.txt");
    let verdict = verdict(rule, &path, offences, &lines(&path));
    assert!(verdict.is_empty(), "\n{verdict}");
}

/// The lines of a list of the house, but for remarks; none where there is no such file.
pub fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(super::root().join(path)).unwrap_or_default();
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn verdict(rule: &str, path: &str, offences: &[Offence], exceptions: &[String]) -> String {
    let mut text = String::new();
    let mut needed = BTreeSet::new();
    for offence in offences {
        match offence.keys.iter().find(|key| exceptions.contains(key)) {
            Some(key) => drop(needed.insert(key.as_str())),
            None => writeln!(text, "{}:{}: {rule}: {}", offence.file, offence.line, offence.text).unwrap(),
        }
    }
    for idle in exceptions.iter().filter(|line| !needed.contains(line.as_str())) {
        writeln!(text, "{path}: {rule}: {idle:?} is an exception no longer: strike the line").unwrap();
    }
    if !exceptions.is_sorted() {
        writeln!(text, "{path}: {rule}: the lines are not in order: LC_ALL=C sort -u -o {path} {path}").unwrap();
    }
    text
}

#[test]
fn exceptions_may_only_become_fewer() {
    let offences = [
        Offence::of_file("src/a.rs", 3, "too long".to_owned()),
        Offence::of_file("src/b.rs", 4, "too long".to_owned()),
    ];
    let listed = ["src/a.rs".to_owned(), "src/c.rs".to_owned()];
    let found = verdict("length", "list.txt", &offences, &listed);
    assert_eq!(
        found,
        "src/b.rs:4: length: too long\nlist.txt: length: \"src/c.rs\" is an exception no longer: strike the line\n"
    );
    assert_eq!(verdict("length", "list.txt", &offences[..1], &listed[..1]), "");
}
