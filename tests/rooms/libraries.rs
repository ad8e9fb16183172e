//! Which files may name which library: a library that is used in many places can be replaced in none.

use std::fmt::Write as _;

use syn::Item;

use crate::paths::{imported_paths, paths_in};
use crate::source::{SourceFile, rooms};

/// Libraries, with the beginnings of the paths of those files that may name them, tests aside.
const MAY_NAME: [(&str, &[&str]); 8] = [
    ("axum", &["shared/src/telemetry/", "simulator/src/provider", "src/page"]),
    ("clap", &["src/"]),
    ("lapin", &["shared/src/queue/rabbit"]),
    (
        "prometheus",
        &[
            "shared/src/telemetry",
            "shared/src/queue/rabbit/metrics",
            "shared/src/redis_connection/metrics",
            "worker/src/metrics",
            "coordinator/src/metrics",
        ],
    ),
    ("redb", &["coordinator/src/ledger", "shared/src/store/embedded"]),
    (
        "redis",
        &[
            "shared/src/redis_connection",
            "shared/src/store/redis",
            "shared/src/control",
            "shared/src/permit/stored_quota",
            "shared/src/budget/purses/redis",
        ],
    ),
    ("reqwest", &["worker/src/provider/"]),
    // It panics on texts that are not cut first, and takes 50 MB of memory: one module guards both.
    ("tiktoken_rs", &["shared/src/tokenizer"]),
];

#[test]
fn every_library_is_named_in_its_own_place_alone() {
    let mut found = String::new();
    for (_, modules) in rooms() {
        for file in modules.values() {
            for (library, places) in MAY_NAME {
                let path = file.path.to_str().unwrap();
                if names(file, library) && !places.iter().any(|place| path.starts_with(place)) {
                    writeln!(found, "{path} names {library}, which may stand in {places:?}").unwrap();
                }
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

fn names(file: &SourceFile, library: &str) -> bool {
    // A module of its own may have the name of the library that it alone uses.
    let is_own_module = file.items.iter().any(|item| matches!(item, Item::Mod(own) if own.ident == library));
    let begins = |path: &Vec<String>| path.len() > 1 && path[0] == library;
    !is_own_module && (imported_paths(&file.items).iter().any(begins) || paths_in(&file.items).iter().any(begins))
}
