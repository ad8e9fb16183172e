//! Who may depend on whom: `shared` on no other room but for its tests, the others on `shared` alone, the command on all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::all_files;

/// Each room with the rooms that it may name, tests and benchmarks included.
pub(crate) const ROOMS: [(&str, &[&str]); 6] = [
    ("shared", &["valuesim-test-servers"]),
    ("worker", &["valuesim-shared"]),
    ("coordinator", &["valuesim-shared"]),
    ("simulator", &["valuesim-shared"]),
    ("tests/servers", &[]),
    (
        ".",
        &["valuesim-shared", "valuesim-worker", "valuesim-coordinator", "valuesim-simulator", "valuesim-test-servers"],
    ),
];

/// What the tests of every room may use, and nothing but tests.
const FOR_TESTS: &str = "valuesim-test-servers";

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest_of(room: &str) -> toml::Table {
    toml::from_str(&fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap()).unwrap()
}

/// The rooms that a manifest names, under whatever name it uses them.
fn rooms_of(manifest: &toml::Table) -> Vec<String> {
    let mut targets: Vec<&toml::Table> = vec![manifest];
    let by_target = manifest.get("target").and_then(toml::Value::as_table);
    targets.extend(by_target.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table)));
    let tables = targets.into_iter().flat_map(|table| TABLES.iter().filter_map(|name| table.get(*name)?.as_table()));
    let entries = tables.flat_map(|table| table.iter());
    let names = entries.map(|(name, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(name));
    names.filter(|name| name.starts_with("valuesim")).map(str::to_owned).collect()
}

#[test]
fn every_room_knows_only_the_rooms_that_it_may() {
    for (room, allowed) in ROOMS {
        for found in rooms_of(&manifest_of(room)) {
            let known = found == FOR_TESTS || allowed.contains(&found.as_str());
            assert!(known, "{room} depends on {found}; it may depend on {allowed:?}");
        }
    }
}

#[test]
fn only_tests_know_the_tests_servers() {
    for (room, _) in ROOMS {
        let mut manifest = manifest_of(room);
        manifest.remove("dev-dependencies");
        assert!(!rooms_of(&manifest).iter().any(|found| found == FOR_TESTS), "{room} needs {FOR_TESTS} to be built");
    }
}

#[test]
fn every_room_is_in_the_list() {
    let manifest = manifest_of(".");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    for member in members {
        let member = member.as_str().unwrap();
        assert!(ROOMS.iter().any(|(room, _)| *room == member), "{member} is a room that tests/rooms.rs does not know");
    }
}

#[test]
fn the_check_sees_dependencies_however_they_are_written() {
    let manifest = "
        dependencies.valuesim-shared.workspace = true
        dev-dependencies.other = { package = 'valuesim-worker', path = '../worker' }
        target.'cfg(unix)'.dependencies.valuesim-simulator.workspace = true
        dependencies.serde = '1'
    ";
    let mut found = rooms_of(&toml::from_str(manifest).unwrap());
    found.sort_unstable();
    assert_eq!(found, ["valuesim-shared", "valuesim-simulator", "valuesim-worker"]);
}

#[test]
fn every_file_begins_with_its_one_idea() {
    let silent: Vec<_> = all_files().into_iter().filter(|file| !says_its_idea(file)).collect();
    assert!(silent.is_empty(), "expected `//! ` and the file's idea in the first line of {silent:#?}");
}

fn says_its_idea(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("//! ").is_some_and(|idea| !idea.trim().is_empty())
}

pub(crate) fn collect_rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect_rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
