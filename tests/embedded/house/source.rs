//! The sources as the gates see them: parsed, each file with its module, its lines, and which of them are tests.
//!
//! Tests are inline modules under `#[cfg(test)]`, and files that such a declaration names. Nothing else is cut: an item
//! under `#[cfg(test)]` in the middle of a file exempts only itself from nothing.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::{Attribute, Item, ItemMod};

use super::facts::{Facts, is_for_tests, is_test_module};
use super::paths::{self, Named};

/// A file, and what the gates ask of it.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    pub facts: Facts,
    /// Every path that it names outside of its tests.
    pub named: Vec<Named>,
    /// Its module, without `crate`; none for what is not in `src`.
    pub module: Option<Vec<String>>,
    /// The whole file is tests.
    pub is_test: bool,
    /// The lines of inline test modules.
    tests: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// A file that belongs to no crate.
    pub fn of(path: &str, text: &str) -> Self {
        Self::crate_of(&[(path, text)]).remove(0)
    }

    /// Files of a crate, by path.
    ///
    /// # Panics
    /// If one is no Rust.
    pub fn crate_of(files: &[(&str, &str)]) -> Vec<Self> {
        let parsed = files.iter().map(|(path, text)| {
            let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path} is no Rust: {error}"));
            ((*path).to_owned(), syntax)
        });
        let parsed: BTreeMap<String, syn::File> = parsed.collect();
        let places = places(&parsed);
        let source = |(path, text): &(&str, &str)| {
            let syntax = &parsed[*path];
            let (module, is_test) = match places.get(*path) {
                Some((module, is_test)) => (Some(module.clone()), *is_test),
                None => (None, false),
            };
            let test_modules = syntax.items.iter().filter(|item| is_test_module(item));
            Self {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
                facts: Facts::of(syntax, text.parse().expect("it was parsed before")),
                named: if is_test { Vec::new() } else { paths::of(syntax, module.as_deref().unwrap_or_default()) },
                tests: test_modules.map(|item| item.span().start().line..=item.span().end().line).collect(),
                module,
                is_test,
            }
        };
        files.iter().map(source).collect()
    }

    /// Number and text of each line that is no test.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines.filter(|(number, _)| !self.is_test_line(*number))
    }

    pub fn is_test_line(&self, number: usize) -> bool {
        self.is_test || self.tests.iter().any(|lines| lines.contains(&number))
    }

    /// The text of the module's header.
    pub fn header(&self) -> Vec<&str> {
        self.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect()
    }

    pub fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Every Rust file of the repository that is ours, in order of path.
pub fn all() -> Vec<Source> {
    let root = super::root();
    let mut paths = vec![root.join("build.rs")];
    for folder in ["src", "tests", "benches", "testkit/src"] {
        paths
            .extend(files(&root.join(folder)).into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs")));
    }
    let read = paths.iter().map(|path| {
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        (relative, fs::read_to_string(path).unwrap())
    });
    let read: Vec<_> = read.collect();
    Source::crate_of(&read.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>())
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
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

/// The module of each file of `src`, as the declarations from `lib.rs` on have it, and whether it is tests.
fn places(parsed: &BTreeMap<String, syn::File>) -> BTreeMap<String, (Vec<String>, bool)> {
    let mut places = BTreeMap::new();
    let mut open = vec![("src/lib.rs".to_owned(), Vec::new(), false)];
    while let Some((path, module, is_test)) = open.pop() {
        let Some(syntax) = parsed.get(&path) else { continue };
        for (declaration, file) in declarations(&syntax.items) {
            let mut child = module.clone();
            child.push(declaration.ident.to_string());
            let candidates = match file {
                Some(file) => vec![format!("{}/{file}", path.rsplit_once('/').unwrap().0)],
                None => {
                    let stem = format!("src/{}", child.join("/"));
                    vec![format!("{stem}.rs"), format!("{stem}/mod.rs")]
                }
            };
            let is_test = is_test || is_for_tests(&declaration.attrs);
            open.extend(candidates.into_iter().map(|file| (file, child.clone(), is_test)));
        }
        places.insert(path, (module, is_test));
    }
    places
}

/// The modules that are declared to lie in other files, and what `#[path]` says.
fn declarations(items: &[Item]) -> Vec<(&ItemMod, Option<String>)> {
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    modules.map(|module| (module, module.attrs.iter().find_map(path_of))).collect()
}

fn path_of(attribute: &Attribute) -> Option<String> {
    let value = &attribute.meta.require_name_value().ok()?;
    if !value.path.is_ident("path") {
        return None;
    }
    match &value.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

#[test]
fn only_modules_of_tests_are_cut() {
    let text = "//! It.\n#[cfg(test)]\nfn helper() {}\nfn code() {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn \
        more() {}\n";
    let source = Source::of("src/a.rs", text);
    let code: Vec<_> = source.code().map(|(number, _)| number).collect();
    assert_eq!(code, [1, 2, 3, 4, 9], "a test item cut what follows it, or a module of tests was kept");
}

#[test]
fn a_declared_module_of_tests_is_tests_as_a_whole() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
        ("src/a/tests.rs", "fn t() {}"),
        ("src/a/b.rs", "fn b() {}"),
    ];
    let sources = Source::crate_of(&files);
    let tests: Vec<_> = sources.iter().map(|source| source.is_test).collect();
    assert_eq!(tests, [false, false, true, false]);
    assert_eq!(sources[3].module, Some(vec!["a".to_owned(), "b".to_owned()]));
}
