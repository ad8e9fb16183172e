//! Short files, short functions: what does not fit is two things.

use std::fmt::Write as _;
use std::fs;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

use crate::dependencies::root;
use crate::source::{all_files, attributes, is_test, rooms};

/// The most lines of a file, its tests and comments included.
const MAX_LINES: usize = 400;

/// Nine of ten functions have fewer lines.
const LINES_OF_A_FUNCTION: usize = 25;

/// The most lines of all files in which the command puts its parts together.
const LINES_OF_WIRING: usize = 250;

fn lines_of(file: &std::path::Path) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let mut found = String::new();
    for file in all_files() {
        let (lines, path) = (lines_of(&file), file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"));
        // Of a room whose manifest is the root's, the path begins with a dot.
        if lines > MAX_LINES {
            writeln!(found, "{path} has {lines} lines").unwrap();
        }
    }
    assert!(found.is_empty(), "more than {MAX_LINES} lines, which are two ideas:\n{found}");
}

#[test]
fn the_wiring_is_short() {
    let wiring = root().join("src/wiring");
    let files = all_files().into_iter().filter(|file| file.with_extension("").starts_with(&wiring));
    let lines: usize = files.map(|file| lines_of(&file)).sum();
    assert!(lines < LINES_OF_WIRING, "src/wiring has {lines} lines, expected fewer than {LINES_OF_WIRING}");
}

#[test]
fn nine_of_ten_functions_are_short() {
    let mut functions = Functions::default();
    for (_, modules) in rooms() {
        for file in modules.values() {
            functions.file = file.path.display().to_string();
            for item in &file.items {
                functions.visit_item(item);
            }
        }
    }
    let all = functions.found.len();
    assert!(all > 1000, "only {all} functions were found");
    functions.found.retain(|(lines, _)| *lines >= LINES_OF_A_FUNCTION);
    functions.found.sort_unstable_by(|one, other| other.cmp(one));
    let long = functions.found.len();
    assert!(
        long * 10 <= all,
        "{long} of {all} functions have {LINES_OF_A_FUNCTION} lines or more: {:#?}",
        functions.found
    );
}

/// Every function with its lines, from its signature to its closing bracket.
#[derive(Default)]
struct Functions {
    file: String,
    found: Vec<(usize, String)>,
}

impl Functions {
    fn count(&mut self, signature: &Signature, block: &Block) {
        let (start, end) = (signature.span().start().line, block.span().end().line);
        self.found.push((end - start + 1, format!("{}:{start} {}", self.file, signature.ident)));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.count(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.count(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.count(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
