//! What a parsed file defines: its types, its functions with their lengths, its names. Plain data, so that the sources
//! are parsed once for all tests.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

/// A function with a body, wherever it stands.
#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub line: usize,
    /// From its signature to its end.
    pub lines: usize,
    pub is_public: bool,
    pub takes_nothing: bool,
}

#[derive(Default)]
pub struct Facts {
    pub functions: Vec<Function>,
    /// Types at the level of modules, those that a macro completes among them, with their lines.
    pub types: Vec<(String, usize)>,
    /// What the file itself defines that others may import.
    pub defined: BTreeSet<String>,
    /// Every identifier, with its line.
    pub names: Vec<(String, usize)>,
    /// Lines with a raw string, which can't be broken without changing it.
    pub raw: BTreeSet<usize>,
}

impl Facts {
    pub fn of(syntax: &syn::File, tokens: TokenStream) -> Self {
        let mut facts = Self { defined: syntax.items.iter().filter_map(name_of).collect(), ..Self::default() };
        facts.visit_file(syntax);
        collect_types(&syntax.items, &mut facts.types);
        facts.collect_tokens(tokens);
        facts
    }

    fn collect_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.names.push((ident.to_string(), ident.span().start().line)),
                TokenTree::Group(group) => self.collect_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.starts_with("r\"") || text.starts_with("r#") || text.starts_with("br") {
                        self.raw.extend(literal.span().start().line..=literal.span().end().line);
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    fn measure(&mut self, signature: &Signature, block: &Block, is_public: bool) {
        let (line, last) = (signature.span().start().line, block.span().end().line);
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: last + 1 - line,
            is_public,
            takes_nothing: signature.inputs.is_empty(),
        });
    }
}

impl<'a> Visit<'a> for Facts {
    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.measure(&function.sig, &function.block, matches!(function.vis, syn::Visibility::Public(_)));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.measure(&function.sig, &function.block, false);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block, false);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// An inline or declared module of tests.
pub fn is_test_module(item: &Item) -> bool {
    matches!(item, Item::Mod(module) if is_for_tests(&module.attrs))
}

/// `#[cfg(test)]`, or `#[cfg(all(test, …))]`.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let condition: String = list.tokens.to_string().split_whitespace().collect();
        condition == "test" || condition.starts_with("all(test,")
    })
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn collect_types(items: &[Item], types: &mut Vec<(String, usize)>) {
    for item in items.iter().filter(|item| !is_test_module(item)) {
        let ident = match item {
            Item::Enum(it) => &it.ident,
            Item::Struct(it) => &it.ident,
            Item::Trait(it) => &it.ident,
            Item::Type(it) => &it.ident,
            Item::Union(it) => &it.ident,
            Item::Mod(module) => {
                collect_types(module.content.as_ref().map_or(&[], |(_, items)| items), types);
                continue;
            }
            Item::Macro(it) if it.ident.is_none() => {
                collect_completed(it.mac.tokens.clone(), types);
                continue;
            }
            _ => continue,
        };
        types.push((ident.to_string(), ident.span().start().line));
    }
}

/// The types that an invoked macro is given to complete.
fn collect_completed(tokens: TokenStream, types: &mut Vec<(String, usize)>) {
    let mut is_type = false;
    for token in tokens {
        let TokenTree::Ident(ident) = token else {
            is_type = false;
            continue;
        };
        if is_type {
            types.push((ident.to_string(), ident.span().start().line));
        }
        is_type = ident == "struct" || ident == "enum";
    }
}
