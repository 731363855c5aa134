//! The documents hold together: paths that they name exist, links lead somewhere, decisions are numbered and in the
//! index, and the map in `lib.rs` names what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and all pages of `docs/`, by name. The changelog is left out: it tells of files as they were.
fn pages() -> Vec<(String, String)> {
    let in_docs = fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("a page").path());
    let paths = in_docs.filter(|path| path.extension().is_some_and(|it| it == "md")).chain([root().join("README.md")]);
    let page = |path: &Path| fs::read_to_string(path).expect("a page");
    paths.map(|path| (path.strip_prefix(root()).expect("ours").display().to_string(), page(&path))).collect()
}

/// What stands between backticks and begins like a path of this repository, without line numbers.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 7] = ["src/", "tests/", "docs/", "proto/", "benches/", "deploy/", "findings/"];
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |it: &&str| FOLDERS.iter().any(|folder| it.starts_with(folder)) && !it.contains([' ', '*', '<', '…']);
    quoted.filter(is_path).map(|it| it.split([':', '#']).next().unwrap_or(it))
}

/// Paths that a page names, which are not there.
fn missing(text: &str) -> Vec<&str> {
    paths(text).filter(|path| !root().join(path).exists()).collect()
}

#[test]
fn every_path_that_a_page_names_exists() {
    for (name, text) in pages() {
        assert!(missing(&text).is_empty(), "{name} names what is not there: {:?}", missing(&text));
    }
    assert_eq!(missing("`src/lib.rs`, `src/not_there.rs:7`, `tests/nor_this`"), ["src/not_there.rs", "tests/nor_this"]);
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for (name, text) in pages() {
        let folder = root().join(&name).parent().expect("a folder").to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&name) } else { folder.join(file) };
            let found = fs::read_to_string(&target).unwrap_or_else(|_| panic!("{name} links to {link}: no such file"));
            let has = |it: &str| {
                found.lines().any(|line| line.starts_with('#') && anchor(line.trim_start_matches(['#', ' '])) == it)
            };
            assert!(fragment.is_empty() || has(fragment), "{name} links to {link}: no such heading");
        }
    }
}

#[test]
fn decisions_are_numbered_without_a_gap_dated_in_order_and_in_the_index() {
    let text = fs::read_to_string(root().join("docs/decisions.md")).expect("the decisions");
    let numbered = |it: &&str| it.starts_with(|first: char| first.is_ascii_digit());
    let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## D")).filter(numbered).collect();
    let mut last = String::new();
    for (heading, number) in headings.iter().zip(1..) {
        assert!(heading.starts_with(&format!("{number}: ")), "decision {number} is missing before {heading:?}");
        let body = text.split(&format!("## D{heading}\n\n")).nth(1).expect("a body");
        let date = body.get(..10).expect("a date").to_owned();
        assert!(date >= last, "D{number} is older than the one before");
        let title = heading.split_once(": ").expect("a title").1;
        let row = format!("| [D{number}](#{}) | {date} | {title} | ", anchor(&format!("D{heading}")));
        assert!(text.contains(&row), "the index lacks {row}");
        last = date;
    }
    let of_index: BTreeSet<_> = text.lines().filter(|line| line.starts_with("| [D")).collect();
    assert_eq!(of_index.len(), headings.len());
}

#[test]
fn every_test_that_the_map_names_exists() {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("the map");
    let map: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let names = map.split('`').skip(1).step_by(2).filter(|it| it.matches('_').count() > 4);
    let names: BTreeSet<_> = names.collect();
    assert!(names.len() >= 12, "{names:?}");
    let sources = rust_files(&root().join("tests/embedded"));
    for name in names {
        let head = format!("fn {name}(");
        assert!(sources.iter().any(|it| it.contains(&head)), "the map names {name}, which is no test");
    }
}

/// The texts of all Rust files in a folder and below.
fn rust_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of = |path: std::path::PathBuf| match path.is_dir() {
        true => rust_files(&path),
        false if path.extension().is_some_and(|it| it == "rs") => vec![fs::read_to_string(path).expect("a file")],
        false => Vec::new(),
    };
    entries.flat_map(of).collect()
}

#[test]
fn each_module_of_the_map_uses_only_those_above_it() {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("the map");
    let name = |line: &str| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let order: Vec<String> = map.lines().filter_map(name).collect();
    let row = |name: &&String| map.contains(&format!("| [`{name}`]"));
    assert_eq!(order.iter().filter(row).count() + 1, order.len(), "all but `nearest` have a row");
    let place = |name: &str| order.iter().position(|it| it == name).unwrap_or_else(|| panic!("no module {name}"));
    let floors = fs::read_to_string(root().join("tests/embedded/house/floors.txt")).expect("the floors");
    for (user, used) in floors.lines().filter_map(|line| line.split_once(" -> ")) {
        assert!(place(used) < place(user), "{user} uses {used}, which stands below it");
    }
}
