//! What a file names: every path in its code, written out from the root of a crate.
//!
//! Aliases of `use` are followed, `super` and `self` resolved, groups taken apart, and the tokens of macros searched,
//! so that a ban on `std::time::Instant` also finds `use std::time; time::Instant::now()`. Modules of tests are left
//! out.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use super::facts::is_test_module;

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// From the crate's root: `crate` first, or the name of another crate.
    pub path: Vec<String>,
    pub line: usize,
    /// Of an import: how the file calls it, `*` for all of a module.
    pub alias: Option<String>,
    /// An import that hands on what it names.
    pub is_exported: bool,
    /// Written from the root or the module above, or by a name that was imported so.
    pub is_from_above: bool,
}

impl Named {
    pub fn text(&self) -> String {
        self.path.join("::")
    }

    pub fn starts_with(&self, prefix: &str) -> bool {
        let mut path = self.path.iter();
        prefix.split("::").all(|part| path.next().is_some_and(|it| it == part))
    }
}

/// Every path that a file names outside of its tests, given its module without `crate`.
pub fn of(syntax: &syn::File, module: &[String]) -> Vec<Named> {
    let module = ["crate".to_owned()].into_iter().chain(module.iter().cloned()).collect();
    let mut names = Names { module, scopes: Vec::new(), found: Vec::new() };
    names.enter(&syntax.items);
    names.found
}

/// What a name stands for, and whether it was imported from above.
#[derive(Clone)]
struct Meaning {
    path: Vec<String>,
    is_from_above: bool,
}

struct Names {
    /// Where the visit is, from `crate` on.
    module: Vec<String>,
    /// What names mean, module in module: imports and submodules.
    scopes: Vec<BTreeMap<String, Meaning>>,
    found: Vec<Named>,
}

impl Names {
    /// Visits what lies in a module: its imports, that names may be known, then the rest.
    fn enter(&mut self, items: &[Item]) {
        let mut scope = BTreeMap::new();
        for item in items {
            if let Item::Mod(module) = item
                && !is_test_module(item)
            {
                let name = module.ident.to_string();
                let path = self.module.iter().cloned().chain([name.clone()]).collect();
                scope.insert(name, Meaning { path, is_from_above: false });
            }
        }
        self.scopes.push(scope);
        for item in items {
            if let Item::Use(import) = item {
                self.import(import);
            }
        }
        for item in items.iter().filter(|item| !is_test_module(item)) {
            self.visit_item(item);
        }
        self.scopes.pop();
    }

    fn import(&mut self, import: &ItemUse) {
        let is_exported = !matches!(import.vis, Visibility::Inherited);
        self.tree(&import.tree, &mut Vec::new(), is_exported);
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<(String, usize)>, is_exported: bool) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                before.push((path.ident.to_string(), path.ident.span().start().line));
                self.tree(&path.tree, before, is_exported);
                before.pop();
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, is_exported);
                }
                return;
            }
            UseTree::Name(name) => (Some(&name.ident), name.ident.to_string()),
            UseTree::Rename(rename) => (Some(&rename.ident), rename.rename.to_string()),
            UseTree::Glob(_) => (None, "*".to_owned()),
        };
        let mut written: Vec<String> = before.iter().map(|(name, _)| name.clone()).collect();
        let line = name.map(|name| name.span().start().line).or(before.last().map(|(_, line)| *line)).unwrap_or(1);
        // `a::{self}` names `a`, and calls it so.
        let alias = match name.map(ToString::to_string) {
            Some(name) if name == "self" && !written.is_empty() => written.last().cloned().unwrap_or(name),
            Some(name) => {
                written.push(name);
                alias
            }
            None => alias,
        };
        let Meaning { path, is_from_above } = self.resolve(&written);
        if let Some(scope) = self.scopes.last_mut()
            && alias != "*"
            && alias != "_"
        {
            scope.insert(alias.clone(), Meaning { path: path.clone(), is_from_above });
        }
        self.found.push(Named { path, line, alias: Some(alias), is_exported, is_from_above });
    }

    /// A path as it is written, from the root.
    fn resolve(&self, written: &[String]) -> Meaning {
        let known = written.first().and_then(|first| self.scopes.iter().rev().find_map(|scope| scope.get(first)));
        let (mut path, mut rest, is_from_above) = match (written.first().map(String::as_str), known) {
            (Some(first @ ("self" | "super")), _) => (self.module.clone(), written, first == "super"),
            (Some("crate"), _) | (_, None) => {
                (Vec::new(), written, written.first().is_some_and(|first| first == "crate"))
            }
            (_, Some(known)) => (known.path.clone(), &written[1..], known.is_from_above),
        };
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => drop(path.pop()),
                _ => break,
            }
            rest = others;
        }
        path.extend(rest.iter().cloned());
        Meaning { path, is_from_above }
    }

    fn name(&mut self, written: &[String], line: usize) {
        let Meaning { path, is_from_above } = self.resolve(written);
        self.found.push(Named { path, line, alias: None, is_exported: false, is_from_above });
    }

    /// The paths among the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 && !path.is_empty() {
                        self.name(&std::mem::take(&mut path), line);
                    }
                    if path.is_empty() {
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    if !path.is_empty() {
                        self.name(&std::mem::take(&mut path), line);
                    }
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        if !path.is_empty() {
            self.name(&path, line);
        }
    }
}

impl<'a> Visit<'a> for Names {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if let Some((_, items)) = &module.content {
            self.module.push(module.ident.to_string());
            self.enter(items);
            self.module.pop();
        }
    }

    /// Those of a module were seen when it was entered; those of a function mean something in it alone.
    fn visit_item_use(&mut self, _: &'a ItemUse) {}

    fn visit_block(&mut self, block: &'a syn::Block) {
        self.scopes.push(BTreeMap::new());
        for statement in &block.stmts {
            if let syn::Stmt::Item(Item::Use(import)) = statement {
                self.import(import);
            }
        }
        visit::visit_block(self, block);
        self.scopes.pop();
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.name(&written, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'a Macro) {
        self.tokens(invoked.tokens.clone());
        visit::visit_macro(self, invoked);
    }
}

#[test]
fn paths_are_found_however_they_are_written() {
    let text = "use std::{time, env as place};\nuse super::super::c::{self, D};\n\
        fn f() { time::Instant::now(); println!(\"{}\", place::var(\"X\")); c::e(); D::new(); self::g(); }\n\
        #[cfg(test)]\nmod tests { fn t() { std::fs::read(\"x\"); } }";
    let named = of(&syn::parse_file(text).unwrap(), &["a".to_owned(), "b".to_owned()]);
    let texts: Vec<_> = named.iter().map(Named::text).collect();
    let wanted =
        ["std::time::Instant::now", "std::env::var", "crate::c", "crate::c::e", "crate::c::D::new", "crate::a::b::g"];
    for wanted in wanted {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} is not among {texts:?}");
    }
    assert!(!texts.iter().any(|text| text.starts_with("std::fs")), "a test's path was found");
}
