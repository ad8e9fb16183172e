//! Reads the code of every room: its files, the modules that they are, and what in them is no test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod};

use crate::dependencies::{ROOMS, collect_rust_files, root};

/// The module files of one room, by the path of the module: `["provider", "client"]`; the root's path is empty.
pub(crate) type Modules = BTreeMap<Vec<String>, SourceFile>;

/// A file without its tests.
pub(crate) struct SourceFile {
    /// Where it is, from the repository's root.
    pub(crate) path: PathBuf,
    pub(crate) items: Vec<Item>,
}

/// The name of each room with its modules.
pub(crate) fn rooms() -> Vec<(&'static str, Modules)> {
    ROOMS.map(|(room, _)| (room, modules_of(room))).into()
}

fn modules_of(room: &str) -> Modules {
    let mut modules = Modules::new();
    for name in ["lib.rs", "main.rs"] {
        let file = root().join(room).join("src").join(name);
        if file.exists() {
            read(&file, Vec::new(), file.parent().unwrap(), &mut modules);
        }
    }
    assert!(!modules.is_empty(), "{room} has neither src/lib.rs nor src/main.rs");
    modules
}

/// Reads a module's file, and those of the modules that it declares, but for tests.
fn read(file: &Path, module: Vec<String>, folder: &Path, modules: &mut Modules) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let items: Vec<Item> = parsed.items.into_iter().filter(|item| !is_test(attributes(item))).collect();
    for declared in items.iter().filter_map(as_declaration) {
        let name = declared.ident.to_string();
        let beside = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
        let child = beside.into_iter().find(|file| file.exists());
        let child = child.unwrap_or_else(|| panic!("{}: there is no file of module {name}", file.display()));
        read(&child, [&module[..], std::slice::from_ref(&name)].concat(), &folder.join(&name), modules);
    }
    let path = file.strip_prefix(root()).unwrap().to_owned();
    modules.insert(module, SourceFile { path, items });
}

fn as_declaration(item: &Item) -> Option<&ItemMod> {
    match item {
        Item::Mod(declared) if declared.content.is_none() => Some(declared),
        _ => None,
    }
}

/// Whether something is there for tests alone.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    let for_tests = |attribute: &Attribute| {
        let text = attribute.meta.to_token_stream_text();
        attribute.path().is_ident("cfg") && text.contains("test") && !text.contains("not")
    };
    attributes.iter().any(for_tests)
}

trait TokenText {
    fn to_token_stream_text(&self) -> String;
}

impl TokenText for syn::Meta {
    fn to_token_stream_text(&self) -> String {
        self.require_list().map_or_else(|_| String::new(), |list| list.tokens.to_string())
    }
}

/// The attributes of an item of any kind that can be left out of a build.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Every file of Rust in a room: its code, tests and benchmarks.
pub(crate) fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (room, _) in ROOMS {
        for folder in ["src", "tests", "benches"] {
            collect_rust_files(&root().join(room).join(folder), &mut files);
        }
    }
    files.sort();
    files.dedup();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}
