//! The paths in a file: what it imports, and what it names without that.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use crate::source::{attributes, is_test};

/// A name that a `use` brings into a module.
pub(crate) struct Import {
    /// What it is called there; `*` for all names.
    pub(crate) name: String,
    /// The segments as they are written.
    pub(crate) path: Vec<String>,
    /// Whether it is only passed on to other modules.
    pub(crate) is_passed_on: bool,
}

/// The paths that some items import, as they are written.
pub(crate) fn imported_paths(items: &[Item]) -> Vec<Vec<String>> {
    imports(items).into_iter().map(|import| import.path).collect()
}

/// The names that some items bring into their module.
pub(crate) fn imports(items: &[Item]) -> Vec<Import> {
    let mut imports = Vec::new();
    for item in items {
        match item {
            Item::Use(item) => flatten(item, &mut imports),
            // What a module within the file imports, it imports for the file.
            Item::Mod(ItemMod { content: Some((_, items)), attrs, .. }) if !is_test(attrs) => {
                imports.extend(self::imports(items));
            }
            _ => {}
        }
    }
    imports
}

fn flatten(item: &ItemUse, imports: &mut Vec<Import>) {
    let is_passed_on = !matches!(item.vis, Visibility::Inherited);
    let mut found = Vec::new();
    flatten_tree(&item.tree, &mut Vec::new(), &mut found);
    imports.extend(found.into_iter().map(|(name, path)| Import { name, path, is_passed_on }));
}

fn flatten_tree(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten_tree(&path.tree, before, found);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten_tree(tree, before, found)),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), with(before, &name.ident.to_string()))),
        UseTree::Rename(name) => found.push((name.rename.to_string(), with(before, &name.ident.to_string()))),
        UseTree::Glob(_) => found.push(("*".to_owned(), with(before, "*"))),
    }
}

fn with(before: &[String], last: &str) -> Vec<String> {
    [before, &[last.to_owned()]].concat()
}

/// Every path of more than one segment in some items, tests left out; of a macro's input whatever looks like one.
pub(crate) fn paths_in(items: &[Item]) -> Vec<Vec<String>> {
    let mut collector = Collector::default();
    for item in items {
        collector.visit_item(item);
    }
    collector.paths
}

#[derive(Default)]
struct Collector {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        collect_tokens(&called.tokens, &mut self.paths);
    }
}

fn collect_tokens(tokens: &TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    paths.push(std::mem::take(&mut path));
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            other => {
                paths.push(std::mem::take(&mut path));
                colons = 0;
                if let TokenTree::Group(group) = other {
                    collect_tokens(&group.stream(), paths);
                }
            }
        }
    }
    paths.push(path);
    paths.retain(|path| !path.is_empty());
}

#[test]
fn imports_and_paths_are_seen_however_they_are_written() {
    let text = "
        use crate::{one, two::{self, Three as Four}};
        pub(crate) use super::five::*;
        fn f() { select! { () = self::six::seven() => crate::eight::NINE } }
        #[cfg(test)] fn g() { crate::ten::eleven() }
    ";
    let items = syn::parse_file(text).unwrap().items;
    let imported = imports(&items).into_iter();
    let imported: Vec<_> = imported.map(|import| (import.name, import.path.join("::"), import.is_passed_on)).collect();
    let expected = [
        ("one", "crate::one", false),
        ("two", "crate::two", false),
        ("Four", "crate::two::Three", false),
        ("*", "super::five::*", true),
    ];
    assert_eq!(imported, expected.map(|(name, path, passed_on)| (name.to_owned(), path.to_owned(), passed_on)));
    let named: Vec<_> = paths_in(&items).into_iter().map(|path| path.join("::")).collect();
    for path in ["self::six::seven", "crate::eight::NINE"] {
        assert!(named.iter().any(|found| found == path), "{path} is not in {named:?}");
    }
    assert!(!named.iter().any(|path| path.contains("ten")), "a test's paths are nobody's concern: {named:?}");
}
