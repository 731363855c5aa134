//! Who imports whom: no circle among files, none among top-level modules, and only the arrows that are written down.
//!
//! An import is a `use`, or a path in the code that begins with `crate` or `super`. A name that a module only hands on
//! counts for the file that defines it. Handing on what lies below is no import, nor is calling it by the name of its
//! module: a module may lead to its parts, which may use what it defines. What is reached by a method alone is not
//! seen.

use std::collections::{BTreeMap, BTreeSet};

use super::offence::Offence;
use super::paths::Named;
use super::source::Source;

/// Which files of `src` name what others define, and on which line.
struct Imports<'a> {
    sources: &'a [Source],
    /// By module path, from `crate` on.
    modules: BTreeMap<Vec<String>, usize>,
}

impl<'a> Imports<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let modules = sources.iter().enumerate().filter(|(_, source)| !source.is_test);
        let modules = modules.filter_map(|(at, source)| {
            let module = source.module.clone()?;
            Some((["crate".to_owned()].into_iter().chain(module).collect(), at))
        });
        Self { sources, modules: modules.collect() }
    }

    /// The file that defines what a path names.
    fn find(&self, path: &[String], depth: usize) -> Option<usize> {
        let (at, below) =
            (1..=path.len()).rev().find_map(|length| Some((*self.modules.get(&path[..length])?, length)))?;
        let item = path.get(below)?;
        let source = &self.sources[at];
        if source.facts.defined.contains(item) || depth == 0 {
            return Some(at);
        }
        let handed_on = source.named.iter().find(|named| named.alias.as_ref() == Some(item) && named.path != path);
        if let Some(named) = handed_on {
            return self.find(&named.path, depth - 1);
        }
        let globs = source.named.iter().filter(|named| named.is_exported && named.alias.as_deref() == Some("*"));
        globs.filter_map(|named| self.find(&[&named.path[..], &path[below..]].concat(), depth - 1)).next().or(Some(at))
    }

    /// From file to file, with a line that is the reason.
    fn arrows(&self) -> BTreeMap<(usize, usize), usize> {
        let mut arrows = BTreeMap::new();
        // `lib.rs` only declares.
        let files = self.modules.iter().filter(|(module, _)| module.len() > 1);
        for &from in files.map(|(_, at)| at) {
            let imported = |named: &&Named| named.path[0] == "crate" && (named.alias.is_some() || named.is_from_above);
            for named in self.sources[from].named.iter().filter(imported) {
                let Some(to) = self.find(&named.path, 8) else { continue };
                let is_below = self.is_below(from, to);
                if to != from && !(named.is_exported && is_below) {
                    arrows.entry((from, to)).or_insert(named.line);
                }
            }
        }
        arrows
    }

    fn is_below(&self, upper: usize, lower: usize) -> bool {
        match (&self.sources[upper].module, &self.sources[lower].module) {
            (Some(upper), Some(lower)) => lower.starts_with(upper),
            _ => false,
        }
    }
}

/// Files that import each other, directly or over others.
pub fn of_files(sources: &[Source]) -> Vec<Offence> {
    let arrows = Imports::of(sources).arrows();
    let nodes: BTreeSet<usize> = arrows.keys().flat_map(|&(from, to)| [from, to]).collect();
    let mut offences = Vec::new();
    for &start in &nodes {
        if let Some(circle) = circle(start, &arrows) {
            let steps = circle.windows(2).map(|step| {
                let line = arrows[&(step[0], step[1])];
                format!("{}:{line} → {}", sources[step[0]].path, sources[step[1]].path)
            });
            let steps: Vec<_> = steps.collect();
            let text = format!("a circle of imports: {}; move what both need to a file of its own", steps.join(", "));
            offences.push(Offence::of_file(&sources[start].path, arrows[&(circle[0], circle[1])], text));
        }
    }
    offences
}

/// The shortest way from a file back to itself.
fn circle(start: usize, arrows: &BTreeMap<(usize, usize), usize>) -> Option<Vec<usize>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = *way.last()?;
            for &(_, to) in arrows.range((last, 0)..(last + 1, 0)).map(|(arrow, _)| arrow) {
                if to == start {
                    return Some([way, vec![start]].concat());
                }
                if seen.insert(to) {
                    longer.push([&way[..], &[to]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// A top-level module names something of another: by which file, on which line.
fn between_modules(sources: &[Source]) -> BTreeMap<(String, String), (String, usize)> {
    let tops: BTreeSet<&String> = sources.iter().filter_map(|source| source.module.as_ref()?.first()).collect();
    let mut arrows = BTreeMap::new();
    for source in sources {
        let Some(from) = source.module.as_ref().and_then(|module| module.first()) else { continue };
        for named in source.named.iter().filter(|named| named.path[0] == "crate") {
            if let Some(to) = named.path.get(1).filter(|to| tops.contains(to) && *to != from) {
                arrows.entry((from.clone(), to.clone())).or_insert((source.path.clone(), named.line));
            }
        }
    }
    arrows
}

/// Top-level modules that import each other, directly or over others.
pub fn of_modules(sources: &[Source]) -> Vec<Offence> {
    let between = between_modules(sources);
    let names: Vec<&String> =
        between.keys().flat_map(|(from, to)| [from, to]).collect::<BTreeSet<_>>().into_iter().collect();
    let number = |name: &String| names.binary_search(&name).unwrap();
    let arrows = between.iter().map(|((from, to), (_, line))| ((number(from), number(to)), *line)).collect();
    let mut offences = Vec::new();
    for start in 0..names.len() {
        if let Some(circle) = circle(start, &arrows) {
            let step = |from: usize, to: usize| &between[&(names[from].clone(), names[to].clone())];
            let steps = circle.windows(2).map(|it| {
                let (file, line) = step(it[0], it[1]);
                format!("{} → {} by {file}:{line}", names[it[0]], names[it[1]])
            });
            let steps: Vec<_> = steps.collect();
            let (file, line) = step(circle[0], circle[1]).clone();
            let text = format!("a circle of modules: {}; move what both need below both", steps.join(", "));
            offences.push(Offence { file, line, keys: vec![names[start].clone()], text });
        }
    }
    offences
}

/// Imports of a top-level module that `floors.txt` doesn't have, and lines of it that nothing needs.
pub fn floors(sources: &[Source], listed: &[String]) -> Vec<Offence> {
    let between = between_modules(sources);
    let arrow = |from: &str, to: &str| format!("{from} -> {to}");
    let mut offences = Vec::new();
    for ((from, to), (file, line)) in &between {
        let key = arrow(from, to);
        if !listed.contains(&key) {
            let text = format!("`{from}` has not known `{to}` so far: go another way, or add {key:?} to floors.txt");
            offences.push(Offence { file: file.clone(), line: *line, keys: vec![key], text });
        }
    }
    let known: BTreeSet<String> = between.keys().map(|(from, to)| arrow(from, to)).collect();
    for key in listed.iter().filter(|key| !known.contains(*key)) {
        let text = format!("{key:?} is not needed any more: strike the line");
        offences.push(Offence::of_file("tests/embedded/house/floors.txt", 1, text));
    }
    offences
}

#[test]
fn circles_are_found_and_facades_are_none() {
    let found = |a: &str, b: &str, facade: &str| {
        let root = ("src/lib.rs", "mod m; mod n;");
        let n = ("src/n.rs", "use crate::m::A;");
        let files = [root, ("src/m/mod.rs", facade), ("src/m/a.rs", a), ("src/m/b.rs", b), n];
        let mut found: Vec<_> = of_files(&Source::crate_of(&files)).into_iter().map(|offence| offence.file).collect();
        found.sort();
        found
    };
    let facade = "mod a; mod b; pub use a::A; pub use b::B;";
    assert_eq!(found("pub struct A;", "use super::A; pub struct B(A);", facade), [""; 0]);
    assert_eq!(
        found(
            "use super::B; pub struct A;",
            "use super::A; pub struct \
        B;",
            facade
        ),
        ["src/m/a.rs", "src/m/b.rs"]
    );
    assert_eq!(
        found(
            "use crate::m::b; pub struct A(b::B);",
            "pub struct \
        B(super::a::A);",
            facade
        ),
        ["src/m/a.rs", "src/m/b.rs"]
    );
    let leader = "mod a; mod b; pub use a::A; pub use b::B; pub struct M; fn f() { a::g() }";
    assert_eq!(found("use super::M; pub struct A; pub fn g() {}", "pub struct B;", leader), [""; 0]);
    let user = "mod a; mod b; use a::g; pub use b::B; pub struct M; fn f() { g() }";
    assert_eq!(
        found(
            "use super::M; pub struct A; pub fn g() {}",
            "pub struct \
        B;",
            user
        ),
        ["src/m/a.rs", "src/m/mod.rs"]
    );
    let path = "pub struct A; fn f() -> super::B { todo!() }";
    assert_eq!(found(path, "use super::A; pub struct B;", facade), ["src/m/a.rs", "src/m/b.rs"]);
    let tested = "pub struct A; #[cfg(test)] mod tests { use super::super::B; }";
    assert_eq!(found(tested, "use super::A; pub struct B;", facade), [""; 0]);
}

#[test]
fn circles_of_modules_and_new_arrows_are_found() {
    let files = [
        ("src/lib.rs", "mod m; mod n; mod o;"),
        ("src/m/mod.rs", "mod a; mod b;"),
        ("src/m/a.rs", "use crate::n::N; pub struct A;"),
        ("src/m/b.rs", "pub struct B;"),
        ("src/n.rs", "use crate::m::b::B; pub struct N;"),
        ("src/o.rs", "use crate::n::N;"),
    ];
    let sources = Source::crate_of(&files);
    assert_eq!(of_files(&sources), [], "no file is in a circle");
    let modules: Vec<_> = of_modules(&sources).into_iter().map(|offence| offence.keys.concat()).collect();
    assert_eq!(modules, ["m", "n"]);
    let listed = ["m -> n".to_owned(), "n -> m".to_owned(), "n -> o".to_owned()];
    let texts: Vec<_> = floors(&sources, &listed).into_iter().map(|offence| offence.text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("`o` has not known `n`") && texts[1].contains("\"n -> o\" is not needed"), "{texts:?}");
}
